"""Figures 4, 5 and 7: what the paper's network puts out, its configuration beside STM's, how fast it learns."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from hil.arrays import Complex, Float
from hil.campaign.learning import Lesson, Network, PaperNetwork, TapCodeNetwork
from hil.campaign.links import Links
from hil.campaign.sites import make_site
from hil.campaign.workbook import Artifact, Workbook
from hil.interfaces import Progress
from hil.optimize.algorithms import Options
from hil.optimize.neural import PRACTICAL, PRINTED
from hil.optimize.solve import solve
from hil.report.paper_figures import Curve, Panel, curves_figure, images_figure

CONVERGED = 0.95
PAPER_EPOCHS = 105  # at 64 x 64, read from where its Fig. 8 starts
READING_OF_THE_NETWORK = (
    "Dense layers of N_H x N_H and N_W x N_W, tanh after the third and the last, a 3 x 3 kernel for each branch, fixed "
    "random input. "
)
AS_PRINTED = "paper's network, as printed (1e-2/N, gradient descent)"
STARTS = 4
NETWORKS: dict[str, Network] = {
    AS_PRINTED: PaperNetwork(PRINTED),
    "paper's network, practical (Adam, output in turns)": PaperNetwork(PRACTICAL),
    "tap-code network": TapCodeNetwork(),
}


def fig4(workbook: Workbook) -> Artifact:
    """Outputs of both branches and their combination, for a user that sees the surface."""
    size, epochs = workbook.effort.size, workbook.effort.epochs
    found = workbook.cell("fig4", {"size": size, "epochs": epochs}, partial(_outputs, size, epochs, workbook.seed))
    workbook.progress("fig4", 1, 1)
    figures = found["figures"]
    images = {
        "(a) elevation branch": np.tile(np.array(found["rows"])[:, None], (1, size)),
        "(b) azimuth branch": np.tile(np.array(found["cols"])[None], (size, 1)),
        "(c) configuration": np.array(found["phases"]),
    }
    return Artifact(
        "The combined configuration has a strong bias towards the azimuth component: it is column-like.",
        READING_OF_THE_NETWORK + "A user that sees the surface; phases as the network puts them out, not wrapped.",
        f"{100 * figures['azimuth_share_of_variance']:.0f} % of the phase's variance is along the azimuth, "
        f"{100 * figures['elevation_share_of_variance']:.0f} % along the elevation.",
        [{"case": "paper's network", "epochs": epochs, **figures}],
        images_figure(images, labels=["output of the branch", "output of the branch", "phase, not wrapped [rad]"]),
    )


def fig5(workbook: Workbook) -> Artifact:
    """Configurations of one user that does not see the surface."""
    size, epochs = workbook.effort.size, workbook.effort.epochs
    compute = partial(_configurations, size, epochs, workbook.seed)
    found = workbook.cell("fig5", {"size": size, "epochs": epochs}, compute)
    workbook.progress("fig5", 1, 1)
    images = {
        f"{row['case']}: {row['rate_mbps']:.2f} Mbit/s,\n{100 * row['fraction']:.2f} % of the bound, bend "
        f"{row['bend_deg']:.1f} deg": np.array(phases)
        for row, phases in zip(found["rows"], found["phases"], strict=True)
    }
    return Artifact(
        "The phases of the proposed method are spatially smoother than STM's.",
        "bend_deg: mean modulus of the second difference of the phase along rows and columns, 0 for a plane wave, 90 "
        "for random phases. " + READING_OF_THE_NETWORK,
        "Bend: " + ", ".join(f"{row['case']} {row['bend_deg']:.1f} deg" for row in found["rows"]),
        found["rows"],
        images_figure(images, cyclic=True),
    )


def fig7(workbook: Workbook) -> Artifact:
    """Epochs until 95 % of the rate at the end of the training, over the size of the surface."""
    rows = _learning_rows(workbook)
    curves = [
        Curve(name, [row["num_elements"] for row in found], [row["epochs_to_95"] for row in found], style)
        for name, style in zip(NETWORKS, ("stm", "paper's network", "neural-prior"), strict=True)
        if (found := [row for row in rows if row["case"] == name])
    ]
    printed = Curve("paper, 64 x 64 (where its Fig. 8 starts)", [4096], [PAPER_EPOCHS], "paper's network", points=True)
    return Artifact(
        "The number of epochs to 95 % of the rate after 10^5 epochs, at a learning rate of 1e-2/N, grows with the size "
        "(no numbers are printed; for 64 x 64, Fig. 8 starts from about 105 epochs).",
        READING_OF_THE_NETWORK + "Loss -sum log2(1 + SNR): with the rate in Mbit/s a step of 1e-2/N moves nothing. "
        "`epochs` is the length of each training, its cosine annealing included: 10^5 as printed, in the full form. "
        "The tap-code network sets out from the taps. `default_of_final`: rate of `neural-prior-paper` (Adam, 300 "
        "epochs, best of 4 starts, not polished) over the rate at the end of that training, of the same users.",
        _how_fast(curves, rows),
        rows,
        curves_figure(
            [Panel("epochs to 95 % of the rate at the end", [*curves, printed])],
            xlabel="number of elements N",
            ylabel="epochs",
            logx=True,
            logy=True,
        ),
    )


def _learning_rows(workbook: Workbook) -> list[dict[str, Any]]:
    """A row for each network and size of the surface."""
    effort, users = workbook.effort, workbook.effort.learners
    trainings = (effort.printed, effort.practical, effort.tap_code)
    rows, total = list[dict[str, Any]](), sum(len(lengths) for lengths in trainings)
    for name, lengths in zip(NETWORKS, trainings, strict=True):
        for size, epochs in lengths.items():
            workbook.progress("fig7", len(rows), total)
            settings = {"network": name, "size": size, "epochs": epochs, "users": users}
            compute = partial(_epochs, name, size, epochs, users, workbook.seed, workbook.progress)
            rows.append(workbook.cell(f"fig7-{list(NETWORKS).index(name)}-{size}", settings, compute))
    workbook.progress("fig7", total, total)
    return rows


def _how_fast(curves: Sequence[Curve], rows: Sequence[dict[str, Any]]) -> str:
    """In words: epochs of each network, and how far the default comes beside the printed training."""
    epochs = "; ".join(
        f"{curve.label}: "
        + ", ".join(f"{epochs:.0f} epochs at N = {count}" for count, epochs in zip(curve.x, curve.y, strict=True))
        for curve in curves
    )
    shares = ", ".join(
        f"{100 * row['default_of_final']:.2f} % at N = {row['num_elements']}"
        for row in rows
        if row["case"] == AS_PRINTED
    )
    return f"{epochs}. Rate of `neural-prior-paper` over that at the end of the printed training: {shares}"


def _outputs(size: int, epochs: int, seed: int) -> dict[str, Any]:
    site = make_site("paper", size=size, users=1, seed=seed)
    links = site.links(site.users[:1])
    curve = PaperNetwork().learn(links.truth, Lesson(epochs, seed))
    network = curve.state.network
    rows, cols = (np.asarray(network.branch(which).detach())[0] for which in (0, 1))
    phases = np.asarray(network.phases().detach(), dtype=float)[0]
    return {
        "rows": rows.tolist(),
        "cols": cols.tolist(),
        "phases": phases.tolist(),
        "figures": {
            "rate_mbps": float(curve.rate_mbps[-1, 0]),
            "bound_mbps": float(links.bound_mbps()[0]),
            "azimuth_share_of_variance": float(phases.mean(axis=0).var() / phases.var()),
            "elevation_share_of_variance": float(phases.mean(axis=1).var() / phases.var()),
        },
    }


def _configurations(size: int, epochs: int, seed: int) -> dict[str, Any]:
    site = make_site("paper", size=size, users=1, seed=seed)
    links = site.links(site.users[1:])
    run = partial(solve, links.truth, seed=seed, certify=False)
    solutions = {
        "STM, strongest tap": run("stm-strongest"),
        "paper's network": run("neural-prior-paper", Options(starts=4, epochs=epochs, polish=False)),
        "neural-prior": run("neural-prior"),
    }
    bound = float(links.bound_mbps()[0])
    rows, phases = [], []
    for name, solution in solutions.items():
        image = solution.reflection[0].reshape(size, size)
        rate = float(links.rate_mbps(solution)[0])
        rows.append(
            {
                "case": name,
                "rate_mbps": rate,
                "bound_mbps": bound,
                "fraction": rate / bound,
                "bend_deg": bend_deg(image),
            }
        )
        phases.append(np.angle(image).tolist())
    return {"rows": rows, "phases": phases}


def bend_deg(reflection: Complex[np.ndarray, "row col"]) -> float:
    """Mean modulus of the second difference of the phase, wrapped, along rows and columns."""

    def bends(image: Complex[np.ndarray, "line element"]) -> Float[np.ndarray, "any"]:
        return np.asarray(np.abs(np.angle(image[:, 2:] * image[:, 1:-1].conj() ** 2 * image[:, :-2])).ravel())

    return float(np.rad2deg(np.concatenate([bends(reflection), bends(reflection.T)]).mean()))


def _epochs(name: str, size: int, epochs: int, users: int, seed: int, progress: Progress) -> dict[str, Any]:
    links = make_site("paper", size=size, users=users, seed=seed).links()
    stage = f"fig7, network {list(NETWORKS).index(name) + 1}, {size} x {size}"
    lesson = Lesson(epochs, seed, progress=lambda _, epoch, total: progress(stage, epoch, total))
    curve = NETWORKS[name].learn(links.truth, lesson)
    final = curve.rate_mbps[-1]
    needed = curve.epochs_to(CONVERGED * final)
    bound = links.bound_mbps()
    return {
        "case": name,
        "size": size,
        "num_elements": size**2,
        "epochs": epochs,
        "users_of_each_kind": users,
        "epochs_to_95": float(needed.mean()),
        "epochs_to_95_of_each_user": needed.tolist(),
        "final_los_fraction": float((final / bound)[links.line_of_sight].mean()),
        "final_nlos_fraction": float((final / bound)[~links.line_of_sight].mean()),
        "default_of_final": _default_of(final, links, seed) if name == AS_PRINTED else None,
    }


def _default_of(final_mbps: Float[np.ndarray, "user"], links: Links, seed: int) -> float:
    """Mean rate of `neural-prior-paper` as it runs by default, not polished, over that at the end of a training."""
    default = solve(links.truth, "neural-prior-paper", Options(STARTS, polish=False), seed=seed, certify=False)
    return float((default.rate_mbps / final_mbps).mean())
