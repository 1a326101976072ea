import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hil.errors import MeasurementError
from hil.interfaces import Capture
from hil.measure.clocks import acquire_hz, at_pace, follow, tune
from hil.phy.ofdm import OfdmGrid

LO_HZ = 5.53e9
USED = np.arange(64) != 32
GRIDS = {name: OfdmGrid.build(64, 80, 5e6, USED, name) for name in ("zadoff_chu", "newman", "constant")}


def heard(cfo_hz, *, pilot="zadoff_chu", count=600, snr_db=20.0, chirp_hz_per_s=0.0, change=0.0, seed=0):
    """Symbols of a frame over a few paths, by a receiver whose clock is off by the same part as its LO.

    change: of the response, from dwell to dwell of 100 symbols, relative to it.
    """
    grid, rng = GRIDS[pilot], np.random.default_rng(seed)
    k = np.arange(64) - 32
    paths = rng.standard_normal((count // 100 + 1, 4, 2)) @ [1, 1j] * np.array([change] * 4)
    paths[:, 0] += 1
    response = (paths @ np.exp(-2j * np.pi * np.outer(np.arange(4), k) / 64)) * grid.pilot * USED
    n = np.arange(count * 80)
    time_s = (n - n.size / 2) / grid.sample_rate_hz
    place = n * (1 + cfo_hz / LO_HZ)
    samples = np.empty(n.size, dtype=complex)
    for dwell, part in enumerate(np.array_split(n, count // 100)):
        for start in range(0, part.size, 8000):
            piece = part[start : start + 8000]
            samples[piece] = np.exp(2j * np.pi / 80 * np.outer(place[piece], k)) @ response[dwell]
    samples *= np.exp(2j * np.pi * (cfo_hz * time_s + chirp_hz_per_s / 2 * time_s**2))
    power = np.mean(np.abs(samples) ** 2)
    noise = rng.standard_normal((n.size, 2)) @ [1, 1j] * np.sqrt(power / 2) * 10 ** (-snr_db / 20)
    return Capture((samples + noise + 0.02 * np.sqrt(power)).astype(np.complex64), 0.0, False), grid


@given(cfo_hz=st.floats(-299e3, 299e3), pilot=st.sampled_from(sorted(GRIDS)), seed=st.integers(0, 99))
@settings(max_examples=20)
def test_the_offset_is_acquired_with_its_whole_subcarriers_for_each_pilot(cfo_hz, pilot, seed):
    capture, grid = heard(cfo_hz, pilot=pilot, count=100, snr_db=5.0, seed=seed)
    assert acquire_hz(capture.samples, grid) == pytest.approx(cfo_hz, abs=300)


@pytest.mark.parametrize("cfo_hz", [-900e3, -340e3, 340e3, 700e3])
def test_an_offset_beyond_the_range_is_refused(cfo_hz):
    capture, grid = heard(cfo_hz, count=100)
    with pytest.raises(MeasurementError, match="kHz away"):
        tune(capture, grid, LO_HZ)


def test_noise_is_no_pilot():
    samples = np.random.default_rng(0).standard_normal((80 * 400, 2)) @ [1, 1j]
    with pytest.raises(MeasurementError, match="or not at all"):
        acquire_hz(samples.astype(np.complex64), GRIDS["zadoff_chu"])


@pytest.mark.parametrize(("cfo_hz", "chirp"), [(50e3, 0.0), (-50e3, 0.0), (123_456.7, 60.0), (-299e3, 0.0), (0.0, 0.0)])
def test_within_dwells_phases_stay_and_the_slip_of_the_clock_is_that_of_the_carrier(cfo_hz, chirp):
    capture, grid = heard(cfo_hz, chirp_hz_per_s=chirp, change=0.05, count=1600)
    starts = np.arange(15) * 8_000
    tuned = follow(tune(capture, grid, LO_HZ), grid, starts, 8_000)
    assert tuned.rates[-1] == pytest.approx(cfo_hz, abs=0.2)
    assert tuned.pace - 1 == pytest.approx(cfo_hz / LO_HZ, abs=1e-9)
    samples = tuned.capture.samples
    symbols = grid.demodulate(samples[: samples.size // 80 * 80])[:, grid.used]
    for start in range(0, len(symbols) - 99, 100):
        early, late = symbols[start : start + 30].mean(axis=0), symbols[start + 70 : start + 100].mean(axis=0)
        assert np.linalg.norm(late - early) < 0.03 * np.linalg.norm(early)


@pytest.mark.parametrize("seed", range(4))
def test_dwells_of_few_symbols_do_not_spoil_what_the_whole_capture_told(seed):
    """Four symbols tell a frequency to 200 Hz, which would turn phases by many radians from end to end."""
    capture, grid = heard(20e3, count=1600, seed=seed)
    tuned = follow(tune(capture, grid, LO_HZ), grid, np.arange(15) * 8_000, 4 * 80)
    symbols = grid.demodulate(tuned.capture.samples[: tuned.capture.samples.size // 80 * 80])[:, grid.used]
    dwells = symbols.reshape(16, -1, grid.used.sum()).mean(axis=1)
    phases = np.angle(np.vecdot(dwells[:1], dwells))
    assert np.ptp(np.unwrap(phases)) < 0.1


@pytest.mark.parametrize("ppm", [-100.0, -54.0, 0.0, 9.0, 100.0])
def test_samples_at_another_pace_are_those_of_a_converter_that_runs_so(ppm):
    pace, n = 1 + ppm * 1e-6, np.arange(200_000)
    hertz = np.array([-0.4, -0.11, 0.03, 0.29, 0.4])

    def wave(place):
        return np.exp(2j * np.pi * np.outer(place, hertz)).sum(axis=1)

    taken = at_pace(wave(n * 1.0).astype(np.complex64), pace)
    assert n.size * min(pace, 1) - 1 < taken.size <= n.size
    inner = slice(1000, -1000)
    error = taken[inner] - wave(n[: taken.size][inner] / pace)
    assert np.sqrt(np.mean(np.abs(error) ** 2)) < 10 ** (-55 / 20) * np.sqrt(hertz.size)


def test_an_offset_that_moves_is_followed_before_anybody_knows_of_dwells():
    """Over a capture of 26 ms by 260 Hz: a third of a turn from one end to the other would be left of each eighth."""
    capture, grid = heard(30e3, chirp_hz_per_s=10e3, count=1600)
    tuned = tune(capture, grid, LO_HZ)
    samples = tuned.capture.samples
    symbols = grid.demodulate(samples[: samples.size // 80 * 80])[:, grid.used]
    for early in (slice(0, 100), slice(1400, 1500)):
        late = slice(early.start + 90, early.stop + 90)
        turn = np.angle(np.vdot(symbols[early].mean(axis=0), symbols[late].mean(axis=0)))
        assert abs(turn) < 0.1
