"""The page of a calibration: what was found, how sure it is, and what a run does with it."""

from collections.abc import Mapping, Sequence
from typing import Any

from hil.report.markdown import facts, section


def calibration_page(told: Mapping[str, Any], figures: Sequence[str]) -> str:
    """Markdown.

    told: the summary of a calibration. figures: names of files beside the page.
    """
    kind = " (simulated)" if told["simulated"] else ""
    return "\n\n".join(
        [
            f"# Calibration of {told['testbed']}{kind}, antenna at {told['user']}",
            f"**{told['outcome']}**, valid for {told['valid_days']:g} days. {_kept(told)}",
            section("Not as declared", "\n".join(f"- {finding}" for finding in told["findings"]) or "Nothing."),
            section("Receiver and transmitter", facts(_levels(told)), _figure("quiet", figures)),
            section("Link, antenna port to antenna port", facts(_link(told))),
            section("Surface", facts(_surface(told)), _figure("elements", figures), _figure("settling", figures)),
            section("States", facts(_states(told)), _figure("states", figures)),
            section("Drift and motion", facts(_stability(told)), _figure("watch", figures)),
        ]
    )


def _kept(told: Mapping[str, Any]) -> str:
    if told["outcome"] != "PASS":
        return "Not kept: no run can rely on it."
    return f"`hil run --calibration` relies on it; SHA-256 {told['calibration_sha256']}."


def _levels(told: Mapping[str, Any]) -> dict[str, object]:
    return {
        "noise floor, dBFS over the sample rate": told["noise_floor_dbfs"],
        "receive gain on the strongest pattern, dB": told["rx_gain_db"],
        "lowest gain that clips, dB": _or(told["overload_gain_db"], "none does"),
        "receiver's DC offset, dBFS": told["rx_dc_dbfs"],
        "carrier that leaks through the air, dBFS": told["lo_leakage_dbfs"],
        "the same relative to the pilots, dB": told["lo_leakage_dbc"],
        "image, dB relative to the pilots": _or(told["image_dbc"], "below the noise"),
        "received beyond 6 dB lower, of a frame 6 dB lower, dB": told["linearity_db"],
        "received pilots at the antenna port, dBm": told["received_dbm"],
        "transmit power as the straight way tells it, dBm": told["transmit_power_dbm"],
        "transmit power as planned, dBm": told["transmit_power_planned_dbm"],
    }


def _link(told: Mapping[str, Any]) -> dict[str, object]:
    return {
        "direct and leakage, dB": told["direct_db"],
        "straight way alone, dB": told["direct_predicted_db"],
        "surface under random patterns, dB": told["surface_db"],
    }


def _surface(told: Mapping[str, Any]) -> dict[str, object]:
    return {
        "settles in, s": _or(told["settle_time_s"], "no change seen"),
        "declared, s": told["settle_declared_s"],
        "elements that do not follow": told["dead_elements"] or "none",
        "columns that do not follow": told["dead_columns"] or "none",
        "elements that the channel cannot tell": told["faded_elements"] or "none",
        "median element above the limit, dB": told["element_clearance_db"],
        "order": told["element_order"],
        "board's clock against the radio's, ppm": _or(told["board_clock_ppm"], "it has no timer that could be seen"),
    }


def _states(told: Mapping[str, Any]) -> dict[str, object]:
    ratio = told["state_ratio"]
    word = "measured" if ratio["measured"] else "the profile's word"
    shown: dict[str, object] = {
        "ratio of the sweep's two states": f"{ratio['amplitude_db']:+.2f} dB, {ratio['phase_deg']:+.1f} deg, {word}",
        "its standard deviation, dB": _or(ratio["error_db"], "not measured"),
        "terms over frequency": ratio["terms_over_frequency"],
    }
    for name, state in told["other_states"].items():
        shown[f"state {name}, in units of the sweep's +1 and -1"] = (
            f"{state['amplitude_db']:+.2f} dB, {state['phase_deg']:+.1f} deg, error {state['error']:.2g}, "
            f"{state['terms_over_frequency']} terms"
        )
    return shown


def _stability(told: Mapping[str, Any]) -> dict[str, object]:
    return {
        "radio's phase after one second, deg rms": told["drift_deg_per_s"],
        "radio's level after one second, dB rms": _or(told["gain_drift_db_per_s"], "cannot be told while people move"),
        "motion, dB relative to what stands still": _or(told["motion_db"], "nobody moves"),
        "largest Doppler shift, Hz": _or(told["doppler_hz"], "nobody moves"),
        "soundings repeat within, dB": told["repeat_db"],
        "soundings repeat within, deg": told["repeat_deg"],
    }


def _figure(name: str, figures: Sequence[str]) -> str:
    return f"![{name}]({name}.png)" if f"{name}.png" in figures else ""


def _or(value: object, otherwise: str) -> object:
    return otherwise if value is None else value
