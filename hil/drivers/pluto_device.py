"""Reaching a Pluto: the part of pyadi-iio's `adi.Pluto` that the driver uses, how to get one, and what its errors mean.

pyadi-iio raises bare exceptions and hides the cause of a failed connection behind `No device found`; here each cause
becomes one sentence that says what to do.
"""

import errno
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hil.errors import InstrumentError, NotConnected, RadioError

PlutoDevice = Any
"""An `adi.Pluto`, or a simulated device with the same attributes; pyadi-iio carries no types. Used of it:

ctx.attrs: `hw_serial`, `hw_model`, `fw_version`. ctx.set_timeout(milliseconds), by `connect_pluto` only.
_ctrl.find_channel("altvoltage1", True).attrs["powerdown"].value: "0" or "1", the TX LO.
_ctrl.find_channel("voltage0", False).attrs["quadrature_tracking_en"].value, and of both DC loops: "0" or "1".
_ctrl.find_channel("temp0").attrs["input"].value: thousandths of a degree Celsius; may be missing.
_rxadc.set_kernel_buffers_count(count).
sample_rate, rx_lo, tx_lo, rx_rf_bandwidth, tx_rf_bandwidth: Hz, written as int.
gain_control_mode_chan0: text. rx_hardwaregain_chan0, tx_hardwaregain_chan0: dB, written as float.
dds_scales: numbers, one a tone. tx_cyclic_buffer, tx(samples), tx_destroy_buffer(): DAC values within int16.
rx_buffer_size, rx(), rx_destroy_buffer(): ADC values from -2048 to 2047, complex. _rx_init_channels(): opens it.
"""

Connect = Callable[[], PlutoDevice]

SIMULATED_SERIAL = "hil-sim-"  # how the serial numbers of simulated devices begin, through both of their doors
SECOND_RECEIVER = "rx_hardwaregain_chan1"
SECOND_SCAN_CHANNEL = "voltage2"  # I of the second receiver


def has_two_channels(device: PlutoDevice) -> bool:
    """Whether it is an `adi.ad9361`, which has what an `adi.Pluto` has and a second channel beside it."""
    return hasattr(type(device), SECOND_RECEIVER)


@dataclass(frozen=True)
class About:
    """What a device tells of itself; what it is taken for before it was asked.

    identity: serial number, model and firmware; begins with `sim+` where the device is a simulation.
    has_frames: it has a TDD engine: firmware 0.39 and later.
    """

    serial: str = ""
    identity: str = ""
    num_receivers: int = 1
    has_frames: bool = False


def describe(device: PlutoDevice, *, has_frames: bool) -> About:
    """A device by the attributes of its context."""
    told = dict(device.ctx.attrs)
    serial = told.get("hw_serial", "unknown serial")
    prefix = "sim+" if serial.startswith(SIMULATED_SERIAL) else ""
    identity = f"{prefix}{serial} ({told.get('hw_model', 'Pluto')}, firmware {told.get('fw_version', '?')})"
    return About(serial, identity, 1 + has_two_channels(device), has_frames)


# errno of an answer that refuses one request; after any other errno the exchange with the device is out of step
# (libiio does not resynchronise after a timeout), so that only a new context helps.
REFUSALS = frozenset(
    {errno.EINVAL, errno.ERANGE, errno.EBUSY, errno.EACCES, errno.EPERM, errno.ENOENT, errno.ENOSYS, errno.ENOMEM}
)

_NOT_REACHED = {
    errno.ECONNREFUSED: "nothing answers there: is the Pluto booted, the address right (`iio_info -s` lists devices), "
    "the port that of its IIO daemon?",
    errno.EHOSTUNREACH: "unreachable: check the cable, and that `ping` reaches it",
    errno.ENETUNREACH: "unreachable: check that this computer has an address in the Pluto's network (192.168.2.10)",
    errno.ETIMEDOUT: "unreachable: check the cable, and that `ping` reaches it",
    errno.ENXIO: "no such host or malformed URI: write ip:192.168.2.1 or usb:1.5.5 (`iio_info -s` lists devices)",
    errno.ENOSYS: "libiio does not know this kind of URI: write ip:192.168.2.1 or usb:1.5.5",
    errno.EINVAL: "malformed URI, or no route to that address: write ip:192.168.2.1 or usb:1.5.5, check that `ping` "
    "reaches it",
    errno.ENODEV: "no such device: `iio_info -s` lists what is connected; after unplugging, the usb: numbers change",
    errno.ENOENT: "no such device: `iio_info -s` lists what is connected",
    errno.EBUSY: "busy: another program holds it; close that program, or unplug the radio and plug it in again",
    errno.EACCES: "permission denied: install libiio's udev rules and join the group `plugdev`, or use ip:192.168.2.1",
    errno.EPERM: "permission denied: install libiio's udev rules and join the group `plugdev`, or use ip:192.168.2.1",
}
_FAILED = {
    errno.ETIMEDOUT: "no answer in time; check the cable and raise radio.timeout_s",
    errno.EPIPE: "the connection broke, which is also how libiio shows that no answer came in time; check the cable",
    errno.ECONNRESET: "the connection broke; check cable and power",
    errno.ECONNREFUSED: "the connection broke; check cable and power",
    errno.ENODEV: "the device vanished; check cable and power",
    errno.EIO: "the exchange failed; check cable and power",
    errno.EBUSY: "another program holds the radio's buffers; close it",
    errno.EINVAL: "the device refused the value",
}


def connect_pluto(uri: str, timeout_s: float) -> PlutoDevice:
    """An `adi.Pluto`, of a board with two channels an `adi.ad9361`; `timeout_s`: longest wait for one answer.

    Raises NotConnected, with the remedy, where a library is missing or of the wrong version, or nothing is reached.
    """
    adi = import_adi()
    try:
        device: PlutoDevice = adi.Pluto(uri)
        if device._rxadc.find_channel(SECOND_SCAN_CHANNEL) is not None:
            device = adi.ad9361(uri)
        device.ctx.set_timeout(round(timeout_s * 1000))
    except Exception as error:
        raise not_connected(uri, error) from error
    return device


def import_adi() -> Any:
    """The module `adi`. Raises NotConnected, with the remedy, where a library is missing or of the wrong version."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import adi
    except Exception as error:
        raise NotConnected(f"radio: {_why_no_adi(error)}") from error
    return adi


def _why_no_adi(error: Exception) -> str:
    if isinstance(error, ModuleNotFoundError) and error.name == "adi":
        return "the package pyadi-iio is not installed; run: pip install pyadi-iio"
    if isinstance(error, ModuleNotFoundError) and error.name == "iio":
        return "the package pylibiio is not installed; run: pip install 'pylibiio>=0.25,<1'"
    if "version" in str(error):
        return f"pylibiio does not fit the C library libiio ({error}); run: pip install 'pylibiio>=0.25,<1'"
    if isinstance(error, OSError | AttributeError):
        return f"the C library libiio is missing ({error}); run: apt-get install -y libiio0"
    return f"pyadi-iio does not load: {error}"


def not_connected(uri: str, error: BaseException) -> NotConnected:
    """What a failure to open `uri` means. The cause of pyadi-iio's `No device found` hides in its context."""
    cause = error
    while cause.__context__ is not None and not isinstance(cause, OSError):
        cause = cause.__context__
    if isinstance(cause, OSError):
        return NotConnected(f"radio {uri}: {_NOT_REACHED.get(cause.errno or 0, str(cause))}")
    return NotConnected(f"radio {uri}: answers, but not as a PlutoSDR does ({error})")


def failed(uri: str, doing: str, error: BaseException) -> InstrumentError:
    """What a foreign exception means that arose while `doing` something with an open radio."""
    if isinstance(error, InstrumentError):
        return error
    if isinstance(error, TimeoutError) and error.errno is None:
        why = "the library hangs, as it does where a cable is pulled; unplug the radio and plug it in again"
    elif isinstance(error, OSError):
        why = f"{_FAILED.get(error.errno or 0, 'unexpected')} (errno {error.errno}, {error.strerror})"
    else:
        why = str(error) or type(error).__name__
    return RadioError(f"radio {uri}: {doing}: {why}")
