"""Files a partner drops into a folder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from exchange.manifest.terms import Section


class SumRule(Section):
    """The total the `head` names, in yuan: `columns` of every row added up, rows that have all values of
    `minus` counting less."""

    head: str
    columns: tuple[str, ...]
    minus: Mapping[str, str] = {}


class FileDoor(Section):
    """Files the partner drops into the folder of the party's account value `drop_folder`. `pattern` is a
    regular expression of the name whose named groups are values; a file is read once its `flag` file (name
    + suffix) is there, which holds the detached JWS bound to `file` (the name). The text is lines of
    `separator`-separated columns: the first line `head`, the others `columns`; heard as
    {"HEAD": {…}, "ROWS": [{…}]}. `count` is the head's number of rows, `sum` its total: a file that says
    something else is refused. So is one without its flag after `flag_within` seconds, and one whose seal is
    more than `oldest` seconds old. What was read goes to the folder `done` or `refused` below."""

    pattern: str
    flag: str = ".ok"
    charset: Literal["utf-8", "gbk"] = "gbk"
    separator: str = "|"
    head: tuple[str, ...]
    columns: tuple[str, ...]
    count: str | None = None
    sum: SumRule | None = None
    flag_within: float = 3600.0
    oldest: float = 7 * 86400.0
    max_bytes: int = 16 * 1024 * 1024
    every: float = 5.0
