"""The daemon on loopback: clients that come, go and die, and the real libraries and tools against it."""

import errno
import gc
import importlib
import re
import socket
import subprocess
import threading
import time
import warnings
from contextlib import contextmanager

import numpy as np
import pytest

from hil.sim.clock import RealTimeClock
from hil.sim.iiod import MAX_CONNECTIONS, IiodServer

PHY, RX, TX = "ad9361-phy", "cf-ad9361-lpc", "cf-ad9361-dds-core-lpc"
TIMEOUT_S = 20
WAVE = 2**14 * np.exp(1j * np.pi * np.arange(256) ** 2 / 256)


@pytest.fixture
def served(make_served, make_cable):
    """A radio in real time behind a cable of 20 dB, and its server."""
    with RealTimeClock() as clock:
        yield make_served(make_cable(20.0, clock=clock))


def dial(server):
    return socket.create_connection(("127.0.0.1", server.port), timeout=TIMEOUT_S)


def ask(connection, sent, answer_bytes):
    connection.sendall(sent)
    answer = b""
    while len(answer) < answer_bytes:
        received = connection.recv(answer_bytes - len(answer))
        assert received, f"the server left after {answer!r}"
        answer += received
    return answer


def accepted(connection, line):
    with connection.makefile("rb") as answers:
        connection.sendall(line.encode() + b"\r\n")
        return answers.readline() == b"0\n"


def start_cyclic(connection, num_samples=4):
    opened = ask(connection, f"OPEN {TX} {num_samples} 00000003 CYCLIC\r\n".encode(), 2)
    ready = ask(connection, f"WRITEBUF {TX} {4 * num_samples}\r\n".encode(), 2)
    done = ask(connection, bytes(range(1, 4 * num_samples + 1)), 3)
    assert (opened, ready, done) == (b"0\n", b"0\n", b"16\n")


# ------------------------------------------------------------------------------------------------------------ clients


def test_only_loopback_is_served(make_pluto):
    with pytest.raises(ValueError, match="loopback"):
        IiodServer(make_pluto(), "0.0.0.0")


def test_a_taken_port_is_an_error(make_served, make_pluto):
    _, server = make_served()
    with pytest.raises(OSError) as caught:
        IiodServer(make_pluto(), port=server.port).start()
    assert caught.value.errno == errno.EADDRINUSE


def test_a_client_that_dies_takes_its_transmission_along_and_nothing_else(served):
    pluto, server = served
    with dial(server) as witness:
        with dial(server) as dying:
            start_cyclic(dying)
            assert pluto.world.on_air.frame.size == 4
        assert pluto.world.wait_until(lambda sent: sent.frame.size == 0)
        assert ask(witness, b"VERSION\r\n", 12) == b"0.24.v0.24  "


def test_a_client_that_dies_within_a_payload_is_forgotten(served):
    _, server = served
    with dial(server) as dying:
        ask(dying, f"OPEN {TX} 1000 00000003\r\n".encode(), 2)
        ask(dying, f"WRITEBUF {TX} 4000\r\n".encode(), 2)
        dying.sendall(bytes(100))
    with dial(server) as next_client:
        deadline_s = time.monotonic() + TIMEOUT_S
        while not accepted(next_client, f"OPEN {TX} 4 00000003 CYCLIC"):
            assert time.monotonic() < deadline_s, "the buffer of the dead client is still open"


def test_two_clients_read_at_once_and_a_third_is_busy_only_where_somebody_sends_cyclically(served):
    _, server = served
    with dial(server) as one, dial(server) as two, dial(server) as three:
        for client in (one, two):
            assert ask(client, f"OPEN {RX} 1000 00000003\r\n".encode(), 2) == b"0\n"
        answers = {}

        def capture(client):
            answers[client] = ask(client, f"READBUF {RX} 4000\r\n".encode(), 5 + 9 + 4000)

        threads = [threading.Thread(target=capture, args=(client,)) for client in (one, two)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(TIMEOUT_S)
        assert [answers[client][:14] for client in (one, two)] == [b"4000\n00000003\n"] * 2
        start_cyclic(three)
        assert ask(one, f"OPEN {TX} 4 00000003\r\n".encode(), 4) == b"-16\n"


def test_attributes_answer_while_another_connection_waits_for_a_long_block(served):
    _, server = served
    with dial(server) as reader, dial(server) as other:
        slow = b"WRITE ad9361-phy INPUT voltage0 sampling_frequency 7\r\n2083334"
        assert ask(other, slow, 2) == b"7\n"
        ask(reader, f"OPEN {RX} 4000000 00000003\r\n".encode(), 2)  # two seconds
        reader.sendall(f"READBUF {RX} 64\r\n".encode())
        assert ask(other, b"READ ad9361-phy calib_mode\r\n", 8) == b"5\nauto\0\n"
        reader.settimeout(0.05)
        with pytest.raises(TimeoutError):
            reader.recv(1)


def test_stopping_ends_all_connections_and_their_transmissions(served):
    pluto, server = served
    with dial(server) as client:
        start_cyclic(client)
        server.stop()
        assert client.recv(1) == b""
    assert pluto.world.on_air.frame.size == 0
    server.stop()


def test_beyond_the_limit_no_connection_is_taken_and_the_others_live(served):
    _, server = served
    clients = [dial(server) for _ in range(MAX_CONNECTIONS + 1)]
    try:
        assert ask(clients[0], b"TIMEOUT 0\r\n", 2) == b"0\n"
        clients[-1].sendall(b"VERSION\r\n")
        with pytest.raises((ConnectionError, AssertionError)):
            ask(clients[-1], b"VERSION\r\n", 12)
    finally:
        for client in clients:
            client.close()


def test_pulling_the_cable_drops_the_connections_of_those_who_ask(served):
    pluto, server = served
    with dial(server) as client:
        pluto.unplug()
        client.sendall(b"READ ad9361-phy calib_mode\r\n")
        assert client.recv(1) == b""
    pluto.plug_in()
    with dial(server) as client:
        assert ask(client, b"READ ad9361-phy calib_mode\r\n", 8) == b"5\nauto\0\n"


# -------------------------------------------------------------------------------------------------- the real clients


def run(*command):
    result = subprocess.run(command, capture_output=True, timeout=TIMEOUT_S, check=False)
    return result.returncode, result.stdout, result.stderr.decode()


@pytest.fixture
def adi():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module("adi")


@contextmanager
def connected(adi, server):
    """A Pluto of pyadi-iio, freed in the order that the library needs: buffers, then the context."""
    sdr = adi.Pluto(server.uri)
    try:
        yield sdr
    finally:
        sdr.rx_destroy_buffer()
        sdr.tx_destroy_buffer()
        del sdr
        gc.collect()


@pytest.mark.wire("libiio", "iio_info")
def test_iio_info_reads_every_attribute(served):
    _, server = served
    code, out, err = run("iio_info", "-u", server.uri)
    assert (code, err) == (0, "")
    text = out.decode()
    for expected in (
        "IIO context has 6 devices",
        "RX_LO (output)",
        "TX1_Q_F2 (output)",
        "S12/16>>0",
        "S16/16>>0",
    ):
        assert expected in text
    assert "ERROR" not in text
    assert len(re.findall(r"attr +\d+: \w+ value: ", text)) > 60


@pytest.mark.wire("libiio", "iio_attr")
def test_iio_attr_reads_writes_and_reports_refusals(served):
    _, server = served
    there = ("-u", server.uri)
    path = (*there, "-o", "-c", PHY, "voltage0", "hardwaregain")
    assert run("iio_attr", *path, "-20.3")[1] == b"-20.250000 dB\n"
    assert run("iio_attr", *path) == (0, b"-20.250000 dB\n", "")
    code, out, err = run("iio_attr", *path, "1")
    assert code != 0
    assert "Invalid argument (22)" in out.decode() + err
    assert run("iio_attr", *there, "-D", PHY, "loopback", "1")[1] == b"1\n"
    code, out, err = run("iio_attr", *there, "-d", PHY, "rx_path_rates", "1")
    assert code != 0
    assert "Permission denied (13)" in out.decode() + err


@pytest.mark.wire("libiio", "iio_readdev")
def test_iio_readdev_streams_samples(served):
    _, server = served
    code, out, err = run("iio_readdev", "-u", server.uri, "-b", "1024", "-s", "8192", RX)
    assert (code, err) == (0, "")
    assert len(out) == 4 * 8192


@pytest.mark.wire("libiio")
def test_pyadi_iio_hears_what_it_sends(served, adi):
    pluto, server = served
    with connected(adi, server) as sdr:
        sdr.sample_rate = 4_000_000
        sdr.rx_lo = sdr.tx_lo = 2_400_000_000
        sdr.gain_control_mode_chan0 = "manual"
        sdr.rx_hardwaregain_chan0 = 20
        sdr.tx_hardwaregain_chan0 = 0
        sdr.rx_buffer_size = 1024
        sdr._rxadc.set_kernel_buffers_count(1)
        sdr.tx_cyclic_buffer = True
        sdr.tx(WAVE)
        sdr.rx()
        heard = sdr.rx()
        likeness = np.abs(np.fft.fft(heard[:256]) * np.fft.fft(WAVE).conj())
        assert np.abs(np.fft.ifft(likeness)).argmax() == 0
        assert np.abs(heard).mean() == pytest.approx(1024, rel=0.01)
        sdr.tx_destroy_buffer()
        assert pluto.world.wait_until(lambda sent: sent.frame.size == 0)
        with pytest.raises(OSError) as caught:
            sdr.tx_lo = 7_000_000_000
        assert caught.value.errno == errno.EINVAL


@pytest.mark.wire("libiio")
def test_pyadi_iio_drives_the_tdd_engine(served, adi):
    pluto, server = served
    pulses = []
    pluto.connect_pulse(lambda: pulses.append(pluto.clock.now_s()))
    tdd, pins = adi.tddn(server.uri), adi.one_bit_adc_dac(server.uri)
    pins.gpio_phaser_enable = True
    tdd.frame_length_ms, tdd.burst_count = 2.0, 5
    assert tdd.frame_length_raw == 61_440
    for channel in tdd.channel[-3:]:  # the list belongs to the class
        channel.enable, channel.on_raw, channel.off_raw = True, 0, 10
    tdd.enable = True
    assert tdd.state == 1
    tdd.sync_soft = True
    deadline_s = time.monotonic() + TIMEOUT_S
    while tdd.state != 1 and time.monotonic() < deadline_s:
        pass
    assert tdd.state == 1
    assert len(pulses) == 5
    assert np.diff(pulses)[1:] == pytest.approx([2e-3] * 3, abs=1e-9)  # the first had no time to be on time
    assert pins.gpio_tdd_ext_sync == 0


@pytest.mark.wire("libiio")
def test_one_client_comes_after_the_other_and_two_come_at_once(served, adi):
    _, server = served
    for frequency in (2_300_000_000, 2_400_000_000):
        with connected(adi, server) as sdr:
            sdr.rx_lo = frequency
            sdr.rx()
    with connected(adi, server) as one, connected(adi, server) as two:
        assert one.rx_lo == two.rx_lo == 2_400_000_000
        assert one.rx().shape == two.rx().shape == (1024,)
        one.tx_cyclic_buffer = True
        one.tx(WAVE)
        two.tx_cyclic_buffer = True
        with pytest.raises(OSError) as caught:
            two.tx(WAVE)
        assert caught.value.errno == errno.EBUSY


@pytest.mark.wire("libiio")
def test_a_radio_that_vanishes_breaks_the_library_s_calls(served, adi):
    pluto, server = served
    with connected(adi, server) as sdr:
        sdr.rx()
        pluto.unplug()
        for call in (sdr.rx, lambda: sdr.rx_lo):
            with pytest.raises(OSError) as caught:
                call()
            assert caught.value.errno in (errno.EPIPE, errno.ECONNRESET, errno.EBADF, errno.EIO)
    with pytest.raises(Exception, match="No device found"):
        adi.Pluto(server.uri)
    pluto.plug_in()
    with connected(adi, server) as sdr:
        assert sdr.rx().shape == (1024,)
