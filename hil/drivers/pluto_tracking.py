"""The receiver's tracking loops: quadrature, RF DC, BB DC; they run as the device starts, and a sweep holds them.

While they run each sounding differs from the next by what they have learnt in between, and they take away a pilot at
DC. Held, their corrections stay as they are. The device keeps that beyond connections and programs, so what was found
is kept here until it was put back, over whatever connection there is by then.
"""

from collections.abc import Mapping
from typing import Any

from hil.drivers.pluto_device import PlutoDevice
from hil.errors import RadioError

LOOPS = ("quadrature_tracking_en", "rf_dc_offset_tracking_en", "bb_dc_offset_tracking_en")


class TrackingLoops:
    """Remembers what it changes; `restore` puts it back."""

    def __init__(self, name: str, found: Mapping[str, str] | None = None) -> None:
        """found: what another program had found before it changed it."""
        self._name = name
        self._found = dict(found or {})

    def find(self, device: PlutoDevice) -> dict[str, str]:
        """What `restore` will put back: each loop as it was before anybody switched it."""
        if not self._found:
            attrs = self._attrs(device)
            self._found = {loop: str(attrs[loop].value) for loop in LOOPS}
        return self._found

    def switch(self, device: PlutoDevice, on: bool) -> None:
        """Let all of them run, or hold all of them. Raises RadioError where one does not take it."""
        self.find(device)
        self._write(device, dict.fromkeys(LOOPS, str(int(on))))

    def restore(self, device: PlutoDevice) -> None:
        """As they were found; without effect where nobody switched them. Raises RadioError as `switch`."""
        if self._found:
            self._write(device, self._found)
            self._found = {}

    def _write(self, device: PlutoDevice, values: Mapping[str, str]) -> None:
        attrs = self._attrs(device)
        for loop, value in values.items():
            attrs[loop].value = value
            taken = attrs[loop].value
            if int(taken) != int(value):
                raise RadioError(f"radio {self._name}: {loop}: sent {value}, it reads {taken}")

    def _attrs(self, device: PlutoDevice) -> Any:
        channel = device._ctrl.find_channel("voltage0", False)
        if channel is None:
            raise RadioError(f"radio {self._name}: has no receive path (voltage0), so it is no Pluto")
        return channel.attrs
