"""`tongban message`: one message as it was sent, as it was understood, or what became of it."""

import argparse
import getpass
import json
import sys
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Connection, Row

from canonical.masking import masked, text_masked
from exchange import acts, registrations
from exchange.app import exchanged, opening, table
from exchange.app.settings import load_settings
from exchange.errors import Refused
from exchange.records import is_call_of_several
from exchange.store.engine import reading

HELP = "show one message: summary, exact bytes, canonical content or timeline"

DETAILS = """\
Without an option: a summary in which personal data is masked. --raw and --canonical are not masked.
A message that went in one call with others is kept as its own share of it; `part_of` names the call, which is
about several people: its --raw wants a --reason, and the reading is recorded in the ledger.
The timeline holds every ledger line and delivery of the message and of what it caused.
"""

TIMELINE = (
    "time",
    "entry",
    "kind",
    "party",
    "direction",
    "type",
    "state",
    "code",
    "case_state",
    "attempts",
    "id",
)


def configure(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = DETAILS
    parser.add_argument("id", metavar="ID")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--raw", action="store_true", help="the exact bytes as they went over the wire")
    how.add_argument("--canonical", action="store_true", help="the canonical content as JSON")
    how.add_argument("--timeline", action="store_true", help="what became of it")
    parser.add_argument("--json", action="store_true", help="summary or timeline as JSON")
    parser.add_argument("--reason", metavar="TEXT", help="why a call with several messages is read")
    parser.add_argument("--party", metavar="NAME", help="where several parties used the same id")
    parser.add_argument("--entry", metavar="N", type=int, help="the one with this ledger entry")


def run(args: argparse.Namespace) -> int:
    with opening.coded(), reading(opening.open_reader(load_settings())) as connection:
        rows = exchanged.found(connection, args.id, args.party, args.entry)
        if not rows:
            raise Refused("unknown_message", "no message of this id was exchanged", args.id)
        return _way(args)(args, connection, rows)


def _way(args: argparse.Namespace) -> Callable[[argparse.Namespace, Connection, Sequence[Row[Any]]], int]:
    if args.raw:
        return _raw
    if args.canonical:
        return _canonical
    return _timeline if args.timeline else _summary


def _one(rows: Sequence[Row[Any]]) -> Row[Any]:
    """The document meant: what came or went rather than the hub's own notes of it; of one party only."""
    if len(parties := sorted({row.party for row in rows if row.direction != "own"})) > 1:
        raise Refused("ambiguous", f"several parties used this id ({', '.join(parties)}): say --party")
    return min(rows, key=lambda row: (row.direction == "own", row.entry))


def _raw(args: argparse.Namespace, connection: Connection, rows: Sequence[Row[Any]]) -> int:
    row = _one(rows)
    if is_call_of_several(row.type):
        _note_reading(row, args.reason or "")
    sys.stdout.flush()
    sys.stdout.buffer.write(row.body)
    sys.stdout.buffer.flush()
    return 0


def _note_reading(row: Row[Any], reason: str) -> None:
    """Who reads what was sent to several people says why."""
    if not reason.strip():
        raise Refused(
            "reason_missing", "this call carries messages to several people: say --reason", "reason"
        )
    settings = load_settings()
    value = {"entry": row.entry, "reason": reason.strip()[:500], "by": getpass.getuser()}
    opening.open_store(settings).write(
        lambda work: acts.record_value(
            work, settings.hub, "message.read_whole", row.message_id, "message", value
        )
    )


def _canonical(args: argparse.Namespace, connection: Connection, rows: Sequence[Row[Any]]) -> int:
    row = _one(rows)
    if row.canonical is None:
        raise Refused(
            "not_understood", "this message has no canonical content: it was refused before", args.id
        )
    print(json.dumps(row.canonical, ensure_ascii=False, indent=2))
    return 0


def _timeline(args: argparse.Namespace, connection: Connection, rows: Sequence[Row[Any]]) -> int:
    lines = exchanged.story(connection, rows)
    if args.json:
        print(json.dumps(lines, ensure_ascii=False, indent=1))
    else:
        table.show(TIMELINE, [[line[name] for name in TIMELINE] for line in lines])
    return 0


def _summary(args: argparse.Namespace, connection: Connection, rows: Sequence[Row[Any]]) -> int:
    row = _one(rows)
    shown = summary(row) | {"entries": [one.entry for one in rows]}
    if call := (row.bound or {}).get("call"):
        shown["part_of"] = f"call-{call}"[:64]
    if row.case_no and (given := registrations.kept(connection, row.case_no)):
        shown["registered"] = {f"{one.party} {one.name}": one.value for one in given}
    if args.json:
        print(json.dumps(shown, ensure_ascii=False, indent=1))
        return 0
    content = shown.pop("content")
    for name, value in shown.items():
        print(f"{name:<10} {table.printable(value)}")
    print(json.dumps(content, ensure_ascii=False, indent=2))
    return 0


def summary(row: Row[Any]) -> dict[str, Any]:
    """What may be shown of a message to somebody who need not know whom it is about."""
    return exchanged.listed(row) | {
        "media_type": row.media_type, "bytes": len(row.body), "key_id": row.key_id,
        "note": text_masked(row.note) if row.note else None, "content": masked(row.canonical),
    }  # fmt: skip
