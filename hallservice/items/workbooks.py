"""Spreadsheets in and out. What comes in is bounded before anything opens it: the archive's inflated size,
the grid its cells span, the text its cells repeat; what goes out never holds a formula."""

import io
import json
import os
import re
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import xlsxwriter

from hallservice.items.sheetreader import BROKEN, CELL
from hallservice.refusals import FieldFault, FormRefused
from hallservice.uploads import INFLATED, SHEETS, check, refused

FIELD = "file"
LARGEST = 10 * 1024 * 1024  # bytes of the file
ROWS, COLUMNS = 20_000, 100
CELLS = 400_000
TEXT = 100 * 1024 * 1024  # bytes cells may come to when each repeats the longest text
FORMULA = ("=", "+", "-", "@", "\t", "\r")
READER = Path(__file__).with_name("sheetreader.py")
SECONDS = 60.0  # for the process that opens it
PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # all that Excel and WPS write
_PLACE = re.compile(rb"""\br\s*=\s*["']\s*([A-Z]{1,4})(\d{1,10})\s*["']""", re.I)
# A tag as a reader of XML sees it, `>` in a quoted value being no end; without going back over what was read.
_ROW = re.compile(rb"""<(?:\w+:)?row\b((?:"[^"]*+"|'[^']*+'|[^<>"'])*+)""", re.I)
_NUMBER = re.compile(rb"""\br\s*=\s*["'](\d{1,10})""", re.I)
_CELL = re.compile(rb"<(?:\w+:)?c[\s/>]")
_VALUE = re.compile(rb"<(?:\w+:)?v[^<>]*>([^<]*)<")
_SHARED = re.compile(rb"<(?:\w+:)?si[\s>]")


@dataclass(frozen=True, slots=True)
class Grid:
    """One sheet: its header line, and the rows below it (the first is line 2) as text."""

    name: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def read(name: str, body: bytes) -> list[Grid]:
    """FormRefused empty, too_large, unknown_type, bomb or broken at the field `file`."""
    checked = check(FIELD, name, body, SHEETS, LARGEST)
    return [_grid(name, rows) for name, rows in _opened(_unpacked(checked.body))]


def _opened(whole: bytes) -> list[tuple[str, list[list[str]]]]:
    """Each sheet's name and rows, by a process of its own."""
    call = [sys.executable, "-I", str(READER), str(ROWS)]
    try:
        done = subprocess.run(  # noqa: S603 - the interpreter we run under and our own script
            call, input=whole, capture_output=True, timeout=SECONDS, cwd="/", env={"PATH": os.defpath}
        )
    except subprocess.TimeoutExpired as fault:
        raise _bomb() from fault
    if done.returncode in (1, BROKEN):  # 1: the library gave up in a way of its own
        raise _broken()
    if done.returncode:
        raise _bomb()
    found: list[tuple[str, list[list[str]]]] = json.loads(done.stdout)
    return found


def _unpacked(body: bytes) -> bytes:
    """The archive again, unpacked within bounds: whatever its directory says, no entry becomes larger."""
    try:
        parts = _parts(body)
    except (zipfile.BadZipFile, zlib.error, ValueError, OSError, EOFError, RuntimeError) as fault:
        raise _broken() from fault
    if sum(len(data) for _, data in parts) > INFLATED:
        raise _bomb()
    sheets = [data for name, data in parts if name.lower().startswith("xl/worksheets/")]
    shared = [data for name, data in parts if name.lower().startswith("xl/sharedstrings")]
    for data in sheets:
        _expect_small(data)
    _expect_few(sheets, shared)
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as plain:
        for name, data in parts:
            plain.writestr(name, data)
    return made.getvalue()


def _parts(body: bytes) -> list[tuple[str, bytes]]:
    with zipfile.ZipFile(io.BytesIO(body)) as given:
        if any(entry.compress_type not in PACKED for entry in given.infolist()):
            raise _broken()
        return [(entry.filename, given.read(entry)) for entry in given.infolist()]


def _broken() -> FormRefused:
    return refused(FIELD, "broken", "表格已损坏，无法打开")


def _bomb() -> FormRefused:
    said = f"表格展开后太大，最多 {ROWS} 行、{COLUMNS} 列，请删除空白区域后重试"
    return refused(FIELD, "bomb", said)


def _expect_small(data: bytes) -> None:
    """The grid a sheet spans is what memory it takes, however few cells it has."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise refused(FIELD, "broken", "表格的编码无法识别，请用 Excel 或 WPS 另存为 xlsx 后重试")
    for found in _PLACE.finditer(data):
        if _column(found[1]) > COLUMNS or int(found[2]) > ROWS:
            raise _bomb()
    rows = list(_ROW.finditer(data))
    numbers = (_NUMBER.search(found[1]) for found in rows)
    if len(rows) > ROWS or any(number and int(number[1]) > ROWS for number in numbers):
        raise _bomb()
    starts = [found.start() for found in rows] + [len(data)]
    if any(_wide(data, start, end) for start, end in pairwise(starts)):
        raise _bomb()


def _wide(data: bytes, start: int, end: int) -> bool:
    """Whether a row has more cells than columns; a cell that does not say where it stands is the next one."""
    cells = _CELL.finditer(data, start, end)
    return any(at >= COLUMNS for at, _ in enumerate(cells))


def _column(letters: bytes) -> int:
    number = 0
    for letter in letters.upper():
        number = number * 26 + letter - 64
    return number


def _expect_few(sheets: Sequence[bytes], shared: Sequence[bytes]) -> None:
    """Few cells, and few bytes once each of them has its text: one long text may stand in many cells."""
    lengths = [length for data in shared for length in _lengths(data)]
    longest, cells, size = max(lengths, default=0), 0, 0
    for data in sheets:
        cells += sum(1 for _ in _CELL.finditer(data))
        for found in _VALUE.finditer(data):
            number = found[1].strip()
            plain = number.isdigit() and len(number) < 10
            index = int(number) if plain else 0
            size += lengths[index] if plain and index < len(lengths) else longest if b"&" in number else 0
            if size > TEXT:
                raise _bomb()
    if cells > CELLS:
        raise _bomb()


def _lengths(data: bytes) -> list[int]:
    starts = [found.start() for found in _SHARED.finditer(data)] + [len(data)]
    return [end - start for start, end in pairwise(starts)]


def _grid(name: str, rows: Sequence[Sequence[str]]) -> Grid:
    texts = [tuple(row) for row in rows]
    while texts and not any(texts[-1]):
        texts.pop()
    header = texts[0] if texts else ()
    return Grid(name, tuple(one.removesuffix("（必填）").strip(" *") for one in header), tuple(texts[1:]))


@dataclass(frozen=True, slots=True)
class Sheet:
    """One sheet to write; `marked` are lines (from 1 below the header) shown in red."""

    name: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    choices: Mapping[int, Sequence[str]] | None = None  # column -> what may be chosen there
    marked: frozenset[int] = frozenset()


def write(sheets: Sequence[Sheet]) -> bytes:
    """A workbook whose cells are all text."""
    made = io.BytesIO()
    book = xlsxwriter.Workbook(
        made, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    )
    head = book.add_format({"bold": True, "bottom": 1, "num_format": "@"})
    plain = book.add_format({"num_format": "@"})
    quoted = book.add_format({"num_format": "@", "quote_prefix": True})
    red = book.add_format({"num_format": "@", "font_color": "#B3140F", "quote_prefix": True})
    for sheet in sheets:
        page = book.add_worksheet(sheet.name[:31])
        page.set_column(0, len(sheet.header), 18, plain)  # text: codes keep their zeros when typed in
        for at, title in enumerate(sheet.header):
            page.write_string(0, at, title, head)
        page.freeze_panes(1, 0)
        for at, given in (sheet.choices or {}).items():
            if sum(map(len, given)) + len(given) < 250:
                page.data_validation(
                    1, at, ROWS, at, {"validate": "list", "source": list(given), "ignore_blank": True}
                )
        for line, row in enumerate(sheet.rows, 1):
            for at, cell in enumerate(row):
                guarded = quoted if cell.startswith(FORMULA) else plain
                if cell:
                    page.write_string(line, at, cell[:CELL], red if line in sheet.marked else guarded)
    book.close()
    return made.getvalue()


def fault(code: str, said: str) -> FormRefused:
    return FormRefused([FieldFault(FIELD, code, said)])
