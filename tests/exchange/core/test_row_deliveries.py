"""Deliveries into a front-end database (department D): signed rows in the contract's order, written once,
corrected in place."""

# ruff: noqa: S608 - table names are constants of the test

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from exchange.app.serving import Channels
from exchange.delivery import Sent, deliver
from exchange.errors import TryLater
from exchange.seals.keys import key_id
from exchange.transports.sqldoor import open_partner
from tests.exchange.core.frontdb import Department, Place, columns_of, opened, text_of
from tests.exchange.core.rig import ITEM, NAME, ORG, Core, Story, case_number
from tests.exchange.core.test_rows import database_of

PARTY = "dept-d"
APASINFO, FORM, ACCEPT = "pre_apasinfo", "pre_comm_form", "pre_accept"


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """An empty database; the hub makes the tables."""
    if request.param == "sqlite":
        yield Place("sqlite", f"sqlite:///{tmp_path / 'd.db'}", "", str(tmp_path / "d.db"))
    else:
        yield from database_of(request.getfixturevalue("postgres"))


@pytest.fixture
def dept(core: Core, place: Place) -> Department:
    key = core.party(PARTY, adapter="department_d", org=ORG, address=place.address)
    core.hub.secrets[PARTY] = place.password  # type: ignore[index] # the rig's own mapping
    return Department(place, key)


Push = Callable[..., Sent]


@pytest.fixture
def push(core: Core, dept: Department) -> Iterator[Push]:
    """One planned call, made as the dispatcher makes it."""
    del dept
    channel = Channels(core.hub, None).to(PARTY)  # type: ignore[arg-type] # this party has no queues
    assert channel is not None
    assert channel.front is not None

    def made(call: str, kind: str, payload: dict[str, Any], **facts: Any) -> Sent:
        known = {"case_no": payload["case_no"], "item_code": ITEM, "org": ORG, "message_id": "m-0000001"}
        return deliver(channel, channel.adapter.call(call), kind, payload, {**known, **facts})

    yield made
    channel.front().close()


def rows(dept: Department, table: str) -> list[dict[str, Any]]:
    names = columns_of(table)
    found = dept.place.rows(f"SELECT {', '.join(names)} FROM {table}")
    return [dict(zip(names, row, strict=True)) for row in found]


def genuine(core: Core, table: str, row: dict[str, Any]) -> bool:
    """The hub's seal holds for this very row, by the contract alone."""
    certificate = core.hub.ec_key.certificate
    header = opened(certificate, text_of(table, row), row["row_sign"]) or {}
    bound = {"table": table, "row": f"{row['row_key']}:{row['dataver']}"}
    members = {"alg", "b64", "crit", "kid", "iat", "nonce", "table", "row"}
    return (
        header.keys() == members and bound.items() <= header.items() and header["kid"] == key_id(certificate)
    )


class TestWriting:
    def test_an_application_arrives_as_two_signed_rows(
        self, core: Core, dept: Department, push: Push
    ) -> None:
        story = Story(case_number(1))
        sent = push("apasinfo", "case.applied.v1", story.applied())
        (info,), (form,) = rows(dept, APASINFO), rows(dept, FORM)
        assert (info["projid"], info["itemno"], info["applyname"]) == (story.no, ITEM, NAME)
        assert (info["applytype"], info["apply_cardtype"], info["applyfrom"]) == ("1", "111", "1")
        assert (info["receivetime"], info["dataver"], info["signstate"]) == ("20260302T093000", 1, 0)
        assert json.loads(info["acceptlist"]) == [{"attrname": "申请书", "num": 1, "taketype": "纸质收取"}]
        assert json.loads(form["item_values"])["linkman"] == NAME
        assert genuine(core, APASINFO, info)
        assert genuine(core, FORM, form)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+08:00", info["written_at"])
        assert (sent.protocol, sent.verdict) == ("table", "ok")
        assert sent.body == text_of(APASINFO, info) + b"\n" + text_of(FORM, form)
        assert (sent.seal or b"").decode().split("\n") == [info["row_sign"], form["row_sign"]]

    def test_the_same_again_changes_nothing(self, core: Core, dept: Department, push: Push) -> None:
        story = Story(case_number(1))
        first = push("apasinfo", "case.applied.v1", story.applied())
        dept.place.run(f"UPDATE {APASINFO} SET signstate = 1")
        before = rows(dept, APASINFO)
        again = push("apasinfo", "case.applied.v1", story.applied())
        assert rows(dept, APASINFO) == before  # the department's mark included
        assert (again.body, again.seal) == (first.body, first.seal)

    def test_a_correction_is_made_in_place_and_asks_to_be_read(
        self, core: Core, dept: Department, push: Push
    ) -> None:
        story = Story(case_number(1))
        push("apasinfo", "case.applied.v1", story.applied())
        dept.place.run(f"UPDATE {APASINFO} SET signstate = 3, err = 'projectname: no', sync_at = 'then'")
        push("apasinfo", "case.applied.v1", story.applied(summary="更正后的事由"))
        (info,), (form,) = rows(dept, APASINFO), rows(dept, FORM)
        assert (info["projectname"], info["dataver"]) == ("更正后的事由", 2)
        assert (info["signstate"], info["err"], info["sync_at"]) == (0, None, None)
        assert genuine(core, APASINFO, info)
        assert form["dataver"] == 1

    def test_hostile_values_stay_values(self, core: Core, dept: Department, push: Push) -> None:
        nasty = "'; DROP TABLE PRE_APASINFO; -- \" \\ %s :x ①"
        story = Story(case_number(1))
        push("apasinfo", "case.applied.v1", story.applied(summary=nasty))
        (info,) = rows(dept, APASINFO)
        assert info["projectname"] == nasty
        assert genuine(core, APASINFO, info)

    def test_a_single_row_is_recorded_with_its_own_seal(
        self, core: Core, dept: Department, push: Push
    ) -> None:
        story = Story(case_number(1))
        sent = push("accept", "case.accepted.v1", story.accepted(), has_fee=True, gives_certificate=True)
        (row,) = rows(dept, ACCEPT)
        assert (sent.body, sent.seal) == (text_of(ACCEPT, row), row["row_sign"].encode())
        assert sent.bound == {"table": ACCEPT, "row": f"{row['row_key']}:1"}
        assert (row["acceptresult"], row["law_limit"], row["law_limit_unit"]) == ("1", 20, "1")
        assert (row["isfee"], row["iscert"]) == ("1", "1")


class TestTrouble:
    def test_all_rows_of_a_document_or_none(self, core: Core, dept: Department, push: Push) -> None:
        story = Story(case_number(1))
        push("apasinfo", "case.applied.v1", Story(case_number(2)).applied())
        dept.place.run(f"DROP TABLE {FORM}")
        with pytest.raises(TryLater):
            push("apasinfo", "case.applied.v1", story.applied())
        assert [row["projid"] for row in rows(dept, APASINFO)] == [case_number(2)]
        push("apasinfo", "case.applied.v1", story.applied())  # what was missing is made again
        assert len(rows(dept, APASINFO)) == 2
        assert [row["projid"] for row in rows(dept, FORM)] == [story.no]

    def test_a_locked_table_is_tried_later(self, core: Core, dept: Department, push: Push) -> None:
        story = Story(case_number(1))
        push("apasinfo", "case.applied.v1", story.applied())
        with dept.place.connect() as connection:
            connection.execute("BEGIN EXCLUSIVE" if dept.place.kind == "sqlite" else f"LOCK TABLE {APASINFO}")
            channel = Channels(core.hub, None).to(PARTY)  # type: ignore[arg-type] # no queues
            assert channel is not None
            assert channel.front is not None
            front = channel.front()
            front.close()
            front.engine, front.timeout = open_partner(dept.place.address, dept.place.password, 0.5), 0.5
            facts = {"case_no": story.no, "message_id": "m-0000002"}
            with pytest.raises(TryLater):
                deliver(
                    channel, channel.adapter.call("apasinfo"), "case.applied.v1",
                    story.applied(summary="另一事由"), facts,
                )  # fmt: skip
            front.close()
            connection.rollback()
        assert rows(dept, APASINFO)[0]["dataver"] == 1
