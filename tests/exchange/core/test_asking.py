"""Calls made again and again (adapters/identity/contract/contract.md §1): pages, cursor, where the next round
begins, pauses after failures, lists that do not end."""

import json
import threading
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from exchange import items
from exchange.app.serving import Channels
from exchange.asking import MOST_PAGES, Asker
from exchange.errors import Refused
from exchange.registry import remove_party
from tests.exchange.core.partner import Call, Stub, serving
from tests.exchange.core.rig import Core, running, until
from tests.exchange.core.test_consuming import Box

PARTY, EVERY = "sso", 300.0  # seconds between rounds (adapters/identity/adapter.toml)


def org(number: int, **over: Any) -> dict[str, Any]:
    return {"orgId": f"org-{number}", "orgName": f"机构{number}", "areaCode": "441402000000", "enabled": "1",
            "modifyTime": "2026-03-02 09:30:00", **over}  # fmt: skip


def user(number: int, **over: Any) -> dict[str, Any]:
    return {"userId": f"user-{number}", "userName": f"测试{number}", "loginName": f"test{number}",
            "orgId": "org-1", "realName": "1", "enabled": "1", "modifyTime": "2026-03-02 09:30:00",
            **over}  # fmt: skip


def page(since: int, version: int, rows: list[dict[str, Any]], cursor: str | None = None) -> dict[str, Any]:
    data = {
        "since": since,
        "version": version,
        "total": len(rows),
        "orgs": [row for row in rows if "orgName" in row],
        "users": [row for row in rows if "userName" in row],
    }
    return {"errcode": "0", "errmsg": "ok", "data": data | ({"cursor": cursor} if cursor else {})}


class Directory:
    """The partner: answers by cursor; what it was asked is kept."""

    def __init__(self, pages: dict[str, Any]) -> None:
        self.pages, self.asked = pages, []  # type: ignore[var-annotated] # (since, cursor)

    def __call__(self, call: Call) -> Any:
        query = {name: values[0] for name, values in parse_qs(urlsplit(call.path).query).items()}
        assert urlsplit(call.path).path == "/directory/v1/changes"
        assert query["size"] == "200"
        self.asked.append((int(query["since"]), query.get("cursor", "")))
        found = self.pages[query.get("cursor", "")]
        return found if isinstance(found, tuple) or found is None else (200, found)


@pytest.fixture
def stub(core: Core) -> Iterator[Stub]:
    core.clock.now = time.time()
    with serving(Stub(core.hub.ec_key)) as stub:
        stub.key = core.party(PARTY, adapter="identity", address=stub.address)
        yield stub


class Ticks:
    """Seconds that only the test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def ticks() -> Ticks:
    return Ticks()


@pytest.fixture
def asker(core: Core, stub: Stub, ticks: Ticks) -> Asker:
    del stub
    return Asker(core.hub, Channels(core.hub, Box()).to, ticks)


def position(core: Core) -> int:
    with core.hub.store.read() as connection:
        return items.position(connection, PARTY, "changes")


def test_all_pages_then_the_next_round_from_where_it_ended(
    core: Core, stub: Stub, asker: Asker, ticks: Ticks
) -> None:
    directory = stub.answer = Directory(
        {
            "": page(0, 7, [org(1), org(2)], "c-1"),
            "c-1": page(0, 7, [user(1)], "c-2"),
            "c-2": page(0, 7, [user(2)]),
        }
    )
    assert asker.round() == 1
    assert directory.asked == [(0, ""), (0, "c-1"), (0, "c-2")]
    assert position(core) == 7
    assert len(core.rows("SELECT * FROM directory_entry")) == 4
    directory.pages = {"": page(7, 7, [])}
    ticks.now += EVERY - 1
    assert asker.round() == 0
    ticks.now += 1
    assert asker.round() == 1
    assert directory.asked[3:] == [(7, "")]
    core.verified()


def test_a_round_that_fails_half_way_begins_again(core: Core, stub: Stub, asker: Asker, ticks: Ticks) -> None:
    """A cursor is good for ten minutes and one since; what was read is read again without another effect."""
    directory = stub.answer = Directory({"": page(0, 7, [org(1)], "c-1"), "c-1": None})
    asker.round()
    assert (directory.asked[:2], position(core)) == ([(0, ""), (0, "c-1")], 0)
    directory.pages["c-1"] = page(0, 7, [user(1)])
    asked = len(directory.asked)
    ticks.now += EVERY
    asker.round()
    assert directory.asked[asked:] == [(0, ""), (0, "c-1")]
    assert (position(core), len(core.rows("SELECT * FROM directory_entry"))) == (7, 2)


@pytest.mark.parametrize(
    "answer",
    [None, (503, {}), (200, b"{"), (200, {}), (200, {"errcode": "-1", "errmsg": "busy"}),
     (200, {"errcode": "45009", "errmsg": "too fast"}), (200, {"errcode": "40001", "errmsg": "seal"})],
)  # fmt: skip
def test_pauses_grow_after_failures_up_to_the_interval(
    core: Core, stub: Stub, asker: Asker, ticks: Ticks, answer: Any
) -> None:
    stub.answer = Directory({"": answer})
    pauses = []
    assert asker.round() == 1
    for _ in range(9):
        begun = ticks.now
        while not asker.round():
            ticks.now += 1
        pauses.append(ticks.now - begun)
    assert pauses == [5.0, 10.0, 20.0, 40.0, 80.0, 160.0, EVERY, EVERY, EVERY]
    assert position(core) == 0
    stub.answer = Directory({"": page(0, 7, [org(1)])})
    ticks.now += EVERY
    assert asker.round() == 1
    assert position(core) == 7


def test_a_refusal_is_recorded_once(core: Core, stub: Stub, asker: Asker, ticks: Ticks) -> None:
    stub.answer = Directory({"": (200, {"errcode": "40001", "errmsg": "seal"})})
    for _ in range(3):
        asker.round()
        ticks.now += EVERY
    (row,) = core.rows("SELECT * FROM document WHERE party = 'sso' AND state = 'refused'")
    assert (row["code"], row["direction"]) == ("40001", "out")
    (found,) = core.rows("SELECT * FROM finding")
    assert (found["code"], found["detail"]) == ("pull_refused", "sso 40001: seal")


def test_a_page_that_breaks_the_contract_is_recorded_and_asked_for_again(
    core: Core, stub: Stub, asker: Asker, ticks: Ticks
) -> None:
    """Old rows of the source have the code of 9 characters: such a page is a fault of the directory."""
    stub.answer = Directory({"": page(0, 7, [org(1, creditCode="007208100")])})
    asker.round()
    assert (position(core), core.rows("SELECT * FROM directory_entry")) == (0, [])
    assert [row["state"] for row in core.rows("SELECT state FROM document WHERE party = 'sso'")] == [
        "refused"
    ]
    stub.answer = Directory({"": page(0, 7, [org(1)])})
    ticks.now += EVERY
    asker.round()
    assert position(core) == 7


def test_40004_asks_for_everything_again(core: Core, stub: Stub, asker: Asker, ticks: Ticks) -> None:
    stub.answer = Directory({"": page(0, 9, [org(1)])})
    asker.round()
    directory = stub.answer = Directory({"": (200, {"errcode": "40004", "errmsg": "since"})})
    ticks.now += EVERY
    asker.round()
    directory.pages = {"": page(0, 3, [org(1)])}
    ticks.now += EVERY
    asker.round()
    assert (directory.asked, position(core)) == ([(9, ""), (0, "")], 3)


@pytest.mark.parametrize("cursors", [["c-1", "c-1"], ["c-1", "c-2", "c-1"]])
def test_a_list_that_goes_round_ends(core: Core, stub: Stub, asker: Asker, cursors: list[str]) -> None:
    nexts = dict(zip(["", *cursors], cursors, strict=False))
    directory = stub.answer = Directory({at: page(0, 7, [org(1)], to) for at, to in nexts.items()})
    poll = core.hub.adapters["identity"].polls[0]
    with pytest.raises(Refused, match="endless_list"):
        asker.ask(PARTY, poll)
    assert (len(directory.asked), position(core)) == (len(set(cursors)) + 1, 0)


def test_a_list_without_end_ends(
    core: Core, stub: Stub, asker: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert MOST_PAGES <= 5000
    monkeypatch.setattr("exchange.asking.MOST_PAGES", 6)
    seen: list[str] = []

    def answer(call: Call) -> Any:
        seen.append(call.path)
        return 200, page(0, 7, [org(1)], f"c-{len(seen)}")

    stub.answer = answer
    with pytest.raises(Refused, match="endless_list"):
        asker.ask(PARTY, core.hub.adapters["identity"].polls[0])
    assert (len(seen), position(core)) == (6, 0)


@pytest.mark.parametrize("version", ["²", "9" * 40, "-3", "x", ""])
def test_a_position_that_is_no_number_moves_nothing(
    core: Core, stub: Stub, asker: Asker, ticks: Ticks, version: str
) -> None:
    answer = page(0, 7, [org(1)])
    answer["data"]["version"] = version
    stub.answer = Directory({"": answer})
    asker.round()
    assert position(core) == 0
    stub.answer = Directory({"": page(0, 7, [org(1)])})
    ticks.now += EVERY
    asker.round()
    assert position(core) == 7


def test_a_defect_of_one_poll_does_not_end_the_thread(
    core: Core, stub: Stub, asker: Asker, ticks: Ticks, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub.answer = Directory({"": page(0, 7, [org(1)])})
    with monkeypatch.context() as patched:
        patched.setattr(Asker, "_page", lambda *_: {}["x"])
        assert asker.round() == 1
    ticks.now += EVERY
    asker.round()
    assert position(core) == 7


def test_a_party_that_goes_and_comes(core: Core, stub: Stub, asker: Asker, ticks: Ticks) -> None:
    directory = stub.answer = Directory({"": page(0, 7, [org(1)])})
    core.hub.store.write(lambda work: remove_party(work, core.hub.name, PARTY))
    core.hub.parties.forget()
    assert (asker.round(), directory.asked) == (0, [])


def test_the_thread_asks_at_once_and_ends(core: Core, stub: Stub) -> None:
    stub.answer = Directory({"": page(0, 7, [org(1)])})
    stop = threading.Event()
    asker = Asker(core.hub, Channels(core.hub, Box()).to)
    with running(asker.run, stop):
        until(lambda: position(core) == 7)
        stop.set()


def test_what_is_asked_is_sealed_and_what_came_is_kept(core: Core, stub: Stub, asker: Asker) -> None:
    stub.answer = Directory({"": page(0, 7, [org(1)])})
    asker.round()
    (kept,) = core.rows("SELECT * FROM document WHERE type = 'directory.increment.v1' AND direction = 'in'")
    assert json.loads(kept["body"]) == page(0, 7, [org(1)])
    (call,) = stub.calls
    assert call.method == "GET"
    core.verified()
