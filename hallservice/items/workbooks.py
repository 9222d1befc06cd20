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
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import unescape
from itertools import pairwise
from pathlib import Path
from typing import Any

import xlsxwriter

from hallservice.items.sheetreader import BROKEN, CELL, CROWDED
from hallservice.items.sheetreader import SHEETS as SHEETS_READ
from hallservice.refusals import FieldFault, FormRefused
from hallservice.uploads import INFLATED, SHEETS, check, refused

FIELD = "file"
LARGEST = 10 * 1024 * 1024  # bytes of the file
ROWS, COLUMNS = 20_000, 100
CELLS = 400_000
TEXT = 100 * 1024 * 1024  # bytes cells may come to when each repeats the longest text
FORMULA = (
    "=",
    "+",
    "-",
    "@",
    "\t",
    "\r",
    "＝",
    "＋",
    "－",
    "＠",
)  # full-width: some programs read them alike
Places = tuple[tuple[int, int], ...]  # line from 1, column from 0
READER = Path(__file__).with_name("sheetreader.py")
SECONDS = 30.0  # for the process that opens it
PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # all that Excel and WPS write
_PLACE = re.compile(rb"""\br\s*=\s*["']\s*([A-Z]{1,4})(\d{1,10})\s*["']""", re.I)
# A tag as a reader of XML sees it, `>` in a quoted value being no end; without going back over what was read.
_ROW = re.compile(rb"""<(?:\w+:)?row\b((?:"[^"]*+"|'[^']*+'|[^<>"'])*+)""", re.I)
_NUMBER = re.compile(rb"""\br\s*=\s*["'](\d{1,10})""", re.I)
_CELL = re.compile(rb"<(?:\w+:)?c[\s/>]")
_VALUE = re.compile(rb"<(?:\w+:)?v[^<>]*>([^<]*)<")
_FORMULA = re.compile(rb"<(?:\w+:)?f[\s/>]")
_SHEET = re.compile(rb"<(?:\w+:)?sheet\s[^<>]*>")
_RELATION = re.compile(rb"<(?:\w+:)?Relationship\s[^<>]*>")
_ATTRIBUTE = re.compile(rb"""([\w:]+)\s*=\s*(?:"([^"]*)"|'([^']*)')""")
_SHARED = re.compile(rb"<(?:\w+:)?si[\s>]")


@dataclass(frozen=True, slots=True)
class Grid:
    """One sheet: its header line, and the rows below it (the first is line 2) as text."""

    name: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    hidden: bool = False
    merged: Places = ()  # where merged cells begin
    formulas: Places = ()


def read(name: str, body: bytes) -> list[Grid]:
    """FormRefused empty, too_large, unknown_type, too_many, bomb or broken at the field `file`."""
    checked = check(FIELD, name, body, SHEETS, LARGEST)
    whole, formulas = _unpacked(checked.body)
    return [_grid(one, formulas.get(one["name"], ())) for one in _opened(whole)]


def _opened(whole: bytes) -> list[dict[str, Any]]:
    """The sheets as sheetreader.py tells them, by a process of its own."""
    call = [sys.executable, "-I", str(READER), str(ROWS)]
    try:
        done = subprocess.run(  # noqa: S603 - the interpreter we run under and our own script
            call, input=whole, capture_output=True, timeout=SECONDS, cwd="/", env={"PATH": os.defpath}
        )
    except subprocess.TimeoutExpired as fault:
        raise _bomb() from fault
    if done.returncode in (1, BROKEN):  # 1: the library gave up in a way of its own
        raise _broken()
    if done.returncode == CROWDED:
        raise refused(FIELD, "too_many", f"表格中的工作表太多，最多 {SHEETS_READ} 个")
    if done.returncode:
        raise _bomb()
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def _unpacked(body: bytes) -> tuple[bytes, dict[str, Places]]:
    """The archive again, unpacked within bounds: whatever its directory says, no entry becomes larger. And by
    sheet, where it has formulas."""
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
    return made.getvalue(), _formulas(dict(parts))


def _formulas(parts: Mapping[str, bytes]) -> dict[str, Places]:
    """By the name of the sheet; by that of its part where the workbook names none."""
    names = _sheet_names(parts)
    found = {}
    for path, data in parts.items():
        if path.lower().startswith("xl/worksheets/") and _FORMULA.search(data):
            found[names.get(path.lower(), path.rpartition("/")[2])] = tuple(_formula_places(data))
    return found


def _formula_places(data: bytes) -> Iterator[tuple[int, int]]:
    starts = [cell.start() for cell in _CELL.finditer(data)]
    for start, end in pairwise([*starts, len(data)]):
        if _FORMULA.search(data, start, end):
            place = _PLACE.search(data, start, end)
            yield (int(place[2]), _column(place[1]) - 1) if place else (1, 0)


def _sheet_names(parts: Mapping[str, bytes]) -> dict[str, str]:
    """Path of a sheet's part (lower case) -> its name."""
    related = _tags(_RELATION, parts.get("xl/_rels/workbook.xml.rels", b""))
    targets = {one.get("Id", ""): one.get("Target", "").removeprefix("/xl/").lower() for one in related}
    sheets = _tags(_SHEET, parts.get("xl/workbook.xml", b""))
    return {f"xl/{targets.get(one.get('r:id', ''), '')}": one.get("name", "") for one in sheets}


def _tags(tag: re.Pattern[bytes], data: bytes) -> Iterator[dict[str, str]]:
    for found in tag.finditer(data):
        pairs = _ATTRIBUTE.findall(found.group())
        yield {
            name.decode("utf-8", "replace"): unescape((one or other).decode("utf-8", "replace"))
            for name, one, other in pairs
        }


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
    starts = list[int]()
    for row in _ROW.finditer(data):
        number = _NUMBER.search(row[1])
        starts.append(row.start())
        if len(starts) > ROWS or (number and int(number[1]) > ROWS):
            raise _bomb()
    for found in _PLACE.finditer(data):
        if _column(found[1]) > COLUMNS or int(found[2]) > ROWS:
            raise _bomb()
    if any(_wide(data, start, end) for start, end in pairwise([*starts, len(data)])):
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
        if cells > CELLS:
            raise _bomb()
        for found in _VALUE.finditer(data):
            number = found[1].strip()
            plain = number.isdigit() and len(number) < 10
            index = int(number) if plain else 0
            size += lengths[index] if plain and index < len(lengths) else longest if b"&" in number else 0
            if size > TEXT:
                raise _bomb()


def _lengths(data: bytes) -> list[int]:
    starts = [found.start() for found in _SHARED.finditer(data)] + [len(data)]
    return [end - start for start, end in pairwise(starts)]


def _grid(sheet: Mapping[str, Any], formulas: Places) -> Grid:
    texts = [tuple(row) for row in sheet["rows"]]
    while texts and not any(texts[-1]):
        texts.pop()
    header = texts[0] if texts else ()
    titles = tuple(one.removesuffix("（必填）").strip(" *") for one in header)
    merged = tuple((line, column) for line, column in sheet["merged"])
    return Grid(sheet["name"], titles, tuple(texts[1:]), sheet["hidden"], merged, formulas)


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
    head = book.add_format({"bold": True, "bottom": 1, "num_format": "@", "quote_prefix": True})
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
