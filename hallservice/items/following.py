"""What stands under a directory entry follows it: suspended with it and restored with it, cancelled with it.
Restoring gives back only what that suspension took; cases under way keep the version they are pinned to."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select

from hallservice.items import published
from hallservice.items.published import Kept
from hallservice.items.tables import hall_item_change
from hallservice.items.wording import ACTS, DIRECTORY, IMPLEMENTATION, ITEM_STATES


@dataclass(frozen=True, slots=True)
class Followed:
    """What becomes of one item because of its entry."""

    item: Kept
    state: str
    on: str | None = None
    successors: Sequence[str] = ()
    held_by: str = ""


def following(
    connection: Connection, op: str, entry: Kept, on: str | None, day: str, successors: Sequence[str]
) -> list[Followed]:
    """What follows from `op` on an entry of the directory; `day` is today, `on` the day it is cancelled."""
    if op == "suspend":
        found = [one for one in _below(connection, entry.code, day) if one.state != "suspended"]
        return [
            Followed(one, "suspended", one.cancelled_on, one.successors, held_by=entry.code) for one in found
        ]
    if op == "resume":
        return [
            Followed(one, "cancelled" if one.cancelled_on else "in_use", one.cancelled_on, one.successors)
            for one in published.held(connection, entry.code)
        ]
    ending = published.implementing(connection, entry.code, day)
    return [Followed(one, "cancelled", _end_of(one, on or day, day), successors) for one in ending]


def _below(connection: Connection, entry: str, day: str) -> Iterator[Kept]:
    """The entry's own implementation items; its sub-items with theirs."""
    yield from published.implementing(connection, entry, day)
    for sub in published.sub_items(connection, DIRECTORY, entry):
        yield sub
        yield from published.implementing(connection, sub.code, day)


def _end_of(one: Kept, on: str, day: str) -> str:
    """A suspended item takes no cases until the planned day either: it ends now."""
    return day if one.state == "suspended" else min(one.cancelled_on or on, on)


def stopped_above(connection: Connection, one: Kept) -> Kept | None:
    """The entry (of an implementation item) or main item (of an entry) whose suspension stops this one."""
    above = published.current(connection, DIRECTORY, one.above) if one.above else None
    return above if above is not None and above.state == "suspended" else None


def why(connection: Connection, one: Kept) -> str:
    """Why an item is suspended or cancelled, in words; '' for one in use."""
    if one.state == "in_use":
        return ""
    if one.held_by:
        entry = published.expect(connection, DIRECTORY, one.held_by)
        return f"目录事项“{entry.name}”（{entry.code}）已暂停，该目录事项恢复后自动恢复"
    asked = select(hall_item_change.c.list, hall_item_change.c.act, hall_item_change.c.title)
    row = connection.execute(asked.where(hall_item_change.c.id == one.change)).one()
    if one.list == IMPLEMENTATION and row.list == DIRECTORY and one.state == "cancelled":
        return f"所属目录事项（{one.above}）已{ACTS[row.act]}{_next(one.successors)}"
    return f"由清单变更“{row.title}”{ITEM_STATES[one.state]}{_next(one.successors)}"


def _next(successors: Sequence[str]) -> str:
    return f"，后继事项：{'、'.join(successors)}" if successors else ""


def refusal(connection: Connection, code: str) -> str:
    """Why no case of an item kept here can be opened, in words; '' where nothing more is known than that."""
    one = published.current(connection, IMPLEMENTATION, code)
    if one is None or one.state == "in_use":
        return ""
    return f"该事项已{ITEM_STATES[one.state]}，不能办理新的申请：{why(connection, one)}"


def uncompiled(connection: Connection, entry: Kept, day: str) -> list[Kept]:
    """Implementation items that ended by the split or merge an entry came from, and whose body has not
    compiled its own of the new entry yet."""
    first = published.expect(connection, DIRECTORY, entry.code, 1)
    ended = [one for one in published.ended_with(connection, first.change) if entry.code in one.successors]
    compiled = {one.org for one in published.implementing(connection, entry.code, day)}
    return [one for one in ended if one.org not in compiled]
