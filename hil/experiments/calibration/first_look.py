"""A first look at a station on the air: levels, what repeats, whether the surface is seen and how long that takes."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from hil.arrays import Complex
from hil.errors import MeasurementError
from hil.estimation.align import align_sweep
from hil.experiments.calibration.watch import stability_of, watch_soundings
from hil.interfaces import Progress, no_progress
from hil.measure.levels import Quiet, peak_dbfs
from hil.measure.sounder import Sounder
from hil.measure.stability import Stability
from hil.measure.stepping import SoundingBlock, sound_patterns
from hil.phy.geometry import straight_cascade, straight_direct
from hil.testbed import Check, Testbed
from hil.units import power_db

PAIRS = 48  # random patterns and their complements
WANTED_NMSE_DB = -20.0  # of the cascade that a sweep of pairs estimates, for the symbols that are asked for
SEEN_SIGMAS = 6.0
BUDGET_DB = 15.0  # by which a room may differ from the straight ways
REPEATS_DB, REPEATS_DEG = 0.5, 20.0
WATCHED = 600  # soundings, over the time watched


@dataclass(frozen=True)
class SurfaceSeen:
    """static_dbfs: leakage and direct paths, which one bandwidth cannot tell apart; surface_dbfs: what random patterns
    change, rms. sigmas: by which that stands out of the noise. symbols: of a sounding, for WANTED_NMSE_DB.
    """

    static_dbfs: float
    surface_dbfs: float
    sigmas: float
    symbols: int

    @property
    def seen(self) -> bool:
        return self.sigmas > SEEN_SIGMAS


def first_look(
    testbed: Testbed, *, cabled: bool = False, watch_s: float = 60.0, progress: Progress = no_progress
) -> Iterator[Check]:
    """Checks of an open testbed, each with its fix; radiates as a run would.

    cabled: a cable with attenuators leads from transmitter to receiver, so there is no surface to be seen.
    """
    yield _noise(testbed)
    testbed.surface.apply(np.zeros(testbed.surface.geometry.num_elements, dtype=np.uint8))
    heard = _heard(testbed)
    yield heard
    if not heard.ok:
        return
    if cabled:
        yield Check("surface", None, "cabled: there is none to be seen")
    else:
        yield from _surface(testbed, progress)
    yield _repeats(_watched(testbed, watch_s, progress), watch_s)


def _noise(testbed: Testbed) -> Check:
    fft_size = testbed.grid.fft_size
    testbed.sdr.quiet()
    quiet = Quiet.of(testbed.sdr.capture(128 * fft_size).samples, fft_size)
    detail = f"{quiet.noise_dbfs:.1f} dBFS at a gain of {testbed.settings.rx_gain_db:g} dB, strongest bin "
    fix = "somebody transmits in this band: hil doctor again at another radio.lo_hz"
    return Check("noise", quiet.tone_db < 15, f"{detail}{quiet.tone_db:.1f} dB above the mean", fix)


def _heard(testbed: Testbed) -> Check:
    grid = testbed.grid
    with testbed.on_air():
        capture = testbed.sdr.capture(64 * grid.fft_size)
    if capture.overloaded:
        return Check("pilots", False, "the receiver clips", "lower radio.rx_gain_db, or more attenuation in the cable")
    symbols = grid.demodulate(capture.samples)[:, grid.used]
    mean = symbols.mean(axis=0)
    noise = float(np.mean(np.abs(symbols - mean) ** 2))
    snr_db = float(power_db(max(float(np.mean(np.abs(mean) ** 2)) - noise / len(symbols), 1e-30) / noise))
    detail = f"peak {peak_dbfs(capture.samples):.1f} dBFS, {snr_db:.1f} dB over the noise on a subcarrier"
    fix = "check cables and antennas, raise radio.rx_gain_db or power.radiated_power_dbm"
    return Check("pilots", snr_db > 0, detail, fix)


def _surface(testbed: Testbed, progress: Progress) -> Iterator[Check]:
    try:
        found = look_for_surface(testbed, progress)
    except MeasurementError as error:
        yield Check("surface", False, str(error), "raise ofdm.repetitions")
        return
    detail = f"direct and leakage {found.static_dbfs:.1f} dBFS, surface {found.surface_dbfs:.1f} dBFS "
    detail += f"({found.sigmas:.1f} sigma)"
    if found.seen:
        detail += f"; a sweep of pairs needs {found.symbols} symbols a sounding for {WANTED_NMSE_DB:g} dB"
    fix = "is the surface powered, between these antennas, and surface.port its board? Then raise ofdm.repetitions"
    yield Check("surface", found.seen, detail, fix)
    yield _budget(testbed, found)


def look_for_surface(testbed: Testbed, progress: Progress = no_progress) -> SurfaceSeen:
    """Sound random patterns and their complements. Raises MeasurementError where they cannot be aligned."""
    states, ofdm = testbed.surface.states, testbed.config.ofdm
    signs = np.random.default_rng(7).integers(0, 2, (PAIRS, testbed.surface.geometry.num_elements))
    signs = np.stack([signs, 1 - signs], axis=1).reshape(2 * PAIRS, -1)
    patterns = np.where(signs == 0, states.plus, states.minus).astype(np.uint8)
    with testbed.on_air():
        sounder = Sounder(testbed.sdr, testbed.grid, ofdm.repetitions)
        block = sound_patterns(
            sounder, testbed.surface, patterns, progress=lambda done: progress("first look", done, len(patterns))
        )
    alignment = align_sweep(
        block.response,
        block.noise_var,
        used=testbed.grid.used,
        fft_size=ofdm.fft_size,
        num_taps=ofdm.num_taps,
        partner=np.arange(2 * PAIRS) ^ 1,
    )
    noise_gain = float(alignment.model.basis.noise_gain.sum())
    return _surface_of(alignment.taps, block, noise_gain, ofdm.repetitions)


def _surface_of(
    taps: Complex[np.ndarray, "pattern tap"], block: SoundingBlock, noise_gain: float, repetitions: int
) -> SurfaceSeen:
    apart, both = (taps[0::2] - taps[1::2]) / 2, (taps[0::2] + taps[1::2]) / 2
    noise = float(block.noise_var.mean()) * noise_gain  # of one sounding, all taps together
    energy = np.sum(np.abs(apart) ** 2, axis=1)
    surface = float(energy.mean()) - noise / 2
    spread = noise / 2 / math.sqrt(len(apart) * taps.shape[1])
    static = float(np.sum(np.abs(both.mean(axis=0)) ** 2))
    wanted = noise * repetitions / (2 * max(surface, 1e-30)) * 10 ** (-WANTED_NMSE_DB / 10)
    floor = np.finfo(float).tiny
    return SurfaceSeen(
        float(power_db(max(static, floor))),
        float(power_db(max(surface, floor))),
        surface / spread,
        max(math.ceil(min(wanted, 1e9)), 1),
    )


def _budget(testbed: Testbed, found: SurfaceSeen) -> Check:
    """What the straight ways alone foretell against what came, antenna to antenna."""
    config, user, geometry = testbed.config, testbed.user, testbed.surface.geometry
    gamma = testbed.surface.states.reflection(np.array([testbed.settings.lo_hz]))[0]
    contrast = abs(gamma[testbed.surface.states.plus] - gamma[testbed.surface.states.minus]) / 2
    energy = float(np.sum(np.abs(straight_cascade(config, user, geometry)) ** 2)) * contrast**2
    to_channel_db = 20 * math.log10(testbed.budget.scale) - 10 * math.log10(config.ofdm.num_subcarriers)
    rows = (
        ("direct", found.static_dbfs + to_channel_db, 20 * math.log10(straight_direct(config, user))),
        ("surface", found.surface_dbfs + to_channel_db, float(power_db(energy))),
    )
    detail = ", ".join(f"{name} {seen:.1f} dB ({told:.1f} predicted)" for name, seen, told in rows)
    close = all(abs(seen - told) < BUDGET_DB for _, seen, told in rows)
    fix = "mend the power plan (power:), positions and element_gain_dbi of the testbed file; look for a blocked way"
    return Check("link budget", close, detail, fix)


def _watched(testbed: Testbed, watch_s: float, progress: Progress) -> Stability:
    block = watch_soundings(testbed, watch_s, WATCHED, progress)
    return stability_of(block, testbed.grid, testbed.config.ofdm.num_taps).stability


def _repeats(found: Stability, watch_s: float) -> Check:
    detail = f"{found.repeat_db:.3g} dB and {found.repeat_deg:.3g} deg over {watch_s:g} s; "
    detail += f"the radio drifts {found.phase_deg:.3g} deg in a second, "
    moving = "nobody moves"
    if found.motion_db is not None:
        moving = f"somebody moves ({found.motion_db:.1f} dB, {found.doppler_hz:.2g} Hz)"
    steady = found.repeat_db < REPEATS_DB and found.repeat_deg < REPEATS_DEG
    fix = "let the radio warm up, fasten cables and antennas, keep people out; a sweep of pairs tolerates slow drift"
    return Check("repeatability", steady, detail + moving, fix)
