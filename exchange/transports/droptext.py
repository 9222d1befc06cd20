"""The text of a dropped file as the JSON its mapping reads; whatever does not add up is refused."""

import re

from exchange.errors import Refused
from exchange.manifest import FileDoor, SumRule
from exchange.mapping import json

_YUAN = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,2})?")


def as_json(door: FileDoor, body: bytes) -> bytes:
    """{"HEAD": {…}, "ROWS": [{…}]}; Refused names the line (from 1) or the member."""
    lines = _lines(door, body)
    head = _columns(door, door.head, lines[0], 1)
    rows = [_columns(door, door.columns, line, at) for at, line in enumerate(lines[1:], 2)]
    if door.count and head[door.count] != str(len(rows)):
        raise Refused("bad_value", f"there are {len(rows)} lines", f"HEAD/{door.count}")
    if door.sum:
        _check_sum(door.sum, head, rows)
    return json.dumps({"HEAD": head, "ROWS": rows})


def _lines(door: FileDoor, body: bytes) -> list[str]:
    try:
        text = body.decode("gb18030" if door.charset == "gbk" else door.charset)
    except UnicodeDecodeError as fault:
        raise Refused("bad_request", f"not {door.charset}") from fault
    if not text.endswith("\n"):
        raise Refused("bad_request", "the last line does not end")
    return [line.removesuffix("\r") for line in text[:-1].split("\n")]


def _columns(door: FileDoor, names: tuple[str, ...], line: str, at: int) -> dict[str, str]:
    values = line.split(door.separator)
    if len(values) != len(names):
        raise Refused("bad_request", f"{len(values)} columns, not {len(names)}", f"line {at}")
    return dict(zip(names, values, strict=True))


def _check_sum(rule: SumRule, head: dict[str, str], rows: list[dict[str, str]]) -> None:
    found = 0
    for at, row in enumerate(rows):
        worth = sum(_cents(row[column], f"ROWS[{at}]/{column}") for column in rule.columns)
        less = bool(rule.minus) and all(row[name] == value for name, value in rule.minus.items())
        found += -worth if less else worth
    if _cents(head[rule.head], f"HEAD/{rule.head}") != found:
        raise Refused("bad_value", f"the lines add up to {found} fen", f"HEAD/{rule.head}")


def _cents(text: str, where: str) -> int:
    if not _YUAN.fullmatch(text):
        raise Refused("bad_value", "no amount in yuan", where)
    whole, _, part = text.partition(".")
    cents = int(part.ljust(2, "0")) if part else 0
    return int(whole) * 100 + (-cents if text.startswith("-") else cents)
