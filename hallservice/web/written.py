"""Lines of tables as they were written before: a list that is opened again shows most rows as they stood."""

from collections.abc import Callable, Hashable, Sequence
from typing import Generic, TypeVar

from markupsafe import Markup

from hallservice.web.lists import Cell, Column, table_lines

R = TypeVar("R", bound=Hashable)
MOST = 4000  # lines of one kind of list


class Written(Generic[R]):
    """Kept by everything a line is made of. The rows themselves, and who may see them, are asked for at every
    request: what is kept spares the writing, and says nothing that its key does not say."""

    def __init__(self, columns: Sequence[Column], most: int = MOST) -> None:
        self._columns, self._most = columns, most
        self._kept: tuple[Hashable, dict[R, str]] = (None, {})  # one value: threads see both or none

    def lines(
        self, about: Hashable, rows: Sequence[R], cells: Callable[[Sequence[R]], Sequence[Sequence[Cell]]]
    ) -> Markup:
        """`cells` writes rows out of what they and `about` say alone."""
        known = self._of(about)
        found = [known.get(row) for row in rows]
        if None in found:
            missing = [row for row, line in zip(rows, found, strict=True) if line is None]
            made = dict(zip(missing, table_lines(self._columns, cells(missing)), strict=True))
            if len(known) + len(made) > self._most:
                known.clear()
            known.update(made)
            found = [made[row] if line is None else line for row, line in zip(rows, found, strict=True)]
        return Markup("".join(line for line in found if line))  # noqa: S704 - written by table_lines

    def _of(self, about: Hashable) -> dict[R, str]:
        """The lines about this; those about something else are forgotten."""
        kept = self._kept
        if kept[0] != about:
            self._kept = kept = (about, {})
        return kept[1]
