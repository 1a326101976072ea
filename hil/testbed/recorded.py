"""A station's radio over raw samples instead of a device: the real driver, the recorded one below it."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from hil.config import TestbedConfig
from hil.drivers.gate import TransmitGate
from hil.drivers.pluto import PlutoSdr
from hil.drivers.two_plutos import TwoPlutos
from hil.errors import MeasurementError
from hil.interfaces import Clock, RadioSettings
from hil.phy.ofdm import OfdmGrid
from hil.sim.adi_recorded import Block, RecordedAd9361, RecordedPluto, Tape
from hil.testbed.station import SIMULATION_TIMEOUT_S

__all__ = ["Block", "recorded_radio"]


@contextmanager
def recorded_radio(
    config: TestbedConfig, settings: RadioSettings, identity: str, blocks: list[Block]
) -> Iterator[tuple[PlutoSdr | TwoPlutos, Clock]]:
    """The radio, or two of them, open, configured and told to send pilots; and the time that it lives in.

    Its captures are the blocks one by one, and nothing is radiated.
    Raises MeasurementError where blocks are left at the end: then they were not asked for as they were recorded.
    """
    tape = Tape(blocks)
    receivers = blocks[0].samples.shape[1]
    face = RecordedAd9361 if receivers == 2 else RecordedPluto
    gate = TransmitGate(config.safety, config.power, tape)
    make = partial(PlutoSdr, partial(face, tape, identity), gate, tape, timeout_s=SIMULATION_TIMEOUT_S, exclusive=False)
    radio = make(name="recorded")
    with radio if config.receiver is None else TwoPlutos(make(name="recorded sender"), radio) as sdr:
        sdr.open()
        sdr.configure(settings)
        if receivers == 2:
            radio.use_reference(settings.rx_gain_db)  # which gain it was is in the samples
        sdr.transmit(OfdmGrid.from_config(config.ofdm).transmit_frame(config.radio.frame_peak_dbfs))
        yield sdr, tape
    if tape.left:
        raise MeasurementError(f"{tape.left} of {len(blocks)} recorded captures were not asked for")
