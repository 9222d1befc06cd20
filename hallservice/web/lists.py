"""Lists as every screen shows them: filters, one sort, pages, and the same rows as a spreadsheet."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from html import escape
from itertools import repeat
from typing import NamedTuple, Protocol, TypeGuard
from urllib.parse import urlencode

from markupsafe import Markup

from hallservice.typed import day_in

PAGE = 20
SIZES = (20, 50, 100)
LAST = 100_000  # no list has more pages
USUAL: Mapping[str, str | int] = {"sort": "", "page": 1, "size": PAGE}  # need not be said


class Html(Protocol):
    def __html__(self) -> str: ...


Cell = str | int | float | Html | None


class Link(NamedTuple):
    """A cell that opens something; `url` is complete (`ctx.url(...)`)."""

    url: str
    text: str

    def __html__(self) -> str:
        return f'<a href="{escape(self.url)}">{text(self.text)}</a>'

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Badge:
    """A state in words with a colour: kind is ok, warn, bad, info or plain."""

    kind: str
    text: str

    def __html__(self) -> str:
        return f'<span class="badge {text(self.kind)}">{text(self.text)}</span>'

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Column:
    """`sort`: the name the list is sorted by, empty where it cannot be; `kind`: text, num, date or act."""

    title: str
    sort: str = ""
    kind: str = "text"


@dataclass(frozen=True, slots=True)
class Filter:
    """One field of the query bar; with `options` (value, label) a choice; `kind`: search, or
    date, which lists are told as YYYY-MM-DD however it was typed."""

    name: str
    label: str
    options: Sequence[tuple[str, str]] = ()
    kind: str = "search"


@dataclass(frozen=True, slots=True)
class Listing:
    """What a list was asked for; a value no list knows is as if it had not been said."""

    page: int = 1
    size: int = PAGE
    sort: str = ""
    descending: bool = False
    wanted: Mapping[str, str] = field(default_factory=dict)

    @property
    def offset(self) -> int:
        return (self.page - 1) * self.size

    def query(self, **other: str | int) -> str:
        """The address of the same list with something changed."""
        sort = ("-" if self.descending else "") + self.sort
        said = {**self.wanted, "sort": sort, "page": self.page, "size": self.size, **other}
        return _query(tuple((k, v) for k, v in said.items() if v not in ("", None) and USUAL.get(k) != v))

    def sorted_by(self, column: Column) -> str:
        """aria-sort of a column."""
        if not column.sort or column.sort != self.sort:
            return ""
        return "descending" if self.descending else "ascending"

    def toggled(self, column: Column) -> str:
        """The address that sorts by the column, or turns its order around."""
        again = column.sort == self.sort and not self.descending
        return self.query(sort=("-" if again else "") + column.sort, page=1)


@lru_cache(maxsize=1000)
def _query(said: tuple[tuple[str, str | int], ...]) -> str:
    return "?" + urlencode(said)


def asked(
    query: Mapping[str, list[str]], columns: Sequence[Column], filters: Sequence[Filter], sort: str = ""
) -> Listing:
    """What the address asks for; `sort` is the usual order (`-due` for descending)."""

    def one(name: str) -> str:
        return query[name][0].strip()[:100] if query.get(name) else ""

    order = one("sort") or sort
    name = order.lstrip("-")
    if name not in {column.sort for column in columns}:
        order, name = sort, sort.lstrip("-")
    size = int(one("size")) if one("size").isdecimal() else PAGE
    page = int(one("page")) if one("page").isdecimal() and len(one("page")) < 7 else 1
    return Listing(
        page=min(max(page, 1), LAST),
        size=size if size in SIZES else PAGE,
        sort=name,
        descending=order.startswith("-"),
        wanted={f.name: _chosen(f, one(f.name)) for f in filters},
    )


def _chosen(wanted: Filter, value: str) -> str:
    if wanted.kind == "date" and (day := day_in(value)):
        return day.isoformat()
    return "" if wanted.options and value not in {v for v, _ in wanted.options} else value


@dataclass(frozen=True, slots=True)
class Paging:
    """Where one is in a list."""

    listing: Listing
    total: int

    @property
    def pages(self) -> int:
        return max(1, -(-self.total // self.listing.size))

    @property
    def first(self) -> int:
        return min(self.listing.offset + 1, self.total)

    @property
    def last(self) -> int:
        return min(self.listing.offset + self.listing.size, self.total)


def table_rows(columns: Sequence[Column], rows: Iterable[Sequence[Cell]]) -> Markup:
    """The lines of a table."""
    return Markup("".join(table_lines(columns, rows)))  # noqa: S704 - every cell was escaped


def table_lines(columns: Sequence[Column], rows: Iterable[Sequence[Cell]]) -> list[str]:
    """The same one by one, made column by column; in a template each cell would cost much more."""
    shown = [_shown(cells) for cells in zip(*rows, strict=True)]
    if not shown:
        return []
    heads = [f'<td class="{column.kind}">' if column.kind != "text" else "<td>" for column in columns]
    starts = [f"<tr>{heads[0]}", *(f"</td>{head}" for head in heads[1:])]
    pieces = [one for start, cells in zip(starts, shown, strict=True) for one in (repeat(start), cells)]
    return list(map("".join, zip(*pieces, repeat("</td></tr>"), strict=False)))


def _shown(cells: Sequence[Cell]) -> Sequence[str]:
    """The cells of one column; what stands there often is made once."""
    if _are_texts(cells):
        return _texts(cells)
    if _are_links(cells):
        return _links(cells)
    made = {at: _html(cell) for at, cell in {id(cell): cell for cell in cells}.items()}
    return [made[id(cell)] for cell in cells]


def _are_texts(cells: Sequence[Cell]) -> TypeGuard[Sequence[str]]:
    return set(map(type, cells)) == {str}


def _are_links(cells: Sequence[Cell]) -> TypeGuard[Sequence[Link]]:
    return set(map(type, cells)) == {Link}


def _links(cells: Sequence[Link]) -> Sequence[str]:
    urls, texts = _texts([cell.url for cell in cells]), _texts([cell.text for cell in cells])
    return [f'<a href="{url}">{text}</a>' for url, text in zip(urls, texts, strict=True)]


def _texts(texts: Sequence[str]) -> Sequence[str]:
    """Escaped; what needs it is looked for in all of them at once."""
    return texts if _is_plain("".join(texts)) else [escape(one) for one in texts]


def text(said: str) -> str:
    """Escaped."""
    return said if _is_plain(said) else escape(said)


def _is_plain(text: str) -> bool:
    """Whether escaping would change nothing."""
    return not ("&" in text or "<" in text or ">" in text or '"' in text or "'" in text)


def _html(cell: Cell) -> str:
    if isinstance(cell, str):
        return str(cell) if isinstance(cell, Markup) else text(cell)
    if cell is None:
        return ""
    return str(cell) if isinstance(cell, int | float) else cell.__html__()


def plain(cell: Cell) -> str:
    """A cell as words."""
    return "" if cell is None else str(cell)
