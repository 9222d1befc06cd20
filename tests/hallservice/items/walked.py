"""What the pages of the lists are opened with."""

from collections.abc import Callable, Mapping

from sqlalchemy import select

from hallservice.hall import Hall
from hallservice.items import drafts, importing, layout, review, workbooks
from hallservice.items.elements import blank
from hallservice.items.tables import hall_item
from hallservice.people import tables as t
from tests.hallservice.items.samples import ENTRY, ITEM
from tests.hallservice.items.staff import clerk_named, staffed


def _staffed(hall: Hall) -> None:
    with hall.hub.store.read() as connection:
        known = connection.execute(select(t.user.c.id).where(t.user.c.login == "ceshi.lawyer")).first()
    if known is None:
        staffed(hall)


def _published(hall: Hall, list_: str, content: dict[str, object]) -> str:
    _staffed(hall)
    editor = clerk_named(hall, "editor")
    change = drafts.begin(hall, editor, "add", list_)
    assert drafts.save(hall, editor, change, 1, 1, content) == []
    review.submit(hall, editor, change, 2)
    review.decide(hall, clerk_named(hall, "staffing"), change, 3, True, "依据齐全")
    review.decide(hall, clerk_named(hall, "lawyer"), change, 4, True, "")
    with hall.hub.store.read() as connection:
        ask = select(hall_item.c.code).where(hall_item.c.change == change)
        return str(connection.execute(ask).scalar_one())


def entry(hall: Hall) -> str:
    """A published directory entry."""
    return _published(hall, "directory", ENTRY)


def item(hall: Hall) -> str:
    """A published implementation item, with situations and a fee."""
    made = _published(hall, "directory", ENTRY | {"name": "食品小作坊登记"})
    return _published(hall, "implementation", ITEM | {"directory": made})


def change(hall: Hall) -> str:
    """A change of a published item, not submitted yet."""
    made = item_of(hall)
    editor = clerk_named(hall, "editor")
    begun = drafts.begin(hall, editor, "change", "implementation", [made])
    drafts.save(hall, editor, begun, 1, 1, ITEM | {"directory": made[19:], "promised_count": "3"})
    return begun


def item_of(hall: Hall) -> str:
    made = _published(hall, "directory", ENTRY | {"name": "食品摊贩登记"})
    return _published(hall, "implementation", ITEM | {"directory": made})


def imported(hall: Hall) -> str:
    """A spreadsheet with a wrong row."""
    rows = [("", blank("directory") | ENTRY | {"name": name}) for name in ("食品经营备案", "")]
    body = workbooks.write(layout.sheets("directory", rows))
    return importing.stage(hall, clerk_named(hall, "editor"), "directory", "", "目录.xlsx", body)


MAKERS: Mapping[str, Callable[[Hall], str]] = {
    "entry": entry, "item": item, "item_change": change, "item_import": imported,
}  # fmt: skip
