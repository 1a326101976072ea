"""A station: which instruments, where they stand, how strong, what is allowed."""

import math
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, model_validator

from hil.config.section import Level, Position, Positive, Section
from hil.config.simulation import SimulationConfig

MOST_GUARDS = 0.2  # of the band at each edge
APART_M = 0.01  # antennas at least

Named = Annotated[str, Field(min_length=1)]


class RadioConfig(Section):
    """The PlutoSDR."""

    uri: Named = Field("sim", description="`sim`, or a libiio URI: ip:192.168.2.1, usb:1.5.5, ip:127.0.0.1:PORT")
    lo_hz: Annotated[float, Field(ge=70e6, le=6e9)] = Field(description="carrier of transmitter and receiver")
    rx_gain_db: Annotated[float, Field(ge=-3, le=71)] = Field(description="manual receive gain during a sweep")
    frame_peak_dbfs: Annotated[float, Field(le=0, ge=-40)] = Field(
        -1.0, description="peak of the pilot frame, DAC scale"
    )
    timeout_s: Positive = Field(5.0, description="longest wait for one answer of the radio")


class ReceiverConfig(Section):
    """A second PlutoSDR that receives, on a crystal of its own; the first one then only transmits."""

    uri: Named = Field("sim", description="`sim`, or a libiio URI; as radio.uri, but of another device")


class OfdmConfig(Section):
    """The sounding waveform and the paper's K, M, B."""

    num_subcarriers: Annotated[int, Field(ge=8, le=16384)] = Field(description="K, over the bandwidth")
    num_taps: Annotated[int, Field(ge=1)] = Field(description="M: cyclic prefix of the link, length of the channel")
    bandwidth_hz: Annotated[float, Field(ge=2e5, le=56e6)] = Field(description="B")
    fft_size: Annotated[int, Field(ge=8)] = Field(description="samples of a symbol; fft_size / K is the oversampling")
    pilot: Literal["zadoff_chu", "newman", "constant"] = Field("zadoff_chu", description="pilot sequence")
    skip_dc: bool = Field(True, description="leave the carrier out: LO leakage and DC offset live there")
    guard_subcarriers: Annotated[int, Field(ge=0)] = Field(
        0, description="at each edge of the band, without pilot or data; at most 0.2 K"
    )
    repetitions: Annotated[int, Field(ge=1, le=4096)] = Field(16, description="symbols averaged in a sounding")

    @property
    def sample_rate_hz(self) -> float:
        return self.bandwidth_hz * self.fft_size / self.num_subcarriers

    @model_validator(mode="after")
    def _fits(self) -> "OfdmConfig":
        if self.num_taps > self.num_subcarriers:
            raise ValueError(f"num_taps {self.num_taps} do not fit in num_subcarriers {self.num_subcarriers}")
        if self.guard_subcarriers > MOST_GUARDS * self.num_subcarriers:
            raise ValueError(
                f"guard_subcarriers {self.guard_subcarriers} at each edge of num_subcarriers {self.num_subcarriers} "
                f"leave too little of the band: at most {int(MOST_GUARDS * self.num_subcarriers)}"
            )
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

    tx_full_scale_dbm: Level = Field(
        description="full-scale sine at the radio's TX connector, attenuation 0 dB, at this station's sample rate"
    )
    tx_chain_gain_db: Level = Field(0.0, description="amplifiers minus cables and pads, connector to antenna port")
    tx_antenna_gain_dbi: Level = Field(0.0, description="peak gain of the transmit antenna, for the EIRP")
    radiated_power_dbm: Level = Field(description="P: mean power at the transmit antenna's port while sounding")
    rx_full_scale_dbm: Level = Field(description="power at the RX connector that fills the ADC, receive gain 0 dB")
    rx_chain_gain_db: Level = Field(0.0, description="amplifiers minus cables, antenna port to connector")
    noise_figure_db: Annotated[float, Field(ge=0, le=40)] = Field(description="of the receiver, at the antenna port")
    calibrated: bool = Field(False, description="true: P and N0 hold at the antennas; false: rates are for reference")


class SurfaceConfig(Section):
    """The surface and its control board."""

    profile: Named = Field(description="name of a file in firmware_profiles/, or a path to one")
    port: Named = Field("sim", description="`sim`, a serial device, or tcp://host:port")
    trigger: Literal["none", "radio"] = Field(
        "none", description="what is wired to the board's trigger input; radio: the Pluto's pin L10P, level shifted"
    )
    verify_readback: bool = Field(False, description="compare a read-back with each pattern, not only with the last")
    position_m: Position = Field((0.0, 0.0, 0.0), description="centre of the surface in the station's frame")
    facing_deg: float = Field(
        0.0, description="azimuth of the surface's normal, from the station's x axis to its y axis"
    )
    element_gain_dbi: Level = Field(0.0, description="gain of one element, broadside, for the link budget")


class PathConfig(Section):
    """A walk of the receive antenna: straight from its place to each point in turn, then it stands (simulation)."""

    to_m: tuple[Position, ...] = Field(min_length=1, description="points in the station's frame, in their order")
    speed_m_per_s: Positive = Field(description="along the whole way")
    start_s: Annotated[float, Field(ge=0)] = Field(0.0, description="time of the testbed's clock at which it sets off")


class UserConfig(Section):
    """A place of the receive antenna."""

    name: str = Field(description="how `--user` and tables call it")
    position_m: Position = Field(description="in the station's frame")
    line_of_sight: bool = Field(True, description="whether the surface sees it (simulation)")
    path: PathConfig | None = Field(None, description="how it walks away from there; it stands where null")

    def walked_m(self, time_s: float) -> float:
        """Length of the way that lies behind it at a time of the testbed's clock."""
        if self.path is None:
            return 0.0
        corners = [self.position_m, *self.path.to_m]
        whole_m = sum(math.dist(*leg) for leg in pairwise(corners))
        return min(self.path.speed_m_per_s * max(time_s - self.path.start_s, 0.0), whole_m)


class BandConfig(Section):
    """A band in which the licence allows to radiate."""

    low_hz: Positive
    high_hz: Positive
    max_eirp_dbm: Level = Field(description="highest allowed EIRP in this band")

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


class ListeningConfig(Section):
    """Listening with the transmitter silent before it is switched on; a band that others use is waited for."""

    duration_s: Annotated[float, Field(ge=1e-3, le=1)] = Field(
        0.02, description="of one look; who sends more seldom than once in it may stay unheard"
    )
    level_db: Annotated[float, Field(ge=-80, le=80)] = Field(
        -20.0, description="above this, relative to the signal expected of the straight way, somebody else is too loud"
    )
    max_duty: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.3, description="share of the time in which somebody may be too loud; soundings that are hit are retaken"
    )
    wait_s: Annotated[float, Field(ge=0, le=86400)] = Field(
        30.0, description="for how long a free band is waited for before the transmission is refused"
    )


class TestbedConfig(Section):
    """A station: which instruments, where, how strong, what is allowed."""

    __test__ = False  # not a pytest class

    schema_: Literal["hil-testbed/1"] = Field(alias="schema")
    name: str
    description: str = ""
    radio: RadioConfig
    receiver: ReceiverConfig | None = Field(None, description="a second radio that receives; the same one where null")
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
    listening: ListeningConfig | None = Field(
        ListeningConfig(), description="before each stage on the air; null: radiate whoever else is there"
    )
    calibration: str | None = Field(None, description="run directory of `hil calibrate` that a run relies on")
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
        if self.receiver is not None and (self.receiver.uri == "sim") != simulated[0]:
            raise ValueError("receiver.uri: `sim` where radio.uri is, and only there")
        if self.receiver is not None and self.receiver.uri == self.radio.uri != "sim":
            raise ValueError("receiver.uri: another radio than radio.uri")
        names = [user.name for user in self.users]
        if len(set(names)) != len(names):
            raise ValueError(f"users: names must differ, got {names}")
        for number, user in enumerate(self.users):
            if math.dist(user.position_m, self.transmitter_m) < APART_M:
                raise ValueError(f"users.{number}.position_m: the transmit antenna stands there (transmitter_m)")
        return self

    @property
    def simulated(self) -> bool:
        return self.radio.uri == "sim"

    def user(self, name: str | None) -> UserConfig:
        """The user of that name; the first where no name is given. Raises KeyError."""
        if name is None:
            return self.users[0]
        return {user.name: user for user in self.users}[name]
