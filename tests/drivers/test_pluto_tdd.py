"""The driver on the TDD engine: one start for all captures, and everything as before afterwards, whatever happens."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from hil.config import load_testbed
from hil.drivers.gate import TransmitGate
from hil.drivers.pluto import PlutoSdr, connect_pluto
from hil.errors import RadioError
from hil.firmware.profile import load_profile
from hil.interfaces import START_SAMPLES, FrameTrain, RadioSettings, TriggeringSdr
from hil.sim.adi_pluto import Pluto
from hil.sim.adi_tddn import OneBitAdcDac, Tddn
from hil.sim.iiod import IiodServer
from hil.sim.pluto import SimulatedPluto
from hil.sim.tdd import TddEngine
from hil.testbed.station import make_pluto, make_world

TESTBED = Path(__file__).parents[2] / "configs/testbeds/sim-opensource-ris.yaml"
SETTINGS = RadioSettings(sample_rate_hz=25e6, lo_hz=5.53e9, bandwidth_hz=20e6, tx_attenuation_db=10.0, rx_gain_db=40.0)
WAVE = 0.9 * np.exp(1j * np.pi * np.arange(320) ** 2 / 320)
TRAIN = FrameTrain(frame_samples=1000, num_frames=5, lead_samples=400, num_samples=6000)


class Bench:
    """A radio with a driver, the pulses that left it, and an engine that somebody else left running."""

    def __init__(self, served: bool, closing: ExitStack) -> None:
        config = load_testbed(TESTBED)
        assert config.simulation is not None
        self.world = make_world(config, load_profile(config.surface.profile), config.users[0])
        self.pluto: SimulatedPluto = make_pluto(config, config.simulation, self.world)
        self.pulses_s: list[float] = []
        self.pluto.connect_pulse(lambda: self.pulses_s.append(self.world.clock.now_s()))
        tdd = Tddn(self.pluto)
        tdd.frame_length_raw, tdd.burst_count, tdd.sync_external = 12_345, 7, True
        tdd.channel[1].on_raw, tdd.channel[2].polarity = 33, True
        uri, connect = "sim", partial(Pluto, self.pluto)
        if served:
            server = IiodServer(self.pluto)
            server.start()
            closing.callback(server.stop)
            uri, connect = server.uri, partial(connect_pluto, server.uri, 1.0)  # type: ignore[assignment]
        gate = TransmitGate(config.safety, config.power, self.world.clock)
        self.sdr = PlutoSdr(connect, gate, self.world.clock, name=uri, timeout_s=2.0, exclusive=False)
        closing.callback(self.sdr.close)

    def start(self) -> PlutoSdr:
        self.sdr.open()
        self.sdr.configure(SETTINGS)
        self.sdr.transmit(WAVE)
        return self.sdr

    @property
    def engine(self) -> list[float]:
        """All that a program can set of the engine."""
        tdd, pins = Tddn(self.pluto), OneBitAdcDac(self.pluto)
        names = ("frame_length_raw", "startup_delay_raw", "burst_count", "sync_internal", "sync_external", "enable")
        edges = [
            getattr(channel, name) for channel in tdd.channel for name in ("enable", "polarity", "on_raw", "off_raw")
        ]
        return [*(getattr(tdd, name) for name in names), *edges, pins.gpio_phaser_enable]


@pytest.fixture(params=["in process", pytest.param("on the wire", marks=pytest.mark.wire("libiio"))])
def make_bench(request: pytest.FixtureRequest) -> Iterator[Callable[[], Bench]]:
    with ExitStack() as closing:
        yield lambda: Bench(request.param == "on the wire", closing)


def lag(samples: np.ndarray) -> int:
    """Of what is heard behind the start of the wave."""
    return int(np.abs(np.fft.ifft(np.fft.fft(samples[:320]) * np.fft.fft(WAVE).conj())).argmax())


def test_each_capture_of_frames_begins_at_the_same_place_of_the_wave(make_bench: Callable[[], Bench]) -> None:
    bench = make_bench()
    sdr = bench.start()
    assert isinstance(sdr, TriggeringSdr)
    assert sdr.triggers
    lags = {lag(sdr.capture_frames(TRAIN).samples) for _ in range(4)}
    assert len(lags) == 1
    assert len({lag(sdr.capture(1000).samples) for _ in range(6)}) > 2


def test_each_frame_pulses_the_pin_once_at_its_lead_behind_the_capture(make_bench: Callable[[], Bench]) -> None:
    bench = make_bench()
    sdr = bench.start()
    note = bench.pulses_s.append

    def pulse() -> None:
        note(bench.world.clock.now_s())
        bench.world.radiate(None, bench.world.clock.now_s())

    bench.pluto.connect_pulse(pulse)
    level = np.abs(sdr.capture_frames(TRAIN).samples)
    assert level.size == TRAIN.num_samples
    assert np.diff(bench.pulses_s) * 25e6 == pytest.approx([1000] * 4, abs=0.01)
    first = int(np.flatnonzero(level < level[:300].mean() / 2)[0])
    assert -START_SAMPLES <= first - TRAIN.lead_samples <= 0


def test_a_capture_in_blocks_of_frames_is_the_one_in_a_block_but_for_spare_samples(
    make_bench: Callable[[], Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each block waits for its frame: nothing but spare samples is lost, and all that was heard stays."""
    monkeypatch.setattr("hil.drivers.pluto_receiver.PIECE_SAMPLES", 2000)
    trains = [FrameTrain(1000, 50, 936, 51_000, spare) for spare in (0, 64)]
    heard: list[np.ndarray] = []
    whole, _ = (make_bench().start().capture_frames(train).samples for train in trains)
    bench = make_bench()
    blocks = bench.start().capture_frames(trains[1], lambda samples: heard.append(samples.copy())).samples
    assert len(heard) > 10
    assert all(np.array_equal(part, blocks[: part.size]) for part in heard)
    gone = np.flatnonzero((blocks == 0) & (whole != 0))
    assert gone.size > 10 * 50 and np.all(gone % 1000 >= 936)
    kept = np.arange(blocks.size) % 1000 < 936
    apart = np.abs(blocks - whole)[kept]
    assert np.median(apart) < 1.5 * np.median(np.abs(blocks - np.roll(blocks, 320))[kept])
    assert len(bench.pulses_s) == 50


@pytest.mark.parametrize("num_frames", [1, 2, 5, 300])
@pytest.mark.parametrize("tail", [1, 900, 1100, 9000])
def test_every_block_of_a_train_finds_a_frame_to_begin_with(
    make_bench: Callable[[], Bench], monkeypatch: pytest.MonkeyPatch, num_frames: int, tail: int
) -> None:
    monkeypatch.setattr("hil.drivers.pluto_receiver.PIECE_SAMPLES", 2500)
    num_samples = 936 + 1000 * num_frames + tail
    sdr = make_bench().start()
    for _ in range(2):
        assert sdr.capture_frames(FrameTrain(1000, num_frames, 936, num_samples, 64)).samples.size == num_samples


def test_the_engine_is_put_back_after_a_capture(make_bench: Callable[[], Bench]) -> None:
    bench = make_bench()
    before = bench.engine
    bench.start().capture_frames(TRAIN)
    assert bench.engine == before
    assert len(bench.pulses_s) == TRAIN.num_frames
    bench.world.clock.sleep(1.0)
    assert len(bench.pulses_s) == TRAIN.num_frames


def test_a_stuck_engine_is_an_error_and_leaves_the_radio_quiet_and_the_engine_as_before(
    make_bench: Callable[[], Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = make_bench()
    before = bench.engine
    sdr = bench.start()
    monkeypatch.setattr(TddEngine, "sync", lambda _: None)
    with pytest.raises(RadioError, match="capture_frames"):
        sdr.capture_frames(TRAIN)
    assert bench.engine == before
    assert bench.pluto.read_attr("ad9361-phy", "powerdown", channel="altvoltage1", output=True) == "1"


def test_a_begun_capture_is_dropped_where_frames_are_captured(make_bench: Callable[[], Bench]) -> None:
    sdr = make_bench().start()
    sdr.begin_capture(1000)
    sdr.capture_frames(TRAIN)
    with pytest.raises(RadioError, match="no capture was begun"):
        sdr.end_capture()


def test_frames_without_spare_samples_that_do_not_fit_in_a_block_are_refused(
    make_bench: Callable[[], Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A further block would begin a frame later, and a longer one is cut in silence."""
    monkeypatch.setattr("hil.drivers.pluto_receiver.MAX_BLOCK_BYTES", 4 * 6000)
    sdr = make_bench().start()
    assert sdr.capture_frames(TRAIN).samples.size == 6000
    with pytest.raises(RadioError, match="6001 samples does not fit in its memory, 6000 do"):
        sdr.capture_frames(FrameTrain(1000, 5, 400, 6001))
    sdr.transmit(WAVE)
    assert sdr.capture_frames(FrameTrain(1000, 6, 400, 6001, spare_samples=64)).samples.size == 6001


def test_an_interrupt_in_the_midst_of_a_capture_puts_the_engine_back(
    make_bench: Callable[[], Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = make_bench()
    before = bench.engine
    sdr = bench.start()

    def interrupt(_self: object, **_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("hil.drivers.pluto_session.PlutoSession.blocks", interrupt)
    with pytest.raises(KeyboardInterrupt):
        sdr.capture_frames(TRAIN)
    assert bench.engine == before


def test_an_engine_that_counts_another_clock_gets_as_many_cycles(
    make_bench: Callable[[], Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that counts two cycles a sample is told twice as many."""
    bench = make_bench()
    sdr = bench.start()
    written: list[int] = []
    monkeypatch.setattr(TddEngine, "rate_hz", property(lambda _: 50e6))
    sync = TddEngine.sync

    def note(self: TddEngine) -> None:
        written.append(self.frame_length)
        sync(self)

    monkeypatch.setattr(TddEngine, "sync", note)
    sdr.capture_frames(FrameTrain(1000, 5, 400, 3000))
    assert written == [2000]


def test_a_radio_without_the_engine_says_what_to_do(
    make_bench: Callable[[], Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hil.drivers.pluto_tdd.ENGINE", "iio-axi-tdd-7")
    sdr = make_bench().start()
    assert not sdr.triggers
    with pytest.raises(RadioError, match="update the Pluto"):
        sdr.capture_frames(TRAIN)


def test_nothing_is_captured_while_nothing_is_on_the_air(make_bench: Callable[[], Bench]) -> None:
    sdr = make_bench().start()
    sdr.quiet()
    with pytest.raises(RadioError, match="call transmit"):
        sdr.capture_frames(TRAIN)
