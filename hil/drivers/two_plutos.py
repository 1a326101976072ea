"""Two Plutos as one radio: one transmits, the other one receives, each on its own crystal.

The receiver's transmitter is made quiet as any other, and stays so. Whatever fails in one, both are quiet afterwards.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import numpy as np

from hil.arrays import Complex
from hil.drivers.pluto import PlutoSdr
from hil.drivers.together import open_together
from hil.interfaces import Capture, Closing, FrameTrain, Hear, RadioSettings, RawSink

__all__ = ["TwoPlutos"]


class TwoPlutos(Closing):
    """A `TriggeringSdr`, a `TrackingSdr` and a `RawSdr`.

    Both drivers ask the same gate, so that a capture is granted for what the sender radiates.
    """

    def __init__(self, sender: PlutoSdr, receiver: PlutoSdr) -> None:
        self._sender, self._receiver = sender, receiver

    @property
    def identity(self) -> str:
        """Of the sender, then of the receiver."""
        return f"{self._sender.identity} -> {self._receiver.identity}"

    def open(self) -> None:
        """Raises NotConnected with each one that failed; none is open then."""
        with ExitStack() as closing:
            open_together((self._sender, self._receiver), closing)
            closing.pop_all()

    def configure(self, settings: RadioSettings) -> RadioSettings:
        """Both alike; what the receiver took, with the sender's attenuation."""
        with self._both_or_none():
            sent = self._sender.configure(settings)
            heard = self._receiver.configure(settings)
        return RadioSettings(
            heard.sample_rate_hz, heard.lo_hz, heard.bandwidth_hz, sent.tx_attenuation_db, heard.rx_gain_db
        )

    def set_rx_gain(self, gain_db: float) -> float:
        with self._both_or_none():
            return self._receiver.set_rx_gain(gain_db)

    def set_tracking(self, on: bool) -> None:
        """Of the receiver, whose loops act on what is heard; `quiet` restores them, the guard after a kill."""
        with self._both_or_none():
            self._receiver.set_tracking(on)

    def transmit(self, frame: Complex[np.ndarray, "sample"]) -> None:
        with self._both_or_none():
            self._sender.transmit(frame)

    def capture(self, num_samples: int) -> Capture:
        with self._listening():
            return self._receiver.capture(num_samples)

    @property
    def max_samples(self) -> int:
        """Of the receiver."""
        return self._receiver.max_samples

    def begin_capture(self, num_samples: int, *, piece_samples: int | None = None) -> None:
        with self._listening():
            self._receiver.begin_capture(num_samples, piece_samples=piece_samples)

    def end_capture(self, hear: Hear | None = None) -> Capture:
        with self._both_or_none():
            return self._receiver.end_capture(hear)

    @property
    def triggers(self) -> bool:
        """Whether the receiver has a TDD engine: pulses that belong to places in the samples are its own."""
        return self._receiver.triggers

    @property
    def max_train_samples(self) -> int:
        """Of the receiver."""
        return self._receiver.max_train_samples

    def capture_frames(self, train: FrameTrain, hear: Hear | None = None) -> Capture:
        """One capture from the start of the receiver's first frame on; each frame pulses its pin L10P.

        What is on the air goes on as it was: it starts with no frame. Raises as `PlutoSdr.listen_in_frames`.
        """
        with self._listening():
            return self._receiver.listen_in_frames(train, hear)

    def tap(self, sink: RawSink | None) -> None:
        """What the receiver's ADC gives, as `PlutoSdr.tap`."""
        self._receiver.tap(sink)

    def quiet(self) -> None:
        """The sender first; the receiver too, whatever fails. Raises RadioError as `PlutoSdr.quiet`."""
        with ExitStack() as whatever_fails:
            whatever_fails.callback(self._receiver.quiet)
            self._sender.quiet()

    def close(self) -> None:
        with ExitStack() as whatever_fails:
            whatever_fails.callback(self._receiver.close)
            self._sender.close()

    @contextmanager
    def _listening(self) -> Iterator[None]:
        """As `_both_or_none`; what the sender radiates is allowed to go on, and its guard knows."""
        with self._both_or_none():
            self._sender.renew()
            yield

    @contextmanager
    def _both_or_none(self) -> Iterator[None]:
        """After any exception both are quiet."""
        try:
            yield
        except BaseException:
            self.quiet()
            raise
