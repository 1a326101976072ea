"""The daemon's protocol byte for byte, without a socket: what a client of libiio 0.x sends, and what it must get."""

import errno
import io

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from hil.sim.iiod_session import Disconnected, Session

CRLF = b"\r\n"


@pytest.fixture
def pluto(make_pluto):
    return make_pluto()


@pytest.fixture
def talk(make_pluto):
    """Answers to what a client sends in one go, ended by EXIT."""

    def make(sent, pluto=None):
        answers = []
        session = Session(pluto or make_pluto(), io.BytesIO(sent + b"EXIT" + CRLF), answers.append)
        try:
            session.run()
        finally:
            session.close()
        return b"".join(answers)

    return make


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        (b"VERSION\r\n", b"0.24.v0.24  \n"),
        (b"TIMEOUT 2500\r\n", b"0\n"),
        (b"READ ad9361-phy OUTPUT altvoltage0 frequency\r\n", b"11\n2400000000\0\n"),
        (b"READ iio:device0 INPUT voltage0 gain_control_mode\r\n", b"12\nslow_attack\0\n"),
        (b"READ ad9361-phy calib_mode\r\n", b"5\nauto\0\n"),
        (b"READ ad9361-phy DEBUG loopback\r\n", b"2\n0\0\n"),
        (b"READ cf-ad9361-lpc BUFFER length_align_bytes\r\n", b"2\n8\0\n"),
        (b"WRITE ad9361-phy OUTPUT voltage0 hardwaregain 5\r\n-20.0", b"5\n"),
        (b"WRITE ad9361-phy OUTPUT voltage0 hardwaregain 6\r\n-20.0\0", b"6\n"),
        (b"WRITE ad9361-phy DEBUG loopback 1\r\n1", b"1\n"),
        (b"OPEN cf-ad9361-lpc 1024 00000003\r\nCLOSE cf-ad9361-lpc\r\n", b"0\n0\n"),
        (
            b"OPEN cf-ad9361-dds-core-lpc 2 00000003 CYCLIC\r\nWRITEBUF cf-ad9361-dds-core-lpc 8\r\n12345678",
            b"0\n0\n8\n",
        ),
        (b"SET cf-ad9361-lpc BUFFERS_COUNT 1\r\n", b"0\n"),
        (b"\r\nVERSION\n", b"0.24.v0.24  \n"),
    ],
)
def test_each_command_has_its_answer(talk, sent, answer):
    assert talk(sent) == answer


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (b"BINARY\r\n", errno.EINVAL),
        (b"ZPRINT\r\n", errno.EINVAL),
        (b"READ ad9371-phy calib_mode\r\n", errno.ENODEV),
        (b"READ ad9361-phy calib\r\n", errno.ENOENT),
        (b"READ ad9361-phy INPUT voltage9 frequency\r\n", errno.ENOENT),
        (b"READ ad9361-phy\r\n", errno.EINVAL),
        (b"WRITE ad9361-phy OUTPUT voltage0 hardwaregain 2\r\n10", errno.EINVAL),
        (b"WRITE ad9361-phy INPUT voltage0 rssi 1\r\n1", errno.EACCES),
        (b"WRITE nobody calib_mode 7\r\nVERSION", errno.ENODEV),
        (b"WRITE a b c d e 7\r\nVERSION", errno.EINVAL),
        (b"WRITE ad9361-phy calib_mode 70000\r\n" + bytes(70000), errno.ENOMEM),
        (b"WRITE ad9361-phy calib_mode many\r\n", errno.EINVAL),
        (b"OPEN cf-ad9361-lpc 1024 0000000z\r\n", errno.EINVAL),
        (b"OPEN cf-ad9361-lpc -1 00000003\r\n", errno.EINVAL),
        (b"OPEN cf-ad9361-lpc 1024 00000008\r\n", errno.EINVAL),
        (b"READBUF cf-ad9361-lpc 4096\r\n", errno.EBADF),
        (b"WRITEBUF cf-ad9361-dds-core-lpc 4096\r\n", errno.EBADF),
        (b"CLOSE cf-ad9361-lpc\r\n", errno.EBADF),
        (b"SET cf-ad9361-lpc BUFFERS_COUNT 0\r\n", errno.EINVAL),
        (b"SET cf-ad9361-lpc SPEED 5\r\n", errno.EINVAL),
        (b"GETTRIG cf-ad9361-lpc\r\n", errno.ENOENT),
        (b"SETTRIG cf-ad9361-lpc timer\r\n", errno.ENOENT),
        (b"\xff\xfe\x00\r\n", errno.EINVAL),
    ],
)
def test_a_refusal_is_an_errno_and_the_next_command_is_understood(talk, sent, code):
    assert talk(sent + b"VERSION" + CRLF) == f"{-code}\n0.24.v0.24  \n".encode()


def test_print_gives_the_description_behind_its_length(talk, make_pluto):
    pluto = make_pluto()
    length, text, rest = talk(b"PRINT" + CRLF, pluto).split(b"\n", 2)
    assert (int(length), text.decode(), rest) == (len(text), pluto.describe().xml(), b"")


def test_help_names_every_command(talk):
    assert set(talk(b"HELP" + CRLF).split()) >= {b"PRINT", b"READBUF", b"SETTRIG"}


def test_a_block_comes_with_the_mask_once_for_each_request(talk, make_pluto, make_cable):
    pluto = make_pluto(make_cable(level_dbm=-80.0))
    opened = b"OPEN cf-ad9361-lpc 100 00000002" + CRLF
    answer = talk(opened + b"READBUF cf-ad9361-lpc 500" + CRLF + b"READBUF cf-ad9361-lpc 10" + CRLF, pluto)
    stream = io.BytesIO(answer)
    assert stream.readline() == b"0\n"
    for sizes in ([200, 200, 100], [10]):
        for number, size in enumerate(sizes):
            assert stream.readline() == b"%d\n" % size
            if number == 0:
                assert stream.readline() == b"00000002\n"
            assert len(stream.read(size)) == size
    assert stream.read() == b""


def test_a_capture_that_takes_too_long_is_a_timeout_and_the_connection_lives(talk):
    sent = [b"TIMEOUT 10", b"OPEN cf-ad9361-lpc 1048576 00000003", b"READBUF cf-ad9361-lpc 4194304", b"VERSION"]
    assert talk(CRLF.join(sent) + CRLF) == f"0\n0\n{-errno.ETIMEDOUT}\n0.24.v0.24  \n".encode()


def test_a_cyclic_buffer_refuses_a_second_block_before_the_payload_is_sent(talk):
    device = b"cf-ad9361-dds-core-lpc"
    sent = b"OPEN " + device + b" 2 00000003 CYCLIC\r\nWRITEBUF " + device + b" 8\r\n12345678"
    answer = talk(sent + b"WRITEBUF " + device + b" 8\r\nVERSION\r\n")
    assert answer == f"0\n0\n8\n{-errno.EBUSY}\n0.24.v0.24  \n".encode()


def test_more_than_a_cyclic_buffer_holds_is_drained_before_the_refusal(talk):
    device = b"cf-ad9361-dds-core-lpc"
    sent = b"OPEN " + device + b" 2 00000003 CYCLIC\r\nWRITEBUF " + device + b" 24\r\n" + bytes(24)
    assert talk(sent + b"VERSION" + CRLF) == f"0\n0\n{-errno.EBUSY}\n0.24.v0.24  \n".encode()


def test_one_connection_has_one_buffer_of_a_device(talk):
    sent = b"OPEN cf-ad9361-lpc 100 00000003" + CRLF
    assert talk(sent + sent) == f"0\n{-errno.EBUSY}\n".encode()


def test_the_number_of_kernel_blocks_is_refused_under_an_open_buffer(talk):
    sent = b"OPEN cf-ad9361-lpc 100 00000003\r\nSET cf-ad9361-lpc BUFFERS_COUNT 1\r\n"
    assert talk(sent) == f"0\n{-errno.EBUSY}\n".encode()


def test_what_a_client_leaves_open_is_closed(talk, make_pluto):
    pluto = make_pluto()
    device = b"cf-ad9361-dds-core-lpc"
    talk(b"OPEN " + device + b" 2 00000003 CYCLIC\r\nWRITEBUF " + device + b" 8\r\n12345678", pluto)
    assert pluto.world.on_air.frame.size == 0
    assert talk(b"OPEN " + device + b" 2 00000003 CYCLIC\r\n", pluto) == b"0\n"


@pytest.mark.parametrize(
    "sent", [b"", b"VERS", b"VERSION" * 1000 + CRLF, b"WRITE ad9361-phy calib_mode 100\r\nmanual"], ids=len
)
def test_a_connection_that_ends_or_sends_no_line_is_over(make_pluto, sent):
    with pytest.raises(Disconnected):
        Session(make_pluto(), io.BytesIO(sent), lambda _: None).run()


def test_a_radio_without_its_cable_ends_the_connection(make_pluto):
    pluto = make_pluto()
    pluto.unplug()
    with pytest.raises(Disconnected):
        Session(pluto, io.BytesIO(b"PRINT\r\n"), lambda _: None).run()


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(b"OPEN  \x0b\r\n")
@given(
    st.lists(
        st.one_of(
            st.sampled_from([b"READ", b"WRITE", b"OPEN", b"SET", b"READBUF", b"cf-ad9361-lpc", b"INPUT", b"1", b"3"]),
            st.binary(max_size=8),
        ),
        max_size=6,
    ).map(lambda words: b" ".join(words) + CRLF)
)
def test_no_line_takes_the_session_down(pluto, line):
    answers = []
    session = Session(pluto, io.BytesIO(line), answers.append)
    with pytest.raises(Disconnected):
        session.run()
    session.close()
    assert all(np.frombuffer(answer, np.uint8).size for answer in answers)
