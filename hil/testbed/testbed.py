"""A station with its instruments connected: what can be done with it, and what it can sweep by."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace

from hil.config import TestbedConfig, UserConfig
from hil.errors import ConfigError
from hil.interfaces import (
    Clock,
    Closing,
    LinkBudget,
    RadioSettings,
    Sdr,
    SequenceAbility,
    SequencedSurface,
    StreamingSdr,
    StreamingSurface,
    Surface,
    SurfaceTiming,
    SweepMode,
    Thermometer,
    TrackingSdr,
    TriggeringSdr,
    Truth,
)
from hil.measure.at_once import AtOncePlan
from hil.measure.burst import BurstPlan, plan_burst
from hil.measure.calibration import Calibration
from hil.measure.modes import possible_modes
from hil.measure.self_stepping import HOST_SAMPLES
from hil.measure.sequence import SequencePlan, plan_sequence
from hil.measure.setup import Setup
from hil.measure.sounder import Sounder
from hil.measure.triggered import TriggerPlan, plan_triggered
from hil.phy.ofdm import OfdmGrid
from hil.testbed.station import wired

CONVERGING_SYMBOLS = 64  # of pilots, after which the radio's tracking loops have settled


def unattended(_prompt: str) -> None:
    """An operator who has done everything before: of a simulation, or of a bench that nobody needs to touch."""


@dataclass
class Testbed(Closing):
    """Instruments of one station, connected, the radio quiet.

    settings: what the radio took. budget: what its units mean. truth: simulation only, for reports and tests.
    turnaround_s: from the request of a capture to its first sample.
    operator: who is asked to move antennas and the like; returns once it is done.
    calibration: what the station relies on beyond its file.
    """

    __test__ = False  # not a pytest class

    config: TestbedConfig
    user: UserConfig
    clock: Clock
    sdr: Sdr
    surface: Surface
    grid: OfdmGrid
    settings: RadioSettings
    budget: LinkBudget
    truth: Truth | None
    turnaround_s: float
    _closing: ExitStack = field(repr=False)
    operator: Callable[[str], None] = unattended
    calibration: Calibration | None = None

    @property
    def setup(self) -> Setup:
        """What the science needs to know of this station."""
        setup = Setup.of(self.config, self.user.name, self.surface.geometry, self.surface.states, self.budget)
        if self.calibration is None:
            return setup
        named = self.calibration.named(str(self.config.calibration))
        return replace(setup, dead=self.calibration.dead_elements, calibration=named)

    @property
    def identity(self) -> dict[str, str]:
        """Who the instruments say they are; `sim+...` where they are simulated."""
        return {"radio": self.sdr.identity, "surface": self.surface.identity}

    @property
    def temperature_c(self) -> float | None:
        """Of the radio; None where it does not tell."""
        return self.sdr.temperature_c if isinstance(self.sdr, Thermometer) else None

    @contextmanager
    def on_air(self, *, tracking: bool = False) -> Iterator[None]:
        """Pilots are sent inside; the radio is quiet before and after, also after an exception.

        The receiver's tracking loops settle on the pilots and then hold until it is quiet, so that no sounding differs
        from the next by them; tracking: they run on, for who changes the gain inside.
        """
        try:
            self.sdr.transmit(self.grid.transmit_frame(self.config.radio.frame_peak_dbfs))
            if not tracking:
                self._hold_tracking()
            yield
        finally:
            self.sdr.quiet()

    def _hold_tracking(self) -> None:
        """Whoever had stopped a loop finds it stopped again later, but a sweep begins with corrections of its own."""
        if isinstance(self.sdr, TrackingSdr):
            self.sdr.set_tracking(True)
            self.sdr.capture(CONVERGING_SYMBOLS * self.grid.fft_size)
            self.sdr.set_tracking(False)

    def sounder(self, repetitions: int, max_retakes: int = 5) -> Sounder:
        """For soundings of that many symbols while pilots are on the air. Raises ConfigError below two."""
        return Sounder(self.sdr, self.grid, repetitions, max_retakes=max_retakes, apart_lo_hz=self.apart_lo_hz)

    def continue_at(self, time_s: float) -> None:
        """Go on at that time of the testbed's clock: a simulated world waits for it, a real one has long passed it."""
        if self.truth is not None:
            for part in (0.5, 1.0):  # of the second half no bit is rounded (Sterbenz): it ends at that very time
                self.clock.sleep(part * (time_s - self.clock.now_s()))

    @property
    def sequence_ability(self) -> SequenceAbility | None:
        """What the board can step through by its timer."""
        return self.surface.sequence if isinstance(self.surface, SequencedSurface) else None

    def _dwells(self, repetitions: int) -> tuple[SurfaceTiming, OfdmGrid, int, int]:
        """What the length of a pattern's dwell follows from, as the plans of long captures take it."""
        return self.surface.timing, self.grid, repetitions, self.config.ofdm.num_taps

    def sequencer(self, repetitions: int) -> tuple[StreamingSdr, SequencedSurface, SequencePlan]:
        """What a sweep by the board's own timer needs. Raises ConfigError where this station cannot."""
        plan = plan_sequence(
            self.sequence_ability,
            *self._dwells(repetitions),
            max_samples=self.max_samples,
            apart_lo_hz=self.apart_lo_hz,
        )
        if plan is None or not isinstance(self.sdr, StreamingSdr) or not isinstance(self.surface, SequencedSurface):
            raise self._impossible("sequence", repetitions, self.max_samples)
        return self.sdr, self.surface, plan

    def trigger(self, repetitions: int) -> tuple[TriggeringSdr, SequencedSurface, TriggerPlan]:
        """What a sweep by the radio's own frames needs. Raises ConfigError where this station cannot."""
        plan = plan_triggered(
            self.sequence_ability,
            *self._dwells(repetitions),
            max_samples=self.max_train_samples,
            apart_lo_hz=self.apart_lo_hz,
        )
        if plan is None or not isinstance(self.sdr, TriggeringSdr) or not isinstance(self.surface, SequencedSurface):
            raise self._impossible("triggered", repetitions, self.max_train_samples)
        return self.sdr, self.surface, plan

    def burst(self, repetitions: int) -> tuple[StreamingSdr, StreamingSurface, BurstPlan]:
        """What a sweep pattern by pattern in long captures needs. Raises ConfigError where this station cannot."""
        plan = plan_burst(*self._dwells(repetitions), max_samples=self.max_samples, apart_lo_hz=self.apart_lo_hz)
        if plan is None or not isinstance(self.sdr, StreamingSdr) or not isinstance(self.surface, StreamingSurface):
            raise self._impossible("burst", repetitions, self.max_samples)
        return self.sdr, self.surface, plan

    def at_once(self, mode: SweepMode, repetitions: int) -> AtOncePlan | None:
        """The plan of a mode whose captures hold many patterns, None of others. Raises ConfigError as the above."""
        match mode:
            case "sequence":
                return self.sequencer(repetitions)[2]
            case "triggered":
                return self.trigger(repetitions)[2]
            case "burst":
                return self.burst(repetitions)[2]
        return None

    @property
    def max_samples(self) -> int:
        """Of one capture that goes on while the board is told something; 0 where the radio cannot."""
        return self.sdr.max_samples if isinstance(self.sdr, StreamingSdr) else 0

    @property
    def max_train_samples(self) -> int:
        """Of one capture whose frames pulse the board; 0 where they do not reach it."""
        triggers = wired(self.config) and isinstance(self.sdr, TriggeringSdr) and self.sdr.triggers
        return self.sdr.max_train_samples if triggers and isinstance(self.sdr, TriggeringSdr) else 0

    def _impossible(self, mode: SweepMode, repetitions: int, max_samples: int) -> ConfigError:
        samples = min(max_samples, HOST_SAMPLES)
        return ConfigError(
            f"sweep.mode: {mode} of {repetitions} symbols is not possible with this board and radio; one capture holds "
            f"{samples} samples ({samples / self.grid.sample_rate_hz:.3g} s): fewer symbols, or another mode"
        )

    @property
    def apart_lo_hz(self) -> float | None:
        """The LO of two radios with a crystal each; None where one radio does both."""
        return self.config.radio.lo_hz if self.config.receiver is not None else None

    def sweep_modes(self, repetitions: int) -> tuple[SweepMode, ...]:
        """Modes in which board and radio together can sweep with that many symbols of each pattern, best first."""
        return possible_modes(
            self.surface,
            self.grid,
            repetitions,
            self.config.ofdm.num_taps,
            max_samples=self.max_samples,
            max_train_samples=self.max_train_samples,
            apart=self.apart_lo_hz is not None,
        )

    def close(self) -> None:
        """Radio quiet and closed, board closed; all of it even where a part fails."""
        self._closing.close()
