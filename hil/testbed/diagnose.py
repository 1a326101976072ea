"""What could keep a testbed from working, each check with its fix. Nothing is radiated."""

import ctypes.util
import importlib
import importlib.metadata
import platform
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from hil.config import TestbedConfig
from hil.drivers.link import latency_timer_ms
from hil.errors import HilError
from hil.firmware.profile import load_profile
from hil.firmware.protocol import SerialConfig
from hil.interfaces import ReferencedSdr, Sdr, TriggeringSdr
from hil.measure.calibration import Calibration
from hil.phy.ofdm import OfdmGrid
from hil.testbed.open import open_radio, open_surface
from hil.testbed.plan import radiation_plan


@dataclass(frozen=True)
class Check:
    """One finding. ok is None where the check does not apply here; `detail` says why."""

    name: str
    ok: bool | None
    detail: str
    fix: str = ""


def diagnose(config: TestbedConfig | None = None) -> Iterator[Check]:
    """Check the machine and, where a testbed is given, its instruments one by one."""
    yield Check("python", True, platform.python_version())
    yield from (_library(*each) for each in _LIBRARIES)
    yield _libiio()
    yield _torch()
    if config is None:
        return
    yield _attempt("profile", lambda: _profile(config), "hil profiles lists the boards that are known")
    yield _attempt("transmission", lambda: _plan(config), "mend power: and safety: of the testbed file")
    yield _pilot(config)
    yield _latency(config)
    yield from _instruments(config)


_LIBRARIES = (
    ("numpy", "2.0", ""),
    ("pyadi-iio", "0.0.18", ""),
    ("pyserial", "3.5", ""),
    ("pylibiio", "0.25", "pip install 'pylibiio>=0.25,<1'"),
)


def _library(name: str, least: str, fix: str) -> Check:
    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return Check(name, False, "not installed", fix or f"pip install '{name}>={least}'")
    if name == "pylibiio" and not version.startswith("0."):
        return Check(name, False, f"{version} needs the C library 1.x, which no distribution ships yet", fix)
    return Check(name, True, version)


def _libiio() -> Check:
    found = ctypes.util.find_library("iio")
    if found is None:
        return Check("libiio", False, "the C library is not installed", "apt install libiio0 libiio-utils")
    return Check("libiio", True, found)


def _torch() -> Check:
    try:
        torch = importlib.import_module("torch")
    except ImportError as error:
        return Check("torch", False, str(error), "pip install torch==2.13.0")
    device = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "CPU only"
    return Check("torch", True, f"{torch.__version__}, {device}")


def _attempt(name: str, look: Callable[[], str], fix: str) -> Check:
    try:
        return Check(name, True, look())
    except HilError as error:
        return Check(name, False, str(error), fix)


def _profile(config: TestbedConfig) -> str:
    profile = load_profile(config.surface.profile)
    return f"{profile.id}: {profile.geometry.num_elements} elements, {', '.join(profile.modes)}"


def _plan(config: TestbedConfig) -> str:
    plan = radiation_plan(config, config.users[0])
    return (
        f"{plan.low_hz / 1e6:.1f}-{plan.high_hz / 1e6:.1f} MHz, EIRP {plan.eirp_dbm:.1f} dBm, "
        f"attenuation {plan.attenuation_db:g} dB"
    )


def _pilot(config: TestbedConfig) -> Check:
    grid = OfdmGrid.from_config(config.ofdm)
    detail = f"{config.ofdm.pilot}, crest factor {grid.crest_factor_db:.1f} dB"
    return Check("pilot", grid.pilot_advice is None, detail, grid.pilot_advice or "")


def _latency(config: TestbedConfig) -> Check:
    """The FTDI adapter's latency timer: at 16 ms, as Linux sets it, a stepped sweep takes three times as long."""
    link = load_profile(config.surface.profile).link
    port = config.surface.port
    wanted = link.ftdi_latency_ms if isinstance(link, SerialConfig) else None
    found = None if wanted is None else latency_timer_ms(port)
    if wanted is None or found is None:
        return Check("latency timer", None, f"{port} has no FTDI adapter that can be seen")
    fix = f"echo {wanted} | sudo tee /sys/bus/usb-serial/devices/{Path(port).resolve().name}/latency_timer"
    return Check("latency timer", found <= wanted, f"{found} ms, wanted {wanted} ms", fix)


def _instruments(config: TestbedConfig) -> Iterator[Check]:
    """Each by itself, and only then what both of them have to fit: one that is missing does not hide the other."""
    alone, identity = config.model_copy(update={"calibration": None}), dict[str, str]()
    yield _attempt("radio", lambda: _radio(alone, identity), _RADIO_FIX)
    yield _attempt("board", lambda: _board(alone, identity), _BOARD_FIX)
    calibration = config.calibration
    if calibration is None:
        return
    if len(identity) < 2:
        yield Check("calibration", None, f"{calibration}: whose it is shows with radio and board")
        return
    yield _attempt("calibration", lambda: _calibration(config, Path(calibration), identity), "hil calibrate, once more")


_RADIO_FIX = (
    "see the message; its supply and cable, radio.uri (iio_info -s lists what is connected), programs that hold it"
)
_BOARD_FIX = "see the message; its supply and cable, surface.port and surface.profile, programs that hold it"


def _radio(config: TestbedConfig, identity: dict[str, str]) -> str:
    with open_radio(config) as radio:
        identity["radio"] = radio.identity
        return "; ".join([radio.identity, *_abilities(config, radio)])


def _board(config: TestbedConfig, identity: dict[str, str]) -> str:
    with open_surface(config) as surface:
        identity["surface"] = surface.identity
        return surface.identity


def _calibration(config: TestbedConfig, run_dir: Path, identity: dict[str, str]) -> str:
    calibration, grid = Calibration.load(run_dir), OfdmGrid.from_config(config.ofdm)
    calibration.require(identity, lo_hz=config.radio.lo_hz, sample_rate_hz=grid.sample_rate_hz)
    return f"{run_dir}, made {calibration.made_utc}"


def _abilities(config: TestbedConfig, sdr: Sdr) -> Iterator[str]:
    """What the radio has beyond a transmitter and a receiver."""
    if isinstance(sdr, TriggeringSdr) and sdr.triggers:
        yield "TDD engine, for sweep mode triggered"
    if isinstance(sdr, ReferencedSdr) and sdr.num_receivers > 1:
        yield "second receiver: a sweep listens whether a coupler feeds it"
    if config.receiver is not None:
        yield "two radios: sweep modes triggered, sequence and burst only, one capture for many patterns"
