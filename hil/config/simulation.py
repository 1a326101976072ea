"""The world behind simulated instruments."""

from typing import Annotated, Literal

from pydantic import Field

from hil.config.section import Level, NonNegative, Positive, Section

SurfaceCondition = Literal["open", "covered", "removed", "metal"]
"""What stands where the surface stands: itself, itself under absorber, nothing, or a metal plate of its size."""


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

    level_db: Level = Field(description="mean power of all their echoes, relative to all direct paths together")
    doppler_hz: NonNegative = Field(description="largest Doppler shift; the spectrum between + and - it is Jakes'")
    num_walkers: Annotated[int, Field(ge=1, le=16)] = Field(2, description="each with a delay of its own")
    surface_level_db: Level | None = Field(
        None, description="the same for echoes between surface and user, relative to that hop's paths; none where null"
    )


class InterfererConfig(Section):
    """A transmitter of somebody else that the receive antenna hears now and then."""

    kind: Literal["bursts", "pulses"] = Field(
        description="noise-like bursts at random times, as Wi-Fi's, or chirps in even intervals, as a radar's"
    )
    frequency_hz: Positive = Field(description="middle of its band")
    bandwidth_hz: NonNegative = Field(20e6, description="width of its band; 0 is a bare carrier")
    level_dbm: Level = Field(description="power at the receive antenna's port while it sends")
    rate_hz: Annotated[float, Field(gt=0, le=1e5)] = Field(description="bursts or pulses per second, on average")
    duration_s: Annotated[float, Field(gt=0, le=1)] = Field(
        description="of a pulse; bursts last between half and one and a half of it"
    )


class HiddenSurfaceConfig(Section):
    """How the simulated surface differs from what its profile says: what a calibration has to find out.

    A pattern first reaches other elements than meant, then some do not follow.
    """

    mirrored: Literal["none", "left_right", "up_down", "both"] = Field(
        "none", description="the surface hangs so; `both` is turned by half"
    )
    swapped_columns: tuple[tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=0)]], ...] = Field(
        (), description="pairs of columns whose cables are exchanged"
    )
    swapped_rows: tuple[tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=0)]], ...] = Field(
        (), description="pairs of rows, likewise"
    )
    dead_columns: tuple[Annotated[int, Field(ge=0)], ...] = Field((), description="rest in state 0 whatever is sent")
    stuck_elements: dict[str, Annotated[int, Field(ge=0, le=255)]] = Field(
        {}, description="state in which an element stays, by its number (row * cols + col)"
    )
    settle_s: Positive | None = Field(None, description="true settle time; the profile's where null")
    state_db: float = Field(0.0, ge=-40, le=6, description="states other than 0 reflect by so much more than declared")
    state_deg: float = Field(0.0, ge=-180, le=180, description="and are turned by so much")


class CrystalConfig(Section):
    """The reference oscillator of the radio: its sample clock and both its LOs are multiples of it."""

    offset_ppm: Annotated[float, Field(ge=-200, le=200)] = Field(0.0, description="off nominal once it is warm")
    warm_up_ppm: Annotated[float, Field(ge=-200, le=200)] = Field(0.0, description="further off at time 0, its start")
    time_constant_s: Positive = Field(300.0, description="after which 1/e of `warm_up_ppm` is left")


class SimulationConfig(Section):
    """The world behind simulated instruments; ignored by real ones."""

    seed: int = Field(0, ge=0, description="noise and hidden phases are a function of this seed and virtual time")
    scene: SceneConfig
    leakage_db: Level | None = Field(None, description="TX antenna to RX antenna, direct coupling; none where null")
    usb_turnaround_s: NonNegative = Field(1e-3, description="from the request of a capture to its first sample")
    ftdi_latency_s: NonNegative = Field(1e-3, description="latency timer of the board's USB adapter")
    tx_lo_leakage_dbc: Level = Field(-45.0, description="carrier at the output, below a full-scale sine")
    rx_dc_offset_dbfs: Level = Field(-50.0, description="DC at the ADC")
    num_channels: Literal[1, 2] = Field(1, description="of the radio; 2: an AD9361 board that brings out both")
    reference_db: Level | None = Field(
        None, description="coupler from the TX connector into the second receive channel; a load there where null"
    )
    filters: bool = Field(False, description="the chip's analog filters and FIR shape the band; flat where false")
    tx_image_dbc: Level | None = Field(
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
    surface: HiddenSurfaceConfig = Field(HiddenSurfaceConfig(), description="its faults; as the profile by default")
    crystal: CrystalConfig = Field(CrystalConfig(), description="of the radio; exact by default")
    receiver_crystal: CrystalConfig = Field(CrystalConfig(), description="of a second radio that receives")
    surface_condition: SurfaceCondition = Field(
        "open", description="covered, removed: no element reflects; metal: all reflect by -1, whatever the board says"
    )
    placement_error_m: NonNegative = Field(
        0.0, description="rms, on each axis, by which an antenna that is moved misses its place"
    )
