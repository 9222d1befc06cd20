"""An import of the catalogue changes nothing before it is whole, and then everything at once."""

import hashlib
import json
from typing import Any

import pytest

from canonical.form import canonical_bytes
from canonical.messages import CatalogueChanged
from exchange.catalogue import apply, feed, loads, stream
from exchange.catalogue.difference import Rules
from exchange.errors import Refused
from exchange.mapping.refusal import FieldError
from exchange.mapping.rows import broken_row
from tests.exchange.core.rig import ORG, Core, increment, service_item

PARTY = "prov"


def code(number: int) -> str:
    return f"{ORG}4442025{number:06d}"


def item(number: int, version: int = 1, **more: Any) -> dict[str, Any]:
    return service_item(code(number), version, row_id=f"row-{number}-{version}", **more)


def gone(number: int, version: int = 1) -> dict[str, Any]:
    return {"row_id": f"row-{number}-{version}", "code": code(number), "version": version}


@pytest.fixture
def land(core: Core) -> Core:
    account = {"account": "tongban", "region": "441400000000"}
    core.party(PARTY, adapter="provincial_catalogue", address="http://127.0.0.1:1", account=account)
    return core


def take(core: Core, page: Any, broken: Any = ()) -> None:
    """One page as the path hands it to the catalogue."""

    def act(work: Any) -> None:
        entry = apply._act(core.hub, work, "test", _Blank(), {})
        apply.take_page(core.hub, work, PARTY, page, broken, entry)

    core.hub.store.write(act)


class _Blank:
    id, party, since, to_version, total = 0, PARTY, 0, 0, 0


def newest(core: Core) -> Any:
    with core.hub.store.read() as connection:
        return loads.latest(connection, PARTY)


def current(core: Core) -> dict[str, tuple[int, str]]:
    rows = core.rows("SELECT code, version, state FROM item WHERE current")
    own = {code(number) for number in range(1000)}
    return {row["code"]: (row["version"], row["state"]) for row in rows if row["code"] in own}


def position(core: Core) -> int:
    return core.value("SELECT position FROM stream WHERE party = :p AND name = 'catalogue'", p=PARTY) or 0


def loaded(core: Core, count: int, to: int = 10) -> None:
    """A first full list; the two items every hub of these tests begins with are in it too."""
    others = [service_item(), service_item("1144140200720810054442025105000")]
    take(core, increment(0, to, [*others, *(item(n) for n in range(1, count + 1))]))
    assert newest(core).state == "applied"


def chain(core: Core) -> list[dict[str, Any]]:
    with core.hub.store.read() as connection:
        return stream.changes(connection, 0, 10_000)


def test_nothing_is_in_force_before_the_last_page(land: Core) -> None:
    take(land, increment(0, 9, [item(1)], cursor="c2", total=2))
    assert (current(land), position(land), newest(land).state) == ({}, 0, "loading")
    take(land, increment(0, 9, [item(2)], total=2))
    assert newest(land).state == "applied"
    assert (set(current(land)), position(land)) == ({code(1), code(2)}, 9)
    land.verified()


def test_the_difference_says_what_became_of_every_row(land: Core) -> None:
    loaded(land, 6)
    rows = [item(1, 2), item(2, name="更名"), item(3), item(7), item(8, 1), item(8, 2)]
    take(land, increment(10, 11, rows, [gone(4), gone(9), gone(1)]))
    assert newest(land).difference == {
        "changed": 1, "corrected": 1, "unchanged": 1, "added": 2,
        "superseded": 2, "withdrawn": 1, "unknown": 1,
    }  # fmt: skip
    assert current(land)[code(1)] == (2, "in_use"), (
        "D of the old and I of the new version: the new one is in force"
    )
    assert current(land)[code(4)] == (1, "withdrawn")
    assert current(land)[code(8)] == (2, "in_use")
    acts = [row["body"] for row in land.rows("SELECT body FROM act ORDER BY entry DESC LIMIT 1")]
    assert json.loads(acts[0])["difference"] == newest(land).difference, (
        "the ledger commits to the difference"
    )


def test_what_a_full_list_lacks_is_withdrawn_and_may_come_back(land: Core) -> None:
    loaded(land, 8)
    others = [service_item(), service_item("1144140200720810054442025105000")]
    take(land, increment(0, 20, [*others, *(item(n) for n in range(1, 8))]))
    assert newest(land).difference == {"unchanged": 9, "absent": 1}
    assert current(land)[code(8)] == (1, "withdrawn")
    take(land, increment(0, 21, [*others, *(item(n) for n in range(1, 9))]))
    assert newest(land).difference == {"unchanged": 9, "reinstated": 1}
    assert current(land)[code(8)] == (1, "in_use")


def test_an_import_that_would_take_too_much_waits_for_a_person(land: Core) -> None:
    loaded(land, 30)
    going = [gone(n) for n in range(1, 8)]
    take(land, increment(10, 11, [item(40)], going))
    load = newest(land)
    assert (load.state, load.reason) == ("held", "7 of 32 items in force would be withdrawn")
    assert (position(land), code(40) in current(land)) == (10, False)
    assert ("procedure", "catalogue_held") in {
        (row["category"], row["code"]) for row in land.rows("SELECT * FROM finding")
    }
    land.hub.store.write(lambda work: apply.apply_held(land.hub, work, load, "李四"))
    assert (position(land), newest(land).state) == (11, "applied")
    assert [current(land)[code(n)][1] for n in range(1, 9)] == ["withdrawn"] * 7 + ["in_use"]
    with pytest.raises(Refused) as caught:
        land.hub.store.write(lambda work: apply.apply_held(land.hub, work, newest(land), "李四"))
    assert caught.value.code == "not_held"
    land.verified()


@pytest.mark.parametrize(("going", "state"), [(6, "applied"), (7, "held")])
def test_the_limit_is_a_share_of_the_items_in_force(land: Core, going: int, state: str) -> None:
    """32 in force: a fifth of them is 6.4."""
    loaded(land, 30)
    take(land, increment(10, 11, [], [gone(n) for n in range(1, going + 1)]))
    assert newest(land).state == state


def test_the_share_is_set_per_party(land: Core) -> None:
    account = {"account": "t", "region": "441400000000", "withdraw_share": "0.5"}
    assert Rules.of(account) == Rules(withdraw_share=0.5)
    assert Rules.of({"withdraw_share": "much"}) == Rules()


def test_a_discarded_import_leaves_no_trace_but_its_line(land: Core) -> None:
    loaded(land, 30)
    take(land, increment(10, 11, [item(40)], [gone(n) for n in range(1, 20)]))
    before = land.value("SELECT count(*) FROM item_content")
    land.hub.store.write(lambda work: apply.discard_held(land.hub, work, newest(land), "李四"))
    assert (newest(land).state, position(land), code(40) in current(land)) == ("discarded", 10, False)
    assert land.value("SELECT count(*) FROM catalogue_row") == 0
    assert land.value("SELECT count(*) FROM item_content") == before - 1


@pytest.mark.parametrize(
    "second",
    [
        increment(0, 9, [item(1), item(3)], total=3),  # a row seen before
        increment(0, 9, [item(2)], total=3),  # too few
        increment(0, 9, [item(2), item(3), item(4)], total=3),  # too many
        increment(0, 10, [item(2), item(3)], total=3),  # another version
        increment(0, 9, [item(2), item(3)], total=4),  # another total
    ],
    ids=["again", "fewer", "more", "version", "total"],
)
def test_a_list_that_moves_while_it_is_read_is_given_up(land: Core, second: Any) -> None:
    take(land, increment(0, 9, [item(1)], cursor="c2", total=3))
    take(land, second)
    load = newest(land)
    assert (load.state, load.reason.split(":")[0]) == ("failed", "pagination_shift")
    assert (current(land), position(land)) == ({}, 0)
    assert land.value("SELECT count(*) FROM catalogue_row") == 0
    take(land, increment(0, 9, [item(n) for n in (1, 2, 3)]))
    assert set(current(land)) == {code(1), code(2), code(3)}


def test_the_same_rows_twice_on_one_page_are_one_delivery(land: Core) -> None:
    take(land, increment(0, 9, [item(1), item(2), item(1), item(2)], total=2))
    assert (newest(land).state, set(current(land))) == ("applied", {code(1), code(2)})


def test_children_before_their_parents_come_into_force_together(land: Core) -> None:
    child = f"{ORG}4442025105001"
    take(land, increment(0, 9, [service_item(child, row_id="row-c")], cursor="c2", total=2))
    take(land, increment(0, 9, [service_item(f"{ORG}4442025105000", row_id="row-p")], total=2))
    assert newest(land).state == "applied"
    assert {one["code"] for one in chain(land)} >= {child, f"{ORG}4442025105000"}


def broken(number: int | None) -> Any:
    heard = {} if number is None else {"code": code(number)}
    return broken_row({"ROW": number}, heard, [FieldError("LIST/ITEM[3]/TASK_NAME", "missing_field", "x")])


def test_a_broken_row_leaves_the_others_and_its_own_item_in_force(land: Core) -> None:
    loaded(land, 5)
    others = [service_item(), service_item("1144140200720810054442025105000")]
    page = increment(0, 20, [*others, *(item(n, 2) for n in (1, 2, 3, 4))], total=7)
    take(land, page, [broken(5)])
    load = newest(land)
    assert (load.state, load.reason) == ("applied", "applied with 1 row errors")
    assert load.difference == {"changed": 4, "unchanged": 2, "bad": 1}
    assert current(land) == {code(n): (2 if n < 5 else 1, "in_use") for n in range(1, 6)}
    listed = land.rows("SELECT code, path, error FROM catalogue_row")
    assert listed == [{"code": code(5), "path": "LIST/ITEM[3]/TASK_NAME", "error": "missing_field"}]
    assert land.value("SELECT count(*) FROM finding WHERE code = 'catalogue_row_error'") == 1


def test_absent_items_wait_when_a_broken_row_may_be_one_of_them(land: Core) -> None:
    loaded(land, 5)
    others = [service_item(), service_item("1144140200720810054442025105000")]
    take(land, increment(0, 20, [*others, *(item(n) for n in (1, 2, 3, 4))], total=7), [broken(None)])
    assert newest(land).state == "held"
    assert current(land)[code(5)] == (1, "in_use")


def test_a_full_list_of_which_no_row_can_be_read_is_an_error(land: Core) -> None:
    loaded(land, 2)
    take(land, increment(0, 20, [], total=1), [broken(1)])
    assert newest(land).reason.startswith("empty_catalogue")
    assert current(land)[code(1)] == (1, "in_use")


def test_every_change_is_numbered_and_holds_the_one_before(land: Core) -> None:
    loaded(land, 4)
    take(land, increment(10, 11, [item(1, 2), item(9)], [gone(2)]))
    link, said = bytes(32), chain(land)
    assert [one["number"] for one in said] == list(range(1, len(said) + 1))
    for one in said:
        CatalogueChanged.model_validate(one)
        assert one["previous"] == link.hex()
        content = {name: value for name, value in one.items() if name not in ("previous", "hash")}
        link = hashlib.sha256(link + canonical_bytes(content)).digest()
        assert one["hash"] == link.hex()
    last = {one["code"]: (one["operation"], one["version"]) for one in said[-3:]}
    assert last == {code(1): ("update", 2), code(9): ("insert", 1), code(2): ("delete", 1)}
    assert [one["item"]["version"] for one in said if one["code"] == code(1)] == [1, 2], "old content stays"


def test_subscribers_are_given_the_stream_in_order_and_once(land: Core) -> None:
    land.party("portal", adapter="house", takes=("catalogue.changed.v1",), address="http://127.0.0.1:1/in")
    loaded(land, 450)
    while feed.feed(land.hub):
        pass
    rows = land.outbox("party = 'portal'")
    payloads = [json.loads(row["payload"]) for row in rows]
    assert [one["number"] for one in payloads] == list(range(1, len(chain(land)) + 1))
    assert feed.feed(land.hub) == 0
    assert len({row["entry"] for row in rows}) == 2, "each refers to the import that caused it"
    take(land, increment(10, 11, [item(1, 2)]))
    assert feed.feed(land.hub) == 1


@pytest.mark.req("S3-11")
def test_a_cancellation_planned_for_later_takes_effect_on_its_day(land: Core) -> None:
    from exchange import items

    take(land, increment(0, 9, [item(1, state="cancelled", cancelled_on="2026-03-05")]))
    land.hub.store.write(lambda work: items.in_force(work, code(1)))
    land.clock.on(4 * 86_400)
    with pytest.raises(Refused):
        land.hub.store.write(lambda work: items.in_force(work, code(1)))
