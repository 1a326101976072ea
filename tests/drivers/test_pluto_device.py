"""Reaching a Pluto: each way in which it cannot be reached ends in one sentence that says what to do."""

import builtins
import errno
import sys
from typing import Any

import pytest

from hil.drivers.pluto_device import REFUSALS, connect_pluto, failed, not_connected
from hil.errors import NotConnected, Overload, RadioError


@pytest.fixture
def import_error(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let `import adi` raise a given error."""
    monkeypatch.delitem(sys.modules, "adi", raising=False)
    real = builtins.__import__

    def arrange(error: Exception) -> None:
        def fail(name: str, *args: Any, **kwargs: Any) -> Any:
            if name == "adi":
                raise error
            return real(name, *args, **kwargs)

        monkeypatch.setattr(builtins, "__import__", fail)

    return arrange


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (ModuleNotFoundError("No module named 'adi'", name="adi"), "pip install pyadi-iio"),
        (ModuleNotFoundError("No module named 'iio'", name="iio"), "pip install 'pylibiio>=0.25,<1'"),
        (RuntimeError("libiio version 1.x required, found version 0"), "pip install 'pylibiio>=0.25,<1'"),
        (AttributeError("python: undefined symbol: iio_get_backends_count"), "apt-get install -y libiio0"),
        (OSError("libiio.so.0: cannot open shared object file"), "apt-get install -y libiio0"),
        (ValueError("something else"), "pyadi-iio does not load: something else"),
    ],
)
def test_a_library_that_does_not_load_names_its_remedy(import_error: Any, error: Exception, remedy: str) -> None:
    import_error(error)
    with pytest.raises(NotConnected) as caught:
        connect_pluto("ip:192.168.2.1", 1.0)
    assert remedy in str(caught.value)


def hidden(cause: OSError) -> Exception:
    """As pyadi-iio hides it."""
    try:
        try:
            raise cause
        except OSError:
            raise Exception("No device found")  # noqa: B904  that is the trap
    except Exception as error:  # noqa: BLE001  pyadi-iio raises no other
        return error


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (errno.ECONNREFUSED, "nothing answers there"),
        (errno.EHOSTUNREACH, "check the cable"),
        (errno.ENETUNREACH, "192.168.2.10"),
        (errno.ETIMEDOUT, "check the cable"),
        (errno.ENXIO, "no such host or malformed URI"),
        (errno.ENOSYS, "write ip:192.168.2.1 or usb:1.5.5"),
        (errno.ENODEV, "iio_info -s"),
        (errno.EBUSY, "another program holds it"),
        (errno.EACCES, "udev rules"),
    ],
)
def test_the_cause_behind_no_device_found_is_told(code: int, words: str) -> None:
    message = str(not_connected("usb:1.5.5", hidden(OSError(code, "x"))))
    assert message.startswith("radio usb:1.5.5: ")
    assert words in message


def test_an_unknown_cause_is_quoted() -> None:
    assert "Odd (77)" in str(not_connected("usb:1.5.5", hidden(OSError(77, "Odd (77)"))))


def test_another_iio_device_is_no_pluto() -> None:
    assert "not as a PlutoSDR does" in str(not_connected("ip:x", Exception("No device found with name cf-ad9361-lpc")))


def test_errors_of_our_own_pass_unchanged() -> None:
    error = Overload("clipped")
    assert failed("x", "capture", error) is error


def test_a_hanging_library_is_told_from_a_timeout_that_it_reports() -> None:
    assert "the library hangs" in str(failed("x", "capture", TimeoutError("no return")))
    reported = failed("x", "capture", TimeoutError(errno.ETIMEDOUT, "Connection timed out"))
    assert isinstance(reported, RadioError)
    assert "raise radio.timeout_s (errno 110" in str(reported)


def test_a_broken_connection_is_no_refusal() -> None:
    assert REFUSALS.isdisjoint({errno.EPIPE, errno.ETIMEDOUT, errno.ECONNRESET, errno.ENODEV, errno.EIO})


@pytest.mark.wire("libiio")
@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("ip:127.0.0.1:1", "nothing answers there"),
        ("usb:9.9.9", "no such device|does not know this kind"),
        ("usb:", "malformed URI"),
        ("nonsense", "does not know this kind of URI"),
        ("local:", "no such device|answers, but not as a PlutoSDR"),
    ],
)
def test_the_real_library_cannot_reach_what_is_not_there(uri: str, words: str) -> None:
    with pytest.raises(NotConnected, match=f"radio {uri}: .*({words})"):
        connect_pluto(uri, 1.0)
