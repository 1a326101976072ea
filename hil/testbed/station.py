"""The instruments of a station, made but not opened: real ones, or simulated ones that meet in one world."""

import math
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from hil.config import HiddenSurfaceConfig, SimulationConfig, TestbedConfig, UserConfig
from hil.drivers.board import SurfaceBoard
from hil.drivers.gate import TransmitGate
from hil.drivers.guard import Guard
from hil.drivers.link import latency_timer_ms, make_link
from hil.drivers.pluto import PlutoSdr
from hil.drivers.pluto_device import connect_pluto
from hil.drivers.two_plutos import TwoPlutos
from hil.firmware.profile import FirmwareProfile
from hil.firmware.protocol import SerialConfig
from hil.interfaces import Clock, StateSet, SystemClock, Truth
from hil.sim.adi_ad9361 import Ad9361
from hil.sim.adi_pluto import Pluto
from hil.sim.clock import EventClock
from hil.sim.hidden import build_true_board, true_states
from hil.sim.pluto import SimulatedPluto
from hil.sim.serial_link import SimulatedLink
from hil.sim.world import World

USB_TURNAROUND_S = 1e-3  # of a real radio: assumed, for the floor of a sweep only
LINK_LATENCY_S = 1e-3  # of a board's link whose adapter does not tell: an FTDI chip set so, or a near network
SIMULATION_TIMEOUT_S = 60.0  # of wall time: samples of a long capture are computed in one call


@dataclass(frozen=True)
class Station:
    """Instruments and what they share.

    truth: of a simulation, for reports and tests. turnaround_s: from the request of a capture to its first sample.
    """

    clock: Clock
    radio: PlutoSdr | TwoPlutos
    surface: SurfaceBoard
    truth: Truth | None
    turnaround_s: float


def make_station(
    config: TestbedConfig, profile: FirmwareProfile, user: UserConfig, *, believed: FirmwareProfile | None = None
) -> Station:
    """The station that a testbed file describes, nothing opened yet. Raises ConfigError.

    believed: what the board's driver shall go by, where a calibration found the profile wrong.
    """
    if config.simulation is not None and config.simulated:
        return _simulated(config, config.simulation, profile, user, believed or profile)
    return _real(config, believed or profile)


def make_world(
    config: TestbedConfig, profile: FirmwareProfile, user: UserConfig, clock: EventClock | None = None
) -> World:
    """The physics of a simulated station: its surface as it is, which may differ from its profile."""
    hidden = config.simulation.surface if config.simulation else HiddenSurfaceConfig()
    states, settle_s = true_states(_states(config, profile), hidden), hidden.settle_s or profile.timing.settle_s.value
    return World(config, profile.surface_geometry(), states, settle_s, user, clock)


def make_pluto(config: TestbedConfig, simulation: SimulationConfig, world: World) -> SimulatedPluto:
    """The simulated radio of a station."""
    return SimulatedPluto(world, config.power, simulation, plan_rate_hz=config.ofdm.sample_rate_hz)


def make_receiver(config: TestbedConfig, simulation: SimulationConfig, world: World) -> SimulatedPluto:
    """The second radio of a station that has two: on a crystal of its own, its transmitter in a load."""
    own = simulation.model_copy(update={"seed": simulation.seed + 1, "crystal": simulation.receiver_crystal})
    return SimulatedPluto(world, config.power, own, plan_rate_hz=config.ofdm.sample_rate_hz, tx_connected=False)


def _states(config: TestbedConfig, profile: FirmwareProfile) -> StateSet:
    """What the elements reflect: by the profile, or what stands in their place, the same at every frequency."""
    states = profile.state_set()
    condition = config.simulation.surface_condition if config.simulation is not None else "open"
    if condition == "open":
        return states
    reflection = -1.0 if condition == "metal" else 0.0
    return replace(
        states, frequency_hz=np.array([config.radio.lo_hz]), table=np.full((1, states.num_states), reflection + 0j)
    )


def wired(config: TestbedConfig) -> bool:
    """Whether the radio's pulses reach the board: of two radios those of the one that receives."""
    return config.surface.trigger == "radio"


def baud_of(profile: FirmwareProfile) -> float:
    """Baud rate of a board's line; infinite for a network."""
    return profile.link.baud if isinstance(profile.link, SerialConfig) else math.inf


def _simulated(
    config: TestbedConfig,
    simulation: SimulationConfig,
    profile: FirmwareProfile,
    user: UserConfig,
    believed: FirmwareProfile,
) -> Station:
    world = make_world(config, profile, user)
    pluto = make_pluto(config, simulation, world)
    gate = TransmitGate(config.safety, config.power, world.clock)
    sender = _simulated_driver(pluto, simulation, gate, world)
    radio: PlutoSdr | TwoPlutos = sender
    receiver = pluto
    if config.receiver is not None:
        receiver = make_receiver(config, simulation, world)
        radio = TwoPlutos(sender, _simulated_driver(receiver, simulation, gate, world))
    latency_s = simulation.ftdi_latency_s
    link = SimulatedLink(
        build_true_board(profile, world, simulation.surface),
        world.clock,
        baud_of(profile),
        latency_s,
        name=f"sim+{profile.id}",
    )
    if wired(config):
        receiver.connect_pulse(link.line.trigger)
    surface = SurfaceBoard(
        link, believed, world.clock, latency_s=latency_s, verify_readback=config.surface.verify_readback
    )
    return Station(world.clock, radio, surface, world.truth, simulation.usb_turnaround_s)


def _simulated_driver(
    pluto: SimulatedPluto, simulation: SimulationConfig, gate: TransmitGate, world: World
) -> PlutoSdr:
    face = Ad9361 if simulation.num_channels == 2 else Pluto
    return PlutoSdr(
        partial(face, pluto), gate, world.clock, name="sim", timeout_s=SIMULATION_TIMEOUT_S, exclusive=False
    )


def _real(config: TestbedConfig, profile: FirmwareProfile) -> Station:
    clock = SystemClock()
    gate = TransmitGate(config.safety, config.power, clock)
    sender = _real_driver(config.radio.uri, config, gate, clock)
    radio: PlutoSdr | TwoPlutos = sender
    if config.receiver is not None:
        radio = TwoPlutos(sender, _real_driver(config.receiver.uri, config, gate, clock))
    link = make_link(config.surface.port, profile.link)
    latency_s, verify = _latency_s(config.surface.port), config.surface.verify_readback
    surface = SurfaceBoard(link, profile, clock, latency_s=latency_s, verify_readback=verify)
    return Station(clock, radio, surface, None, USB_TURNAROUND_S)


def _real_driver(uri: str, config: TestbedConfig, gate: TransmitGate, clock: Clock) -> PlutoSdr:
    timeout_s = config.radio.timeout_s
    connect, guard = partial(connect_pluto, uri, timeout_s), Guard(uri, timeout_s)
    return PlutoSdr(connect, gate, clock, name=uri, timeout_s=timeout_s, guard=guard)


def _latency_s(port: str) -> float:
    """From the end of a reply on the line until the host has it, as the port's adapter is set now."""
    timer_ms = latency_timer_ms(port)
    return LINK_LATENCY_S if timer_ms is None else timer_ms * 1e-3
