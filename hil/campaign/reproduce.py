"""The paper's table and figures again, one function each, beside its values and the certified bound."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hil.campaign.cells import write_json
from hil.campaign.fig2 import fig2
from hil.campaign.moving import fig8, fig9
from hil.campaign.networks import fig4, fig5, fig7
from hil.campaign.sizes import fig6, fig10
from hil.campaign.table1 import table1
from hil.campaign.workbook import FULL, Artifact, Effort, Workbook
from hil.errors import ConfigError
from hil.interfaces import Progress, no_progress

ITEMS: Mapping[str, Callable[[Workbook], Artifact]] = {
    "table1": table1,
    "fig2": fig2,
    "fig4": fig4,
    "fig5": fig5,
    "fig6": fig6,
    "fig7": fig7,
    "fig8": fig8,
    "fig9": fig9,
    "fig10": fig10,
}


def chosen(names: Sequence[str]) -> list[str]:
    """Items by name, `all` for all of them. Raises ConfigError for an unknown one."""
    unknown = sorted(set(names) - set(ITEMS) - {"all"})
    if unknown:
        raise ConfigError(f"there is no {', '.join(unknown)} to reproduce, allowed: all, {', '.join(ITEMS)}")
    return [name for name in ITEMS if name in names or "all" in names]


def reproduce(
    names: Sequence[str], folder: Path, *, effort: Effort = FULL, seed: int = 0, progress: Progress = no_progress
) -> tuple[dict[str, Artifact], list[Path]]:
    """Compute and draw items; what the folder already holds under the same settings is not computed again.

    Returns the artifacts by name, and the files written: NAME.json and NAME.png of each.
    """
    workbook = Workbook(folder, effort, seed, progress)
    artifacts, files = {}, []
    for name in chosen(names):
        artifact = ITEMS[name](workbook)
        content: dict[str, Any] = {"item": name, "effort": effort.name, "seed": seed, **artifact.plain()}
        files += [artifact.save(folder / f"{name}.png"), write_json(folder / f"{name}.json", content)]
        artifacts[name] = artifact
    return artifacts, files
