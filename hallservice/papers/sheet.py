"""What a template prints, in order: the one shape every kind of paper is brought to."""

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal

from hallservice.papers.parts import Limit

Rows = tuple[tuple[str, ...], ...]
_UNITS = {"working_day": "个工作日", "day": "日", "month": "个月"}


@dataclass(frozen=True, slots=True)
class Paragraph:
    text: str
    type: Literal["paragraph"] = "paragraph"


@dataclass(frozen=True, slots=True)
class Heading:
    """Stands before a paragraph or table."""

    text: str
    type: Literal["heading"] = "heading"


@dataclass(frozen=True, slots=True)
class Facts:
    """Label and value, side by side; a value that is empty is left out with its label."""

    rows: Rows
    type: Literal["facts"] = "facts"


@dataclass(frozen=True, slots=True)
class Column:
    """`width` in millimetres, 0 for a share of what is left."""

    label: str
    width: int = 0
    align: Literal["left", "center", "right"] = "left"


@dataclass(frozen=True, slots=True)
class Table:
    """A table whose head is repeated on every page."""

    columns: tuple[Column, ...]
    rows: Rows
    type: Literal["table"] = "table"


@dataclass(frozen=True, slots=True)
class Blanks:
    """Lines to fill in by hand."""

    labels: tuple[str, ...]
    type: Literal["blanks"] = "blanks"


@dataclass(frozen=True, slots=True)
class Signature:
    """Who issues, and the day; `seal` leaves room for a seal."""

    department: str
    day: str
    lines: tuple[str, ...] = ()
    seal: bool = True
    type: Literal["signature"] = "signature"


Block = Paragraph | Heading | Facts | Table | Blanks | Signature


@dataclass(frozen=True, slots=True)
class Sheet:
    """One paper, laid out; `copy_mark` is empty on the original."""

    title: str
    department: str
    doc_no: str
    addressee: str
    blocks: tuple[Block, ...]
    copy_mark: str = ""
    code: str = ""
    qr: str = ""
    note: str = ""
    big: tuple[str, ...] = field(default=())


def day_text(day: date) -> str:
    return f"{day.year}年{day.month}月{day.day}日"


def time_text(moment: datetime) -> str:
    """To the minute, on Beijing time as `Timestamp` holds it."""
    return f"{day_text(moment)} {moment:%H:%M}"


def limit_text(limit: Limit) -> str:
    """10个工作日（至2026年12月4日）; 即时办结 for an instant item."""
    if not limit.number:
        return "即时办结"
    until = f"（至{day_text(limit.until)}）" if limit.until else ""
    return f"{limit.number}{_UNITS[limit.unit]}{until}"
