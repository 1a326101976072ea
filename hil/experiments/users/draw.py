"""Page and figures of many users, into their run directory."""

from pathlib import Path

from hil.experiments.many_users import ManyUsersResult, summary
from hil.experiments.users.book import BOOK
from hil.measure.recording import write_durably
from hil.report.figures import save
from hil.report.users_figures import served_figure, users_figure
from hil.report.users_page import users_page


def draw(result: ManyUsersResult, folder: Path) -> list[Path]:
    """Write `report.md`, the rates of each user's patterns, and what a user has of turns of any length."""
    told = summary(result)
    figures = {
        "users": users_figure(told["users"]),
        "served": served_figure(
            [each["rate_mbps"]["chosen"] for each in told["users"]],
            [each["user"] for each in told["users"]],
            {"sent": told["sent_s"], "named": told["named_s"]},
        ),
    }
    files = [save(figure, folder / f"{name}.png") for name, figure in figures.items()]
    page = folder / "report.md"
    write_durably(page, users_page(told, BOOK, [file.name for file in files]).encode())
    return [page, *files]
