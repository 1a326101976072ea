"""The two files of an experiment: the testbed (a station: what is where) and the experiment (a procedure: what to do).

Each key carries its unit in its name and a line of documentation here. Unknown keys, wrong types and values out of
range are refused as `file:line: path: what is wrong, what is allowed` before anything is opened.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from hil.yamlfile import load_yaml

Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Position = tuple[float, float, float]


class Section(BaseModel):
    """Base of all sections: no unknown keys, no NaN, immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


# ---------------------------------------------------------------------------------------------------------- testbed


class RadioConfig(Section):
    """The PlutoSDR."""

    uri: str = Field("sim", description="`sim`, or a libiio URI: ip:192.168.2.1, usb:1.5.5, ip:127.0.0.1:PORT")
    lo_hz: Annotated[float, Field(ge=70e6, le=6e9)] = Field(description="carrier of transmitter and receiver")
    rx_gain_db: Annotated[float, Field(ge=-3, le=71)] = Field(description="manual receive gain during a sweep")
    frame_peak_dbfs: Annotated[float, Field(le=0, ge=-40)] = Field(
        -1.0, description="peak of the pilot frame, DAC scale"
    )
    timeout_s: Positive = Field(5.0, description="longest wait for one answer of the radio")


class OfdmConfig(Section):
    """The sounding waveform and the paper's K, M, B."""

    num_subcarriers: Annotated[int, Field(ge=8, le=16384)] = Field(description="K, over the bandwidth")
    num_taps: Annotated[int, Field(ge=1)] = Field(description="M: cyclic prefix of the link, length of the channel")
    bandwidth_hz: Annotated[float, Field(ge=2e5, le=56e6)] = Field(description="B")
    fft_size: Annotated[int, Field(ge=8)] = Field(description="samples of a symbol; fft_size / K is the oversampling")
    pilot: Literal["zadoff_chu", "newman", "constant"] = Field("zadoff_chu", description="pilot sequence")
    skip_dc: bool = Field(True, description="leave the carrier out: LO leakage and DC offset live there")
    repetitions: Annotated[int, Field(ge=1, le=4096)] = Field(16, description="symbols averaged in a sounding")

    @property
    def sample_rate_hz(self) -> float:
        return self.bandwidth_hz * self.fft_size / self.num_subcarriers

    @model_validator(mode="after")
    def _fits(self) -> "OfdmConfig":
        if self.num_taps > self.num_subcarriers:
            raise ValueError(f"num_taps {self.num_taps} do not fit in num_subcarriers {self.num_subcarriers}")
        if self.fft_size < self.num_subcarriers:
            raise ValueError(f"fft_size must be at least num_subcarriers ({self.num_subcarriers})")
        if not 520_834 <= self.sample_rate_hz <= 61.44e6:
            raise ValueError(
                f"bandwidth_hz * fft_size / num_subcarriers is a sample rate of {self.sample_rate_hz / 1e6:.4g} MS/s; "
                "the Pluto does 0.520834 to 61.44 MS/s"
            )
        return self


class PowerConfig(Section):
    """Power plan from the DAC to the air and from the air to the ADC."""

    tx_full_scale_dbm: float = Field(
        description="full-scale sine at the radio's TX connector, attenuation 0 dB, at this station's sample rate"
    )
    tx_chain_gain_db: float = Field(0.0, description="amplifiers minus cables and pads, connector to antenna port")
    tx_antenna_gain_dbi: float = Field(0.0, description="peak gain of the transmit antenna, for the EIRP")
    radiated_power_dbm: float = Field(description="P: mean power at the transmit antenna's port while sounding")
    rx_full_scale_dbm: float = Field(description="power at the RX connector that fills the ADC, receive gain 0 dB")
    rx_chain_gain_db: float = Field(0.0, description="amplifiers minus cables, antenna port to connector")
    noise_figure_db: Annotated[float, Field(ge=0, le=40)] = Field(description="of the receiver, at the antenna port")
    calibrated: bool = Field(False, description="true: P and N0 hold at the antennas; false: rates are for reference")


class SurfaceConfig(Section):
    """The surface and its control board."""

    profile: str = Field(description="name of a file in firmware_profiles/, or a path to one")
    port: str = Field("sim", description="`sim`, a serial device, or tcp://host:port")
    verify_readback: bool = Field(False, description="compare a read-back with each pattern, not only with the last")
    position_m: Position = Field((0.0, 0.0, 0.0), description="centre of the surface in the station's frame")
    facing_deg: float = Field(
        0.0, description="azimuth of the surface's normal, from the station's x axis to its y axis"
    )
    element_gain_dbi: float = Field(0.0, description="gain of one element, broadside, for the link budget")


class UserConfig(Section):
    """A place of the receive antenna."""

    name: str = Field(description="how `--user` and tables call it")
    position_m: Position = Field(description="in the station's frame")
    line_of_sight: bool = Field(True, description="whether the surface sees it (simulation)")


class BandConfig(Section):
    """A band in which the licence allows to radiate."""

    low_hz: Positive
    high_hz: Positive
    max_eirp_dbm: float = Field(description="highest allowed EIRP in this band")

    @model_validator(mode="after")
    def _ordered(self) -> "BandConfig":
        if self.low_hz >= self.high_hz:
            raise ValueError("low_hz must be below high_hz")
        return self


class SafetyConfig(Section):
    """What the gate lets through. An empty list of bands means: no transmission."""

    bands: tuple[BandConfig, ...] = Field(description="allow-list; empty means no transmission")
    max_duration_s: Positive = Field(3600.0, description="longest time on the air of one opening of the testbed")
    max_duty: Annotated[float, Field(gt=0, le=1)] = Field(1.0, description="share of time on the air, over 60 s")


class SceneConfig(Section):
    """The propagation that the simulation uses."""

    kind: Literal["paper", "paper-rich", "sp-cup-2021", "lab"] = Field(description="generator of the paths")
    seed: int = Field(0, ge=0, description="which random environment")
    options: dict[str, float] = Field({}, description="parameters of the generator, by name")


class RfDriftConfig(Section):
    """Slow drift of the radio from its DAC to its ADC, which multiplies what is received: random walks from time 0."""

    phase_deg_per_sqrt_s: NonNegative = Field(0.0, description="of the phase; rms after t seconds: sqrt(t) x this")
    gain_db_per_sqrt_s: NonNegative = Field(0.0, description="of the gain, likewise")


class RoomMotionConfig(Section):
    """People who walk about: echoes that add to the still paths and whose phases turn."""

    level_db: float = Field(description="mean power of all their echoes, relative to all direct paths together")
    doppler_hz: NonNegative = Field(description="largest Doppler shift; the spectrum between + and - it is Jakes'")
    num_walkers: Annotated[int, Field(ge=1, le=16)] = Field(2, description="each with a delay of its own")
    surface_level_db: float | None = Field(
        None, description="the same for echoes between surface and user, relative to that hop's paths; none where null"
    )


class InterfererConfig(Section):
    """A transmitter of somebody else that the receive antenna hears now and then."""

    kind: Literal["bursts", "pulses"] = Field(
        description="noise-like bursts at random times, as Wi-Fi's, or chirps in even intervals, as a radar's"
    )
    frequency_hz: Positive = Field(description="middle of its band")
    bandwidth_hz: NonNegative = Field(20e6, description="width of its band; 0 is a bare carrier")
    level_dbm: float = Field(description="power at the receive antenna's port while it sends")
    rate_hz: Annotated[float, Field(gt=0, le=1e5)] = Field(description="bursts or pulses per second, on average")
    duration_s: Annotated[float, Field(gt=0, le=1)] = Field(
        description="of a pulse; bursts last between half and one and a half of it"
    )


class CrystalConfig(Section):
    """The reference oscillator of the radio: its sample clock and both its LOs are multiples of it."""

    offset_ppm: Annotated[float, Field(ge=-200, le=200)] = Field(0.0, description="off nominal once it is warm")
    warm_up_ppm: Annotated[float, Field(ge=-200, le=200)] = Field(0.0, description="further off at time 0, its start")
    time_constant_s: Positive = Field(300.0, description="after which 1/e of `warm_up_ppm` is left")


class SimulationConfig(Section):
    """The world behind simulated instruments; ignored by real ones."""

    seed: int = Field(0, ge=0, description="noise and hidden phases are a function of this seed and virtual time")
    scene: SceneConfig
    leakage_db: float | None = Field(None, description="TX antenna to RX antenna, direct coupling; none where null")
    usb_turnaround_s: NonNegative = Field(1e-3, description="from the request of a capture to its first sample")
    ftdi_latency_s: NonNegative = Field(1e-3, description="latency timer of the board's USB adapter")
    tx_lo_leakage_dbc: float = Field(-45.0, description="carrier at the output, below a full-scale sine")
    rx_dc_offset_dbfs: float = Field(-50.0, description="DC at the ADC")
    num_channels: Literal[1, 2] = Field(1, description="of the radio; 2: an AD9361 board that brings out both")
    reference_db: float | None = Field(
        None, description="coupler from the TX connector into the second receive channel; a load there where null"
    )
    filters: bool = Field(False, description="the chip's analog filters and FIR shape the band; flat where false")
    tx_image_dbc: float | None = Field(
        None, description="image of what is sent, 25 dB more where the quadrature calibration is stale; none where null"
    )
    usb_bytes_per_s: Positive | None = Field(None, description="throughput of the radio's USB; no limit where null")
    repeats_blocks: bool = Field(
        False, description="a receive queue that overflows at 3 MS/s or more hands out a block twice"
    )
    phase_noise_deg: NonNegative = Field(0.0, description="rms jitter of each of the radio's two PLLs")
    dc_notch: bool = Field(False, description="DC tracking, while it is on, takes away a signal at DC too")
    rf_drift: RfDriftConfig = Field(RfDriftConfig(), description="drift of the radio; none by default")
    room_motion: RoomMotionConfig | None = Field(None, description="people in the room; a still one where null")
    interferers: tuple[InterfererConfig, ...] = Field((), description="who else is on the air")
    crystal: CrystalConfig = Field(CrystalConfig(), description="of the radio; exact by default")


class TestbedConfig(Section):
    """A station: which instruments, where, how strong, what is allowed."""

    __test__ = False  # not a pytest class

    schema_: Literal["hil-testbed/1"] = Field(alias="schema")
    name: str
    description: str = ""
    radio: RadioConfig
    ofdm: OfdmConfig
    power: PowerConfig
    surface: SurfaceConfig
    transmitter_m: Position = Field(description="transmit antenna in the station's frame")
    users: tuple[UserConfig, ...] = Field(
        min_length=1, description="places of the receive antenna; the first is the default"
    )
    polarisation: Literal["vertical", "horizontal", "circular", "unknown"] = Field(
        "unknown", description="of antennas and surface as mounted; recorded with each run, matched ones are assumed"
    )
    safety: SafetyConfig
    simulation: SimulationConfig | None = Field(None, description="needed where radio or surface is `sim`")

    @model_validator(mode="after")
    def _consistent(self) -> "TestbedConfig":
        simulated = (self.radio.uri == "sim", self.surface.port == "sim")
        if simulated[0] != simulated[1]:
            raise ValueError(
                "radio.uri and surface.port: both `sim` or neither (a simulated radio hears no real surface)"
            )
        if any(simulated) and self.simulation is None:
            raise ValueError("simulation: needed where radio.uri and surface.port are `sim`")
        names = [user.name for user in self.users]
        if len(set(names)) != len(names):
            raise ValueError(f"users: names must differ, got {names}")
        return self

    @property
    def simulated(self) -> bool:
        return self.radio.uri == "sim"

    def user(self, name: str | None) -> UserConfig:
        """The user of that name; the first where no name is given. Raises KeyError."""
        if name is None:
            return self.users[0]
        return {user.name: user for user in self.users}[name]


# ------------------------------------------------------------------------------------------------------- experiment


class SweepConfig(Section):
    """How the surface is sounded."""

    scheme: Literal["pairs", "hadamard", "hadamard_plus_one"] = Field(
        "pairs", description="each row followed by its complement (2N); the paper's N; N and the complement of row one"
    )
    mode: Literal["auto", "stepped", "pipelined", "codebook", "sequence"] = Field(
        "auto", description="how the board steps"
    )
    repetitions: Annotated[int, Field(ge=1, le=4096)] | None = Field(
        None, description="symbols averaged in a sounding of the sweep; ofdm.repetitions where null"
    )
    scramble: bool = Field(True, description="multiply the columns of the Hadamard matrix by a stored +-1 mask")
    shuffle: bool = Field(True, description="send the rows in random order")
    group: tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]] = Field(
        (1, 1), description="rows x columns of elements that switch together: fewer patterns for a quick look"
    )
    block: Annotated[int, Field(ge=1, le=4096)] = Field(64, description="soundings per durable step of the recording")
    max_retakes: Annotated[int, Field(ge=0, le=100)] = Field(
        5, description="tries for one sounding before the sweep fails"
    )

    @model_validator(mode="after")
    def _groups_in_pairs(self) -> "SweepConfig":
        if self.group != (1, 1) and self.scheme != "pairs":
            raise ValueError("group: elements can switch together in the scheme `pairs` only")
        return self


class OptimizerConfig(Section):
    """Which algorithm chooses the pattern."""

    algorithm: str = Field("neural-prior", description="name of an optimizer: `hil optimize RUN --algorithm list`")
    starts: Annotated[int, Field(ge=1, le=1024)] | None = Field(
        None, description="starts in one batch; what the algorithm needs where null"
    )
    epochs: Annotated[int, Field(ge=1)] | None = Field(
        None, description="training epochs of a network; what the algorithm needs where null"
    )
    polish: bool = Field(True, description="refine the network's result in tap space")
    device: Literal["auto", "cpu", "cuda"] = Field("cpu", description="where the network trains")


class VerificationConfig(Section):
    """How the result is judged, by soundings that nothing else used."""

    rounds: Annotated[int, Field(ge=2, le=10000)] = Field(
        24, description="interleaved rounds of all arms, random order"
    )
    soundings: Annotated[int, Field(ge=1, le=1000)] = Field(2, description="soundings of an arm in a round")
    held_out: Annotated[int, Field(ge=0, le=4096)] = Field(32, description="random patterns that test the prediction")
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = Field(0.95, description="of the intervals")


class ClosedLoopConfig(Section):
    """Sound, estimate, optimise, apply, verify: once."""

    schema_: Literal["hil-experiment/1"] = Field(alias="schema")
    kind: Literal["closed_loop"]
    description: str = ""
    seed: int = Field(0, ge=0, description="order of patterns, networks' starts, order of the judge")
    sweep: SweepConfig = SweepConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    verification: VerificationConfig = VerificationConfig()


ExperimentConfig = ClosedLoopConfig


# ------------------------------------------------------------------------------------------------------------ files


def load_testbed(path: str | Path, overrides: Mapping[str, object] | None = None) -> TestbedConfig:
    """The station that a file describes; overrides by dotted path, `{"radio.lo_hz": 5.6e9}`.

    Raises ConfigError listing every problem with file and line, also where there is no such file.
    """
    return load_yaml(path, TestbedConfig, overrides)


def load_experiment(path: str | Path, overrides: Mapping[str, object] | None = None) -> ExperimentConfig:
    """The procedure that a file describes; otherwise as `load_testbed`."""
    return load_yaml(path, ExperimentConfig, overrides)
