"""The receive path: from the RX connector of the world through the chip to 12-bit words.

Simplifications: the AGC looks at the mean power of what was last taken; with quadrature tracking off the image is
constant, with DC tracking off the offset is ten times as large; where the tracking loops eat a signal at DC they have
settled on each run of samples.
"""

import cmath
import math

import numpy as np

from hil.arrays import Complex, Int
from hil.config import PowerConfig, SimulationConfig
from hil.sim.drift import RfDrift
from hil.sim.kernel_blocks import BlockQueue
from hil.sim.noise import random_at
from hil.sim.phase_noise import PhaseNoise
from hil.sim.pluto_chip import Chip
from hil.sim.pluto_tx import DAC_DROPPED_BITS, Transmitter
from hil.sim.sample_clock import SampleClock
from hil.sim.tdd import RX_START, TddEngine
from hil.sim.world import World
from hil.units import amplitude_from_db, power_db

ADC_SCALE = 1 << 11
START_JITTER_S = 100e-6  # spread of the time between queueing a block and its first sample
TDD_LATEST_START = 32  # samples behind the start of a frame
AGC_TARGET_DBFS = -12.0
IMAGE_DBC = -35.0
UNTRACKED_DC_DB = 20.0
RSSI_SAMPLES = 1024
RSSI_STEP_DB, HIGHEST_RSSI_DB = 0.25, 127.75


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
        self._dc_notch = simulation.dc_notch
        self._full_scale_dbm, self._dc_dbfs = power.rx_full_scale_dbm, simulation.rx_dc_offset_dbfs
        self._queues: list[BlockQueue] = []
        self._tdd = tdd

    @property
    def clock(self) -> SampleClock:
        return SampleClock(self.chip.rate_hz / self.decimation, self.chip.epoch_s, self.chip.crystal)

    # ------------------------------------------------------------------------------------------------------ queues

    def start_queue(self, count: int, num_samples: int) -> BlockQueue:
        queue = BlockQueue(count, num_samples, self.take, self.now_index + self.start_delay(), self._gate)
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

    def take(self, index: int, num_samples: int) -> Int[np.ndarray, "sample 2"]:
        """int16[sample, 2], I and Q, from -2048 to 2047."""
        start_s = self.clock.time_s(index)
        if self.chip.loopback:
            return self._transmitter.codes(start_s, num_samples, self.clock.rate_hz) >> DAC_DROPPED_BITS
        if self.muted or not self.chip.receiving:
            return np.zeros((num_samples, 2), dtype=np.int16)
        samples = self._baseband(self._arriving(start_s, num_samples))
        words = np.rint(samples.view(samples.real.dtype) * ADC_SCALE).clip(-ADC_SCALE, ADC_SCALE - 1)
        return np.asarray(words.astype(np.int16).reshape(-1, 2))

    def _arriving(self, start_s: float, num_samples: int) -> Complex[np.ndarray, "sample"]:
        rate_hz, lo_hz = self.clock.rate_hz, self.chip.rx.frequency_hz
        crystal = self.chip.crystal
        arriving = self._world.receive(start_s, num_samples, sample_rate_hz=rate_hz, lo_hz=lo_hz, crystal=crystal)
        drifting = self._drift.apply(arriving, start_s, rate_hz)
        return self._phase_noise.apply(drifting, start_s, rate_hz)

    def _baseband(self, arriving: Complex[np.ndarray, "sample"]) -> Complex[np.ndarray, "sample"]:
        """Gain, phase and imperfections; the ADC's full scale = 1."""
        chip = self.chip
        if chip.gain_mode == "fast_attack":
            self._control_gain(arriving)
        gain = amplitude_from_db(chip.rx_gain_db - self._full_scale_dbm) * chip.fir_gains[0]
        samples = arriving * cmath.rect(gain, -chip.rx_phase_rad)
        if chip.gain_mode in ("slow_attack", "hybrid"):
            self._control_gain(arriving)
        if not chip.quadrature_tracking:
            samples += chip.offset("RX image", IMAGE_DBC, chip.rx.locked_s) * samples.conj()
        tracked = all(chip.dc_tracking.values())
        if tracked and self._dc_notch:
            samples -= samples.mean()
        untracked_db = 0.0 if tracked else UNTRACKED_DC_DB
        samples += chip.offset("RX DC", self._dc_dbfs + untracked_db, chip.rx.locked_s)
        return samples

    def _control_gain(self, arriving: Complex[np.ndarray, "sample"]) -> None:
        """What the AGC would choose for this; slow modes use it from the next samples on."""
        level_dbm = float(power_db(np.mean(np.abs(arriving) ** 2)))
        _, low, high = self.chip.rx_gain_range_db
        wanted_db = AGC_TARGET_DBFS + self._full_scale_dbm - level_dbm
        self.chip.rx_gain_db = math.floor(min(max(wanted_db, low), high))

    def rssi_db(self) -> float:
        """What the chip's meter shows, in steps of 0.25: dB below 1 mW at the connector, over the last 1024 samples."""
        start_s = self._world.clock.now_s() - RSSI_SAMPLES / self.clock.rate_hz
        level_dbm = float(power_db(np.mean(np.abs(self._arriving(start_s, RSSI_SAMPLES)) ** 2)))
        return round(min(max(-level_dbm, 0.0), HIGHEST_RSSI_DB) / RSSI_STEP_DB) * RSSI_STEP_DB
