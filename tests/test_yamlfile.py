"""The reader of YAML files: what it takes, what it refuses, and where it points."""

import json
import time
from pathlib import Path
from typing import Annotated, Literal

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from hil.errors import ConfigError
from hil.yamlfile import load_yaml, load_yaml_text
from hil.yamltree import MAX_BYTES, MAX_DEPTH, number, parse


class Model(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Antenna(Model):
    gain_dbi: Annotated[float, Field(ge=-3, le=30)] = Field(0.0, description="peak gain")
    height_m: Annotated[float, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _not_thirteen(self) -> "Antenna":
        if self.gain_dbi == 13:
            raise ValueError("gain_dbi 13 brings bad luck")
        return self


class Horn(Model):
    kind: Literal["horn"]
    flare_deg: float


class Patch(Model):
    kind: Literal["patch"]
    thickness_mm: float


class Station(Model):
    lo_hz: float = 1e9
    count: Annotated[int, Field(ge=1)] = 1
    label: Annotated[str, Field(min_length=1, pattern="^[a-z]+$")] = "x"
    enabled: bool = True
    place_m: tuple[float, float] = (0.0, 0.0)
    antenna: Antenna = Antenna()
    antennas: list[Antenna] = []
    options: dict[str, float] = {}
    feed: Annotated[Horn | Patch, Field(discriminator="kind")] | None = None


def load(text: str, **overrides: object) -> Station:
    return load_yaml_text(text, "station.yaml", Station, {key.replace("__", "."): v for key, v in overrides.items()})


def refusal(text: str, **overrides: object) -> str:
    with pytest.raises(ConfigError) as caught:
        load(text, **overrides)
    return str(caught.value)


# ------------------------------------------------------------------------------------------------------------ values


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("2.4e9", 2.4e9), ("2.4e+9", 2.4e9), ("1E6", 1e6), (".5", 0.5), ("5.", 5.0), ("7", 7.0)),
        *(("-70_000", -7e4), ("0x10", 16.0), ("+1.5e-3", 1.5e-3), ("0", 0.0)),
    ],
)
def test_numbers_as_people_write_them_load_as_numbers(text: str, value: float) -> None:
    assert load(f"lo_hz: {text}").lo_hz == value


def test_a_frequency_that_pyyaml_reads_as_text_loads_as_a_number() -> None:
    assert yaml.safe_load("lo_hz: 2.4e9") == {"lo_hz": "2.4e9"}
    assert load("lo_hz: 2.4e9").lo_hz == 2.4e9


@pytest.mark.parametrize(
    "text", ['"5"', "true", "yes", "010", "1:30", "2024-01-01", "null", "1e", "1__0", "nan", "inf"]
)
def test_what_is_no_number_does_not_pass_as_one(text: str) -> None:
    assert refusal(f"lo_hz: {text}").startswith("station.yaml:1: lo_hz: got ")


@pytest.mark.parametrize("text", ["true", "1.5", "2e0", "2.0"])
def test_what_is_no_whole_number_does_not_pass_as_one(text: str) -> None:
    assert "allowed: a whole number at least 1" in refusal(f"count: {text}")


def test_a_number_that_is_whole_but_not_written_so_is_quoted_as_what_it_is() -> None:
    assert refusal("count: 1e3") == "station.yaml:1: count: got 1000.0; allowed: a whole number at least 1"


@pytest.mark.parametrize("text", ["yes", "on", "1", "0", '"true"'])
def test_only_true_and_false_are_booleans(text: str) -> None:
    assert "allowed: true or false" in refusal(f"enabled: {text}")


def test_words_that_older_yaml_took_for_booleans_are_text() -> None:
    assert [load(f"label: {word}").label for word in ("no", "on", "off", "y")] == ["no", "on", "off", "y"]


def test_quoted_numbers_are_text() -> None:
    assert parse("a: '5'\nb: \"null\"\nc: |\n  7\n", "x").root == {"a": "5", "b": "null", "c": "7\n"}


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path) -> None:
    file = tmp_path / "station.yaml"
    file.write_bytes(b"\xef\xbb\xbflabel: abc\n")
    assert load_yaml(file, Station).label == "abc"


plain_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**12), 10**12) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8", categories=("L", "N", "P")), max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abcxyz", min_size=1, max_size=6), inner),
    max_leaves=20,
)  # fmt: skip


@given(st.dictionaries(st.sampled_from("abcdef"), plain_values, min_size=1))
def test_any_plain_tree_survives_json_which_is_yaml(tree: dict[str, object]) -> None:
    assert parse(json.dumps(tree, ensure_ascii=False), "x").root == tree


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_is_written_without_loss(value: float) -> None:
    assert float(number(value)) == value


def test_numbers_are_written_as_people_write_them() -> None:
    assert [number(x) for x in (5.53e9, 7e7, 0.5, 1e-9, 1e12, -3.0)] == ["5.53e9", "7e7", "0.5", "1e-9", "1e12", "-3"]


# ----------------------------------------------------------------------------------------------------------- hostile

HOSTILE = {
    "duplicate key": ("a:\n  b: 1\n  b: 2\n", 3, "a.b: duplicate key, first on line 2"),
    "alias": ("a: &x [1]\nb: *x\n", 1, "anchor &x"),
    "anchor alone": ("a: 1\nb: &x 2\n", 2, "anchor &x"),
    "alias of nothing": ("a: *x\n", 1, "alias *x"),
    "billion laughs": ("a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]\n", 1, "anchor &a"),
    "merge key": ("a: {b: 1}\nc:\n  <<: *a\n", 3, "alias *a"),
    "python object": ("a: !!python/object/apply:os.system [id]\n", 1, "tag !!python/object/apply:os.system"),
    "harmless tag": ("a: 1\nb: !!str 5\n", 2, "tag !!str"),
    "local tag": ("a: !include /etc/passwd\n", 1, "tag !include"),
    "deep flow": ("a: " + "[" * 3000 + "]" * 3000, 1, "nested too deep"),
    "deep flow mappings": ("{a: " * 3000 + "1" + "}" * 3000, 1, "nested too deep"),
    "deep block": ("".join(" " * i + "a:\n" for i in range(1400)), MAX_DEPTH + 1, "nested too deep"),
    "deep list": ("a:\n" + "- " * 3000 + "1", 2, "nested too deep"),
    "nan": ("a: 1\nb: .nan\n", 2, ".nan"),
    "inf": ("a: -.inf\n", 1, "-.inf"),
    "overflow": ("a: 1e999\n", 1, "1e999"),
    "two documents": ("a: 1\n---\nb: 2\n", 2, "a second document"),
    "tab": ("a:\n\tb: 1\n", 2, "tab character"),
    "tab after the colon": ("a: 1\nb:\t1\n", 2, "tab character"),
    "nul": ("a: 1\nb: \x00\n", 2, "not printable"),
    "escape sequence": ("a: \x1b[31m\n", 1, "not printable"),
    "empty": ("", 1, "empty"),
    "only a comment": ("# nothing\n\n", 1, "empty"),
    "null document": ("---\n...\n", 1, "empty"),
    "list": ("- 1\n", 1, "mapping"),
    "scalar": ("hello\n", 1, "mapping"),
    "unclosed": ("a: [1, 2\n", 2, "not YAML"),
    "bad indentation": ("a: 1\n  b: 2\n", 2, "not YAML"),
    "unclosed quote": ("a: 'x\n", 2, "not YAML"),
    "key that is a list": ("? [1, 2]\n: 3\n", 1, "a key must be a word"),
    "lone surrogate": ('a: "\\ud800"\n', 1, "not YAML"),
    "huge scalar": ("lo_hz: " + "9" * 900_000, 1, "999..."),
    "huge quoted scalar": ("count: '" + "x" * 900_000 + "'", 1, "xxx..."),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_file_is_refused_at_once_with_its_line(case: str, tmp_path: Path) -> None:
    text, line, words = HOSTILE[case]
    file = tmp_path / "hostile.yaml"
    file.write_text(text, encoding="utf-8")
    began = time.process_time()
    with pytest.raises(ConfigError) as caught:
        load_yaml(file, Station)
    assert time.process_time() - began < 0.1
    assert str(caught.value).startswith(f"{file}:{line}: ")
    assert words in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_thirty_levels_are_allowed() -> None:
    assert parse("a: " + "[" * (MAX_DEPTH - 1) + "]" * (MAX_DEPTH - 1), "x").root


def test_the_parser_without_the_c_library_refuses_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hil.yamltree._PARSER", yaml.SafeLoader)
    for case, (text, line, _) in HOSTILE.items():
        with pytest.raises(ConfigError) as caught:
            load(text)
        if "unclosed" not in case and "huge" not in case:
            assert str(caught.value).startswith(f"station.yaml:{line}: "), case


def test_a_file_of_more_than_a_megabyte_is_refused_unparsed(tmp_path: Path) -> None:
    file = tmp_path / "large.yaml"
    file.write_bytes(b"# filler\n" * (MAX_BYTES // 9 + 1))
    with pytest.raises(ConfigError, match="too large, at most 1000000 bytes"):
        load_yaml(file, Station)


def test_a_file_that_is_not_utf_8_names_the_line_and_the_byte(tmp_path: Path) -> None:
    file = tmp_path / "latin.yaml"
    file.write_bytes(b"label: abc\n# caf\xe9\n")
    with pytest.raises(ConfigError, match=r"latin\.yaml:2: byte 0xe9 is not UTF-8"):
        load_yaml(file, Station)


def test_a_missing_file_suggests_its_neighbour(tmp_path: Path) -> None:
    (tmp_path / "station.yaml").touch()
    with pytest.raises(ConfigError, match=r"statoin\.yaml: no such file, did you mean station\.yaml\?"):
        load_yaml(tmp_path / "statoin.yaml", Station)


def test_a_directory_and_a_device_are_no_files(tmp_path: Path) -> None:
    for path in (tmp_path, Path("/dev/zero")):
        with pytest.raises(ConfigError, match="is not a file"):
            load_yaml(path, Station)


def test_an_unreadable_file_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "secret.yaml"
    file.touch()

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(ConfigError, match=r"secret\.yaml: cannot be read: Permission denied"):
        load_yaml(file, Station)


# ---------------------------------------------------------------------------------------------------------- messages


def test_an_unknown_key_says_what_was_probably_meant_and_what_is_allowed() -> None:
    assert refusal("label: x\nantenna:\n  gain_db: 3\n") == (
        "station.yaml:3: antenna.gain_db: unknown key, did you mean gain_dbi?; allowed: gain_dbi, height_m"
    )


def test_a_number_out_of_range_says_the_whole_range_and_what_the_key_is() -> None:
    assert refusal("antenna: {gain_dbi: 31}") == (
        "station.yaml:1: antenna.gain_dbi: got 31; allowed: a number from -3 to 30 (peak gain)"
    )


def test_a_missing_key_points_at_its_section() -> None:
    text = "label: x\nfeed:\n  kind: horn\n"
    assert refusal(text) == "station.yaml:2: feed.flare_deg: is missing; allowed: a number"


def test_an_item_of_a_list_is_found_on_its_own_line() -> None:
    text = "antennas:\n  - gain_dbi: 1\n  - gain_dbi: 2\n    height_m: 0\n"
    assert refusal(text) == "station.yaml:4: antennas.1.height_m: got 0; allowed: a number above 0 or null"


def test_only_the_keys_of_the_chosen_kind_are_offered() -> None:
    message = refusal("feed: {kind: patch, thickness_mm: 1, flare_deg: 3}")
    assert message == "station.yaml:1: feed.flare_deg: unknown key; allowed: kind, thickness_mm"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("feed: {kind: dish}", 'feed.kind: got "dish"; allowed: horn or patch'),
        ("feed: {}", "feed.kind: is missing; allowed: horn or patch"),
        ("place_m: [1]", "place_m.1: is missing; allowed: a number"),
        ("place_m: [1, 2, 3]", "place_m: got [1, 2, 3]; allowed: a list of 2"),
        ("place_m: 5", "place_m: got 5; allowed: a list of 2"),
        ("options: {a: b}", 'options.a: got "b"; allowed: a number'),
        ("antenna: 5", "antenna: got 5; allowed: a mapping with the keys gain_dbi, height_m"),
        ("label: ABC", "label: string should match pattern '^[a-z]+$', got \"ABC\""),
        ("label: 5", "label: got 5; allowed: text"),
        ("antenna: {gain_dbi: 13}", "antenna: gain_dbi 13 brings bad luck"),
    ],
)
def test_messages_are_plain_words(text: str, message: str) -> None:
    assert refusal(text) == f"station.yaml:1: {message}"


def test_every_problem_has_its_line_in_order_of_the_file() -> None:
    message = refusal("labl: x\ncount: 0\nlo_hz: a\n")
    assert [line.split(": ")[0] for line in message.splitlines()] == [f"station.yaml:{n}" for n in (1, 2, 3)]


def test_a_thousand_problems_are_summed_up() -> None:
    lines = refusal("\n".join(f"key{n}: 1" for n in range(1000))).splitlines()
    assert len(lines) == 21
    assert lines[-1] == "station.yaml: and 980 more problems"


def test_a_union_of_models_can_be_loaded() -> None:
    feed = Annotated[Horn | Patch, Field(discriminator="kind")]
    assert TypeAdapter(feed)
    assert load_yaml_text("kind: patch\nthickness_mm: 1.6", "x", feed) == Patch(kind="patch", thickness_mm=1.6)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"x:1: kind: got \"dish\"; allowed: horn or patch"):
        load_yaml_text("kind: dish", "x", feed)  # type: ignore[arg-type]


# --------------------------------------------------------------------------------------------------------- overrides


def test_overrides_replace_and_add_values() -> None:
    station = load("antennas: [{gain_dbi: 1}]", antennas__0__gain_dbi=2, antenna__gain_dbi=3.5, options__a=1)
    assert (station.antennas[0].gain_dbi, station.antenna.gain_dbi, station.options) == (2, 3.5, {"a": 1})


@pytest.mark.parametrize("value", [99, True, "5", float("nan"), float("inf")])
def test_an_override_is_judged_as_the_file_is(value: object) -> None:
    message = refusal("label: x", antenna__gain_dbi=value)
    assert message.startswith("station.yaml (overridden): antenna.gain_dbi: got ")
    assert "allowed: a number from -3 to 30" in message


def test_a_section_that_only_an_override_made_is_no_line_of_the_file() -> None:
    assert refusal("label: x", sweep__mode=1).startswith("station.yaml (overridden): sweep: unknown key")
    assert refusal("label: x\nsweep: {}", sweep__mode=1).startswith("station.yaml:2: sweep: unknown key")


@pytest.mark.parametrize("path", ["label.x", "antennas.0", "antennas.first.gain_dbi", "place_m.-1"])
def test_an_override_that_leads_nowhere_is_refused(path: str) -> None:
    with pytest.raises(ConfigError, match="there is no place for"):
        load_yaml_text("label: x\nantennas: []\nplace_m: [1, 2]", "x", Station, {path: 1})
