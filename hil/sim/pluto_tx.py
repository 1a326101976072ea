"""The transmit path: samples or tones from the DAC core, through the chip, to the TX connector of the world.

The DAC takes the upper 12 bits of each 16-bit sample. Simplifications: filters shape a block as if it repeated, also
where it is sent once; of two transmitters the second ends in a load; tones whose sum exceeds full scale do not clip; a
buffer that runs dry leaves zeros; at a change of rate what is being sent starts again.
"""

import math
from collections import deque
from dataclasses import dataclass

import numpy as np

from hil.arrays import Complex, Int
from hil.config import PowerConfig, SimulationConfig
from hil.sim.crystal import EXACT, Crystal
from hil.sim.pluto_chip import Chip
from hil.sim.pluto_dds import Dds
from hil.sim.sample_clock import SampleClock
from hil.sim.tdd import TX_START, TddEngine
from hil.sim.waveform import Transmission
from hil.sim.world import World
from hil.units import amplitude_from_db

DAC_DROPPED_BITS = 4
DAC_SCALE = 1 << 11  # of the 12 bits that are left
KEPT_BLOCKS = 16  # blocks already sent that digital loopback may still ask for
CALIBRATION_TONE_DBFS = -10.0
STALE_IMAGE_DB = 25.0  # more image where the quadrature calibration was made elsewhere
LOW_RATE_HZ = 20_000_000  # up to here pyadi-iio loads a filter that halves the amplitude
LOW_RATE_FIR_GAIN = 0.5

Tones = tuple[tuple[float, complex], ...]


@dataclass(frozen=True, eq=False)
class Block:
    """Samples that the DMA hands to the DAC from `start_s` on, once or over and over; infinite where it still waits."""

    codes: Int[np.ndarray, "sample 2"]
    start_s: float
    rate_hz: float
    cyclic: bool
    crystal: Crystal = EXACT

    @property
    def end_s(self) -> float:
        if self.cyclic or self.start_s == math.inf:
            return math.inf
        return self.crystal.when_s(self.start_s, len(self.codes) / self.rate_hz)

    @property
    def frame(self) -> Complex[np.ndarray, "sample"]:
        """The DAC's output, full scale = 1."""
        words = (self.codes >> DAC_DROPPED_BITS) / DAC_SCALE
        return np.asarray(words[:, 0] + 1j * words[:, 1])

    def during(self, start_s: float, num_samples: int, rate_hz: float) -> Int[np.ndarray, "sample 2"]:
        """What the DAC is fed with at the samples of another clock; zeros where this block is silent."""
        first = self.crystal.elapsed_s(self.start_s, start_s) * self.rate_hz
        index = np.rint(first + np.arange(num_samples) * (self.rate_hz / rate_hz)).astype(np.int64)
        sounding = (index >= 0) & (self.cyclic | (index < len(self.codes)))
        return np.where(sounding[:, None], self.codes[index % len(self.codes)], np.int16(0))


class Transmitter:
    """What the DAC is fed with, and what leaves the connector, which has the antenna where it is `connected`."""

    def __init__(
        self,
        chip: Chip,
        tdd: TddEngine,
        world: World,
        power: PowerConfig,
        simulation: SimulationConfig,
        plan_rate_hz: float | None,
        *,
        connected: bool = True,
    ) -> None:
        self.chip, self.dds, self.interpolation, self._tdd = chip, Dds(), 1, tdd
        self._world, self._leakage_dbc, self._plan_rate_hz = world, simulation.tx_lo_leakage_dbc, plan_rate_hz
        self._full_scale = amplitude_from_db(power.tx_full_scale_dbm)
        self._connected = connected
        self._image_dbc, self._filters_on = simulation.tx_image_dbc, simulation.filters
        self._blocks: deque[Block] = deque(maxlen=KEPT_BLOCKS)
        self._on_air: tuple[object, ...] = ()

    @property
    def clock(self) -> SampleClock:
        """Of the samples in buffers."""
        return SampleClock(self.chip.rate_hz / self.interpolation, self.chip.epoch_s, self.chip.crystal)

    # ----------------------------------------------------------------------------------------------- from a buffer

    def select_dma(self) -> None:
        self._blocks.clear()
        self.dds.source = "dma"

    def release_dma(self) -> None:
        """The last transmit buffer was closed: back to the tone generators, whatever they were told before."""
        self._blocks.clear()
        self.dds.source = "dds"

    def push(self, codes: Int[np.ndarray, "sample 2"], cyclic: bool) -> None:
        """Queue samples behind those that wait; they start on the DAC's sample grid, or with a TDD frame."""
        idle_s = max([self._now_s, *(block.end_s for block in self._blocks)])
        start_s = self._start_s(idle_s) if idle_s < math.inf else math.inf
        self._blocks.append(Block(codes, start_s, self.clock.rate_hz, cyclic, self.chip.crystal))

    def _start_s(self, idle_s: float) -> float:
        if not self._tdd.gates(TX_START):
            return self.clock.time_s(self.clock.index(idle_s))
        frames = self.chip.sample_clock
        rise = self._tdd.rise(TX_START, frames.index(idle_s))
        return frames.time_s(int(rise)) if rise < math.inf else math.inf

    def _start_waiting(self) -> None:
        """Give blocks that waited for a frame their place, where it is known by now."""
        waiting = [block for block in self._blocks if block.start_s == math.inf]
        for block in waiting:
            self._blocks.remove(block)
        for block in waiting:
            self.push(block.codes, block.cyclic)

    def has_room_at_s(self, kernel_blocks: int) -> float:
        """When fewer than that many blocks wait or are being sent."""
        ends_s = [block.end_s for block in self._waiting]
        return ends_s[-kernel_blocks] if len(ends_s) >= kernel_blocks else -math.inf

    def retime(self) -> None:
        """The sample rate has changed: what was being sent starts again at the new one."""
        waiting = self._waiting
        self._blocks.clear()
        for block in waiting:
            self.push(block.codes, block.cyclic)

    @property
    def _waiting(self) -> tuple[Block, ...]:
        return tuple(block for block in self._blocks if block.end_s > self._now_s)

    @property
    def _now_s(self) -> float:
        return self._world.clock.now_s()

    # -------------------------------------------------------------------------------------------------- to the air

    @property
    def _amplitude(self) -> complex:
        """At the connector, for the DAC's full scale: sqrt(mW), with the PLL's phase."""
        fir_gain = self.chip.fir_gains[1]
        reference = fir_gain
        if self._plan_rate_hz is not None:
            reference = LOW_RATE_FIR_GAIN if self._plan_rate_hz <= LOW_RATE_HZ else 1.0
        return self._full_scale * self.chip.tx_gain * fir_gain / reference

    def refresh(self) -> None:
        """Put on the air what the settings now make of the source; nothing happens where nothing changed."""
        self._start_waiting()
        if not self.chip.transmitting:
            plan: tuple[Block | None, ...] = ()
        elif self.dds.source == "dma":
            plan = tuple(block for block in self._waiting if block.start_s < math.inf) or (None,)
        else:
            plan = (None,)
        shape = (self._image, self.chip.tx_filters if self._filters_on else None)
        state = (plan, self.chip.tx.frequency_hz, self._amplitude, self.clock, self.dds.synced_s, self._tones(), shape)
        if state == self._on_air:
            return
        self._on_air = state
        if not plan:
            self.radiate(None, self._now_s)
        for block in plan:
            transmission = self._tones_alone(self._tones()) if block is None else self._sending(block)
            self.radiate(transmission, max(self._now_s, block.start_s if block else self._now_s))

    def radiate(self, transmission: Transmission | None, time_s: float) -> None:
        """Let the connector emit that from `time_s` on."""
        if self._connected:
            self._world.radiate(transmission, time_s)

    def radiate_calibration(self) -> None:
        """The tone of the quadrature calibration, at the attenuation of the moment; silent where the LO is down."""
        if self.chip.transmitting:
            tone = (self.chip.rate_hz / 16, self._amplitude * amplitude_from_db(CALIBRATION_TONE_DBFS))
            self.radiate(self._tones_alone((tone,)), self._now_s)
        self._on_air = ()

    def _tones(self) -> Tones:
        """The leakage of the LO, and what the generators send."""
        tones = {0.0: self.chip.offset("TX LO leakage", self._leakage_dbc, self.chip.tx.locked_s)}
        if self.dds.source == "dds":
            for offset_hz, amplitude in self.dds.tones(self.chip.rate_hz).items():
                tones[offset_hz] = tones.get(offset_hz, 0) + amplitude
        return tuple((offset_hz, amplitude * self._amplitude) for offset_hz, amplitude in tones.items())

    def _tones_alone(self, tones: Tones) -> Transmission:
        nothing, chip = np.empty(0, complex), self.chip
        shaped, start_s = self._shaped_tones(tones), self.dds.synced_s
        return Transmission(nothing, False, chip.rate_hz, chip.tx.frequency_hz, start_s, shaped, chip.crystal)

    def _sending(self, block: Block) -> Transmission:
        frame = self._shaped(block.frame, block.rate_hz) * self._amplitude
        tones = self._shaped_tones(self._tones())
        lo_hz, crystal = self.chip.tx.frequency_hz, self.chip.crystal
        return Transmission(frame, block.cyclic, block.rate_hz, lo_hz, block.start_s, tones, crystal)

    @property
    def _image(self) -> complex:
        """Of the transmit mixer, relative to what is sent."""
        if self._image_dbc is None:
            return 0j
        level_dbc = self._image_dbc + (0.0 if self.chip.tx_calibrated else STALE_IMAGE_DB)
        return self.chip.offset("TX image", level_dbc, self.chip.tx.locked_s)

    def _shaped(self, frame: Complex[np.ndarray, "sample"], rate_hz: float) -> Complex[np.ndarray, "sample"]:
        """The frame with its image, behind the filters."""
        if self._image_dbc is not None:
            frame = frame + self._image * frame.conj()
        if self._filters_on:
            response = self.chip.tx_filters(np.fft.fftfreq(frame.size, 1 / rate_hz))
            frame = np.fft.ifft(np.fft.fft(frame) * response)
        return frame

    def _shaped_tones(self, tones: Tones) -> Tones:
        """The same for tones."""
        lines = dict(tones)
        if self._image_dbc is not None:
            for offset_hz, amplitude in tones:
                if offset_hz:
                    image = self._image * (amplitude / self._amplitude).conjugate() * self._amplitude
                    lines[-offset_hz] = lines.get(-offset_hz, 0) + image
        if self._filters_on:
            response = self.chip.tx_filters(np.array(list(lines)))
            lines = {offset_hz: a * complex(h) for (offset_hz, a), h in zip(lines.items(), response, strict=True)}
        return tuple(lines.items())

    # -------------------------------------------------------------------------------------------- digital loopback

    def codes(self, start_s: float, num_samples: int, rate_hz: float) -> Int[np.ndarray, "sample 2"]:
        """The 16-bit words before the DAC at the samples of the receiver's clock."""
        words = np.zeros((num_samples, 2), dtype=np.int16)
        if self.dds.source == "dma":
            for block in self._blocks:
                words += block.during(start_s, num_samples, rate_hz)
        elif self.dds.source == "dds":
            time_s = start_s - self.dds.synced_s + np.arange(num_samples) / rate_hz
            lines = self.dds.tones(self.chip.rate_hz).items()
            wave = sum((a * np.exp(2j * np.pi * f * time_s) for f, a in lines), np.zeros(num_samples, complex))
            words[:] = np.clip(np.rint(np.stack([wave.real, wave.imag], -1) * (1 << 15)), -(1 << 15), (1 << 15) - 1)
        return words
