"""The two files of an experiment: shipped ones load, wrong ones are refused with file, line and what is allowed."""

from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError

from hil.config import ClosedLoopConfig, TestbedConfig, load_experiment, load_testbed
from hil.config.campaign import CampaignConfig
from hil.errors import ConfigError
from hil.yamlfile import load_yaml, load_yaml_text

CONFIGS = Path(__file__).parents[1] / "configs"
TESTBED = """\
schema: hil-testbed/1
name: bench
radio:
  uri: sim
  lo_hz: 5.53e9
  rx_gain_db: 40
ofdm:
  num_subcarriers: 256
  num_taps: 16
  bandwidth_hz: 20e6
  fft_size: 320
power:
  tx_full_scale_dbm: 5
  radiated_power_dbm: -10
  rx_full_scale_dbm: 0
  noise_figure_db: 8
surface:
  profile: opensource-ris-16x16
transmitter_m: [1.2, 0.9, 1.2]
users:
  - {name: desk, position_m: [2, -1, 1]}
safety:
  bands:
    - {low_hz: 5.47e9, high_hz: 5.725e9, max_eirp_dbm: 0}
simulation:
  scene: {kind: lab}
"""


@pytest.fixture
def station(tmp_path: Path) -> Path:
    file = tmp_path / "station.yaml"
    file.write_text(TESTBED)
    return file


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("testbeds/*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_testbed_loads_and_names_itself(path: Path) -> None:
    testbed = load_testbed(path)
    assert testbed.name == path.stem
    assert testbed.simulated == path.stem.startswith("sim")


EXPERIMENTS = sorted(CONFIGS.glob("experiments/*.yaml"))
CAMPAIGNS = [path for path in EXPERIMENTS if path.stem.startswith("campaign")]


@pytest.mark.parametrize("path", [path for path in EXPERIMENTS if path not in CAMPAIGNS], ids=lambda path: path.stem)
def test_every_shipped_experiment_loads(path: Path) -> None:
    assert load_experiment(path).kind == path.stem.split("-")[0]


@pytest.mark.parametrize("path", CAMPAIGNS, ids=lambda path: path.stem)
def test_every_shipped_campaign_loads_and_names_itself(path: Path) -> None:
    assert load_yaml(path, CampaignConfig).name == path.stem.removeprefix("campaign-")


def test_the_station_of_these_tests_is_a_good_one(station: Path) -> None:
    testbed = load_testbed(str(station))
    assert testbed.simulated
    assert testbed.ofdm.sample_rate_hz == 25e6
    assert testbed.user(None).name == testbed.user("desk").name == "desk"
    with pytest.raises(KeyError):
        testbed.user("shelf")


WRONG = {  # what is replaced, by what: line, and words of the message
    "unknown key": ("rx_gain_db:", "rx_gain:", 6, "radio.rx_gain: unknown key, did you mean rx_gain_db?"),
    "wrong type": ("rx_gain_db: 40", "rx_gain_db: forty", 6, "a number from -3 to 71"),
    "boolean for a number": ("rx_gain_db: 40", "rx_gain_db: true", 6, "a number from -3 to 71"),
    "text for a number": ("lo_hz: 5.53e9", "lo_hz: 5.53 GHz", 5, "got \"5.53 GHz\"; allowed: a number from 7e7 to 6e9"),
    "wrong unit": ("lo_hz: 5.53e9", "lo_hz: 5.53", 5, "a number from 7e7 to 6e9"),
    "nan": ("rx_gain_db: 40", "rx_gain_db: .nan", 6, "finite numbers are allowed"),
    "duplicate section": ("power:", "ofdm:", 12, "ofdm: duplicate key, first on line 7"),
    "wrong schema": ("hil-testbed/1", "hil-testbed/2", 1, 'schema: got "hil-testbed/2"; allowed: hil-testbed/1'),
    "too many taps": ("num_taps: 16", "num_taps: 300", 7, "ofdm: num_taps 300 do not fit"),
    "symbol shorter than K": ("fft_size: 320", "fft_size: 200", 7, "fft_size must be at least num_subcarriers (256)"),
    "guards too wide": ("fft_size: 320", "fft_size: 320\n  guard_subcarriers: 52", 7, "at most 51"),
    "negative guards": ("  fft_size: 320", "  guard_subcarriers: -1\n  fft_size: 320", 11, "a whole number at least 0"),
    "sample rate too high": ("fft_size: 320", "fft_size: 1024", 7, "0.520834 to 61.44 MS/s"),
    "sample rate too low": ("bandwidth_hz: 20e6", "bandwidth_hz: 2.1e5", 7, "a sample rate of 0.2625 MS/s"),
    "band upside down": ("low_hz: 5.47e9", "low_hz: 5.8e9", 24, "safety.bands.0: low_hz must be below high_hz"),
    "two users of one name": (
        "users:\n", "users:\n  - {name: desk, position_m: [1, 1, 1]}\n", 20, "names must differ"
    ),
    "no user": ("users:\n  - {name: desk, position_m: [2, -1, 1]}", "users: []", 20, "users: got []; allowed: a list"),
    "two coordinates": ("[1.2, 0.9, 1.2]", "[1.2, 0.9]", 19, "transmitter_m.2: is missing"),
    "half simulated": ("uri: sim", "uri: ip:192.168.2.1", 1, "both `sim` or neither"),
    "half a second radio": ("ofdm:", "receiver: {uri: usb:1.2}\nofdm:", 7, "receiver.uri: `sim` where radio.uri is"),
    "no world": ("simulation:\n  scene: {kind: lab}\n", "", 1, "simulation: needed where"),
    "unknown scene": ("kind: lab", "kind: forest", 26, "one of paper, paper-rich, sp-cup-2021, lab"),
    "missing section": ("users:\n  - {name: desk, position_m: [2, -1, 1]}\n", "", 1, "users: is missing"),
    "no power that exists": ("radiated_power_dbm: -10", "radiated_power_dbm: 1e9", 14, "a number from -300 to 300"),
    "not on this earth": ("[1.2, 0.9, 1.2]", "[1.2e300, 0.9, 1.2]", 19, "transmitter_m.0: got 1.2e300; allowed: a"),
    "duty above one": ("safety:", "safety:\n  max_duty: 1.5", 23, "above 0 and at most 1"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_testbed_is_refused_with_line_and_remedy(case: str, station: Path) -> None:
    old, new, line, words = WRONG[case]
    assert TESTBED.count(old) == 1
    station.write_text(TESTBED.replace(old, new))
    with pytest.raises(ConfigError) as caught:
        load_testbed(station)
    message = str(caught.value)
    assert f"{station}:{line}: " in message, message
    assert words in message
    assert caught.value.exit_code == 2


def test_a_verification_has_two_soundings_left_without_any_of_its_rounds() -> None:
    text = "schema: hil-experiment/1\nkind: closed_loop\nverification: {rounds: 2, soundings: 1}\n"
    with pytest.raises(ConfigError, match=r"e\.yaml:3: verification\.rounds: .* 3 rounds, or 2 soundings"):
        load_yaml_text(text, "e.yaml", ClosedLoopConfig)
    assert load_yaml_text(text, "e.yaml", ClosedLoopConfig, {"verification.soundings": 2}).verification.rounds == 2


def test_one_radio_is_not_two(station: Path) -> None:
    real = {"radio.uri": "usb:1.5.5", "surface.port": "/dev/ttyUSB0"}
    assert load_testbed(station, {**real, "receiver.uri": "usb:1.6.5"}).receiver is not None
    with pytest.raises(ConfigError, match=r"receiver\.uri: another radio than radio\.uri"):
        load_testbed(station, {**real, "receiver.uri": "usb:1.5.5"})


def test_a_campaign_of_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="give `channels`, `stations`, or both"):
        load_yaml_text("schema: hil-campaign/1\nname: idle\n", "c.yaml", CampaignConfig)


def test_overrides_are_applied_and_judged(station: Path) -> None:
    assert load_testbed(station, {"radio.lo_hz": 5.6e9, "simulation.seed": 7}).radio.lo_hz == 5.6e9
    with pytest.raises(
        ConfigError, match=r"station\.yaml \(overridden\): radio\.lo_hz: got 8e9; allowed: a number from"
    ):
        load_testbed(station, {"radio.lo_hz": 8e9})


def test_a_testbed_is_no_experiment(station: Path) -> None:
    with pytest.raises(ConfigError, match=r"station.yaml:1: schema: got .* allowed: hil-experiment/1; is it the right"):
        load_experiment(station)


def test_a_missing_file_is_a_configuration_error(tmp_path: Path) -> None:
    for load in (load_testbed, load_experiment):
        with pytest.raises(ConfigError, match="no such file"):
            load(tmp_path / "nowhere" / "x.yaml")


def test_configurations_cannot_be_changed(station: Path) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        load_testbed(station).radio.lo_hz = 1e9  # type: ignore[misc]


def sections(model: type[BaseModel]) -> set[type[BaseModel]]:
    inner = {
        kind
        for field in model.model_fields.values()
        for kind in (field.annotation, *getattr(field.annotation, "__args__", ()))
        if isinstance(kind, type) and issubclass(kind, BaseModel)
    }
    return {model}.union(*(sections(kind) for kind in inner))


@pytest.mark.parametrize("model", [TestbedConfig, ClosedLoopConfig])
def test_every_key_is_documented_or_says_its_unit_in_its_name(model: type[BaseModel]) -> None:
    units = ("_hz", "_s", "_db", "_dbm", "_m")
    for section in sections(model):
        assert section.__doc__
        assert section.model_config["extra"] == "forbid"
        for name, field in section.model_fields.items():
            is_section = isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
            evident = name in {"schema_", "name", "description", "kind", "users", "safety", "simulation"}
            assert field.description or is_section or evident or name.endswith(units), (section, name)
