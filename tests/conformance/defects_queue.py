"""Defects of a queue partner: what it does with the hub's messages, its receipts, its own messages."""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from exchange.seals import jws
from mocks.conformance.identity import fresh
from tests.conformance.bridge import Bridge, Defect, put_of
from tests.mocks.busside import Got

STRANGER = fresh("another partner", curve=True)
Way = Callable[[Bridge, Got], list[Got]]


def lax(*codes: str) -> Way:
    """Seals with these faults are taken as if they were good."""

    def inward(bridge: Bridge, got: Got) -> list[Got]:
        return [bridge.sealed(got, bridge.hub)] if bridge.problem(got) in codes else [got]

    return inward


def forgets_nonces(bridge: Bridge, got: Got) -> list[Got]:
    return [got] if bridge.problem(got) else [bridge.sealed(got, bridge.hub)]


def mends(change: Callable[[bytes], bytes]) -> Way:
    """It reads what is wrong its own lenient way."""

    def inward(bridge: Bridge, got: Got) -> list[Got]:
        if bridge.problem(got) or (body := change(got.body)) == got.body:
            return [got]
        return [bridge.sealed(replace(got, body=body), bridge.hub)]

    return inward


def member(name: str, value: Any, wrong: Callable[[Any], bool]) -> Way:
    """A wrong value of one member counts as this one."""

    def change(body: bytes) -> bytes:
        try:
            tree = json.loads(body)
        except ValueError:
            return body
        if not isinstance(tree, dict) or not wrong(tree.get(name)):
            return body
        return json.dumps(
            {key: one for key, one in {**tree, name: value}.items() if one is not None}
        ).encode()

    return mends(change)


def properties(**right: Callable[[Got], Any]) -> Way:
    """These properties are not looked at."""

    def inward(bridge: Bridge, got: Got) -> list[Got]:
        headers = {name: right[name](got) if name in right else value for name, value in got.headers.items()}
        more = {name: make(got) for name, make in right.items() if not name.startswith("x-")}
        return [replace(got, headers=headers, **more)]

    return inward


def first_only(bridge: Bridge, got: Got) -> list[Got]:
    """Other content under a known id is taken for the first."""
    first = bridge.memory.setdefault(got.message_id, got)
    return [bridge.sealed(replace(got, body=first.body), bridge.hub)] if not bridge.problem(got) else [got]


def swallow(bridge: Bridge, got: Got) -> list[Got]:
    return [] if b"[[[[" in got.body else [got]


def receipts(change: Callable[[Bridge, Got], Got | None]) -> Way:
    def outward(bridge: Bridge, got: Got) -> list[Got]:
        if "case.receipt.hub" not in got.routing_key:
            return [got]
        found = change(bridge, got)
        return [found] if found is not None else []

    return outward


def told(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Way:
    return receipts(lambda bridge, got: bridge.with_body(got, change(json.loads(got.body)), bridge.own))


def second_differs(bridge: Bridge, got: Got) -> Got:
    tree = json.loads(got.body)
    seen = bridge.memory.setdefault(("told", tree["message_id"]), [])
    seen.append(1)
    return bridge.with_body(got, {**tree, "msg": f"第 {len(seen)} 次"}, bridge.own)


def says_ok(bridge: Bridge, got: Got) -> Got:
    return bridge.with_body(got, {**json.loads(got.body), "code": "0", "msg": ""}, bridge.own)


def unsealed(bridge: Bridge, got: Got) -> Got:
    return replace(
        got, headers={name: value for name, value in got.headers.items() if name != jws.HEADER_NAME}
    )


def feedback(change: Callable[[Bridge, Got], list[Got]]) -> Way:
    return lambda bridge, got: change(bridge, got) if "case.feedback" in got.routing_key else [got]


def said(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Way:
    return feedback(lambda bridge, got: [bridge.with_body(got, change(json.loads(got.body)), bridge.own)])


def one_id(bridge: Bridge, got: Got) -> list[Got]:
    return [replace(got, message_id=bridge.memory.setdefault("id", got.message_id))]


def settle(bridge: Bridge, got: Got) -> list[Got]:
    """Does not wait for the hub: receipts itself."""
    body = json.dumps({"message_id": got.message_id, "code": "0", "msg": ""}).encode()
    key = f"case.receipt.{bridge.org}"
    receipt = bridge.sealed(Got("gov.case", key, "r", None, "application/json", {}, body), bridge.hub)
    queue = f"dept.{bridge.org}.receipt"
    bridge.partner.put(queue, put_of(receipt))
    return [got]


def once(bridge: Bridge, got: Got) -> list[Got]:
    """Never repeats."""
    seen = bridge.memory.setdefault("seen", set())
    known = got.message_id in seen
    seen.add(got.message_id)
    return [] if known else [got]


def new_id(bridge: Bridge, got: Got) -> list[Got]:
    """A repeat goes out under another id."""
    count = bridge.memory.setdefault(got.body, [])
    count.append(1)
    last = got.message_id or ""
    return [
        got if len(count) == 1 else replace(got, message_id=last[:-1] + ("1" if last[-1:] != "1" else "2"))
    ]


def stubborn(bridge: Bridge, got: Got) -> list[Got]:
    """Sends everything again after a second, whatever the receipt said."""
    if bridge.memory.get(got.message_id):
        return [got]
    bridge.memory[got.message_id] = True

    def again() -> None:
        time.sleep(1.0)
        bridge.kit.put("hub.case.feedback", put_of(bridge.sealed(got, bridge.own)))

    threading.Thread(target=again, daemon=True).start()
    return [got]


QUICK = {"timeout": 1.0}
WHEN = "2026-11-20 09:15:30"
QUEUE: tuple[Defect, ...] = (
    Defect("accepts-unsigned", ("SEAL-missing",), lax("seal_missing")),
    Defect("accepts-unknown-certificate", ("SEAL-kid-unknown",), lax("unknown_party")),
    Defect("accepts-forged", ("SEAL-other-key", "SEAL-flipped", "SEAL-body-digit"), lax("seal_invalid")),
    Defect("accepts-expired", ("SEAL-iat-hour",), lax("stale")),
    Defect("accepts-rebound", ("SEAL-key-other", "SEAL-exchange-other"), lax("seal_scope")),
    Defect("accepts-other-routing", ("SEAL-rebound",), lax("seal_scope")),
    Defect("accepts-used-nonces", ("SEAL-replay",), forgets_nonces),
    Defect("receipts-unsealed", ("ANS-seal", "ACC-applied"), outward=receipts(unsealed)),
    Defect(
        "receipts-sealed-by-another",
        ("ANS-seal",),
        outward=receipts(lambda bridge, got: bridge.sealed(got, STRANGER)),
    ),
    Defect(
        "receipts-bound-elsewhere",
        ("ANS-seal",),
        outward=receipts(lambda bridge, got: bridge.sealed(got, bridge.own, routing_key="x")),
    ),
    Defect(
        "receipts-with-a-late-clock",
        ("ANS-seal",),
        outward=receipts(
            lambda bridge, got: bridge.sealed(got, bridge.own, now=datetime.now(UTC) - timedelta(hours=1))
        ),
    ),
    Defect(
        "receipts-altered-after-sealing",
        ("ANS-seal",),
        outward=receipts(lambda bridge, got: replace(got, body=got.body + b" ")),
    ),
    Defect(
        "receipts-for-another-id",
        ("ACC-applied",),
        outward=told(lambda one: {**one, "message_id": "x"}),
        options=QUICK,
    ),
    Defect("no-receipts", ("ACC-applied",), outward=receipts(lambda bridge, got: None), options=QUICK),
    Defect("receipts-with-a-new-field", ("SCH-applied",), outward=told(lambda one: {**one, "newField": "1"})),
    Defect("receipts-with-a-number", ("SCH-applied",), outward=told(lambda one: {**one, "code": 0})),
    Defect(
        "receipts-with-an-unknown-code", ("ACC-applied",), outward=told(lambda one: {**one, "code": "OK"})
    ),
    Defect(
        "refuses-everything", ("ACC-applied", "HOS-alive"), outward=told(lambda one: {**one, "code": "70"})
    ),
    Defect("takes-everything", ("NEW-applied", "COD-applied-TJFS"), outward=receipts(says_ok)),
    Defect(
        "other-receipt-the-second-time",
        ("IDM-applied-same", "IDM-applied-thrice"),
        outward=receipts(second_differs),
    ),
    Defect("takes-other-content", ("IDM-applied-conflict",), first_only),
    Defect("takes-unknown-fields", ("NEW-applied",), member("WZZD", None, lambda value: value is not None)),
    Defect(
        "takes-missing-fields", ("FLD-applied-SXMC",), member("SXMC", "事项", lambda value: value is None)
    ),
    Defect(
        "takes-other-dates",
        ("DAT-applied-SBSJ", "DAY-applied-SBSJ"),
        member("SBSJ", WHEN, lambda value: value != WHEN),
    ),
    Defect("takes-unknown-codes", ("COD-applied-SQRLX",), member("SQRLX", "2", lambda value: value != "2")),
    Defect("takes-numbers-as-texts", ("TYP-applied-SJBBH",), member("SJBBH", 1, lambda value: value == "1")),
    Defect("ignores-object-headers", ("PRP-x-obj",), properties(**{"x-obj": lambda got: "0"})),
    Defect("ignores-version-headers", ("PRP-x-ver",), properties(**{"x-ver": lambda got: "1"})),
    Defect(
        "ignores-correlation",
        ("PRP-correlation_id",),
        properties(correlation_id=lambda got: json.loads(got.body)["SBLSH"]),
    ),
    Defect("ignores-media-types", ("HOS-type",), properties(content_type=lambda got: "application/json")),
    Defect("dies-of-depth", ("HOS-deep",), swallow),
    Defect("feedback-unsealed", ("FBK-seal",), outward=feedback(lambda bridge, got: [unsealed(bridge, got)])),
    Defect(
        "feedback-sealed-by-another",
        ("FBK-seal",),
        outward=feedback(lambda bridge, got: [bridge.sealed(got, STRANGER)]),
    ),
    Defect(
        "feedback-bound-elsewhere",
        ("FBK-seal",),
        outward=feedback(lambda bridge, got: [bridge.sealed(got, bridge.own, exchange="x")]),
    ),
    Defect("feedback-with-a-new-field", ("FBK-schema",), outward=said(lambda one: {**one, "XZZD": "1"})),
    Defect(
        "feedback-without-a-field",
        ("FBK-schema",),
        outward=said(lambda one: {name: value for name, value in one.items() if name != "SPYJ"}),
    ),
    Defect(
        "feedback-with-an-unknown-code", ("FBK-schema",), outward=said(lambda one: {**one, "SPHJZTDM": "9"})
    ),
    Defect(
        "feedback-with-another-date",
        ("FBK-schema",),
        outward=said(lambda one: {**one, "SPSJ": "20261122T101500"}),
    ),
    Defect("feedback-with-null", ("FBK-schema",), outward=said(lambda one: {**one, "SPYJ": "null"})),
    Defect(
        "feedback-with-wrong-steps",
        ("FBK-step",),
        outward=said(lambda one: {**one, "SPBZH": one["SPBZH"] * 2}),
    ),
    Defect("feedback-version-differs", ("FBK-headers",), outward=said(lambda one: {**one, "SJBBH": 7})),
    Defect(
        "feedback-of-another-case",
        ("FBK-case",),
        outward=feedback(lambda bridge, got: [replace(got, correlation_id="x")]),
    ),
    Defect(
        "feedback-ids-no-uuids",
        ("FBK-id",),
        outward=feedback(lambda bridge, got: [replace(got, message_id=f"m-{got.message_id}")]),
    ),
    Defect(
        "feedback-as-plain-text",
        ("FBK-type",),
        outward=feedback(lambda bridge, got: [replace(got, content_type="text/plain")]),
    ),
    Defect("feedback-under-one-id", ("FBK-id",), outward=feedback(one_id)),
    Defect("feedback-twice", ("FBK-comes",), outward=feedback(lambda bridge, got: [got, got])),
    Defect("feedback-without-waiting", ("FBK-waits",), outward=feedback(settle)),
    Defect("feedback-never-repeated", ("FBK-repeats",), outward=feedback(once)),
    Defect("feedback-repeated-under-another-id", ("FBK-repeats",), outward=feedback(new_id)),
    Defect("feedback-repeated-though-refused", ("FBK-refused",), outward=feedback(stubborn)),
)
