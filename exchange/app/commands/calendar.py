"""`tongban calendar`: load a year of holidays, as an act in the ledger, and show what is known."""

import argparse
import json
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select

from canonical.calendar import MAX_TEXT, CalendarYear, parse_year, shipped
from exchange import calendars
from exchange.app import opening, table
from exchange.app.settings import load_settings
from exchange.errors import Refused
from exchange.recomputing import recompute
from exchange.store.engine import reading
from exchange.store.tables import calendar_year
from exchange.store.work import Work
from hallservice.counter import projection

HELP = "load the holidays of a year and count provisional due dates again"

DETAILS = """\
A year file is TOML: year, version, source, published, rest = [{reason, from, to}], work = [{reason, day}].
Loading a year also counts every provisional due date again, in the same commit.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = DETAILS
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    load = actions.add_parser("load", help="load a year file; a correction needs a higher version")
    load.add_argument("file", metavar="FILE", type=Path)
    load.add_argument("--source", metavar="TEXT", help="where the file was got, if not what it says itself")
    listed = actions.add_parser("list", help="every version of every year that is known")
    listed.add_argument("--json", action="store_true", help="a JSON list")


def run(args: argparse.Namespace) -> int:
    with opening.coded():
        return _load(args) if args.action == "load" else _list(args)


def _load(args: argparse.Namespace) -> int:
    text, settings = _text(args.file), load_settings()
    store = opening.open_store(settings)
    key = opening.pseudonym_key(settings)

    def act(work: Work) -> tuple[tuple[int, int], int]:
        year, version = calendars.load(work, settings.hub, text, args.source)
        changed = recompute(work, settings.hub, key, f"calendar-{year}-{version}")
        projection.refresh(work, key)
        return (year, version), changed

    (year, version), changed = store.write(act)
    print(f"{year} version {version} loaded; due dates of {changed} provisional cases changed")
    return 0


def _text(path: Path) -> str:
    with path.open("rb") as file:
        data = file.read(4 * MAX_TEXT + 1)  # a character has at most 4 bytes in UTF-8
    try:
        return data.decode()
    except UnicodeDecodeError as fault:
        raise Refused("bad_calendar", "the file is not UTF-8", str(path)) from fault


def _list(args: argparse.Namespace) -> int:
    with reading(opening.open_reader(load_settings())) as connection:
        found = known(connection)
    if args.json:
        print(json.dumps(found, ensure_ascii=False, indent=1))
        return 0
    headings = ("year", "version", "published", "ledger", "source")
    rows = [(one["year"], one["version"], one["published"], one["entry"], one["source"]) for one in found]
    table.show(headings, [[("shipped" if cell is None else cell) for cell in row] for row in rows])
    return 0


def known(connection: Connection) -> list[dict[str, Any]]:
    """Every version of every year; `entry` is the ledger line that loaded it, None for what was shipped."""
    mine = [_shown(year, year.source, None) for year in shipped().years]
    rows = connection.execute(select(calendar_year))
    mine += [_shown(parse_year(row.text), row.source, row.entry) for row in rows]
    return sorted(mine, key=lambda one: (one["year"], one["version"]))


def _shown(year: CalendarYear, source: str, entry: int | None) -> dict[str, Any]:
    published = year.published.isoformat()
    return {
        "year": year.year,
        "version": year.version,
        "published": published,
        "entry": entry,
        "source": source,
    }
