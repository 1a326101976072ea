"""Stage one: put each pattern of the sweep on the surface and sound it; a block is on disk before the next begins."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from hil.arrays import Int, Patterns
from hil.config import SweepConfig
from hil.errors import RecordingError
from hil.estimation.align import prepare
from hil.estimation.alignment import Alignment
from hil.estimation.interleaved import spacing_for
from hil.experiments.again import APART, SYMBOLS, Doubt, put_in_place, sound_again
from hil.experiments.begin import GAP_S, begin_stage, ready_sounder
from hil.experiments.block_sounder import BlockSounder
from hil.experiments.calibration.watch import stability_of
from hil.experiments.keep_iq import IqKeeper
from hil.experiments.listen import STEP as LISTENING
from hil.experiments.listen import expected_noise, heard_before, listen_first
from hil.experiments.plan import plan_of
from hil.experiments.sounding_stage import BY_ITSELF, SoundingStage, blocks_of
from hil.experiments.step_intake import StepIntake
from hil.interfaces import Geometry, Progress, ReferencedSdr, SweepMode, no_progress
from hil.measure.noise import noise_summary
from hil.measure.recording import Recording, Step, as_recorded
from hil.measure.reference import Coupling, find_coupling
from hil.measure.self_stepping import MAX_PATTERNS
from hil.measure.sounder import require_scatter
from hil.measure.stepping import Gathering, SoundingBlock
from hil.measure.sweep import SweepPlan, choose_mode, pattern_floor_s
from hil.phy.ofdm import OfdmGrid
from hil.testbed import Testbed

AGAIN = "again"  # the step that holds what was in doubt
WATCHED = 128  # soundings of the first pattern, to know the radio's drift by


@dataclass(frozen=True)
class Sweep:
    """A sweep as recorded.

    radio_time_s: on the testbed's clock, from the first block's first byte to the last block's last sample.
    floor_s: the least that link, surface and radio allow (`pattern_floor_s`).
    upload_s: for storing patterns on the board before they were sounded; no part of `radio_time_s`.
    reference_snr_db: of the transmitter at the second receiver, through a coupler; None where it was not heard.
    ambiguous: soundings whose start could not be resolved, and their complements: sounded again at the end.
    listening: what was heard before, transmitter silent (`Occupancy.facts`); None where nobody listened.
    alignment: how the soundings lie, where that was asked while sounding (`Doubt`); else None.
    """

    plan: SweepPlan
    soundings: SoundingBlock
    mode: SweepMode
    radio_time_s: float
    floor_s: float
    upload_s: float
    ambiguous: int = 0
    reference_snr_db: float | None = None
    listening: dict[str, Any] | None = None
    alignment: Alignment | None = None

    def snr_summary(self, grid: OfdmGrid) -> dict[str, float]:
        """SNR of a sounding on the used subcarriers: median, lowest and highest in dB, and where it is lowest.

        lowest_at_hz: from the carrier.
        """
        snr_db = self.soundings.snr_db(grid.used)
        return {
            "median": float(np.median(snr_db)),
            "lowest": float(snr_db.min()),
            "highest": float(snr_db.max()),
            "lowest_at_hz": float(grid.frequencies_hz[grid.used][snr_db.argmin()]),
        }

    def noise_summary(self, grid: OfdmGrid) -> dict[str, Any] | None:
        """Noise of a sounding over the subcarriers (`hil.measure.noise`); None where only its mean was recorded."""
        noise = self.soundings.noise_by_subcarrier
        return None if noise is None else noise_summary(noise, self.soundings.snr_db(grid.used), grid)

    @property
    def retaken(self) -> int:
        """Captures thrown away, those in doubt included."""
        return int(self.soundings.retakes.sum())


def sound_surface(
    testbed: Testbed,
    recording: Recording,
    config: SweepConfig | None = None,
    *,
    seed: int = 0,
    progress: Progress = no_progress,
    stage: str = "sweep",
) -> Sweep:
    """Sweep the surface. What the recording already holds is not measured again.

    stage: what its steps are called; a run may hold several sweeps.
    Raises whatever the instruments raise; blocks recorded before stay recorded, and the radio is quiet.

    >>> sweep = sound_surface(testbed, recording)
    >>> sweep.soundings.response.shape  # 256 patterns and their complements, 256 subcarriers
    (512, 256)
    """
    config = config or SweepConfig()
    symbols = _repetitions(testbed, config)
    mode = choose_mode(config.mode, testbed.sweep_modes(symbols))
    interval_s = pattern_floor_s(
        testbed.surface.timing,
        mode,
        capture_s=symbols * testbed.grid.symbol_s,
        turnaround_s=testbed.turnaround_s,
    )
    config = config.model_copy(update=_blocks_of_mode(testbed, config, mode))
    config, plan = _planned(testbed, recording, stage, config, seed, interval_s, progress)
    doubt, ofdm = Doubt(testbed, plan), testbed.config.ofdm
    prepare(used=testbed.grid.used, fft_size=ofdm.fft_size, num_taps=ofdm.num_taps)
    floor_s = plan.num_patterns * interval_s
    asked = SoundingStage(
        stage,
        plan.patterns,
        plan.num_patterns,
        config,
        mode,
        facts={"config": config.model_dump(mode="json"), "seed": seed, "mode": mode, "floor_s": floor_s},
        rows=plan.board_rows,
        in_doubt=doubt if mode in APART else None,
        arriving=doubt.arriving,
        arrived=doubt.arrived,
    )
    sounded = sound_in_blocks(testbed, recording, asked, progress)
    return replace(load_sweep(recording, stage, sounded), alignment=doubt.alignment)


def _planned(
    testbed: Testbed,
    recording: Recording,
    stage: str,
    config: SweepConfig,
    seed: int,
    interval_s: float,
    progress: Progress,
) -> tuple[SweepConfig, SweepPlan]:
    """The plan, and the configuration with the spacing of references that the radio's drift asks for.

    interval_s: from one pattern to the next.
    """
    states = testbed.surface.states
    make_plan = partial(
        plan_of,
        geometry=testbed.surface.geometry,
        states=testbed.setup.states,
        plus=states.plus,
        minus=states.minus,
        seed=seed,
    )
    if config.reference_every == "auto":
        first = make_plan(config.model_copy(update={"reference_every": "off"})).patterns(slice(0, 1))
        drift_deg = _drift_deg(testbed, recording, stage, config, first, progress)
        every = spacing_for(drift_deg, expected_noise(testbed, _repetitions(testbed, config)), interval_s)
        config = config.model_copy(update={"reference_every": every or "off"})
    return config, make_plan(config)


def load_sweep(recording: Recording, stage: str = "sweep", sounded: SoundingBlock | None = None) -> Sweep:
    """The sweep that a run directory holds. Raises RecordingError where it is missing or not complete.

    sounded: its soundings as recorded, where they are at hand; nothing is read again then.
    """
    if f"{stage}/begin" not in recording:
        raise RecordingError(f"{recording.path}: holds no sweep called {stage}; `hil sweep` makes a run with one")
    facts = recording.facts(f"{stage}/begin")
    surface = recording.manifest["surface"]
    with as_recorded(f"{recording.path}: {stage}/begin"):
        config = SweepConfig.model_validate(facts["config"])
    plan = plan_of(
        config,
        Geometry(surface["rows"], surface["cols"], 1.0, 1.0),  # the pitch does not matter here
        states=np.array([complex(*state) for state in surface["states"]]),
        plus=surface["plus"],
        minus=surface["minus"],
        seed=facts["seed"],
    )
    soundings = sounded or load_blocks(recording, stage, plan.num_patterns, plan.block_size)
    blocks = [recording.facts(name) for name in blocks_of(stage, plan.num_patterns, plan.block_size)]
    radio_time_s, upload_s = (sum(facts.get(name, 0.0) for facts in blocks) for name in ("radio_time_s", "upload_s"))
    heard_db = blocks[0].get("reference_snr_db")
    ambiguous = 0
    if facts["mode"] in APART:
        again = recording.read(f"{stage}/{AGAIN}")
        soundings, radio_time_s = put_in_place(soundings, again), radio_time_s + again.facts["radio_time_s"]
        ambiguous = len(again.facts["which"])
    heard = next(iter(heard_before(recording, [stage])), None)
    return Sweep(plan, soundings, facts["mode"], radio_time_s, facts["floor_s"], upload_s, ambiguous, heard_db, heard)


def _drift_deg(
    testbed: Testbed, recording: Recording, stage: str, config: SweepConfig, first: Patterns, progress: Progress
) -> float:
    """The radio's phase, rms after one second: as calibrated, or else by a block of soundings of the first pattern."""
    if testbed.calibration is not None:
        return testbed.calibration.drift_deg_per_s
    name, alone = f"{stage}/drift", config.model_copy(update={"record_iq": False, "reference": "off"})
    watched = SoundingStage(name, lambda which: np.repeat(first, which.stop - which.start, axis=0), WATCHED, alone)
    sound_in_blocks(testbed, recording, watched, progress)
    block = load_blocks(recording, name, WATCHED, alone.block)
    if f"{stage}/begin" not in recording:
        testbed.continue_at(recording.time_s + GAP_S)
    return stability_of(block, testbed.grid, testbed.config.ofdm.num_taps).stability.phase_deg


def sound_in_blocks(
    testbed: Testbed, recording: Recording, stage: SoundingStage, progress: Progress
) -> SoundingBlock | None:
    """Sound a stage; the radio is on only where steps are missing. Its soundings; None where all were recorded before.

    Before anything is radiated the band is listened to. Each step depends on the time at which it starts and on nothing
    before, and a resumed stage begins as the first one did: so a resumed simulation records what the uninterrupted one
    would have.
    """
    begin = begin_stage(testbed, recording, stage.name, stage.facts)
    names = [*stage.blocks, *([f"{stage.name}/{AGAIN}"] if stage.in_doubt else [])]
    if all(name in recording for name in names):
        return None
    if testbed.truth is None:  # real LOs have new phases since they stopped: half a stage does not fit the other
        recording.set_aside([*names, LISTENING + stage.name])
    if stage.mode not in BY_ITSELF:
        require_scatter(_repetitions(testbed, stage.config))
    testbed.continue_at(begin.time_s)
    listen_first(testbed, recording, stage.name, progress)
    iq = IqKeeper(testbed, recording, stage.config)
    with iq.testbed.on_air():
        return _sound_steps(iq, recording, stage, progress)


def _sound_steps(iq: IqKeeper, recording: Recording, stage: SoundingStage, progress: Progress) -> SoundingBlock:
    """All steps of a stage, on the air; the soundings that they hold."""
    testbed, config, mode = iq.testbed, stage.config, stage.mode
    symbols = _repetitions(testbed, config)
    repetitions = max(2, symbols) if mode in BY_ITSELF else symbols  # the one before them tells its noise
    sounder = ready_sounder(testbed, repetitions, config.max_retakes)
    coupling = _listen_to_coupler(testbed, config)
    heard = {"reference_snr_db": coupling.snr_db if coupling else None}
    testbed.continue_at(recording.time_s)
    plan = testbed.at_once(mode, symbols)
    blocks = BlockSounder(testbed, stage, sounder, plan, StepIntake(recording, stage.arriving), heard, progress)
    gathered = Gathering(stage.num_patterns)
    for name, which in stage.blocks.items():
        measure = partial(blocks.step, which)
        block = _soundings(recording.step(name, iq.keeping(name, mode, repetitions, measure, plan)))
        stage.arrived(block)
        gathered.add(block)
    soundings = gathered.whole()
    if stage.in_doubt is not None:
        lost, again = stage.in_doubt(soundings), f"{stage.name}/{AGAIN}"
        measure = partial(sound_again, testbed, sounder, _each(stage.patterns, lost), lost, config.max_retakes)
        recording.step(again, iq.keeping(again, "stepped", SYMBOLS * repetitions, measure))
    return soundings


def _each(patterns: Callable[[slice], Patterns], which: Int[np.ndarray, "which"]) -> Patterns:
    return np.concatenate([patterns(slice(0, 0)), *(patterns(slice(index, index + 1)) for index in which)])


def load_blocks(recording: Recording, stage: str, num_patterns: int, block: int) -> SoundingBlock:
    """Soundings of a stage. Raises RecordingError where blocks are missing."""
    names = blocks_of(stage, num_patterns, block)
    if missing := [name for name in names if name not in recording]:
        raise RecordingError(
            f"{recording.path}: {len(missing)} of {len(names)} blocks of the {stage} are missing: "
            f"go on with `hil run --resume {recording.path}`"
        )
    return SoundingBlock.join([_soundings(recording.read(name)) for name in names])


def _soundings(step: Step) -> SoundingBlock:
    return SoundingBlock.from_records(step.data, step.facts["resets"], step.facts.get("noise_by_subcarrier"))


def _listen_to_coupler(testbed: Testbed, config: SweepConfig) -> Coupling | None:
    """The second receiver's hearing, where there is one that a coupler feeds; the radio is on the air."""
    if config.reference == "off" or not isinstance(testbed.sdr, ReferencedSdr):
        return None
    return find_coupling(testbed.sdr, testbed.grid)


def _blocks_of_mode(testbed: Testbed, config: SweepConfig, mode: SweepMode) -> dict[str, Any]:
    """What a mode wants of the sweep's configuration: one capture, or one upload, is one durable step.

    A board that makes Hadamard rows itself makes them in their order.
    """
    repetitions, ability = _repetitions(testbed, config), testbed.sequence_ability
    at_once = testbed.at_once(mode, repetitions)
    if at_once is None:
        return {"block": min(ability.num_slots, MAX_PATTERNS)} if ability is not None and mode == "codebook" else {}
    in_order = mode in BY_ITSELF and ability is not None and ability.hadamard
    return {"block": at_once.num_patterns, **({"shuffle": False} if in_order else {})}


def _repetitions(testbed: Testbed, config: SweepConfig) -> int:
    """Symbols of a sounding."""
    return config.repetitions or testbed.config.ofdm.repetitions
