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
    streams: bool = True,
    wired: bool = False,
    apart: bool = False,
) -> tuple[SweepMode, ...]:
    """The board's modes, best first, that can be done with that many symbols of each pattern and gain something.

    streams: the radio takes samples while its user does something else. wired: it has a timer whose pulses reach the
    board. apart: sender and receiver are two radios, whose phases only one long capture holds together.
    """
    ability = surface.sequence if isinstance(surface, SequencedSurface) else None
    sequence = plan_sequence(ability, surface.timing, grid, repetitions, num_taps) if streams else None
    triggered = plan_triggered(ability, surface.timing, grid, repetitions, num_taps) if wired else None
    burst = plan_burst(surface.timing, grid, repetitions, num_taps) if streams else None
    if apart:
        return ("burst",) if burst is not None else ()
    impossible = {"sequence": sequence is None, "triggered": triggered is None, "burst": burst is None}
    return tuple(mode for mode in surface.modes if not impossible.get(mode, False))
