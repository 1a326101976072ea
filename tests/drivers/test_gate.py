"""The gate: nothing passes that the testbed file does not allow, by place, strength and time."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.config import BandConfig, PowerConfig, SafetyConfig
from hil.drivers.gate import DUTY_WINDOW_S, TransmitGate, frame_level_dbfs
from hil.errors import SafetyError
from hil.interfaces import RadioSettings
from hil.sim.clock import VirtualClock

POWER = PowerConfig(
    tx_full_scale_dbm=5,
    tx_chain_gain_db=-1.5,
    tx_antenna_gain_dbi=6,
    radiated_power_dbm=-10,
    rx_full_scale_dbm=0,
    noise_figure_db=8,
)
WIFI = BandConfig(low_hz=5.47e9, high_hz=5.725e9, max_eirp_dbm=0)
SETTINGS = RadioSettings(sample_rate_hz=25e6, lo_hz=5.53e9, bandwidth_hz=20e6, tx_attenuation_db=10, rx_gain_db=30)
TONE = np.exp(2j * np.pi * np.arange(64) / 16)  # full scale: 0 dBFS


def make(*bands: BandConfig, clock: VirtualClock | None = None, **limits: float) -> TransmitGate:
    return TransmitGate(SafetyConfig(bands=bands, **limits), POWER, clock or VirtualClock())


def test_a_permit_says_where_how_strongly_and_how_long() -> None:
    permit = make(WIFI, max_duration_s=600).judge(SETTINGS, TONE)
    assert (permit.low_hz, permit.high_hz, permit.duration_s) == (5.5175e9, 5.5425e9, 600)
    assert permit.eirp_dbm == pytest.approx(5 - 10 - 1.5 + 6)


def test_an_empty_list_means_no_transmission() -> None:
    with pytest.raises(SafetyError, match=r"safety\.bands is empty"):
        make().admit(SETTINGS, TONE)


@pytest.mark.parametrize(
    ("lo_hz", "allowed"),
    [(5.4825e9, True), (5.4824e9, False), (5.7125e9, True), (5.7126e9, False), (2.4e9, False), (math.nan, False)],
)
def test_the_whole_band_must_be_inside_not_the_carrier_alone(lo_hz: float, allowed: bool) -> None:
    gate = make(WIFI)
    settings = replace(SETTINGS, lo_hz=lo_hz)
    if allowed:
        gate.admit(settings, 0.1 * TONE)
    else:
        with pytest.raises(SafetyError, match=r"lies in no band of safety\.bands \(5470-5725 MHz\)"):
            gate.admit(settings, 0.1 * TONE)
    assert gate.on_air == allowed


def test_an_analog_filter_wider_than_the_sample_rate_counts() -> None:
    settings = replace(SETTINGS, lo_hz=5.4825e9, bandwidth_hz=40e6)
    with pytest.raises(SafetyError, match=r"5462\.5-5502\.5 MHz"):
        make(WIFI).judge(settings, TONE)


def test_two_adjoining_bands_are_not_one() -> None:
    halves = (WIFI.model_copy(update={"high_hz": 5.53e9}), WIFI.model_copy(update={"low_hz": 5.53e9}))
    with pytest.raises(SafetyError, match="lies in no band"):
        make(*halves).judge(SETTINGS, TONE)


def test_of_overlapping_bands_the_higher_limit_holds() -> None:
    stronger = WIFI.model_copy(update={"max_eirp_dbm": 20.0})
    settings = replace(SETTINGS, tx_attenuation_db=0)
    assert make(WIFI, stronger).judge(settings, TONE).eirp_dbm == pytest.approx(9.5)


def test_too_much_power_is_refused_with_the_whole_sum() -> None:
    with pytest.raises(SafetyError, match=r"EIRP 0\.50 dBm exceeds 0 dBm \(safety\.bands\.0\.max_eirp_dbm\)") as caught:
        make(WIFI).admit(replace(SETTINGS, tx_attenuation_db=9), TONE)
    for words in ("full scale 5 dBm", "frame 0.00 dBFS", "attenuation 9 dB", "chain -1.5 dB", "antenna +6 dBi"):
        assert words in str(caught.value)


@pytest.mark.parametrize(
    ("frame", "level_dbfs"),
    [
        (TONE, 0.0),
        (0.5 * TONE, -6.0206),
        (np.concatenate([TONE, np.zeros(960)]), 0.0),  # gaps do not lower the power
        (np.concatenate([TONE, np.full(64, 10 ** (-41 / 20))]), 0.0),  # 41 dB below the peak is a gap, 39 dB is not
        (np.concatenate([TONE, np.full(64, 10 ** (-39 / 20))]), -3.0098),
        (np.full(8, 1 + 1j), 3.0103),
        (np.zeros(8, complex), -math.inf),
    ],
)
def test_the_level_of_a_frame_is_its_power_while_on(frame: np.ndarray, level_dbfs: float) -> None:
    assert frame_level_dbfs(frame) == pytest.approx(level_dbfs, abs=1e-4)


@pytest.mark.parametrize("bad", [math.nan, math.inf, complex(0, math.nan)])
def test_a_frame_of_unknown_power_is_refused(bad: complex) -> None:
    with pytest.raises(SafetyError, match="not finite"):
        make(WIFI).admit(SETTINGS, np.array([0.1, bad], dtype=complex))


def test_unknown_power_in_the_settings_is_refused() -> None:
    with pytest.raises(SafetyError, match="EIRP nan"):
        make(WIFI).admit(replace(SETTINGS, tx_attenuation_db=math.nan), TONE)


def test_judging_starts_nothing() -> None:
    clock = VirtualClock()
    gate = make(WIFI, clock=clock)
    gate.judge(SETTINGS, TONE)
    clock.sleep(10)
    assert not gate.on_air
    assert gate.on_air_s == 0


def test_the_time_on_the_air_is_summed_over_transmissions() -> None:
    clock = VirtualClock()
    gate = make(WIFI, clock=clock, max_duration_s=100)
    for _ in range(3):
        gate.admit(SETTINGS, TONE)
        clock.sleep(25)
        gate.shut()
        clock.sleep(1000)
    assert gate.on_air_s == 75
    assert gate.admit(SETTINGS, TONE).duration_s == 25
    gate.renew(25)
    with pytest.raises(SafetyError, match=r"100 s are allowed \(safety\.max_duration_s\)"):
        gate.renew(25.1)
    clock.sleep(25)
    with pytest.raises(SafetyError, match="100 s on the air"):
        gate.renew(0)
    gate.shut()
    with pytest.raises(SafetyError, match="max_duration_s"):
        gate.admit(SETTINGS, TONE)


def test_the_last_half_second_may_be_used_and_who_is_quiet_has_nothing_to_renew() -> None:
    clock = VirtualClock()
    gate = make(WIFI, clock=clock, max_duration_s=0.5)
    assert gate.renew(0) == 0
    assert gate.admit(SETTINGS, TONE).duration_s == 0.5
    assert gate.renew(0.5) == 0.5


def test_a_new_frame_on_the_air_does_not_restart_the_count() -> None:
    clock = VirtualClock()
    gate = make(WIFI, clock=clock)
    gate.admit(SETTINGS, TONE)
    clock.sleep(5)
    gate.admit(SETTINGS, 0.5 * TONE)
    clock.sleep(5)
    assert gate.on_air_s == 10


def test_duty_is_the_share_of_the_last_minute() -> None:
    clock = VirtualClock()
    gate = make(WIFI, clock=clock, max_duty=0.1)
    assert gate.admit(SETTINGS, TONE).duration_s == pytest.approx(6)
    clock.sleep(5)
    gate.renew(1)
    with pytest.raises(SafetyError, match=r"share of 0\.1 is allowed \(safety\.max_duty\)"):
        gate.renew(1.1)
    clock.sleep(1)
    gate.shut()
    with pytest.raises(SafetyError, match=r"6 s of the last 60 s"):
        gate.admit(SETTINGS, TONE)
    clock.sleep(DUTY_WINDOW_S - 3)
    assert gate.admit(SETTINGS, TONE).duration_s == pytest.approx(3)


def test_full_duty_never_runs_out() -> None:
    clock = VirtualClock()
    gate = make(WIFI, clock=clock, max_duration_s=1e6)
    gate.admit(SETTINGS, TONE)
    clock.sleep(1e5)
    gate.renew(1)
    assert gate.on_air


def test_a_radio_that_is_quiet_needs_no_renewal() -> None:
    gate = make()
    gate.renew(1e9)
    assert gate.on_air_s == 0


bands = st.lists(
    st.tuples(st.floats(1e8, 5e9), st.floats(1e6, 1e9), st.floats(-30, 30)).map(
        lambda b: BandConfig(low_hz=b[0], high_hz=b[0] + b[1], max_eirp_dbm=b[2])
    ),
    max_size=3,
)
settings = st.builds(
    RadioSettings,
    sample_rate_hz=st.floats(5.3e5, 6e7),
    lo_hz=st.floats(7e7, 6e9),
    bandwidth_hz=st.floats(2e5, 5.6e7),
    tx_attenuation_db=st.floats(0, 89.75),
    rx_gain_db=st.just(0.0),
)


@given(bands, settings, st.floats(0, 1))
def test_whatever_passes_is_inside_one_band_and_not_too_strong(
    allowed: list[BandConfig], asked: RadioSettings, amplitude: float
) -> None:
    gate = make(*allowed)
    try:
        gate.admit(asked, amplitude * TONE)
    except SafetyError:
        assert not gate.on_air
        return
    eirp_mw = 10 ** ((5 - 1.5 + 6 - asked.tx_attenuation_db) / 10) * amplitude**2
    assert any(
        band.low_hz <= asked.lo_hz - asked.sample_rate_hz / 2
        and asked.lo_hz + asked.sample_rate_hz / 2 <= band.high_hz
        and eirp_mw <= 10 ** (band.max_eirp_dbm / 10) * (1 + 1e-9)
        for band in allowed
    )


@given(
    st.floats(0.05, 1.0),
    st.lists(st.tuples(st.sampled_from(["admit", "shut", "use"]), st.floats(0.01, 30)), max_size=30),
)
def test_no_minute_holds_more_time_on_the_air_than_the_duty_allows(
    max_duty: float, steps: list[tuple[str, float]]
) -> None:
    clock = VirtualClock()
    gate = make(WIFI, clock=clock, max_duty=max_duty, max_duration_s=300)
    used: list[tuple[float, float]] = []
    for action, duration_s in steps:
        try:
            if action == "admit":
                gate.admit(SETTINGS, TONE)
            elif action == "shut":
                gate.shut()
            gate.renew(duration_s)
        except SafetyError:
            gate.shut()
        if gate.on_air:
            used.append((clock.now_s(), clock.now_s() + duration_s))
        clock.sleep(duration_s)
    assert sum(end - start for start, end in used) <= 300 + 1e-6
    for _, now_s in used:
        opened_s = now_s - DUTY_WINDOW_S
        inside = sum(max(0.0, min(end, now_s) - max(start, opened_s)) for start, end in used)
        assert inside <= max_duty * DUTY_WINDOW_S + 1e-6
