"""The page of a field test in Markdown: what was claimed, what was found, what did not count, and by which instruments.

Everything is plain values: `summary` of the experiment, the run directory's manifest, and what was counted.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from hil.report.markdown import cell, decibels, facts, megabits, section, table

Told = Mapping[str, Any]

_FINDINGS = {
    "supported": "The hypothesis is **supported**: the whole interval lies beyond the smallest effect of interest.",
    "refuted": "The hypothesis is **refuted**: the whole interval lies short of the smallest effect of interest.",
    "not shown": "The hypothesis is **not shown**: the interval holds the smallest effect of interest.",
}


def field_page(
    told: Told, plan: Told, manifest: Told, rules: Sequence[Sequence[object]], hashes: Told, figures: Sequence[str]
) -> str:
    """The page. rules: a row for each rule: quantity, limit, then, worst value seen, tries that broke it."""
    return "\n\n".join(
        [
            f"# Field test on {told['testbed']}: {told['outcome']}",
            plan["description"],
            _verdict(told),
            _plan(told, plan),
            _results(told, plan),
            _rates(told),
            _controls(told),
            _repeatability(told),
            _not_counted(told, rules),
            section("Figures", *[f"![{name}]({name})" for name in figures]),
            _chain(manifest),
            section("Hashes and versions", facts(hashes), facts(manifest["versions"])),
            "",
        ]
    )


def _verdict(told: Told) -> str:
    claim, primary = told["hypothesis"], told["primary_db"]
    sign = "more" if claim["direction"] == "higher" else "less"
    lines = [
        f"Claimed: **{claim['arm']}** receives {sign} than **{claim['against']}**, "
        f"by over {claim['smallest_effect_db']:g} dB.",
        f"Found, in the claimed direction: {decibels(*primary.values())} dB, {told['confidence']:.0%} interval over "
        "all stations with an open surface.",
        _FINDINGS[told["finding"]],
        _sham(told["sham"]),
    ]
    if told["outcome"] == "ERROR":
        lines.append("**No verdict**: a check of the test itself failed (sham arm, exclusions, or hashes, below).")
    return section("Verdict", *lines)


def _sham(sham: Told | None) -> str:
    if sham is None:
        return "There was no sham arm."
    word = "holds" if sham["ok"] else "**does not hold**"
    found = decibels(sham["difference_db"], *sham["interval"])
    return f"Sham arm: {found} dB at {sham['confidence']:.0%} confidence; the interval {word} zero."


def _plan(told: Told, plan: Told) -> str:
    stations = [
        [
            each["name"],
            ", ".join(f"{metre:g}" for metre in each["position_m"]),
            each["orientation_deg"],
            each["antenna"],
            each["surface"],
        ]
        for each in plan["stations"]
    ]
    return section(
        "Plan",
        f"SHA-256 of the plan: `{told['plan_sha256']}`",
        table(["check", "holds"], [[name, "yes" if ok else "**no**"] for name, ok in told["checks"].items()]),
        table(["station", "position [m]", "boresight [deg]", "antenna", "surface"], stations),
        table(["arm", "how"], [[arm["name"], _how(arm)] for arm in plan["arms"]]),
        f"Optimised at: {'; '.join(told['optimised_at']) or 'nowhere, no arm is optimised'}.",
        f"{plan['visits']} visits of each station, {plan['rounds']} rounds in each, {plan['soundings']} soundings of "
        f"each arm in a round in random order, {plan['pause_s']:g} s before each round. Arms went by codes until the "
        "analysis was frozen. The number of rounds was fixed beforehand.",
    )


def _how(arm: Told) -> str:
    match arm["kind"]:
        case "uniform":
            return f"all elements in state {arm['state']}"
        case "optimized":
            return f"{arm['optimizer']['algorithm']}, from the sweep of the visit"
        case "sham":
            return f"the pattern of {arm['of']} under a second name"
        case kind:
            return str(kind).replace("_", " ")


def _results(told: Told, plan: Told) -> str:
    places = list(told["gain_db"])
    gains = [
        [arm, *[decibels(told["gain_db"][place][arm], *told["gain_interval_db"][place][arm]) for place in places]]
        for arm in told["arms"]
    ]
    true = [value for value in told["true_gain_db"].values() if value is not None]
    pairs = [
        [
            f"{each['arm']} - {each['against']}",
            decibels(each["difference_db"], each["low_db"], each["high_db"]),
            each["memory"],
        ]
        for each in told["paired"]
    ]
    how = plan["analysis"]
    return section(
        "Results",
        f"Gain in received power against {plan['reference']}, dB, with {told['confidence']:.0%} intervals:",
        table(["arm", *places], gains),
        *(
            [
                "True gains, in a room at rest (simulation): "
                + ", ".join(f"{arm} {value:+.3f}" for arm, value in told["true_gain_db"].items())
                + " dB."
            ]
            if true
            else []
        ),
        "All pairs, over all stations with an open surface; memory is the correlation of a block with the next:",
        table(["pair", "difference [dB]", "memory"], pairs),
        f"Intervals: studentised bootstrap, {how['resamples']} resamples of blocks of {how['block_rounds']} rounds. "
        "They hold for these visits; how places repeat is told below. They are not corrected for the number of pairs: "
        "one comparison was chosen beforehand, the others are beside it.",
        "" if told["calibrated"] else "P/N0 is declared, not measured: differences in dB hold all the same.",
    )


def _rates(told: Told) -> str:
    """Measured rates and gains, with predicted and true ones beside."""
    rates = told["rates"]
    predicted, true = rates["predicted_mbps"], rates["true_mbps"]

    def measured(figure: str) -> str:
        places = list(rates[figure])
        return table(
            ["arm", *places],
            [[arm, *[megabits(*rates[figure][place][arm]) for place in places]] for arm in told["arms"]],
        )

    rows = [
        [place, arm, megabits(*rates["measured_mbps"][place][arm]), f"{predicted[place][arm]:.2f}"]
        + ([f"{true[place][arm]:.2f}"] if true else [])
        for place in predicted
        for arm in told["arms"]
    ]
    return section(
        "Rates",
        "Bit rate of each arm, Mbit/s, from the same soundings, each corrected for its noise; "
        f"{told['confidence']:.0%} intervals as above:",
        measured("measured_mbps"),
        "Against the reference arm, paired by round:",
        measured("gain_mbps"),
        "Beside what the sweep's estimate predicted, which runs high for patterns chosen by it"
        + (", and what is true in a room at rest:" if true else ":"),
        table(["place", "arm", "measured", "predicted", *(["true"] if true else [])], rows),
        "" if told["calibrated"] else "P/N0 is declared, not measured: rates are for reference only.",
    )


def _controls(told: Told) -> str:
    if not told["controls_db"]:
        return section("Controls", "The surface was open at every station.")
    rows = [[place, *[decibels(*by_arm[arm]) for arm in told["arms"]]] for place, by_arm in told["controls_db"].items()]
    return section(
        "Controls",
        "Level of each arm with the surface open against that at the control station, dB. Not paired by round: what "
        "the radio drifted between the visits is in the difference and not in its interval.",
        table(["against", *told["arms"]], rows),
    )


def _repeatability(told: Told) -> str:
    rows = [
        [place, arm, ", ".join(f"{gain:+.3f}" for gain in gains), max(gains) - min(gains)]
        for place, by_arm in told["repeatability_db"].items()
        for arm, gains in by_arm.items()
    ]
    return section("Repeatability", table(["station", "arm", "gain of each visit [dB]", "spread [dB]"], rows))


def _not_counted(told: Told, rules: Sequence[Sequence[object]]) -> str:
    counted = {
        "rounds": told["rounds"],
        "rounds taken again": told["retaken"],
        "captures thrown away and retaken": told["retaken_captures"],
        "rounds excluded": told["excluded"],
        "times the plan stopped the test": len(told["aborted"]),
        "radio time [s]": told["radio_time_s"],
    }
    return section(
        "What did not count",
        facts(counted),
        told["listened"] or "Nobody listened before the radio was switched on.",
        table(["rule", "limit", "then", "worst of counting rounds", "tries that broke it"], rules),
        *[f"- stopped at {cell(each['where'])}: {cell(each['why'])}" for each in told["aborted"]],
    )


def _chain(manifest: Told) -> str:
    """From the DAC to a channel: whatever the numbers rest on."""
    testbed = manifest["testbed"]
    record = manifest.get("calibration")
    return section(
        "Calibration chain",
        facts({"instrument": manifest["identity"], "started_utc": manifest["started_utc"]}),
        facts({"radio": manifest["radio"], "link budget": manifest["budget"], "power": testbed["power"]}),
        facts({"ofdm": testbed["ofdm"], "surface": testbed["surface"], "polarisation": testbed["polarisation"]}),
        "No calibration record was used." if record is None else facts({"calibration": record}),
    )
