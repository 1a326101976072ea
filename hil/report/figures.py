"""Figures of a run, drawn from arrays. Each function returns a matplotlib Figure; `save` writes it as PNG."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hil.arrays import Complex, Float, Pattern
from hil.measure.recording import write_durably
from hil.report.style import BLUE, GREEN, GREY, ORANGE, PURPLE, RED, panels
from hil.units import power_db

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = {"all_zero": GREY, "best_pilot": ORANGE, "random": GREEN, "stm": BLUE, "unrefined": PURPLE, "chosen": RED}


def save(figure: "Figure", path: Path, dpi: int = 130) -> Path:
    """Write a figure as PNG, whole or not at all, and return its path. Raises OSError."""
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=dpi)
    write_durably(path, content.getvalue())
    return path


def response_figure(
    frequency_hz: Float[np.ndarray, "subcarrier"],
    snr: Mapping[str, Float[np.ndarray, "subcarrier"]],
    truth: Mapping[str, Float[np.ndarray, "subcarrier"]] | None = None,
) -> "Figure":
    """SNR over the band for each arm as measured; in simulation the true one as a thin line.

    snr, truth: snr_scale * |h|^2 on each subcarrier, by arm.
    """
    figure, (axes,) = panels(1)
    for name, values in snr.items():
        axes.plot(
            frequency_hz / 1e6,
            power_db(np.maximum(values, 1e-6)),
            ".",
            ms=5 if name == "stm" else 2.5,  # what lies under the chosen arm still shows
            color=COLOURS[name],
            label=_title(name),
        )
    for name, values in (truth or {}).items():
        axes.plot(frequency_hz / 1e6, power_db(values), lw=0.8, color=COLOURS[name])
    levels = power_db(np.maximum(np.concatenate(list(snr.values())), 1e-6))
    axes.set_ylim(float(np.percentile(levels, 1)) - 3, float(levels.max()) + 3)
    axes.set(
        xlabel="frequency from the carrier [MHz]",
        ylabel="SNR [dB]",
        title="Received on each subcarrier (points: measured" + ("; lines: true)" if truth else ")"),
    )
    figure.legend(loc="outside lower center", ncols=4, markerscale=2)
    return figure


def sounding_snr_figure(
    frequency_hz: Float[np.ndarray, "used"], snr_db: Float[np.ndarray, "used"], noise: Float[np.ndarray, "used"] | None
) -> "Figure":
    """SNR of a sounding of the sweep over the band, and its noise, over ADC full scale; None where not recorded."""
    figure, each = panels(1 if noise is None else 2)
    megahertz = frequency_hz / 1e6
    each[0].plot(megahertz, snr_db, ".", ms=3, color=BLUE)
    each[0].set(ylabel="SNR [dB]", title="SNR of a sounding, from its repetitions")
    if noise is not None:
        each[1].plot(megahertz, power_db(noise), ".", ms=3, color=GREY)
        each[1].set(ylabel="power [dBFS]", title="Noise of a sounding, mean over the sweep")
    for axes in each:
        axes.set_xlabel("frequency from the carrier [MHz]")
        axes.grid(alpha=0.3)
    return figure


def pattern_figure(patterns: Mapping[str, Pattern], rows: int, cols: int) -> "Figure":
    """State of each element, front view, one panel an arm."""
    from matplotlib import colormaps

    figure, each = panels(len(patterns), width=3.2, height=3.4)
    highest = max(1, *(int(pattern.max()) for pattern in patterns.values()))
    shades = colormaps["gray"].resampled(highest + 1)
    for axes, (name, pattern) in zip(each, patterns.items(), strict=True):
        image = axes.imshow(
            pattern.reshape(rows, cols), cmap=shades, interpolation="nearest", vmin=-0.5, vmax=highest + 0.5
        )
        axes.set(title=_title(name), xlabel="column", ylabel="row")
    figure.colorbar(image, ax=each, label="state", ticks=range(highest + 1), shrink=0.8)
    return figure


def prediction_figure(
    frequency_hz: Float[np.ndarray, "subcarrier"],
    measured: Complex[np.ndarray, "subcarrier"],
    predicted: Complex[np.ndarray, "subcarrier"],
    nmse_db: float,
) -> "Figure":
    """Amplitude and phase of a pattern that the estimate never saw, predicted and measured (paper, Fig. 2)."""
    figure, (amplitude, phase) = panels(2)
    megahertz = frequency_hz / 1e6
    for axes, part in ((amplitude, _level_db), (phase, lambda values: phase_deg(values, predicted, frequency_hz))):
        axes.plot(megahertz, part(measured), ".", ms=3, color=GREY, label="measured")
        axes.plot(megahertz, part(predicted), lw=1.2, color=RED, label="predicted")
        axes.set_xlabel("frequency from the carrier [MHz]")
    amplitude.set(ylabel="|h| [dB]", title=f"A held-out pattern, prediction NMSE {nmse_db:.1f} dB")
    phase.set(ylabel="phase [deg]", title="Its phase, the delay's straight line removed")
    amplitude.legend()
    return figure


def rates_figure(
    names: Sequence[str],
    rate_mbps: Sequence[float],
    interval_mbps: Sequence[tuple[float, float]],
    true_mbps: Mapping[str, float] | None,
    bound_mbps: float | None,
) -> "Figure":
    """Measured rate of each arm with its confidence interval, the true rate and the certified bound where known."""
    figure, (axes,) = panels(1)
    place = np.arange(len(names))
    errors = np.abs(np.array(interval_mbps).T - np.array(rate_mbps))
    bars = axes.bar(
        place,
        rate_mbps,
        yerr=errors,
        capsize=4,
        color=[COLOURS[name] for name in names],
        label="measured",
    )
    axes.bar_label(bars, fmt="%.2f", label_type="center", color="w")
    if true_mbps:
        axes.plot(place, [true_mbps[name] for name in names], "k_", ms=28, mew=1.5, label="true")
    if bound_mbps is not None:
        axes.axhline(bound_mbps, color="k", ls=":", label="certified bound on the estimate")
    axes.set_xticks(place, [_title(name) for name in names])
    axes.set(ylabel="rate [Mbit/s]", title="Rate of each arm, from fresh soundings")
    axes.set_ylim(0, 1.3 * max(*rate_mbps, bound_mbps or 0))
    axes.legend(loc="upper left", ncols=3)
    return figure


def search_figure(trace: Float[np.ndarray, "sounding 2"], ylabel: str) -> "Figure":
    """A search as it went: (time in s, figure) of each sounding, and the best by then."""
    figure, (axes,) = panels(1)
    time_s, found = trace.T
    axes.plot(time_s - time_s[0], found, ".", ms=3, color=GREY, label="soundings")
    axes.plot(time_s - time_s[0], np.maximum.accumulate(found), color=GREEN, label="highest by then")
    axes.set(xlabel="time [s]", ylabel=ylabel, title="The search, sounding by sounding")
    axes.legend()
    return figure


def _title(name: str) -> str:
    return {"stm": "STM"}.get(name, name.replace("_", " "))


def _level_db(values: Complex[np.ndarray, "subcarrier"]) -> Float[np.ndarray, "subcarrier"]:
    return power_db(np.abs(values) ** 2)


def phase_deg(
    values: Complex[np.ndarray, "subcarrier"],
    reference: Complex[np.ndarray, "subcarrier"],
    frequency_hz: Float[np.ndarray, "subcarrier"],
) -> Float[np.ndarray, "subcarrier"]:
    """Phase without the straight line that a delay draws: the one that fits the reference.

    A delay may turn by half a circle and more from a subcarrier to the next, and subcarriers may be missing: so the
    turn is read from neighbours first.
    """
    step_hz = float(np.diff(frequency_hz).min())
    place = np.rint((frequency_hz - frequency_hz[0]) / step_hz)
    near = np.diff(place) == 1
    turn = np.angle(np.sum((reference[1:] * reference[:-1].conj())[near]))
    flat = reference * np.exp(-1j * turn * place)
    line = turn * place + np.polynomial.Polynomial.fit(place, np.unwrap(np.angle(flat)), 1)(place)
    return np.asarray(np.rad2deg(np.angle(values * np.exp(-1j * line))))
