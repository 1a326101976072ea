"""The parts of a simulated Pluto put together: one chip, one transmitter, one receiver, one lock around their state."""

import errno
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from hil.config import PowerConfig, SimulationConfig
from hil.sim.crystal import Crystal
from hil.sim.iio_context import io_error
from hil.sim.pluto_chip import Chip
from hil.sim.pluto_rx import Receiver
from hil.sim.pluto_tx import Transmitter
from hil.sim.tdd import TddEngine
from hil.sim.world import World

PHY, RX, TX = "ad9361-phy", "cf-ad9361-lpc", "cf-ad9361-dds-core-lpc"
DEFAULT_KERNEL_BLOCKS = 4
CALIBRATION_S = 2e-3  # TX quadrature calibration


class Radio:
    """Hardware state behind the attributes and buffers. Raises OSError EPIPE while it is unplugged."""

    def __init__(
        self,
        world: World,
        power: PowerConfig,
        simulation: SimulationConfig,
        *,
        ad9364: bool,
        plan_rate_hz: float | None,
        tx_connected: bool,
    ) -> None:
        self.world, self.clock, self.simulation, self.ad9364 = world, world.clock, simulation, ad9364
        self.lock = threading.RLock()
        self.on_pulse: Callable[[], None] = lambda: None
        self._power, self._plan_rate_hz, self._tx_connected = power, plan_rate_hz, tx_connected
        self.power_on()

    def power_on(self) -> None:
        """Start with the settings that a Pluto boots with: the TX LO is up, so that its leakage is on the air."""
        with self.lock:
            chip = Chip(
                self.clock,
                self.simulation.seed,
                self.ad9364,
                Crystal.from_config(self.simulation.crystal),
                self.simulation.num_channels,
                calibrate=self._calibrate,
                retimed=self._retimed,
            )
            self.chip = chip
            self.tdd = TddEngine(self.clock, lambda: chip.sample_clock, lambda: self.on_pulse(), self.changing)
            self.transmitter = Transmitter(
                chip,
                self.tdd,
                self.world,
                self._power,
                self.simulation,
                self._plan_rate_hz,
                connected=self._tx_connected,
            )
            self.receiver = Receiver(chip, self.tdd, self.transmitter, self.world, self._power, self.simulation)
            self.kernel_blocks = {RX: DEFAULT_KERNEL_BLOCKS, TX: DEFAULT_KERNEL_BLOCKS}
            self.present = True
            self.transmitter.refresh()

    def power_off(self) -> None:
        with self.lock:
            self.present = False
            self.tdd.stop()
            self.transmitter.radiate(None, self.clock.now_s())

    @contextmanager
    def using(self) -> Iterator[None]:
        """Look at the state."""
        with self.lock:
            if not self.present:
                raise io_error(errno.EPIPE, "the radio is gone")
            yield

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Change the state: samples up to now are taken with the old settings, what is emitted follows the new ones."""
        with self.using():
            self.receiver.advance()
            try:
                yield
            finally:
                self.transmitter.refresh()

    def _retimed(self) -> None:
        self.tdd.stop()
        self.receiver.restart()
        self.transmitter.retime()

    def _calibrate(self) -> None:
        """The transmitter sends a tone of its own, the receiver hears nothing."""
        self.transmitter.radiate_calibration()
        self.receiver.muted = True
        self.clock.sleep(CALIBRATION_S)
        self.receiver.advance()
        self.receiver.muted = False
