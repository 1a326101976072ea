"""Whether the steps of the receiver's ADC show in what a verdict stands on."""

from hil.measure.levels import Steps
from hil.measure.recording import Recording
from hil.measure.setup import Setup
from hil.measure.stepping import SoundingBlock


def steps_of_verdict(recording: Recording) -> Steps | None:
    """Of the verification, the first block of each; of several the one with the weakest signal. None without one.

    Raises RecordingError for damaged steps.
    """
    ofdm = Setup.from_json(recording.manifest).testbed.ofdm
    found = []
    for name in recording.names:
        if name.split("/")[-2:] == ["verify", "00000"]:
            block = SoundingBlock.from_records(recording.read(name).data)
            found.append(Steps.of(block.response, block.noise_var, symbols=ofdm.repetitions, fft_size=ofdm.fft_size))
    return min(found, key=lambda each: each.signal_db, default=None)
