"""What a person reads at the end of an experiment, by its kind."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hil.cli.output import print_table, say

if TYPE_CHECKING:
    from hil.measure.recording import Recording
    from hil.phy.ofdm import OfdmGrid

Tell = Callable[[dict[str, Any], list[str]], None]


def tell(kind: str, summary: dict[str, Any], figures: list[str]) -> None:
    """Print tables, figures and the verdict of a finished experiment."""
    TELL[kind](summary, figures)


def say_begun(recording: "Recording", grid: "OfdmGrid") -> None:
    """Say where a run is recorded, and warn of pilots that cost range or truth."""
    say(f"recording to {recording.path}")
    if grid.pilot_advice:
        say(f"WARNING: {grid.pilot_advice}")


def say_listening(summary: dict[str, Any], recording: "Recording") -> None:
    """Say who else was on the air before the stages of a run; `listening` in the summary holds all of it."""
    from hil.experiments.listen import heard_before, listened_stages, words

    summary["listening"] = heard_before(recording, listened_stages(recording))
    if line := words(summary["listening"]):
        say(line)


def say_retakes(summary: dict[str, Any], recording: "Recording") -> None:
    """Say how many captures were thrown away and taken again, and where; `retaken_by_stage` in the summary has all."""
    from hil.experiments.retakes import retakes_by_stage

    counts = summary["retaken_by_stage"] = retakes_by_stage(recording)
    where = ", ".join(f"{stage} {count}" for stage, count in counts.items() if count)
    if counts:
        say(f"captures taken again: {where or 'none'}")


def say_noise(summary: dict[str, Any]) -> None:
    """Warn where noise is strongly uneven over the band; `sounding_noise` in the summary has all of it."""
    from hil.measure.noise import words

    noise = summary.get("sounding_noise")
    if noise is not None and noise["loud"] is not None:
        say(f"WARNING: {words(noise['loud'])}")


def say_steps(summary: dict[str, Any], recording: "Recording") -> None:
    """Warn where the receiver's gain is so low that the steps of its ADC count; `adc_steps` in the summary has them."""
    from hil.experiments.converter import steps_of_verdict

    steps = steps_of_verdict(recording)
    summary["adc_steps"] = None if steps is None else asdict(steps)
    if steps is not None and steps.advice:
        say(f"WARNING: {steps.advice}")


def tell_closed_loop(summary: dict[str, Any], figures: list[str]) -> None:
    """The table, and a last line that says what was gained."""
    if summary["by_power_alone"] is not None:
        print(f"No phase was used, the search went by received power alone: {summary['by_power_alone']}")
        tell_power_only(summary, figures)
        return
    _tell_arms(summary, predicted_mbps=summary["predicted_mbps"])
    if not summary["calibrated"]:
        print("P/N0 is declared, not measured: gains in dB hold, rates are for reference.")
    stages = ", ".join(f"{name} {each:.2f}" for name, each in summary["stages_mbps"].items())
    print(f"{summary['algorithm']}: {stages} Mbit/s predicted; {summary['winner']} won; {summary['advice']}")
    _tell_files("figures", figures)
    low, high = summary["gain_interval_db"]["chosen"]
    predicted, rate = summary["predicted_mbps"]["chosen"], summary["rate_mbps"]
    print(
        f"{summary['outcome']}: chosen pattern {summary['gain_db']['chosen']:+.2f} dB over all_zero "
        f"({summary['confidence']:.0%}: {low:+.2f} to {high:+.2f}), "
        f"{rate['all_zero']:.2f} -> {rate['chosen']:.2f} Mbit/s measured, {predicted:.2f} predicted"
    )


def tell_field_test(summary: dict[str, Any], figures: list[str]) -> None:
    """Gains of the arms by station, what did not count, and a last line with the verdict."""
    places = list(summary["gain_db"])
    rows = []
    for arm in summary["arms"]:
        intervals = [(summary["gain_db"][place][arm], *summary["gain_interval_db"][place][arm]) for place in places]
        rows.append([arm, *[f"{value:+.3f} ({low:+.3f} to {high:+.3f})" for value, low, high in intervals]])
    print_table(["gain dB", *places], rows)
    rates = summary["rates"]["measured_mbps"]
    shown = [
        [arm, *["{:.2f} ({:.2f} to {:.2f})".format(*rates[place][arm]) for place in places]] for arm in summary["arms"]
    ]
    print_table(["rate Mbit/s", *places], shown)
    if summary["sham"] is not None:
        low, high = summary["sham"]["interval"]
        print(f"sham arm: {summary['sham']['difference_db']:+.3f} dB ({low:+.3f} to {high:+.3f}), should hold 0")
    print(
        f"{summary['rounds']} rounds, {summary['retaken']} taken again, {summary['excluded']} excluded, "
        f"stopped {len(summary['aborted'])} times; plan {summary['plan_sha256']}"
    )
    for name, holds in summary["checks"].items():
        if not holds:
            print(f"NOT SO: {name}")
    _tell_files("report and figures", figures)
    claim, (value, low, high) = summary["hypothesis"], summary["primary_db"].values()
    print(
        f"{summary['outcome']}: {claim['arm']} {claim['direction']} than {claim['against']} by over "
        f"{claim['smallest_effect_db']:g} dB is {summary['finding']}: {value:+.3f} dB in that direction "
        f"({summary['confidence']:.0%}: {low:+.3f} to {high:+.3f})"
    )


def tell_track(summary: dict[str, Any], figures: list[str]) -> None:
    """Rates, what the time of a round goes into, and how fast a user this loop can follow."""
    rates = {name: summary[f"{name}_mbps"] for name in ("predicted", "measured")}
    print_table(["Mbit/s", *rates], [["mean", *rates.values()]])
    if summary["rounds_compared"]:
        print(
            f"{summary['gain_over_hold_mbps']:+.4g} Mbit/s against the first pattern, on average of "
            f"{summary['rounds_compared']} rounds that sounded both"
        )
    if not summary["calibrated"]:
        print("P/N0 is declared, not measured: rates are for reference.")
    stages = ", ".join(f"{name} {1e3 * each:.4g}" for name, each in summary["stages_s"].items())
    charged = "" if summary["charged_ms"] is None else f" ({summary['charged_ms']:.3g} ms charged to the clock)"
    period_ms, lag_ms = (_or_dash(summary[name], 1e3) for name in ("period_s", "lag_s"))
    print(f"{summary['rounds']} rounds, {summary['lost_rounds']} lost; {period_ms} ms each: {stages}")
    if summary["retaken"]:
        print(
            f"{summary['retaken']} soundings of rounds taken again: {summary['overloaded']} clipped, "
            f"{summary['restarts']} restarts of the board, the others hit by bursts or gaps"
        )
    print(f"software {_or_dash(summary['software_ms'])} ms{charged}; lag {lag_ms} ms")
    if summary["mean_true_fraction"] is not None:
        print(
            f"of the best at each instant, by the true channel: {summary['mean_true_fraction']:.2%} configured, "
            f"{summary['mean_served_fraction']:.2%} with the time of the soundings, "
            f"{summary['mean_hold_fraction']:.2%} with the first pattern held"
        )
    _tell_files("figures", figures)
    follows = _or_dash(summary["follows_m_per_s"])
    walks = "" if summary["user_m_per_s"] is None else f"; the simulated user walks {summary['user_m_per_s']:g} m/s"
    print(f"{summary['outcome']}: {summary['policy']} can follow up to {follows} m/s{walks}")


def tell_calibrate(summary: dict[str, Any], figures: list[str]) -> None:
    """Figures in a table, findings in words, and where the calibration is."""
    ratio, settle_ms = summary["state_ratio"], _or_dash(summary["settle_time_s"], 1e3)
    shown = {
        "noise floor [dBFS]": summary["noise_floor_dbfs"],
        "receive gain [dB], clips at": f"{summary['rx_gain_db']:g}, {summary['overload_gain_db'] or 'none'}",
        "receiver's DC [dBFS]": summary["rx_dc_dbfs"],
        "LO leakage, image [dBc]": f"{summary['lo_leakage_dbc']:.1f}, {_or_dash(summary['image_dbc'])}",
        "received against plan [dB]": summary["received_vs_plan_db"],
        "direct, surface [dB]": f"{summary['direct_db']:.1f}, {summary['surface_db']:.1f}",
        "settle time [ms], declared": f"{settle_ms}, {summary['settle_declared_s'] * 1e3:g}",
        "states' ratio": f"{ratio['amplitude_db']:+.2f} dB, {ratio['phase_deg']:+.1f} deg "
        f"({'measured' if ratio['measured'] else 'declared; to measure it: --direct, more symbols'})",
        "elements that do not follow": len(summary["dead_elements"]),
        "element order": summary["element_order"],
        "radio's drift [deg after 1 s]": summary["drift_deg_per_s"],
        "motion [dB, Hz]": f"{_or_dash(summary['motion_db'])}, {_or_dash(summary['doppler_hz'])}",
        "repeats within": f"{summary['repeat_db']:.3g} dB, {summary['repeat_deg']:.3g} deg",
    }
    print_table(["calibration", "value"], list(shown.items()))
    for finding in summary["findings"]:
        print(f"FOUND: {finding}")
    _tell_files("figures", figures)
    kept = f"hil run --calibration {summary['run_dir']}" if summary["outcome"] == "PASS" else "not kept"
    print(
        f"{summary['outcome']}: {len(summary['findings'])} findings; valid for {summary['valid_days']:g} days: {kept}"
    )


def _tell_arms(summary: dict[str, Any], predicted_mbps: Mapping[str, float] | None = None) -> None:
    """Rates and gain of each arm; what is not known (true rates of a real room) has no column."""
    columns = {
        "predicted": predicted_mbps,
        "measured": summary["rate_mbps"],
        "interval": summary["rate_interval_mbps"],
        "true": summary["true_rate_mbps"],
        "gain dB": summary["gain_db"],
    }
    known = {header: by_arm for header, by_arm in columns.items() if by_arm}
    rows = [[arm, *[_decimals(by_arm[arm]) for by_arm in known.values()]] for arm in summary["rate_interval_mbps"]]
    print_table(["rate Mbit/s", *known], rows)


def _decimals(value: float | Sequence[float]) -> str:
    """A number, or an interval, with two decimals."""
    return f"{value:.2f}" if isinstance(value, float | int) else " to ".join(f"{each:.2f}" for each in value)


def _tell_files(what: str, paths: list[str]) -> None:
    """The folder once, then what lies in it."""
    folder, *others = dict.fromkeys(str(Path(path).parent) for path in paths) or [""]
    names = paths if others else [Path(path).name for path in paths]
    print(f"{what}{'' if others or not paths else f' in {folder}'}: {', '.join(names)}")


def _or_dash(value: float | None, factor: float = 1.0) -> str:
    return "-" if value is None else f"{value * factor:.4g}"


def tell_power_only(summary: dict[str, Any], figures: list[str]) -> None:
    """The table, and a last line that says what was gained in how many soundings."""
    _tell_arms(summary)
    if not summary["calibrated"]:
        print("P/N0 is declared, not measured: gains in dB hold, rates are for reference.")
    _tell_files("figures", figures)
    low, high = summary["gain_interval_db"]["chosen"]
    print(
        f"{summary['outcome']}: chosen pattern {summary['gain_db']['chosen']:+.2f} dB over all_zero "
        f"({summary['confidence']:.0%}: {low:+.2f} to {high:+.2f}) by {summary['algorithm']} on {summary['figure']}, "
        f"{summary['num_pilots']} soundings in {summary['radio_time_s']:.1f} s of radio time"
    )


def tell_many_users(summary: dict[str, Any], figures: list[str]) -> None:
    """Each user's start and rates, what the nearest start saved, and what a turn is worth."""
    arms = ("all_zero", "nearest", "turned", "cold", "chosen")
    rows = [
        [
            each["user"], each["nearest"] or "-", each["began"], _or_dash(each["way_m"]), each["soundings"],
            *(_or_dash(each["rate_mbps"].get(arm)) for arm in arms), _or_dash(each["saved"]), each["outcome"],
        ]
        for each in summary["users"]
    ]  # fmt: skip
    print_table(["rate Mbit/s", "nearest", "began", "way m", "soundings", *arms, "saved", "verdict"], rows)
    for turn in summary["users"][0]["served_mbps"]:
        rates = ", ".join(f"{each['user']} {each['served_mbps'][turn]:.4g}" for each in summary["users"])
        print(f"turns of {turn}: {rates} Mbit/s")
    _tell_files("figures", figures)
    if summary["misled"]:
        print(f"nearest known pattern, as it is, worse than all zeros: {', '.join(summary['misled'])}")
    print(
        f"{summary['outcome']} (chosen over all zeros): {len(summary['users'])} users in {summary['num_pilots']} "
        f"soundings, {summary['saved']} saved by what was known nearby; "
        f"{change_takes(summary['sent_s'], summary['named_s'])}"
    )


def change_takes(sent_s: float, named_s: float | None) -> str:
    """What it costs to turn to another user; named_s: by the name of a stored pattern, None where none is stored."""
    named = "" if named_s is None else f", {1e3 * named_s:.3g} ms by the name of a stored one"
    return f"a change takes {1e3 * sent_s:.3g} ms, its pattern sent whole{named}"


TELL: dict[str, Tell] = {
    "calibrate": tell_calibrate,
    "closed_loop": tell_closed_loop,
    "field_test": tell_field_test,
    "many_users": tell_many_users,
    "power_only": tell_power_only,
    "track": tell_track,
}
