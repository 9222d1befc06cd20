"""Receiving: the answers of docs/wire.md §7 and §8, provable by the ledger, the same for the same bytes."""

import base64
import hashlib
import json
import secrets
from datetime import timedelta
from typing import Any

import pytest

from exchange import inbox
from exchange.receipts import Receipt
from exchange.seals import jws
from ledger.export import export
from ledger.leaf import parse
from ledger.note import open_checkpoint
from ledger.tree import inclusion_proof, leaf_hash, root_of, spans, verify_inclusion
from ledger.verify_folder import verify_directory
from tests.exchange.core.rig import (
    ID_NUMBER,
    ITEM,
    MOBILE,
    NAME,
    START,
    Core,
    Story,
    case_number,
    new_key,
    together,
)

APPLIED, STEP = "case.applied.v1", "case.step.v1"
MEMBERS = {
    "v",
    "status",
    "code",
    "message_id",
    "type",
    "sender",
    "receiver",
    "received_at",
    "digest",
    "ledger",
}


def body(receipt: Receipt) -> Any:
    return json.loads(receipt.body)


def proves(core: Core, receipt: Receipt) -> dict[str, Any]:
    """The checkpoint covers the position, provable from the leaves alone; the leaf's fields."""
    place = body(receipt)["ledger"]
    leaves = core.leaves()
    head = open_checkpoint(place["checkpoint"].encode(), core.hub.store.log.signer.verifier)
    hashes = [leaf_hash(leaf) for leaf in leaves[: head.size]]
    assert head.origin == place["origin"]
    assert head.root == root_of(hashes)
    assert base64.b64decode(place["leaf_hash"]) == hashes[place["entry"]]
    proof = inclusion_proof(spans(hashes), place["entry"], head.size)
    assert verify_inclusion(hashes[place["entry"]], place["entry"], head.size, proof, head.root)
    return parse(leaves[place["entry"]])


def test_an_accepted_message_gets_the_whole_receipt(core: Core, story: Story) -> None:
    envelope = core.envelope("hall", APPLIED, story.applied(), message_id="message-0001")
    receipt = core.take(envelope)
    said = body(receipt)
    assert said.keys() == {*MEMBERS, "case_no"}
    expected = {
        "v": 1,
        "status": "accepted",
        "code": "ok",
        "message_id": "message-0001",
        "type": APPLIED,
        "sender": "hall",
        "receiver": "hub",
        "received_at": START.isoformat(),
        "case_no": story.no,
        "digest": hashlib.sha256(envelope.body).hexdigest(),
    }
    assert {key: said[key] for key in expected} == expected
    assert said["ledger"].keys() == {"origin", "entry", "leaf_hash", "checkpoint"}
    assert receipt.http_status == 200
    leaf = proves(core, receipt)
    assert (leaf["from"], leaf["to"], leaf["xid"], leaf["svc"]) == ("hall", "hub", "message-0001", APPLIED)
    core.verified()


def test_receipts_of_one_commit_share_a_checkpoint_and_each_is_provable(core: Core) -> None:
    stories = [Story(case_number(n)) for n in range(1, 9)]
    sent = [core.envelope("hall", APPLIED, one.applied()) for one in stories]
    receipts = together(core, [lambda e=one: core.take(e) for one in sent])
    assert len({body(one)["ledger"]["checkpoint"] for one in receipts}) == 1
    assert len({body(one)["ledger"]["entry"] for one in receipts}) == 8
    for receipt in receipts:
        proves(core, receipt)
    core.verified()


def test_the_exported_ledger_verifies_and_holds_what_receipts_name(
    core: Core, story: Story, tmp_path: Any
) -> None:
    receipt = core.ok("hall", APPLIED, story.applied())
    log = core.hub.store.log
    with core.hub.store.read() as connection:
        export(connection, tmp_path / "out")
    report = verify_directory(
        tmp_path / "out", str(log.signer.verifier), [body(receipt)["ledger"]["checkpoint"].encode()]
    )
    assert report.findings == ()


def test_held_is_202_with_a_receipt_and_a_ledger_line(core: Core, story: Story) -> None:
    core.ok("hall", APPLIED, story.applied())
    core.ok("hall", "case.accepted.v1", story.accepted())
    receipt = core.send("hall", STEP, story.step(2))
    assert (body(receipt)["status"], body(receipt)["code"], receipt.http_status) == ("held", "held", 202)
    proves(core, receipt)
    assert core.state(story.no) == "accepted"


def test_the_same_bytes_again_get_the_same_bytes_and_no_second_effect(core: Core, story: Story) -> None:
    envelope = core.envelope("hall", APPLIED, story.applied())
    first, size, planned = core.take(envelope), len(core.leaves()), len(core.outbox())
    assert core.take(envelope).body == first.body
    assert (len(core.leaves()), len(core.outbox())) == (size, planned)


def test_the_same_bytes_long_after_the_window_get_the_first_receipt(core: Core, story: Story) -> None:
    envelope = core.envelope("hall", APPLIED, story.applied())
    first, size = core.take(envelope), len(core.leaves())
    core.clock.on(timedelta(days=3).total_seconds())
    core.hub.store.write(inbox.forget_nonces)
    again = core.take(envelope)
    assert (again.body, again.http_status) == (first.body, 200)
    assert len(core.leaves()) == size


def test_the_same_message_sealed_anew_gets_the_first_receipt(core: Core, story: Story) -> None:
    payload = story.applied()
    first = core.send("hall", APPLIED, payload, message_id="message-0001")
    size = len(core.leaves())
    core.clock.on(30)
    assert core.send("hall", APPLIED, payload, message_id="message-0001").body == first.body
    assert len(core.leaves()) == size


def test_duplicates_inside_one_commit_get_the_same_bytes(core: Core, story: Story) -> None:
    envelope = core.envelope("hall", APPLIED, story.applied())
    size = len(core.leaves())
    receipts = together(core, [lambda: core.take(envelope)] * 6)
    assert len({one.body for one in receipts}) == 1
    assert receipts[0].status == "accepted"
    assert [parse(leaf)["xid"] for leaf in core.leaves()[size:]].count(body(receipts[0])["message_id"]) == 1
    core.verified()


@pytest.mark.parametrize("kind", ["unknown_field", "not_allowed", "unknown_case"])
def test_a_refusal_is_repeated_byte_for_byte(core: Core, story: Story, kind: str) -> None:
    said = {
        "unknown_field": (APPLIED, story.applied(surprise="x")),
        "not_allowed": ("fee.paid.v1", story.fee_paid("44140226000000000017")),
        "unknown_case": (STEP, story.step(1)),
    }[kind]
    envelope = core.envelope("hall", *said)
    first = core.take(envelope)
    assert (first.status, first.code) == ("refused", kind)
    size = len(core.leaves())
    assert core.take(envelope).body == first.body
    core.clock.on(4000)
    assert core.take(envelope).body == first.body
    assert len(core.leaves()) == size
    assert len({one.body for one in together(core, [lambda: core.take(envelope)] * 3)}) == 1


def test_refusals_of_the_same_bytes_inside_one_commit_are_one(core: Core, story: Story) -> None:
    envelope = core.envelope("hall", APPLIED, story.applied(surprise="x"))
    size = len(core.leaves())
    receipts = together(core, [lambda: core.take(envelope)] * 4)
    assert len({one.body for one in receipts}) == 1
    assert len(core.leaves()) == size + 1


def test_the_same_id_with_other_content_is_a_conflict(core: Core, story: Story) -> None:
    first = core.ok("hall", APPLIED, story.applied(), message_id="message-0001")
    other = core.send("hall", APPLIED, story.applied(summary="别的"), message_id="message-0001")
    assert (body(other)["status"], body(other)["code"], other.http_status) == ("refused", "conflict", 409)
    assert proves(core, other)["note"]["code"] == "conflict"
    again = core.send("hall", APPLIED, story.applied(), message_id="message-0001")
    assert again.body == first.body, "the id keeps its first answer"


def test_a_conflict_inside_one_commit(core: Core, story: Story) -> None:
    payloads = [story.applied(), story.applied(summary="别的")]
    sent = [core.envelope("hall", APPLIED, one, message_id="message-0001") for one in payloads]
    receipts = together(core, [lambda e=one: core.take(e) for one in sent])
    assert [one.code for one in receipts] == ["ok", "conflict"]
    core.verified()


def test_ids_are_unique_per_sender_only(core: Core) -> None:
    core.party("bureau")
    core.ok("hall", APPLIED, Story(case_number(1)).applied(), message_id="message-0001")
    core.ok("bureau", APPLIED, Story(case_number(2)).applied(), message_id="message-0001")


@pytest.mark.parametrize("grouped", [False, True])
def test_a_nonce_under_another_id_is_a_replay(core: Core, grouped: bool) -> None:
    nonce = secrets.token_urlsafe(24)
    sent = [core.envelope("hall", APPLIED, Story(case_number(n)).applied(), nonce=nonce) for n in (1, 2)]
    calls = [lambda e=one: core.take(e) for one in sent]
    first, second = together(core, calls) if grouped else [call() for call in calls]
    assert (first.code, second.code, second.http_status) == ("ok", "replay", 409)
    assert proves(core, second)["note"]["code"] == "replay"
    assert core.state(case_number(2)) is None


def test_another_party_may_use_the_same_nonce(core: Core) -> None:
    core.party("bureau")
    nonce = secrets.token_urlsafe(24)
    core.ok("hall", APPLIED, Story(case_number(1)).applied(), nonce=nonce)
    core.ok("bureau", APPLIED, Story(case_number(2)).applied(), nonce=nonce)


@pytest.mark.parametrize("off", [-301, 301])
def test_a_time_outside_the_window_is_a_replay(core: Core, story: Story, off: int) -> None:
    receipt = core.send("hall", APPLIED, story.applied(), at=core.clock.now + off)
    assert (receipt.status, receipt.code, receipt.http_status) == ("refused", "replay", 409)
    assert core.state(story.no) is None


@pytest.mark.parametrize("off", [-299, 299])
def test_a_time_inside_the_window_is_taken(core: Core, story: Story, off: int) -> None:
    core.ok("hall", APPLIED, story.applied(), at=core.clock.now + off)


def test_a_nonce_is_remembered_as_long_as_any_seal_is_valid(core: Core) -> None:
    nonce = secrets.token_urlsafe(24)
    core.ok("hall", APPLIED, Story(case_number(1)).applied(), nonce=nonce)
    core.clock.on(600)
    core.hub.store.write(inbox.forget_nonces)
    assert core.send("hall", APPLIED, Story(case_number(2)).applied(), nonce=nonce).code == "replay"


def test_a_party_may_not_send_what_it_was_not_registered_for(core: Core) -> None:
    core.party("gate", sends=("sms.requested.v1",))
    receipt = core.send("gate", APPLIED, Story(case_number(1)).applied())
    assert (body(receipt)["code"], receipt.http_status) == ("not_allowed", 403)
    assert body(receipt)["sender"] == "gate"
    proves(core, receipt)


def test_a_party_may_not_speak_for_another(core: Core, story: Story) -> None:
    core.party("bureau")
    receipt = core.send("bureau", APPLIED, story.applied(), says="hall")
    assert (body(receipt)["code"], receipt.http_status) == ("not_allowed", 403)
    assert core.state(story.no) is None
    core.ok("hall", APPLIED, story.applied())


def test_a_partner_with_its_own_door_may_not_use_the_houses(core: Core, story: Story) -> None:
    core.party(
        "library", adapter="certificates", address="http://127.0.0.1:1", account={"account": "tongban"}
    )
    assert core.send("library", APPLIED, story.applied()).code == "not_allowed"


@pytest.mark.parametrize(
    ("change", "code", "path"),
    [
        ({"surprise": 1}, "unknown_field", "surprise"),
        ({"channel": "pigeon"}, "unknown_code", "channel"),
        ({"summary": None}, "bad_value", "summary"),
        ({"case_no": "17"}, "bad_value", "case_no"),
    ],
)
def test_a_document_off_its_schema_is_refused_by_path(
    core: Core, story: Story, change: dict[str, Any], code: str, path: str
) -> None:
    receipt = core.send("hall", APPLIED, story.applied(**change))
    assert (receipt.code, receipt.http_status) == (code, 422)
    assert any(path in error["path"] and error["code"] == code for error in body(receipt)["errors"])
    proves(core, receipt)


def test_a_missing_field_is_named(core: Core, story: Story) -> None:
    payload = story.applied()
    del payload["contact"]["mobile"]
    receipt = core.send("hall", APPLIED, payload)
    assert receipt.code == "missing_field"
    assert ["mobile" in error["path"] for error in body(receipt)["errors"]] == [True]


def test_an_unknown_type_is_refused(core: Core, story: Story) -> None:
    receipt = core.send("hall", "case.dreamt.v1", story.applied())
    assert (receipt.code, receipt.http_status) == ("unknown_type", 422)
    proves(core, receipt)


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff\xfe", b"[]", b'{"a":1,"a":2}', b"[" * 100_000])
def test_bytes_that_are_no_document_are_refused_in_order(core: Core, raw: bytes) -> None:
    receipt = core.take(core.sealed("hall", raw))
    assert receipt.status == "refused"
    assert receipt.http_status in (400, 413, 422)
    proves(core, receipt)


def test_an_unregistered_certificate_is_nobody(core: Core, story: Story) -> None:
    receipt = core.send("hall", APPLIED, story.applied(), key=new_key("hall"))
    assert (receipt.code, receipt.http_status, receipt.body) == ("unknown_party", 401, b"")
    assert parse(core.leaves()[-1])["note"]["code"] == "unknown_party"


def test_strangers_get_at_most_sixty_ledger_lines_a_minute(core: Core) -> None:
    stranger = new_key("nobody")
    core.clock.to(START.replace(second=0))

    def flood(count: int) -> int:
        before = len(core.leaves())
        for _ in range(count):
            seal = jws.sign_request(
                b"{}", stranger, method="POST", path="/x", now=START, nonce=secrets.token_urlsafe(24)
            )
            envelope = core.sealed("hall", b"{}")
            refused = core.take(
                type(envelope)("rest", b"{}", "application/json", core.clock.now, seal, envelope.bound)
            )
            assert refused.status == "refused"
        return len(core.leaves()) - before

    assert flood(75) == 60
    core.ok("hall", APPLIED, Story(case_number(1)).applied())
    core.clock.on(60)
    assert flood(3) == 3


def test_no_leaf_tells_a_person_or_lets_one_guess(core: Core) -> None:
    story, other = Story(case_number(1)), Story(case_number(2))
    sent = [
        core.envelope("hall", APPLIED, story.applied()),
        core.envelope("hall", "case.accepted.v1", story.accepted()),
        *(core.envelope("hall", STEP, story.step(n)) for n in (2, 1, 3)),
        core.envelope("hall", "fee.requested.v1", story.fee_requested()),
        core.envelope("hall", "case.delivered.v1", story.delivered()),
        core.envelope("hall", APPLIED, other.applied(surprise=NAME)),
        core.envelope("hall", "case.accepted.v1", other.refused()),
        core.sealed("hall", f"{NAME} {ID_NUMBER}".encode()),
        core.envelope("hall", APPLIED, other.applied(), key=new_key("stranger")),
    ]
    for envelope in sent:
        core.take(envelope)
    secret = [NAME, ID_NUMBER, MOBILE, story.no, other.no, "测试戊", "402817"]
    plain = [
        *(text.encode() for text in secret),
        *(one.body for one in sent),
        *((one.seal or "").encode() for one in sent),
    ]
    told = {form for value in plain for form in digests(value)}
    for leaf in core.leaves():
        text = leaf.decode()
        assert not [word for word in secret if word in text]
        assert not [form for form in told if form in text], "a plain digest can be guessed"


def digests(value: bytes) -> set[str]:
    """A value's unsalted digests as they might be written."""
    found = set()
    for made in (hashlib.sha256(value).digest(), hashlib.sha1(value).digest(), hashlib.md5(value).digest()):
        plain, url = (
            base64.b64encode(made).decode().rstrip("="),
            base64.urlsafe_b64encode(made).decode().rstrip("="),
        )
        found |= {made.hex(), made.hex().upper(), plain, url, url[:24]}
    return found


def test_what_was_accepted_is_kept_as_it_came_with_its_seal(core: Core, story: Story) -> None:
    envelope = core.envelope("hall", APPLIED, story.applied())
    entry = body(core.take(envelope))["ledger"]["entry"]
    row = core.rows("SELECT * FROM document WHERE entry = :entry", entry=entry)[0]
    assert (row["body"], row["seal"].decode()) == (envelope.body, envelope.seal)
    assert (row["direction"], row["protocol"], row["state"], row["code"]) == ("in", "rest", "accepted", "ok")
    assert json.loads(row["bound"]) == {"method": "POST", "path": "/api/v1/messages"}


def test_an_unknown_item_is_refused(core: Core, story: Story) -> None:
    code = ITEM[:-3] + "999"
    receipt = core.send("hall", APPLIED, story.applied(item_code=code))
    assert (receipt.code, receipt.http_status) == ("unknown_item", 422)
    assert core.state(story.no) is None
