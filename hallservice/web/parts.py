"""Parts that stand on many pages, written by hand: a template pays for each value what these pay for ten."""

from collections.abc import Iterable, Sequence

from markupsafe import Markup

from hallservice.web.lists import Column, Filter, Listing, text
from hallservice.web.live import Numbers
from hallservice.web.registry import Entry, Groups

HTMX = ' hx-get="%s" hx-target="#list" hx-select="#list" hx-swap="outerHTML" hx-push-url="true"'


def tree(groups: Groups, numbers: Numbers, prefix: str, here: str) -> Markup:
    """The functions beside every page; numbers that are known stand behind theirs."""
    lines = []
    for group, entries in groups:
        lines.append(f"<h2>{text(group)}</h2>\n<ul>")
        lines += [_line(entry, numbers, prefix, here) for entry in entries]
        lines.append("</ul>")
    return _markup(lines)


def _line(entry: Entry, numbers: Numbers, prefix: str, here: str) -> str:
    number = _number(entry.count, numbers.get(entry.count)) if entry.count else ""
    current = _current(entry.path == here)
    return f'<li><a href="{prefix}{entry.path}"{current}>{text(entry.title)}{number}</a></li>'


def _number(name: str, number: int | None) -> str:
    shown = "" if number is None else f"（{number}）"
    return f'<span class="n{"" if number else " z"}" data-count="{name}">{shown}</span>'


def tabs(label: str, links: Iterable[tuple[str, str, bool]]) -> Markup:
    """Pages side by side: address, text, and whether it is this one."""
    shown = [f'<a href="{text(url)}"{_current(here)}>{text(said)}</a>' for url, said, here in links]
    return _markup([f'<nav class="tabs" aria-label="{text(label)}">', *shown, "</nav>"])


def _current(here: bool) -> str:
    return ' aria-current="page"' if here else ""


def bar(filters: Sequence[Filter], listing: Listing, address: str, action: str = "") -> Markup:
    """The query bar above a list, at `address`; `action`: where else its form goes."""
    to, url = f' action="{text(action)}"' if action else "", text(action or address)
    return _markup([
        f'<form class="filters" method="get" role="search"{to}{HTMX % url}>',
        *[_filter(one, listing.wanted[one.name]) for one in filters],
        f'<button accesskey="s">查询(S)</button> <a href="{url}">重置</a>\n</form>',
    ])  # fmt: skip


def _filter(one: Filter, value: str) -> str:
    field = _choice(one, value) if one.options else _typed(one, value)
    return f'<span><label for="q-{one.name}">{text(one.label)}</label>\n{field}\n</span>'


def _choice(one: Filter, value: str) -> str:
    marked = ((code, said, " selected" if code == value else "") for code, said in one.options if code)
    options = "".join(f'<option value="{text(code)}"{on}>{text(said)}</option>' for code, said, on in marked)
    return f'<select id="q-{one.name}" name="{one.name}"><option value="">全部</option>{options}</select>'


def _typed(one: Filter, value: str) -> str:
    day = one.kind == "date"  # as text: the browser's own field follows its language
    kind = 'type="text" inputmode="numeric" data-day maxlength="12"' if day else f'type="{one.kind}"'
    return f'<input id="q-{one.name}" name="{one.name}" {kind} value="{text(value)}" autocomplete="off">'


def heads(columns: Iterable[Column]) -> Markup:
    """The titles of a list that is not sorted by them."""
    return Markup("").join(
        Markup('<th scope="col" class="{}">{}</th>').format(c.kind, c.title) for c in columns
    )


def _markup(lines: Iterable[str]) -> Markup:
    return Markup("\n".join(lines))  # noqa: S704 - every value was escaped where it was put in
