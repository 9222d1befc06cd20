"""Tables for a terminal: columns keep their width with Chinese text; plain aligned lines into a pipe."""

import sys
from collections.abc import Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text


def show(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Writes the table to standard output; what is None stays empty."""
    texts = [[printable(value) for value in row] for row in rows]
    if sys.stdout.isatty():
        _rich(headings, texts)
    else:
        sys.stdout.writelines(f"{line}\n" for line in plain(headings, texts))


def plain(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The same as lines: every column as wide as its widest cell, two blanks between."""
    lines = [list(headings), *map(list, rows)]
    widths = [max(map(cell_len, column)) for column in zip(*lines, strict=True)]
    padded = ([_padded(cell, width) for cell, width in zip(line, widths, strict=True)] for line in lines)
    return ["  ".join(cells).rstrip() for cells in padded]


def printable(value: object) -> str:
    """One line without control characters: what came from outside must not steer the terminal."""
    text = "" if value is None else str(value)
    return "".join(ch if ch.isprintable() else "\ufffd" for ch in text)


def _padded(text: str, width: int) -> str:
    return text + " " * (width - cell_len(text))


def _rich(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    Console().print(table)
