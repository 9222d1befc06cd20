"""A SOAP call does not stop the hub for the garbage of the whole process, as spyne would once a second."""

from typing import Any

import pytest
import spyne.context
from lxml import etree

from exchange.seals import wssec
from exchange.transports.soap_server import HEADER, SoapAnswer, SoapFace

CALL = (
    f'<s:Envelope xmlns:s="{wssec.SOAP}" xmlns:t="urn:tongban:hub:1"><s:Header><t:Exchange>'
    "<t:messageId>m-00000001</t:messageId><t:messageType>case.step.v1</t:messageType><t:sender>bureau</t:sender>"
    "</t:Exchange></s:Header><s:Body><t:Submit><t:document>d</t:document></t:Submit></s:Body></s:Envelope>"
)


def test_a_call_collects_no_garbage(seal_keys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    reached: list[str] = []

    def submit(call: Any) -> SoapAnswer:
        reached.append(call.document)
        return SoapAnswer("accepted", "ok", "{}")

    face = SoapFace(
        "http://127.0.0.1:1",
        submit,
        key=seal_keys.rsa,
        keyring=seal_keys.ring.by_digest,
        clock=lambda: seal_keys.now,
    )
    collected: list[int] = []
    monkeypatch.setattr(spyne.context, "_LAST_GC_RUN", 0.0)
    monkeypatch.setattr(spyne.context.gc, "collect", lambda: collected.append(1))
    envelope = etree.fromstring(CALL)
    body = etree.tostring(wssec.sign(envelope, seal_keys.ec, header=HEADER, now=seal_keys.now))
    assert face.handle(body, "text/xml")[0] == 200
    assert reached == ["d"]
    assert collected == []
