"""A first look at a station on the air: levels, what repeats, whether the surface is seen and how long that takes."""

import math
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np

from hil.arrays import Complex, Patterns
from hil.errors import MeasurementError
from hil.estimation.align import align_sweep
from hil.estimation.reference import refer
from hil.experiments.calibration.watch import stability_of, watch_soundings
from hil.interfaces import Capture, Progress, no_progress
from hil.measure.burst import sound_burst
from hil.measure.clocks import tune
from hil.measure.levels import Quiet, peak_dbfs
from hil.measure.self_stepping import CaptureTerms
from hil.measure.stepping import SoundingBlock, sound_patterns
from hil.phy.geometry import straight_cascade, straight_direct
from hil.testbed import Check, Testbed
from hil.units import power_db

PAIRS = 48  # random patterns and their complements
WANTED_NMSE_DB = -20.0  # of the cascade that a sweep of pairs estimates, for the symbols that are asked for
SEEN_SIGMAS = 6.0
BUDGET_DB = 15.0  # by which a room may differ from the straight ways
REPEATS_DB, REPEATS_DEG = 0.5, 20.0
QUIET_SYMBOLS = 128
LOUD_LEAKAGE_DB = -10.0  # of the carrier against the pilots, above which it fills the receiver
CABLE_DB = 3.0  # by which a cable's level may differ from the plan
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
    testbed: Testbed,
    *,
    cabled: bool = False,
    attenuation_db: float | None = None,
    watch_s: float = 60.0,
    progress: Progress = no_progress,
) -> Iterator[Check]:
    """Checks of an open testbed, each with its fix; radiates as a run would.

    cabled: a cable with attenuators leads from transmitter to receiver, so there is no surface to be seen;
    attenuation_db: of all of it, where it is known, to compare with what comes through.
    """
    fft_size = testbed.grid.fft_size
    testbed.sdr.quiet()
    quiet = Quiet.of(testbed.sdr.capture(QUIET_SYMBOLS * fft_size).samples, fft_size)
    yield _noise(testbed, quiet)
    testbed.surface.apply(np.zeros(testbed.surface.geometry.num_elements, dtype=np.uint8))
    pilots = _pilots(testbed)
    heard = _heard(testbed, pilots)
    yield heard
    if not heard.ok:
        return
    yield _leakage(testbed, pilots, quiet)
    if cabled:
        yield Check("surface", None, "cabled: there is none to be seen")
        yield _cable(testbed, pilots, attenuation_db)
    else:
        yield from _surface(testbed, progress)
    yield _repeats(testbed, watch_soundings(testbed, watch_s, WATCHED, progress), watch_s)


def _pilots(testbed: Testbed) -> Capture:
    """A capture of pilots, on the transmitter's frequency."""
    grid = testbed.grid
    with testbed.on_air():
        capture = testbed.sdr.capture((QUIET_SYMBOLS + 1) * grid.fft_size)
    if testbed.apart_lo_hz is not None and not capture.overloaded:
        with suppress(MeasurementError):  # where nothing is heard, which the next check says
            capture = tune(capture, grid, testbed.apart_lo_hz).capture
    return replace(capture, samples=capture.samples[: QUIET_SYMBOLS * grid.fft_size])


def _noise(testbed: Testbed, quiet: Quiet) -> Check:
    detail = f"{quiet.noise_dbfs:.1f} dBFS at a gain of {testbed.settings.rx_gain_db:g} dB, strongest bin "
    fix = "somebody transmits in this band: hil doctor again at another radio.lo_hz"
    return Check("noise", quiet.tone_db < 15, f"{detail}{quiet.tone_db:.1f} dB above the mean", fix)


def _heard(testbed: Testbed, capture: Capture) -> Check:
    grid = testbed.grid
    if capture.overloaded:
        return Check("pilots", False, "the receiver clips", "lower radio.rx_gain_db, or more attenuation in the cable")
    symbols = grid.demodulate(capture.samples)[:, grid.used]
    mean = symbols.mean(axis=0)
    noise = float(np.mean(np.abs(symbols - mean) ** 2))
    snr_db = float(power_db(max(float(np.mean(np.abs(mean) ** 2)) - noise / len(symbols), 1e-30) / noise))
    detail = f"{_pilots_dbfs(testbed, capture):.1f} dBFS, peak {peak_dbfs(capture.samples):.1f} dBFS, "
    sounding_db = snr_db + 10 * math.log10(testbed.config.ofdm.repetitions)
    detail += f"{snr_db:.1f} dB over the noise on a subcarrier, {sounding_db:.1f} dB in a sounding"
    fix = "check cables and antennas, raise radio.rx_gain_db or power.radiated_power_dbm"
    return Check("pilots", sounding_db > 0, detail, fix)


def _pilots_dbfs(testbed: Testbed, capture: Capture) -> float:
    """Power of the pilots alone, all subcarriers together."""
    mean = testbed.grid.demodulate(capture.samples).mean(axis=0)[testbed.grid.used]
    return float(power_db(max(float(np.sum(np.abs(mean) ** 2)), 1e-30)))


def _leakage(testbed: Testbed, capture: Capture, quiet: Quiet) -> Check:
    """What stands at the carrier: the receiver's own offset, and the transmitter's LO that comes over."""
    own_dc = quiet.dc if testbed.apart_lo_hz is None else 0  # elsewhere than the carrier of another radio
    carrier = abs(complex(capture.samples.mean()) - own_dc)
    carrier_dbfs, offset_dbfs = (float(power_db(max(each, 1e-9) ** 2)) for each in (carrier, abs(quiet.dc)))
    below_db = carrier_dbfs - _pilots_dbfs(testbed, capture)
    detail = f"LO {carrier_dbfs:.1f} dBFS, {below_db:+.1f} dB against the pilots; receiver's DC {offset_dbfs:.1f} dBFS"
    fix = "ofdm.skip_dc keeps the pilots off the carrier; raise radio.frame_peak_dbfs so that less attenuation is left"
    return Check("leakage", below_db < LOUD_LEAKAGE_DB, detail, fix)


def _cable(testbed: Testbed, capture: Capture, attenuation_db: float | None) -> Check:
    """What comes through a cable against what it lets through: transmit power and receive gain in one number."""
    passed_db = _pilots_dbfs(testbed, capture) + _to_channel_db(testbed)
    power = testbed.config.power
    passed_db -= power.tx_chain_gain_db + power.rx_chain_gain_db  # connector to connector
    if attenuation_db is None:
        return Check("link budget", None, f"cable {passed_db:.1f} dB; --attenuation-db would say what was expected")
    detail = f"cable {passed_db:.1f} dB ({-attenuation_db:.1f} predicted)"
    fix = "mend tx_full_scale_dbm and rx_full_scale_dbm of the testbed file's power plan by the difference"
    return Check("link budget", abs(passed_db + attenuation_db) < CABLE_DB, detail, fix)


def _surface(testbed: Testbed, progress: Progress) -> Iterator[Check]:
    try:
        found = look_for_surface(testbed, progress)
    except MeasurementError as error:
        yield Check("surface", False, str(error), "raise ofdm.repetitions")
        return
    detail = f"direct {found.static_dbfs:.1f} dBFS (leakage from antenna to antenna in it), surface "
    detail += f"{found.surface_dbfs:.1f} dBFS ({found.sigmas:.1f} sigma)"
    if found.seen:
        detail += f"; {_least_time(testbed, found.symbols)}"
    fix = "is the surface powered, between these antennas, and surface.port its board? Then raise ofdm.repetitions"
    yield Check("surface", found.seen, detail, fix)
    yield _budget(testbed, found)


def _least_time(testbed: Testbed, symbols: int) -> str:
    """What a sweep of pairs must last, by the time that the board needs for each pattern."""
    timing, grid = testbed.surface.timing, testbed.grid
    sounding_s = symbols * grid.symbol_s
    pattern_s = timing.frame_s + timing.reply_s + timing.update_s + timing.settle_s + testbed.turnaround_s + sounding_s
    patterns = 2 * testbed.surface.geometry.num_elements
    return (
        f"least sounding {sounding_s * 1e6:.3g} us ({symbols} symbols) for an estimate of {WANTED_NMSE_DB:g} dB, "
        f"{patterns * pattern_s:.3g} s for {patterns} patterns sent one by one"
    )


def _to_channel_db(testbed: Testbed) -> float:
    """From the power of all pilots at the ADC to the channel, antenna port to antenna port."""
    return 20 * math.log10(testbed.budget.scale) - 10 * math.log10(testbed.config.ofdm.num_subcarriers)


def look_for_surface(testbed: Testbed, progress: Progress = no_progress) -> SurfaceSeen:
    """Sound random patterns and their complements. Raises MeasurementError where they cannot be aligned."""
    states, ofdm = testbed.surface.states, testbed.config.ofdm
    signs = np.random.default_rng(7).integers(0, 2, (PAIRS, testbed.surface.geometry.num_elements))
    signs = np.stack([signs, 1 - signs], axis=1).reshape(2 * PAIRS, -1)
    patterns = np.where(signs == 0, states.plus, states.minus).astype(np.uint8)
    block = _sound(testbed, patterns, lambda done: progress("first look", done, len(patterns)))
    block = refer(block, ofdm.fft_size, one_crystal=testbed.apart_lo_hz is None)
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


def _sound(testbed: Testbed, patterns: Patterns, told: Callable[[int], object]) -> SoundingBlock:
    """One by one, or in long captures where each capture of two radios has phases of its own."""
    repetitions = testbed.config.ofdm.repetitions
    with testbed.on_air():
        if testbed.apart_lo_hz is None:
            return sound_patterns(testbed.sounder(repetitions), testbed.surface, patterns, progress=told)
        sdr, surface, plan = testbed.burst(repetitions)
        whole = replace(plan, num_patterns=len(patterns))  # all in one capture, of one phase, but for some taken again
        block = sound_burst(sdr, surface, testbed.clock, testbed.grid, whole, patterns, CaptureTerms(patterns[1]))
        told(len(patterns))
        return block


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
    to_channel_db = _to_channel_db(testbed)
    rows = (
        ("direct", found.static_dbfs + to_channel_db, 20 * math.log10(straight_direct(config, user))),
        ("surface", found.surface_dbfs + to_channel_db, float(power_db(energy))),
    )
    detail = ", ".join(f"{name} {seen:.1f} dB ({told:.1f} predicted)" for name, seen, told in rows)
    over_db, surface_off_db = (seen - told for _, seen, told in rows)
    close = over_db < BUDGET_DB and abs(surface_off_db) < BUDGET_DB
    if over_db < -BUDGET_DB:
        detail += "; the straight way is blocked"
    fix = "mend the power plan (power:), positions and element_gain_dbi of the testbed file; look for a blocked way"
    return Check("link budget", close, detail, fix)


def _repeats(testbed: Testbed, block: SoundingBlock, watch_s: float) -> Check:
    if testbed.apart_lo_hz is not None:
        level_db = float(power_db(np.sum(np.abs(block.response) ** 2, axis=1)).std())
        detail = f"{level_db:.3g} dB over {watch_s:g} s; two radios: phases start anew with each capture"
        return Check("repeatability", level_db < REPEATS_DB, detail, "fasten cables and antennas, keep people out")
    found = stability_of(block, testbed.grid, testbed.config.ofdm.num_taps).stability
    detail = f"{found.repeat_db:.3g} dB and {found.repeat_deg:.3g} deg over {watch_s:g} s; "
    detail += f"the radio drifts {found.phase_deg:.3g} deg in a second, "
    moving = "nobody moves"
    if found.motion_db is not None:
        moving = f"somebody moves ({found.motion_db:.1f} dB, {found.doppler_hz:.2g} Hz)"
    steady = found.repeat_db < REPEATS_DB and found.repeat_deg < REPEATS_DEG
    fix = "let the radio warm up, fasten cables and antennas, keep people out; a sweep of pairs tolerates slow drift"
    return Check("repeatability", steady, detail + moving, fix)
