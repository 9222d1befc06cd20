"""Opens a spreadsheet in a process of its own: run as a script, in isolated mode, with nothing of the hub
imported. What the reading library does with a hostile file (a grid that takes all memory, a panic, no end)
ends this process and no other.

The archive comes on standard input; sheets go out as JSON, cells as text. Ends with 0, BROKEN or BOMB, or by
a signal of the kernel.
"""

import io
import json
import resource
import sys
from datetime import date, datetime
from typing import Any

CELL = 32_000  # characters
MEMORY = 1536 * 1024 * 1024  # bytes of address space
SECONDS = 30  # of processor time
SHEETS = 20
BROKEN, BOMB = 3, 4


def text(cell: object) -> str:
    """A cell as somebody typed it: whole numbers without a fraction, dates as 2026-03-02."""
    if isinstance(cell, bool):
        return "是" if cell else "否"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < 1e15 else repr(cell)
    if isinstance(cell, datetime):
        return (cell.date() if cell.time() == datetime.min.time() else cell).isoformat()
    if isinstance(cell, date):
        return cell.isoformat()
    plain = str(cell)[:CELL].replace("\r\n", "\n").replace("\r", "\n")
    return "".join(c for c in plain if c >= " " or c == "\n").strip()


def main(rows: int) -> int:
    """At most so many rows of each sheet."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    from python_calamine import CalamineError, CalamineWorkbook  # not where only `text` is wanted

    try:
        book = CalamineWorkbook.from_filelike(io.BytesIO(sys.stdin.buffer.read()))
        found = [(name, _rows(book.get_sheet_by_name(name), rows)) for name in book.sheet_names[:SHEETS]]
    except (CalamineError, ValueError, OSError, OverflowError):
        return BROKEN
    except MemoryError:
        return BOMB
    json.dump(found, sys.stdout)
    return 0


def _rows(sheet: Any, most: int) -> list[list[str]]:
    return [[text(cell) for cell in row] for row in sheet.to_python()[:most]]


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
