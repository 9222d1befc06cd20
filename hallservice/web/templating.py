"""Templates: autoescaped, strict about names, compiled once."""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from hallservice.uploads import KINDS
from hallservice.web.lists import table_rows

BEIJING = timezone(timedelta(hours=8))
FOLDER = Path(__file__).parent / "templates"


def environment(more: Sequence[Path] = ()) -> Environment:
    """One for the whole process; `more` folders are looked into after our own."""
    made = Environment(
        loader=FileSystemLoader([FOLDER, *more]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        cache_size=400,
        extensions=["jinja2.ext.do"],
    )
    made.filters.update(moment=moment, day=day, accepted=accepted, labels=labels)
    made.filters["table_rows"] = lambda rows, columns: table_rows(columns, rows)
    return made


def moment(at: float | None) -> str:
    """Unix seconds as a clerk reads them: 2026-03-02 09:30, Beijing time."""
    if at is None:
        return ""
    return datetime.fromtimestamp(at, UTC).astimezone(BEIJING).strftime("%Y-%m-%d %H:%M")


def day(value: float | date | str | None) -> str:
    """A date: 2026-03-02."""
    if isinstance(value, int | float):
        return moment(value)[:10]
    return str(value)[:10] if value else ""


def accepted(kinds: Iterable[str]) -> str:
    """File types as a browser's file dialog wants them."""
    return ",".join(ending for code in kinds for ending in KINDS[code].endings)


def labels(kinds: Iterable[str]) -> str:
    """File types for people."""
    return "、".join(KINDS[code].label for code in kinds)
