"""Every error that hil raises on purpose. Foreign exceptions are mapped to these at the seam where they enter.

HilError                      exit code
|-- ConfigError               2   a file or option is wrong; nothing was opened
|-- InstrumentError           3   an instrument or its cable
|   |-- NotConnected              could not be opened (all failures of a testbed together)
|   |-- LinkError                 bytes to or from the surface board
|   |   |-- LinkTimeout               no answer within the deadline
|   |   `-- FramingError              an answer that is no frame
|   |-- BoardRejected             the board understood and said no
|   |-- BoardReset                the board restarted: its pattern is gone, the measurement in flight is void
|   |-- ReadbackMismatch          the board holds another pattern than the one commanded
|   `-- RadioError                the SDR
|       `-- Overload                  the receiver clipped
|-- SafetyError               3   the gate refused to radiate
|-- MeasurementError          4   the instruments answered, the data cannot be used
|   `-- Incoherent                  phases are lost from sounding to sounding: powers alone can be believed
|-- CalibrationError          4   a calibration is missing, stale or foreign
`-- RecordingError            4   a run directory cannot be written, or does not hold what it says
"""


class HilError(Exception):
    """Base of all errors that hil raises on purpose; `exit_code` is what the commands return."""

    exit_code = 1


class ConfigError(HilError):
    """A file or an option is wrong. Written `file:line: path: why, what is allowed`. Nothing was opened."""

    exit_code = 2


class InstrumentError(HilError):
    """An instrument or its cable failed. Says which one, what was sent, what came back, what to try."""

    exit_code = 3


class NotConnected(InstrumentError):
    """One or more instruments could not be opened; lists every failure with its fix."""


class LinkError(InstrumentError):
    """Bytes to or from the surface board were lost or damaged."""


class LinkTimeout(LinkError):
    """The board did not answer within the deadline."""


class FramingError(LinkError):
    """Bytes came back that are no frame of the board's protocol."""


class BoardRejected(InstrumentError):
    """The board understood the command and refused it."""


class BoardReset(InstrumentError):
    """The board restarted: its pattern is gone and the measurement in flight is void."""


class ReadbackMismatch(InstrumentError):
    """The board holds another pattern than the one commanded."""


class RadioError(InstrumentError):
    """The SDR failed, or did not take a setting."""


class Overload(RadioError):
    """The receiver clipped and lowering the gain did not help."""


class SafetyError(HilError):
    """The transmission gate refused: nothing was radiated."""

    exit_code = 3


class MeasurementError(HilError):
    """The instruments answered, but the data cannot be used."""

    exit_code = 4


class Incoherent(MeasurementError):
    """Phases are lost from sounding to sounding: no channel can be estimated, powers alone can be believed."""


class CalibrationError(HilError):
    """A calibration is missing, stale, or belongs to other hardware."""

    exit_code = 4


class RecordingError(HilError):
    """A run directory cannot be written, or does not hold what its log says."""

    exit_code = 4
