"""What the reproductions share: where results go, how much effort is spent, and what one of them returns."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hil.campaign.cells import Cells
from hil.interfaces import Progress
from hil.report.figures import save

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Effort:
    """How much is computed. Users are of each kind: seeing the surface, and not.

    size: elements a side where the paper has 64. epochs: of the paper's network (Adam) wherever it competes.
    sizes: of Figs. 6 and 10, with the users at each. printed, practical, tap_code: epochs of Fig. 7 by size.
    walkers, walk_epochs, distances_m: of Figs. 8 and 9 with perfect knowledge. loop_size, loop_users, loop_epochs,
    loop_walks: of the same by the loop, rounds by the distance from one to the next.
    """

    name: str
    size: int
    users: int
    reading_users: int
    epochs: int
    sizes: Mapping[int, int]
    learners: int
    printed: Mapping[int, int]
    practical: Mapping[int, int]
    tap_code: Mapping[int, int]
    walkers: int
    walk_epochs: int
    distances_m: tuple[float, ...]
    loop_size: int
    loop_users: int
    loop_epochs: int
    loop_walks: Mapping[float, int]


QUICK = Effort(
    name="quick",
    size=64,
    users=6,
    reading_users=3,
    epochs=100,
    sizes={8: 4, 16: 4, 32: 4, 64: 4},
    learners=2,
    printed={8: 2000, 16: 2000},
    practical={8: 200, 16: 200, 32: 150, 64: 100},
    tap_code={8: 60, 16: 60, 32: 60, 64: 60},
    walkers=2,
    walk_epochs=80,
    distances_m=(0.05, 0.2, 1.0),
    loop_size=16,
    loop_users=1,
    loop_epochs=60,
    loop_walks={0.05: 2, 0.3: 3},
)
FULL = Effort(
    name="full",
    size=64,
    users=51,
    reading_users=20,
    epochs=300,
    sizes={8: 51, 16: 51, 24: 51, 32: 51, 48: 51, 64: 51, 96: 12, 128: 12},
    learners=5,
    printed={8: 100_000, 16: 100_000, 32: 100_000, 64: 100_000},
    practical={8: 1000, 16: 1000, 32: 1000, 64: 1000},
    tap_code={8: 200, 16: 200, 32: 200, 64: 200},
    walkers=10,
    walk_epochs=300,
    distances_m=(0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5, 2.0),
    loop_size=64,
    loop_users=10,
    loop_epochs=300,
    loop_walks={0.02: 5, 0.1: 5, 0.5: 5},
)


@dataclass(frozen=True)
class Artifact:
    """One reproduced table or figure.

    paper_says: the claim, with its numbers where the paper prints any. reading: what was taken where it is silent.
    found: what was measured, in a sentence. rows: the figures, each beside the paper's value where there is one.
    """

    paper_says: str
    reading: str
    found: str
    rows: list[dict[str, Any]]
    figure: "Figure"

    def plain(self) -> dict[str, Any]:
        """All but the figure, for JSON."""
        return {"paper_says": self.paper_says, "reading": self.reading, "found": self.found, "rows": self.rows}

    def save(self, path: Path) -> Path:
        return save(self.figure, path, dpi=110)


@dataclass(frozen=True)
class Workbook:
    """Where results go, and how they are made."""

    folder: Path
    effort: Effort
    seed: int
    progress: Progress

    def cell(self, name: str, settings: Mapping[str, Any], compute: Callable[[], Any]) -> Any:
        """A result by name and settings; computed only where the folder does not hold it."""
        return Cells(self.folder / "cells").get(name, {"seed": self.seed, **settings}, compute)
