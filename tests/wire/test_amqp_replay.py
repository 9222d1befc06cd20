"""The same queued message again, over either carrier."""

import json

from tests.wire.queueside import Side, put_sealed, receipt
from tests.wire.rig import SEAL, Identity, sms, to_json


def test_the_same_message_again_gets_the_first_receipt(side: Side, window: Identity) -> None:
    value = sms(window.name)
    body, key = to_json(value), f"in.{window.name}"
    headers = {SEAL: window.amqp(body, key)}
    before = side.hub.effects()
    receipts = []
    for _ in range(3):
        side.put(key, body, headers, value["message_id"])
        receipts.append(receipt(side, window, value["message_id"]).body)
    assert len(set(receipts)) == 1
    assert side.hub.effects()["document"] == before["document"] + 1
    other = to_json({**value, "payload": {**value["payload"], "content": "别的"}})
    put_sealed(side, window, other, value["message_id"])
    assert json.loads(receipt(side, window, value["message_id"]).body)["code"] == "conflict"
