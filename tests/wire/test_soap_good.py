"""What the SOAP face accepts, and the same call again."""

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from lxml import etree

from tests.wire.rig import Hub, Identity, application, sms
from tests.wire.soapside import call, refused, sealed


def test_a_good_call_is_answered(hub: Hub, window: Identity, bureau: Identity) -> None:
    """P-256 and RSA; the receipt is of exactly these bytes."""
    for who in (window, bureau):
        value = sms(who.name)
        body = etree.tostring(sealed(who, value))
        status, members, ident = call(hub, body)
        assert (status, members["status"], members["code"], ident) == (
            200,
            "accepted",
            "ok",
            value["message_id"],
        )
        assert json.loads(members["receipt"])["digest"] == hashlib.sha256(body).hexdigest()


@pytest.mark.parametrize("charset", ["GBK", "GB2312", "gb18030", "utf-8"])
def test_every_character_set_of_the_page_is_read(hub: Hub, bureau: Identity, charset: str) -> None:
    value = sms(bureau.name)
    text = etree.tostring(sealed(bureau, value), encoding="unicode")
    body = f'<?xml version="1.0" encoding="{charset}"?>{text}'.encode(charset)
    status, members, _ = call(hub, body, f"text/xml; charset={charset}")
    assert (status, members["status"]) == (200, "accepted")


def test_identical_bytes_get_the_first_receipt_and_other_content_a_conflict(
    hub: Hub, bureau: Identity
) -> None:
    value = application(bureau.name)
    body = etree.tostring(sealed(bureau, value))
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: call(hub, body), range(20)))
    assert {status for status, _, _ in answers} == {200}
    assert len({members["receipt"] for _, members, _ in answers}) == 1
    assert len(hub.rows("SELECT 1 FROM case_record WHERE case_no = ?", value["payload"]["case_no"])) == 1
    assert len(hub.rows("SELECT 1 FROM document WHERE message_id = ?", value["message_id"])) == 1
    other = {**value, "payload": {**value["payload"], "summary": "别的"}}
    refused(hub, sealed(bureau, other), "conflict")
