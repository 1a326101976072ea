"""Which of a board's sweep modes are possible together with a radio."""

from hil.interfaces import SequencedSurface, Surface, SweepMode
from hil.measure.burst import plan_burst
from hil.measure.sequence import plan_sequence
from hil.measure.triggered import plan_triggered
from hil.phy.ofdm import OfdmGrid


def possible_modes(
    surface: Surface,
    grid: OfdmGrid,
    repetitions: int,
    num_taps: int,
    *,
    max_samples: int = 0,
    max_train_samples: int = 0,
    apart: bool = False,
) -> tuple[SweepMode, ...]:
    """The board's modes, best first, that can be done with that many symbols of each pattern and gain something.

    max_samples: of one capture that the radio takes while its user does something else; 0 where it cannot.
    max_train_samples: of one whose frames pulse the board; 0 where no wire reaches it, or the radio has no such timer.
    apart: sender and receiver are two radios, whose phases only one long capture holds together.
    """
    ability = surface.sequence if isinstance(surface, SequencedSurface) else None
    at_once: dict[SweepMode, bool] = {
        "sequence": plan_sequence(ability, surface.timing, grid, repetitions, num_taps, max_samples=max_samples)
        is not None,
        "triggered": plan_triggered(ability, surface.timing, grid, repetitions, num_taps, max_samples=max_train_samples)
        is not None,
        "burst": plan_burst(surface.timing, grid, repetitions, num_taps, max_samples=max_samples) is not None,
    }
    return tuple(mode for mode in surface.modes if at_once.get(mode, not apart))
