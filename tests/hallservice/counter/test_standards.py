"""Certificate types and their fields: told by the library, asked of the clerk, filled from the case."""

import json
from typing import Any

import pytest

from hallservice.counter import certify, paying, standards
from hallservice.refusals import FormRefused
from tests.exchange.core.rig import NAME
from tests.hallservice.counter.conftest import TYPE
from tests.hallservice.counter.counter import PLAIN, Desk


def field(name: str, label: str, kind: str, length: int, required: bool) -> dict[str, Any]:
    return {"name": name, "label": label, "kind": kind, "length": length, "required": required}


FIELDS = [
    field("holderName", "持证者名称", "text", 100, True),
    field("scope", "许可内容", "text", 4, False),
    field("seats", "座位数", "integer", 3, True),
    field("checkedOn", "核查日期", "date", 8, False),
    field("remark", "备注", "text", 10, False),
]


def asked(desk: Desk) -> list[dict[str, Any]]:
    return [
        json.loads(row["payload"]) for row in desk.core.outbox("type = 'certificate.schema_requested.v1'")
    ]


def tell(desk: Desk, fields: list[dict[str, Any]], version: str = "1.0") -> None:
    """The library answers."""
    answer = {**asked(desk)[-1], "type_name": "食品经营许可证", "version": version, "fields": fields}
    desk.answers("library", "certificate.schema.v1", answer)


def paid(desk: Desk) -> str:
    """Decided, its fee confirmed."""
    desk.partner("library", "certificates")
    no = desk.decided()
    desk.requested(no)
    paying.notice(desk.hall, desk.clerk(), no)
    paying.confirm(desk.hall, desk.clerk(), no, desk.seen(no), "V-17")
    return no


def request(desk: Desk, no: str, **fields: str) -> dict[str, str]:
    """What the library is sent as content."""
    wanted = certify.Asked("食品经营许可证", fields=tuple(fields.items()))
    certify.request(desk.hall, desk.clerk(), no, desk.seen(no), wanted)
    (sent,) = desk.core.outbox("type = 'certificate.requested.v1'")
    return {one["name"]: one["value"] for one in json.loads(sent["payload"])["fields"]}


@pytest.mark.req("S3-99")
def test_the_library_is_asked_for_a_type_once_a_day(desk: Desk) -> None:
    desk.accepted()
    assert asked(desk) == []  # no library is attached
    desk.partner("library", "certificates")
    desk.accepted()
    desk.accepted()
    desk.accepted(PLAIN)  # gives no certificate
    assert [one["type_code"] for one in asked(desk)] == [TYPE]
    desk.core.clock.now += standards.FRESH
    desk.accepted()
    assert len(asked(desk)) == 2


@pytest.mark.req("S3-98", "S3-99")
def test_a_new_type_is_filled_by_what_it_publishes(desk: Desk) -> None:
    no = paid(desk)
    tell(desk, FIELDS)
    for given, fault in (
        ({}, ("field-seats", "required")),
        ({"seats": "1200"}, ("field-seats", "too_long")),
        ({"seats": "x"}, ("field-seats", "bad_form")),
        ({"seats": "12", "checkedOn": "2026-02-30"}, ("field-checkedOn", "bad_form")),
        ({"seats": "12", "area": "40"}, ("field-area", "unknown_field")),
    ):
        with pytest.raises(FormRefused) as refused:
            request(desk, no, **given)
        assert [(one.field, one.code) for one in refused.value.faults] == [fault]
    content = request(desk, no, seats="12", checkedOn="2026-03-01", remark="")
    item = desk.core.value("SELECT item_name FROM hall_case WHERE case_no = :no", no=no)
    assert content == {"holderName": NAME, "scope": item[:4], "seats": "12", "checkedOn": "20260301"}


def test_before_the_library_has_told_what_is_given_goes_as_it_is(desk: Desk) -> None:
    assert request(desk, paid(desk), area="40") == {"area": "40"}


def test_a_later_version_takes_the_place_of_an_earlier(desk: Desk) -> None:
    no = paid(desk)
    tell(desk, FIELDS)
    desk.core.clock.now += standards.FRESH
    desk.accepted()
    tell(desk, FIELDS[:1], "2.0")
    assert request(desk, no) == {"holderName": NAME}
