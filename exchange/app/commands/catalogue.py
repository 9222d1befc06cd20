"""`tongban catalogue`: what an import changed or would change, a held one's fate, rows for a person."""

import argparse
import getpass
import json
from typing import Any

from sqlalchemy import Connection, select

from exchange.app import exchanged, opening, table
from exchange.app.serving import build_hub
from exchange.app.settings import load_settings
from exchange.catalogue import apply, loads, reports, stream
from exchange.catalogue.difference import GONE, PUTS, in_force
from exchange.catalogue.loads import Load
from exchange.errors import Refused
from exchange.store.engine import reading
from exchange.store.tables import catalogue_change, catalogue_load, catalogue_row, item

HELP = "imports of the provincial catalogue: status, difference, apply, discard, work list"

DETAILS = """\
A list of the province is collected whole, compared with what is in force, and comes into force in one
commit. It waits for a person when it would withdraw more than withdraw_share of the items (0.20), or when
more than broken_share of its rows cannot be read. Both are parameters of the adapter; the party's account may
hold others.

exit codes: 0 done, 1 refused, 2 usage; status: 1 while an import waits for a person
"""
SHOWN = 20  # imports in the status
MOST = 1000  # lines of a difference on a screen


def configure(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = DETAILS
    words = parser.add_subparsers(dest="word", metavar="WORD", required=True)
    for word, help_ in (
        ("status", "imports, and the rows of the newest that could not be read"),
        ("diff", "what an import changed, or would change"),
        ("apply", "let a held import come into force"),
        ("discard", "turn a held import down; the province is asked again"),
        ("worklist", "items reported upward that the province refused or found abnormal"),
    ):
        one = words.add_parser(word, help=help_)
        one.add_argument("--json", action="store_true", help="JSON instead of a table")
        if word in ("diff", "apply", "discard"):
            one.add_argument(
                "load", metavar="N", nargs="?", type=int, help="number of the import (the newest)"
            )


def run(args: argparse.Namespace) -> int:
    act = {
        "status": _status,
        "diff": _diff,
        "apply": _decide,
        "discard": _decide,
        "worklist": _worklist,
    }[args.word]
    with opening.coded():
        return act(args)


def _status(args: argparse.Namespace) -> int:
    with reading(opening.open_reader(load_settings())) as connection:
        number, hash_ = stream.head(connection)
        newest = select(catalogue_load).order_by(catalogue_load.c.id.desc()).limit(SHOWN)
        loads = [_shown(load) for load in connection.execute(newest)]
        broken = [_broken(row) for row in _broken_rows(connection)]
        items = in_force(connection)
    held = any(load["state"] == "held" for load in loads)
    if args.json:
        said = {"items": items, "change": number, "hash": hash_.hex(), "imports": loads, "broken": broken}
        print(json.dumps(said, ensure_ascii=False, indent=1))
    else:
        print(f"{items} items in the list, {number} changes, hash {hash_.hex()[:16]}")
        names = ("import", "party", "state", "since", "to", "rows", "pages", "time", "reason")
        table.show(names, [[load[name] for name in names] for load in loads])
        columns = ("import", "item", "where", "code", "detail")
        if broken:
            table.show(columns, [[row[name] for name in columns] for row in broken])
    return 1 if held else 0


def _shown(load: Load) -> dict[str, Any]:
    return {
        "import": load.id,
        "party": load.party,
        "state": load.state,
        "since": load.since,
        "to": load.to_version,
        "rows": load.total,
        "pages": load.pages,
        "time": exchanged.moment(load.changed_at),
        "reason": load.reason,
        "difference": load.difference,
    }


def _broken_rows(connection: Connection) -> list[Any]:
    """Of the newest imports, as long as the item has not been heard of since."""
    bad = select(catalogue_row).where(catalogue_row.c.op == "bad").order_by(catalogue_row.c.id.desc())
    return list(connection.execute(bad.limit(MOST)))


def _broken(row: Any) -> dict[str, Any]:
    return {"import": row.load, "item": row.code, "where": row.path, "code": row.error, "detail": row.detail}


def _diff(args: argparse.Namespace) -> int:
    with reading(opening.open_reader(load_settings())) as connection:
        load = _load(connection, args.load)
        lines = _lines(connection, load)
    if args.json:
        print(json.dumps({**_shown(load), "rows": lines}, ensure_ascii=False, indent=1))
        return 0
    counted = ", ".join(f"{number} {effect}" for effect, number in sorted((load.difference or {}).items()))
    print(f"import {load.id} of {load.party}, {load.state}: {counted or 'not compared yet'}")
    columns = ("effect", "item", "version", "name")
    table.show(columns, [[line[name] for name in columns] for line in lines[:MOST]])
    if len(lines) > MOST:
        print(f"{len(lines) - MOST} more lines: --json shows all")
    return 0


def _load(connection: Connection, number: int | None) -> Load:
    load = loads.by_id(connection, number) if number is not None else loads.latest(connection)
    if load is None:
        raise Refused("no_import", "there is no such import of the catalogue")
    return load


def _lines(connection: Connection, load: Load) -> list[dict[str, Any]]:
    """Row by row: of an applied import from the stream, else from the staging area."""
    if load.state == "applied":
        change = catalogue_change
        known = (item.c.code == change.c.code) & (item.c.version == change.c.version)
        query = (
            select(change.c.effect, change.c.code, change.c.version, item.c.name)
            .join(item, known, isouter=True)
            .where(change.c.load == load.id)
            .order_by(change.c.number)
        )
    else:
        row = catalogue_row
        query = (
            select(row.c.effect, row.c.code, row.c.version, row.c.name)
            .where(row.c.load == load.id, row.c.effect.in_((*PUTS, *GONE, "bad")))
            .order_by(row.c.effect, row.c.id)
        )
    names = ("effect", "item", "version", "name")
    return [dict(zip(names, found, strict=True)) for found in connection.execute(query)]


def _decide(args: argparse.Namespace) -> int:
    settings = load_settings()
    opening.open_reader(settings).dispose()
    hub = build_hub(settings, opening.open_store(settings))
    with hub.store.read() as connection:
        load = _load(connection, args.load)
    by = getpass.getuser()
    if args.word == "apply":
        difference = hub.store.write(lambda work: apply.apply_held(hub, work, load, by))
    else:
        difference = {}
        hub.store.write(lambda work: apply.discard_held(hub, work, load, by))
    said = {"import": load.id, "done": args.word, "difference": difference}
    counted = ", ".join(f"{number} {effect}" for effect, number in sorted(difference.items()))
    print(json.dumps(said) if args.json else f"import {load.id}: {args.word} done {counted}".rstrip())
    return 0


def _worklist(args: argparse.Namespace) -> int:
    with reading(opening.open_reader(load_settings())) as connection:
        rows = [_reported(row) for row in reports.worklist(connection)]
    if args.json:
        print(json.dumps(rows, ensure_ascii=False, indent=1))
    else:
        columns = ("batch", "row", "item", "name", "state", "code", "message", "time")
        table.show(columns, [[row[name] for name in columns] for row in rows])
    return 0


def _reported(row: Any) -> dict[str, Any]:
    return {
        "batch": row.batch_id,
        "row": row.row_id,
        "item": row.code,
        "name": row.name,
        "state": row.state,
        "code": row.told,
        "message": row.message,
        "time": exchanged.moment(row.changed_at),
    }
