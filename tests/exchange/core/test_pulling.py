"""Following the provincial catalogue: pages, repeats, splits, version gaps, interruptions, without loss."""

import threading
from types import SimpleNamespace
from typing import Any

import pytest

from exchange.catalogue import pulling
from exchange.catalogue.pulling import Puller
from exchange.delivery import Sent
from exchange.errors import Refused, TryLater
from tests.exchange.core.rig import ORG, Core, Story, case_number, increment, running, service_item, until

Page = Any
A, B, C = (f"{ORG}444202510500{n}" for n in (1, 2, 3))


class Province:
    """Answers by (since, cursor): a page, a code other than 0, or a fault."""

    def __init__(self, pages: dict[tuple[int, str], Page]) -> None:
        self.pages = pages
        self.asked: list[tuple[int, str]] = []

    def __call__(self, channel: Any, name: str, facts: Any) -> Sent:
        assert name == "QueryIncrement"
        self.asked.append((facts["since"], facts["cursor"]))
        said = self.pages[self.asked[-1]]
        if isinstance(said, Exception):
            raise said
        if isinstance(said, str):
            return Sent("soap", b"<REQ/>", said, "poison", answer=b"<RESULT/>")
        return Sent("soap", b"<REQ/>", "0", "ok", answer=b"<RESULT/>", reply=(said.TYPE, said))


@pytest.fixture
def land(core: Core, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Pull from a province that answers as told."""
    account = {"account": "tongban", "region": "441400000000"}
    core.party("prov", adapter="provincial_catalogue", address="http://127.0.0.1:1", account=account)
    adapter = SimpleNamespace(name="provincial_catalogue", parameters={})
    channel = SimpleNamespace(party=core.hub.parties.named("prov"), adapter=adapter)

    def follow(pages: dict[tuple[int, str], Page]) -> tuple[Province, Puller]:
        province = Province(pages)
        monkeypatch.setattr(pulling, "pull", province)
        return province, Puller(core.hub, lambda name: channel)

    return follow


def item(code: str, version: int = 1, **more: Any) -> dict[str, Any]:
    return service_item(code, version, row_id=f"row-{code[-1]}-{version}", **more)


def gone(code: str, version: int = 1) -> dict[str, Any]:
    return {"row_id": f"row-{code[-1]}-{version}", "code": code, "version": version}


def position(core: Core) -> int:
    return core.value("SELECT position FROM stream WHERE party = 'prov'") or 0


def in_force(core: Core) -> dict[str, int]:
    """Of the items of these tests: code -> version that a new case would get, found by opening one."""
    found = {}
    for serial, code in enumerate((A, B, C), core.value("SELECT count(*) FROM inbox") + 1):
        receipt = core.send("hall", "case.applied.v1", Story(case_number(serial), code).applied())
        if receipt.status == "accepted":
            found[code] = core.value(
                "SELECT item_version FROM case_record WHERE case_no = :n", n=case_number(serial)
            )
        else:
            assert receipt.code in ("unknown_item", "item_not_in_force")
    return found


def test_every_page_is_taken_and_the_last_moves_on(core: Core, land: Any) -> None:
    province, puller = land(
        {
            (0, ""): increment(0, 30, [item(A)], cursor="p2", total=3),
            (0, "p2"): increment(0, 30, [item(B)], cursor="p3", total=3),
            (0, "p3"): increment(0, 30, [item(C)], total=3),
            (30, ""): increment(30, 31, [item(A, 2)]),
            (31, ""): increment(31, 31),
        }
    )
    assert puller.pull("prov") == 3
    assert province.asked == [(0, ""), (0, "p2"), (0, "p3")]
    assert (position(core), in_force(core)) == (30, {A: 1, B: 1, C: 1})
    assert puller.pull("prov") == 1
    assert (position(core), in_force(core)) == (31, {A: 2, B: 1, C: 1})
    assert puller.pull("prov") == 1
    assert position(core) == 31
    kept = core.rows("SELECT direction, state FROM document WHERE party = 'prov' ORDER BY entry")
    assert [(row["direction"], row["state"]) for row in kept] == [("out", "sent"), ("in", "accepted")] * 5
    core.verified()


def test_the_same_increment_again_changes_nothing(core: Core, land: Any) -> None:
    page = increment(0, 10, [item(A, 2), item(B)], [gone(C)])
    _, puller = land({(0, ""): page, (10, ""): page})
    puller.pull("prov")
    once = core.rows("SELECT code, version, state, current FROM item ORDER BY code, version")
    puller.pull("prov")
    assert core.rows("SELECT code, version, state, current FROM item ORDER BY code, version") == once
    assert in_force(core) == {A: 2, B: 1}


def test_an_older_version_after_a_newer_changes_nothing(core: Core, land: Any) -> None:
    _, puller = land({(0, ""): increment(0, 5, [item(A, 3)]), (5, ""): increment(5, 6, [item(A, 2)])})
    puller.pull("prov")
    puller.pull("prov")
    assert in_force(core) == {A: 3}


@pytest.mark.parametrize("apart", [False, True], ids=["one page", "two increments"])
def test_withdrawn_and_then_issued_anew(core: Core, land: Any, apart: bool) -> None:
    """A split or merger: D of the old version, I of the new one."""
    later = (
        {(5, ""): increment(5, 6, [], [gone(A)]), (6, ""): increment(6, 7, [item(A, 2)])}
        if apart
        else {(5, ""): increment(5, 7, [item(A, 2)], [gone(A)])}
    )
    _, puller = land({(0, ""): increment(0, 5, [item(A)]), **later})
    puller.pull("prov")
    puller.pull("prov")
    if apart:
        assert in_force(core) == {}
        puller.pull("prov")
    assert (position(core), in_force(core)) == (7, {A: 2})


@pytest.mark.req("S3-11")
def test_a_withdrawn_item_takes_no_more_cases(core: Core, land: Any) -> None:
    _, puller = land({(0, ""): increment(0, 5, [item(A), item(B)]), (5, ""): increment(5, 6, [], [gone(A)])})
    puller.pull("prov")
    puller.pull("prov")
    assert in_force(core) == {B: 1}


def test_code_91_means_everything_from_the_start(core: Core, land: Any) -> None:
    province, puller = land(
        {
            (0, ""): increment(0, 5, [item(A)]),
            (5, ""): "91",
        }
    )
    puller.pull("prov")
    with pytest.raises(Refused) as caught:
        puller.pull("prov")
    assert (caught.value.code, position(core)) == ("version_gap", 0)
    province.pages[0, ""] = increment(0, 90, [item(A, 4), item(B)])
    puller.pull("prov")
    assert (position(core), in_force(core)) == (90, {A: 4, B: 1})


def test_a_full_load_of_nothing_is_an_error_and_takes_nothing_away(core: Core, land: Any) -> None:
    province, puller = land({(0, ""): increment(0, 5, [item(A)]), (5, ""): "91"})
    puller.pull("prov")
    with pytest.raises(Refused):
        puller.pull("prov")
    province.pages[0, ""] = increment(0, 90)
    with pytest.raises(Refused) as caught:
        puller.pull("prov")
    assert (caught.value.code, position(core), in_force(core)) == ("empty_catalogue", 0, {A: 1})


def test_an_interrupted_pull_goes_on_without_loss(core: Core, land: Any) -> None:
    province, puller = land(
        {
            (0, ""): increment(0, 30, [item(A)], cursor="p2", total=3),
            (0, "p2"): TryLater("partner_away", "cut"),
        }
    )
    with pytest.raises(TryLater):
        puller.pull("prov")
    assert position(core) == 0, "what was not read to its end is not behind us"
    province.pages[0, "p2"] = increment(0, 30, [item(B, 2)], [gone(C)], total=3)
    puller.pull("prov")
    assert (position(core), in_force(core)) == (30, {A: 1, B: 2})
    core.verified()


@pytest.mark.parametrize("code", ["70", "71", "99"])
def test_another_code_stops_the_pull_and_moves_nothing(core: Core, land: Any, code: str) -> None:
    _, puller = land({(0, ""): code})
    with pytest.raises(Refused):
        puller.pull("prov")
    assert position(core) == 0


def test_the_follower_survives_a_bad_day(core: Core, land: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulling, "RETRY", 0.02)
    province, puller = land({(0, ""): TryLater("partner_away", "x")})
    stop, good = threading.Event(), increment(0, 5, [item(A)])
    with running(puller.run, stop):
        until(lambda: len(province.asked) >= 2)
        province.pages[0, ""] = good
        until(lambda: position(core) == 5)
        stop.set()
    assert in_force(core) == {A: 1}
