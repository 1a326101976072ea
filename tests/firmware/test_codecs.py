"""Pattern codecs: what goes out comes back, single elements stand where the maker's files say, nothing is clipped."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hil.errors import FramingError
from hil.firmware.codecs import PatternCoder
from hil.firmware.profile import FirmwareProfile, list_profiles, load_profile

CODECS = {
    "hex": {"codec": "hex"},
    "hex, lower case": {"codec": "hex", "case": "lower"},
    "packed": {"codec": "packed"},
    "packed, lsb first": {"codec": "packed", "bit_order": "lsb_first"},
    "bits": {"codec": "ascii_bits"},
    "csv": {"codec": "csv", "separator": " ", "row_separator": ";", "row_length": 5},
    "words": {"codec": "words", "word_bytes": 2, "byte_order": "little"},
}


def make_profile(
    codec: dict[str, object], *, rows: int = 1, cols: int = 5, bits: int = 1, codes: tuple[int, ...] = (0, 1)
) -> FirmwareProfile:
    """A board of a few elements with that codec and one ASCII command."""
    levels = [0.0] * len(codes)
    return FirmwareProfile.model_validate(
        {
            "schema": "ris-firmware-profile/1",
            "id": "small",
            "title": "small",
            "geometry": {"rows": rows, "cols": cols, "pitch_m": {"x": 0.01, "y": 0.01}},
            "states": {
                "bits_per_element": bits,
                "list": [{"name": str(code), "code": code} for code in codes],
                "reflection": {"provenance": "design", "rows": [{"db": levels, "deg": levels}]},
            },
            "link": {"kind": "serial", "baud": 9600},
            "framing": {
                "kind": "length_prefixed",
                "header": "{count}",
                "max_count": 255,
                "resync": {"quiet_s": 0.0},
            },
            "pattern": codec,
            "fields": {"count": {"type": "u8"}},
            "commands": {"set_pattern": {"send": "{pattern}"}},
            "on_bad_command": "silent",
            "boot": {"typical_s": 0.0, "max_s": 1.0, "provenance": "design", "pattern": "all_zero"},
            "timing": {
                "update_s": {"value": 0.0, "provenance": "design"},
                "settle_s": {"value": 0.0, "provenance": "design"},
                "ack": "none",
            },
            "capabilities": {"latched_update": True},
        }
    )


def make_coder(codec: str, **board: object) -> PatternCoder:
    return PatternCoder(make_profile(CODECS[codec], **board))  # type: ignore[arg-type]


@pytest.mark.parametrize("codec", CODECS)
@settings(max_examples=40)
@given(data=st.data())
def test_a_pattern_comes_back_as_it_went(codec: str, data: st.DataObject) -> None:
    bits = data.draw(st.integers(1, 5), "bits")
    codes = data.draw(st.lists(st.integers(0, 2**bits - 1), min_size=2, max_size=8, unique=True), "codes")
    rows, cols = data.draw(st.integers(1, 4), "rows"), data.draw(st.integers(1, 7), "cols")
    coder = make_coder(codec, rows=rows, cols=cols, bits=bits, codes=tuple(codes))
    states = data.draw(st.lists(st.integers(0, len(codes) - 1), min_size=rows * cols, max_size=rows * cols), "states")
    pattern = np.array(states, np.uint8)
    encoded = coder.encode(pattern)
    assert len(encoded) == coder.num_bytes
    assert np.array_equal(coder.decode(encoded), pattern)


@pytest.mark.parametrize(
    ("codec", "encoded"),
    [
        ("hex", b"B0"),
        ("hex, lower case", b"b0"),
        ("packed", b"\xb0"),
        ("packed, lsb first", b"\x0d"),
        ("bits", b"10110"),
        ("csv", b"1 0 1 1 0"),
        ("words", b"\1\0\0\0\1\0\1\0\0\0"),
    ],
)
def test_five_elements_in_each_codec(codec: str, encoded: bytes) -> None:
    assert make_coder(codec).encode(np.array([1, 0, 1, 1, 0], np.uint8)) == encoded


def test_codes_of_states_stand_on_the_wire_instead_of_their_indices() -> None:
    coder = make_coder("words", bits=12, codes=(4095, 0))
    assert coder.encode(np.array([0, 1, 0, 1, 1], np.uint8))[:4] == b"\xff\x0f\0\0"


@pytest.mark.parametrize("name", list_profiles())
def test_shipped_boards_bring_back_random_patterns(name: str) -> None:
    profile = load_profile(name)
    rng = np.random.default_rng(7)
    pattern = rng.integers(profile.states.num_states, size=profile.geometry.num_elements, dtype=np.uint8)
    coder = PatternCoder(profile)
    assert np.array_equal(coder.decode(coder.encode(pattern)), pattern)


@pytest.mark.parametrize(
    "pattern",
    [np.zeros(4, np.uint8), np.zeros(5, np.int64), np.zeros((1, 5), np.uint8), np.full(5, 2, np.uint8)],
    ids=["too short", "not uint8", "a grid", "no such state"],
)
def test_what_is_no_pattern_of_the_board_is_refused(pattern: np.ndarray) -> None:
    with pytest.raises((ValueError, TypeError)):
        make_coder("hex").check(pattern)


@pytest.mark.parametrize(
    ("codec", "data"),
    [
        ("hex", b"G0"),
        ("hex", b"B"),
        ("bits", b"10120"),
        ("csv", b"1,0 1 1 0"),
        ("csv", b"1 0 1 1 x"),
        ("words", b"\2\0\0\0\1\0\1\0\0\0"),
    ],
)
def test_bytes_that_are_no_pattern_are_refused(codec: str, data: bytes) -> None:
    with pytest.raises(FramingError):
        make_coder(codec).decode(data)
