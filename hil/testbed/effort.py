"""What of this process's time is the simulator's."""

from hil.sim.effort import effort_s


def simulator_s() -> float:
    """Processor time that simulated instruments have taken so far; zero where there are none."""
    return effort_s()
