"""`tongban clock`: due, warning and card dates of cases read as JSON lines, one answer line for each."""

import argparse
import json
import re
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import BinaryIO, NoReturn

from canonical.calendar import MAX_TEXT, Calendar, CalendarError, parse_year, shipped
from canonical.counting import Suspension, TimeLimitError
from canonical.timelimit import MAX_COUNT, Limit, Unit, deadline
from exchange.errors import Misconfigured

HELP = "compute due, warning and card dates from case facts (JSON lines)"

DETAILS = """\
reads   {"id","accepted","limit","unit","suspensions":[["from","to"]],"extension"?}   one JSON object a line
writes  {"id","due","warning","yellow","red","provisional"}   or   {"id","error"}

unit         working_day, calendar_day or month
suspensions  [from, to): move working_day limits only; "to" null while open, then no date is given
extension    approved working days, added to a working_day limit
provisional  the due date depends on a year whose holiday notice is not loaded

Dates are ISO dates of Asia/Shanghai. Blank lines are skipped. Exit code 1 if any line was in error.
"""

MAX_LINE = 262_144
"""Bytes of one input line; a longer one is answered with an error and passed over."""
_REQUIRED = ("id", "accepted", "limit", "unit", "suspensions")
_KEYS = frozenset((*_REQUIRED, "extension"))
_UNITS = {str(unit): unit for unit in (Unit.WORKING_DAY, Unit.CALENDAR_DAY, Unit.MONTH)}
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")

Answer = dict[str, str | int | bool | None]
Pairs = tuple[tuple[str, object], ...]


class BadLine(ValueError):
    """Why a line has no dates, as the one-line `code: field` of its answer."""

    def __init__(self, code: str, field: str) -> None:
        super().__init__(f"{code}: {field}")


def configure(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = DETAILS
    told = "a year of holidays (TOML) to load over the shipped ones; may be repeated"
    parser.add_argument("--calendar", metavar="FILE", type=Path, action="append", default=[], help=told)


def run(args: argparse.Namespace) -> int:
    calendar = _calendar(args.calendar)
    failed = False
    for answer in answers(sys.stdin.buffer, calendar):
        failed |= "error" in answer
        print(json.dumps(answer), flush=True)
    return int(failed)


def answers(lines: BinaryIO, calendar: Calendar) -> Iterator[Answer]:
    """One answer per line that is not blank, in order, each before the next line is read."""
    while line := lines.readline(MAX_LINE + 1):
        if len(line) > MAX_LINE and not line.endswith(b"\n"):
            _skip_line(lines)
            yield {"id": None, "error": str(BadLine("too_long", "line"))}
        elif line.strip():
            yield _answer(line, calendar)


def _skip_line(lines: BinaryIO) -> None:
    while (rest := lines.readline(MAX_LINE)) and not rest.endswith(b"\n"):
        pass


def _answer(line: bytes, calendar: Calendar) -> Answer:
    case: str | int | None = None
    try:
        pairs = _pairs(line)
        case = _case(pairs)
        return {"id": case, **_dates(pairs, calendar)}
    except (BadLine, TimeLimitError) as bad:
        return {"id": case, "error": str(bad)}


def _pairs(line: bytes) -> Pairs:
    """The keys and values as written, so that a repeated key can be seen."""
    try:
        value = json.loads(line.decode("utf-8"), object_pairs_hook=tuple, parse_constant=_not_json)
    except UnicodeDecodeError:
        raise BadLine("bad_utf8", "line") from None
    except (ValueError, RecursionError):  # syntax, an integer of thousands of digits, thousands of brackets
        raise BadLine("bad_json", "line") from None
    if not isinstance(value, tuple):
        raise BadLine("bad_type", "line")
    return value


def _not_json(name: str) -> NoReturn:
    raise ValueError(name)  # NaN and Infinity, which Python reads and JSON does not have


def _case(pairs: Pairs) -> str | int:
    given = [value for key, value in pairs if key == "id"]
    if len(given) != 1:
        raise BadLine("duplicate_key" if given else "missing", "id")
    if not isinstance(given[0], str | int) or isinstance(given[0], bool):
        raise BadLine("bad_type", "id")
    return given[0]


def _dates(pairs: Pairs, calendar: Calendar) -> Answer:
    record = _record(pairs)
    found = deadline(
        accepted=_date(record["accepted"], "accepted"),
        limit=Limit(_count(record["limit"], "limit"), _unit(record["unit"])),
        calendar=calendar,
        suspensions=_suspensions(record["suspensions"]),
        extension=_count(record.get("extension", 0), "extension"),
    )
    return {
        "due": _written(found.due),
        "warning": _written(found.warning),
        "yellow": _written(found.yellow),
        "red": _written(found.red),
        "provisional": found.provisional,
    }


def _record(pairs: Pairs) -> dict[str, object]:
    record: dict[str, object] = {}
    for key, value in pairs:
        if key not in _KEYS:
            raise BadLine("unknown_key", ascii(key[:40])[1:-1])
        if key in record:
            raise BadLine("duplicate_key", key)
        record[key] = value
    for key in _REQUIRED:
        if key not in record:
            raise BadLine("missing", key)
    return record


def _count(value: object, field: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise BadLine("bad_type", field)
    if value < 0:
        raise BadLine("negative", field)
    if value > MAX_COUNT:
        raise BadLine("too_large", field)
    return value


def _unit(value: object) -> Unit:
    if not isinstance(value, str):
        raise BadLine("bad_type", "unit")
    if value not in _UNITS:
        raise BadLine("bad_value", "unit")
    return _UNITS[value]


def _suspensions(value: object) -> list[Suspension]:
    if not isinstance(value, list):
        raise BadLine("bad_type", "suspensions")
    return [_suspension(span, f"suspensions[{n}]") for n, span in enumerate(value)]


def _suspension(value: object, field: str) -> Suspension:
    if not isinstance(value, list) or len(value) != 2:
        raise BadLine("bad_type", field)
    start = _date(value[0], f"{field}.from")
    end = None if value[1] is None else _date(value[1], f"{field}.to")
    if end is not None and end < start:
        raise BadLine("reversed", field)
    return Suspension(start, end)


def _date(value: object, field: str) -> date:
    if not isinstance(value, str):
        raise BadLine("bad_type", field)
    if not _DATE.fullmatch(value):
        raise BadLine("bad_date", field)
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise BadLine("bad_date", field) from None


def _written(day: date | None) -> str | None:
    return None if day is None else day.isoformat()


def _calendar(paths: list[Path]) -> Calendar:
    """The shipped notices and those of the files; of one year the highest version counts."""
    calendar = shipped()
    for path in paths:
        try:
            calendar = calendar.plus(parse_year(_text(path)))
        except CalendarError as bad:
            raise Misconfigured(bad.code, bad.where, str(path)) from None
    return calendar


def _text(path: Path) -> str:
    try:
        with path.open(encoding="utf-8") as file:
            return file.read(MAX_TEXT + 1)
    except UnicodeDecodeError:
        raise Misconfigured("bad_utf8", "not a text file", str(path)) from None
    except OSError as error:
        raise Misconfigured("unreadable", error.strerror or "cannot be read", str(path)) from None
