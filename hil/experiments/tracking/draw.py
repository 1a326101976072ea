"""The figures of a track."""

from pathlib import Path

import numpy as np

from hil.experiments.track import STAGES, TrackResult
from hil.report.figures import save
from hil.report.track_figures import stages_figure, track_figure


def draw(result: TrackResult, folder: Path) -> list[Path]:
    """Draw into a run directory: rates over time, and what the time of a round goes into."""
    rounds = [each for each in result.rounds if each.lost is None]
    measured = {
        name: np.array([(each.begin_s, value) for each in rounds if (value := getattr(each, field)) is not None])
        for name, field in (("measured", "measured_mbps"), ("hold, measured", "hold_mbps"))
    }
    truth = result.truth
    true = {} if truth is None else {
        name: np.stack([truth["time_s"], truth[f"{name}_mbps"]], axis=-1) for name in ("configured", "hold", "optimum")
    }  # fmt: skip
    stages = {name: [each.stages_s.get(name, 0.0) for each in rounds] for name in STAGES}
    figures = {
        "track": track_figure(measured, true, result.config.policy.name),
        "stages": stages_figure([each.begin_s for each in rounds], stages),
    }
    return [save(figure, folder / f"{name}.png") for name, figure in figures.items()]
