"""What a calibration found out, as plain values and in words."""

from typing import TYPE_CHECKING, Any

import numpy as np

from hil.estimation.elements import dead_columns
from hil.estimation.least_squares import CascadedEstimate
from hil.measure.setup import Setup
from hil.phy.geometry import straight_direct
from hil.units import power_db

if TYPE_CHECKING:
    from hil.experiments.calibrate import CalibrationResult


def summary(result: "CalibrationResult") -> dict[str, Any]:
    """The figures of a calibration as plain values."""
    setup, levels, stability = result.setup, result.levels, result.watched.stability
    return {
        "outcome": str(result.outcome),
        "testbed": setup.testbed.name,
        "user": setup.user,
        "simulated": setup.simulated,
        "num_elements": setup.num_elements,
        "num_pilots": result.sweep.plan.num_patterns,
        "noise_floor_dbfs": levels["noise_dbfs"],
        "rx_gain_db": result.gain.gain_db,
        "overload_gain_db": levels["overload_gain_db"],
        "rx_dc_dbfs": levels["rx_dc_dbfs"],
        "lo_leakage_dbfs": levels["lo_leakage_dbfs"],
        "lo_leakage_dbc": levels["lo_leakage_dbc"],
        "image_dbc": levels["image_dbc"],
        "linearity_db": levels["linearity_db"],
        "received_dbm": levels["received_dbm"],
        **link_figures(setup, result.estimate),
        **transmit_power(setup, levels),
        "settle_time_s": result.calibration.settle_time_s,
        "settle_resolution_s": result.settling.resolution_s if result.settling else None,
        "settle_hidden": _settle_is_hidden(result),
        "settle_declared_s": result.declared_settle_s,
        "state_ratio": result.ratio.summary(),
        "other_states": other_states(result),
        "dead_elements": np.flatnonzero(result.dead).tolist(),
        "dead_columns": dead_columns(result.dead, setup.rows, setup.cols).tolist(),
        "faded_elements": np.flatnonzero(result.faded).tolist(),
        "element_clearance_db": result.elements.clearance_db,
        "element_order": result.order.words,
        "order_as_declared": result.order.as_declared,
        "element_moves": None if result.order.as_declared else result.order.moves.tolist(),
        "drift_deg_per_s": stability.phase_deg,
        "gain_drift_db_per_s": stability.gain_db,
        "motion_db": stability.motion_db,
        "doppler_hz": stability.doppler_hz,
        "repeat_deg": stability.repeat_deg,
        "repeat_db": stability.repeat_db,
        "board_clock_ppm": result.board_clock_ppm,
        "findings": findings(result),
        "valid_days": result.calibration.valid_days,
        "calibration_sha256": result.calibration.sha256,
        "radio_time_s": result.sweep.radio_time_s,
        "radio_time_floor_s": result.sweep.floor_s,
    }


def other_states(result: "CalibrationResult") -> dict[str, dict[str, float]]:
    """Of each state that the sweep did not use: what it adds relative to `plus`, beyond what both have in common."""
    return {
        str(state): {
            "amplitude_db": float(2 * power_db(max(abs(complex(curve.coefficients[0])), 1e-12))),
            "phase_deg": float(np.degrees(np.angle(curve.coefficients[0]))),
            "error": curve.error,
            "terms_over_frequency": curve.coefficients.size,
        }
        for state, curve in result.others.items()
    }


def findings(result: "CalibrationResult") -> list[str]:
    """What is not as declared, in words."""
    rows, cols = result.setup.rows, result.setup.cols
    dead = result.dead
    found: list[str] = []
    columns = dead_columns(dead, rows, cols)
    single = [n for n in np.flatnonzero(dead).tolist() if n % cols not in columns]
    if not result.elements.told:
        found.append(
            "too noisy to tell one element: raise sweep.repetitions or the transmit power, keep people out of the room"
        )
    if result.faded.any():
        found.append(f"elements {_list(np.flatnonzero(result.faded))} cannot be told: the waves cancel there")
    if columns.size:
        found.append(f"columns {_list(columns)} do not follow: check their supply and cables")
    if single:
        found.append(f"elements {_list(single)} do not follow: dead, or stuck in one state")
    if not result.order.as_declared:
        found.append(f"element order: {result.order.words}; `hil run --calibration` corrects it")
    if result.settling is None:
        found.append("no change of the surface is seen: is it the surface between these antennas?")
    elif (settle_s := result.settling.given(result.declared_settle_s)) > 1.15 * result.declared_settle_s:
        unsure = ", as far as motion and noise let it be seen" if _settle_is_hidden(result) else ""
        found.append(
            f"settles in {settle_s * 1e3:.3g} ms, the profile says "
            f"{result.declared_settle_s * 1e3:.3g}: `hil run --calibration` waits for it{unsure}"
        )
    if result.board_clock_why is not None:
        found.append(f"the board's clock could not be timed: {result.board_clock_why}")
    if result.watched.stability.motion_db is not None:
        found.append(
            f"somebody moves: {result.watched.stability.motion_db:.1f} dB, {result.watched.stability.doppler_hz:.2g} Hz"
        )
    return found


def _settle_is_hidden(result: "CalibrationResult") -> bool:
    """Noise, or somebody who moves, hides the end of the change: the time is the longest that it may be."""
    moving = result.watched.stability.motion_db is not None
    return moving or (result.settling is not None and result.settling.hidden)


def link_figures(setup: Setup, estimate: CascadedEstimate) -> dict[str, float]:
    """Direct channel and surface as measured, in dB antenna to antenna; predicted by the straight ways alone.

    surface_db: mean power over random patterns of what changes with them.
    """
    scale = setup.budget.scale**2 / setup.testbed.ofdm.num_subcarriers
    direct = scale * float(np.sum(np.abs(estimate.direct) ** 2))
    surface = scale * max(float(np.sum(np.abs(estimate.cascade) ** 2) - estimate.cascade_var.sum()), 1e-30)
    straight = straight_direct(setup.testbed, setup.testbed.user(setup.user)) ** 2
    return {
        "direct_db": float(power_db(direct)),
        "direct_predicted_db": float(power_db(straight)),
        "received_vs_plan_db": float(power_db(direct / straight)),
        "surface_db": float(power_db(surface)),
    }


def transmit_power(setup: Setup, levels: dict[str, Any]) -> dict[str, float]:
    """At the antenna's port at this carrier, as the straight way tells it: right where nothing stands in it.

    A Pluto has no power meter, so it is no better than the receiver's full scale and the antennas' places.
    """
    straight_db = 2 * float(power_db(straight_direct(setup.testbed, setup.testbed.user(setup.user))))
    return {
        "transmit_power_dbm": levels["received_dbm"] - straight_db,
        "transmit_power_planned_dbm": setup.budget.transmit_power_dbm,
    }


def _list(values: Any) -> str:
    return ", ".join(str(value) for value in list(values)[:12]) + (" ..." if len(list(values)) > 12 else "")
