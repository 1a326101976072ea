"""The receive side of the simulated Pluto: when samples are taken, and the queues of blocks that take them."""

import math
from collections.abc import Callable
from functools import partial

import numpy as np

from hil.arrays import Complex, Int
from hil.config import PowerConfig, SimulationConfig
from hil.sim.drift import RfDrift
from hil.sim.kernel_blocks import BlockQueue
from hil.sim.noise import random_at
from hil.sim.phase_noise import PhaseNoise
from hil.sim.pluto_chip import Chip
from hil.sim.pluto_frontend import FrontEnd
from hil.sim.pluto_tx import DAC_DROPPED_BITS, Transmitter
from hil.sim.sample_clock import SampleClock
from hil.sim.tdd import RX_START, TddEngine
from hil.sim.world import World

START_JITTER_S = 100e-6  # spread of the time between queueing a block and its first sample
TDD_LATEST_START = 32  # samples behind the start of a frame
REPEATING_RATE_HZ = 3e6  # libiio#1167
RSSI_SAMPLES = 1024
RSSI_STEP_DB, HIGHEST_RSSI_DB = 0.25, 255.75


Receive = Callable[..., Complex[np.ndarray, "sample"]]
"""As `World.receive`."""


class Receiver:
    """What the ADC makes of what arrives, and the queues that take it."""

    def __init__(
        self,
        chip: Chip,
        tdd: TddEngine,
        transmitter: Transmitter,
        world: World,
        power: PowerConfig,
        simulation: SimulationConfig,
    ) -> None:
        self.chip, self.decimation, self.muted = chip, 1, False
        self._transmitter, self._world, self._seed = transmitter, world, simulation.seed
        self._drift = RfDrift(simulation.rf_drift, simulation.seed)
        self._phase_noise = PhaseNoise(simulation.phase_noise_deg, simulation.seed)
        self._repeats_blocks = simulation.repeats_blocks
        coupled: Receive = partial(world.receive_coupled, coupling_db=simulation.reference_db)
        connectors: tuple[tuple[Receive, str], ...] = ((world.receive, ""), (coupled, ", second path"))
        self._paths = [
            FrontEnd(chip, gain, partial(self._hear, receive), simulation, power.rx_full_scale_dbm, name)
            for gain, (receive, name) in zip(chip.inputs, connectors, strict=False)
        ]
        self._queues: list[BlockQueue] = []
        self._tdd = tdd

    @property
    def num_columns(self) -> int:
        """I and Q of each channel."""
        return 2 * len(self._paths)

    @property
    def clock(self) -> SampleClock:
        return SampleClock(self.chip.rate_hz / self.decimation, self.chip.epoch_s, self.chip.crystal)

    # ------------------------------------------------------------------------------------------------------ queues

    def start_queue(self, count: int, num_samples: int) -> BlockQueue:
        queue = BlockQueue(
            count,
            num_samples,
            self.take,
            self.now_index + self.start_delay(),
            self._gate,
            num_columns=self.num_columns,
            repeats=self._repeats_blocks and self.clock.rate_hz >= REPEATING_RATE_HZ,
        )
        self._queues.append(queue)
        return queue

    def stop_queue(self, queue: BlockQueue) -> None:
        self._queues.remove(queue)

    def _gate(self, index: int) -> float:
        """Where a block may start: at once, or with a frame of the TDD engine, late by a constant that nobody knows."""
        if not self._tdd.gates(RX_START):
            return index
        late = math.floor(random_at(self._seed, "TDD alignment", self.chip.epoch_s).random() * TDD_LATEST_START)
        rise = self._tdd.rise(RX_START, index * self.decimation - late)
        return math.ceil((rise + late) / self.decimation) if rise < math.inf else math.inf

    @property
    def now_index(self) -> int:
        """The sample that is taken next."""
        return self.clock.index(self._world.clock.now_s())

    def start_delay(self) -> int:
        """Samples until a DMA starts that is told to now: nobody outside knows how many (libiio#1216).

        None at all until it is ready for a frame of the TDD engine.
        """
        if self._tdd.gates(RX_START):
            return 0
        jitter = random_at(self._seed, "DMA start", self._world.clock.now_s()).random()
        return math.floor(jitter * START_JITTER_S * self.clock.rate_hz)

    def advance(self) -> None:
        """Take all samples up to now with the settings that hold: to be called before any of them changes."""
        for queue in self._queues:
            queue.advance(self.now_index)

    def restart(self) -> None:
        """The sample clock has changed."""
        for queue in self._queues:
            queue.restart(self.now_index)

    @property
    def lost_samples(self) -> bool:
        return any(queue.lost_samples for queue in self._queues)

    def forget_lost_samples(self) -> None:
        for queue in self._queues:
            queue.lost_samples = False

    # ----------------------------------------------------------------------------------------------------- samples

    def take(self, index: int, num_samples: int) -> Int[np.ndarray, "sample column"]:
        """int16[sample, column], I and Q of each channel by turns, from -2048 to 2047."""
        start_s, rate_hz = self.clock.time_s(index), self.clock.rate_hz
        if self.chip.loopback:
            sent = self._transmitter.codes(start_s, num_samples, rate_hz) >> DAC_DROPPED_BITS
            return np.pad(sent, ((0, 0), (0, self.num_columns - 2)))
        if self.muted or not self.chip.receiving:
            return np.zeros((num_samples, self.num_columns), dtype=np.int16)
        return np.concatenate([path.words(start_s, num_samples, rate_hz) for path in self._paths], axis=1)

    def _hear(self, receive: Receive, start_s: float, num_samples: int) -> Complex[np.ndarray, "sample"]:
        rate_hz, chip = self.clock.rate_hz, self.chip
        arriving = receive(
            start_s, num_samples, sample_rate_hz=rate_hz, lo_hz=chip.rx.frequency_hz, crystal=chip.crystal
        )
        drifting = self._drift.apply(arriving, start_s, rate_hz)
        return self._phase_noise.apply(drifting, start_s, rate_hz)

    def rssi_db(self, channel: int) -> float:
        """What the chip's meter shows, in steps of 0.25: dB below 1 mW at the connector, over the last 1024 samples."""
        start_s = self._world.clock.now_s() - RSSI_SAMPLES / self.clock.rate_hz
        level_dbm = self._paths[channel].level_dbm(start_s, RSSI_SAMPLES)
        return round(min(max(-level_dbm, 0.0), HIGHEST_RSSI_DB) / RSSI_STEP_DB) * RSSI_STEP_DB
