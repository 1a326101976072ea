"""Simulated instruments on the wire: each radio of a station, in one world, for unmodified libiio and pyserial."""

import tempfile
from pathlib import Path

import numpy as np
import pytest

from hil.config import load_testbed
from hil.testbed import open_testbed, serve

TESTBED = Path(__file__).parents[2] / "configs/testbeds/sim-two-plutos.yaml"


@pytest.mark.wire
def test_of_two_radios_that_are_served_the_second_hears_the_first_off_by_their_crystals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # simulated radios of other tests have the same locks
    with serve(load_testbed(TESTBED, {"simulation.receiver_crystal": {"offset_ppm": -5.0}})) as served:
        where = {"radio.uri": served.pluto_uri, "receiver.uri": served.receiver_uri, "surface.port": served.board_port}
        with open_testbed(TESTBED, overrides=where) as testbed:
            assert testbed.truth is None
            testbed.sdr.transmit(0.5 * np.ones(320, complex))
            samples = testbed.sdr.capture(25_000).samples
    spectrum = np.abs(np.fft.fft(samples * np.hanning(samples.size)))
    heard_hz = np.fft.fftfreq(samples.size, 1 / 25e6)[np.argmax(spectrum)]
    assert heard_hz == pytest.approx(9e-6 * 5.53e9, abs=2e3)
