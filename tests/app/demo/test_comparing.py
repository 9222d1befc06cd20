"""The two-sided comparison finds every kind of difference that is planted, and none where there is none."""

import hashlib
import time
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import insert

from exchange.adapterfolder import load_adapters
from exchange.app.demo.comparing import RECEIPT, RULES, Line, Outcome, Rule, compare, hub_lines, partner_lines
from exchange.app.demo.layout import partners
from exchange.app.opening import open_store
from exchange.app.settings import Settings
from exchange.store.engine import reading
from exchange.store.tables import document, outbox
from exchange.store.work import Work
from ledger.log import Draft

TO, FROM = "to", "from"


def line(way: str = TO, id: str = "m1", digest: str = "aa", **more: Any) -> Line:
    return Line(**{"way": way, "id": id, "digest": digest, "good": True, "code": "0", "kind": "k"} | more)


HERE = "in the hub's record only"
SAME = [line(), line(FROM, "m2", "bb"), line(FROM, "m3", "cc", good=False, code="70")]


def whats(hub: list[Line], partner: list[Line]) -> list[tuple[str, str, str]]:
    return [(one.way, one.id, one.what) for one in compare("sms", hub, partner).differences]


def test_two_equal_records_do_not_differ() -> None:
    assert compare("sms", SAME, SAME, receipts=4) == Outcome(sent=1, received=1, receipts=4, refused=1)


PLANTED = {
    "the partner never saw it": (SAME, SAME[1:], TO, "m1", "in the hub's record only"),
    "the hub never saw it": (SAME[:1], SAME[:2], FROM, "m2", "in the partner's record only"),
    "one byte": (SAME, [replace(SAME[0], digest="ab"), *SAME[1:]], TO, "m1",
                 "the bytes differ: aa here, ab there"),
    "the partner refused": (SAME, [replace(SAME[0], good=False, code="104"), *SAME[1:]], TO, "m1",
                            "hub says taken (code 0), partner says refused (code 104)"),
    "the hub refused": ([SAME[0], replace(SAME[1], good=False, code="conflict"), SAME[2]], SAME, FROM, "m2",
                        "hub says refused (code conflict), partner says taken (code 0)"),
    "another id": (SAME, [replace(SAME[0], id="m9", digest="zz"), *SAME[1:]], TO, "m1", HERE),
    "the other direction": (SAME, [replace(SAME[0], way=FROM), *SAME[1:]], TO, "m1", HERE),
    "two contents under one id": (SAME, [*SAME, replace(SAME[0], digest="ee")], TO, "m1",
                                  "partner took 2 different contents under one id"),
}  # fmt: skip


@pytest.mark.parametrize(("hub", "partner", "way", "id", "what"), PLANTED.values(), ids=PLANTED.keys())
def test_a_planted_difference_is_found(
    hub: list[Line], partner: list[Line], way: str, id: str, what: str
) -> None:
    found = [one for one in whats(hub, partner) if one[:2] == (way, id)]
    assert len(found) == 1
    assert what in found[0][2]


def test_a_repeat_may_carry_fresh_times_but_counts_once() -> None:
    repeated = [replace(SAME[0], repeats=2, digest="ff"), *SAME[1:]]
    assert compare("sms", SAME, repeated) == Outcome(sent=1, received=1, refused=1, repeats=2)


def test_a_refusal_before_the_acceptance_is_one_message() -> None:
    hub = [line(good=False, digest="x1", code="busy"), line()]
    outcome = compare("sms", hub, [line()])
    assert (outcome.sent, outcome.refused, outcome.differences) == (1, 0, ())


def test_a_message_whose_id_the_partner_could_not_read_is_found_by_its_bytes() -> None:
    hub = [line(good=False, code="1")]
    assert whats(hub, [line(id="aa", good=False, code="1")]) == []


def test_answers_to_calls_are_received_but_not_looked_for_at_the_partner() -> None:
    answer = line(FROM, "re-m1", "dd")
    assert compare("sms", [*SAME, answer], SAME) == Outcome(sent=1, received=2, refused=1)


def test_what_was_spoilt_on_its_way_is_in_one_record_only() -> None:
    spoilt = line(FROM, "dd", "dd", good=False, code="bad_request", kind="?")
    assert whats([*SAME, replace(spoilt, unread=True)], SAME) == []
    assert whats([*SAME, spoilt], SAME) == [(FROM, "dd", "? is in the hub's record only")]


def test_what_a_partner_gave_up_sending_is_no_difference_but_is_counted() -> None:
    given_up = line(FROM, "m8", "ff", good=False, code="unreachable")
    assert compare("sms", SAME, [*SAME, given_up]) == Outcome(sent=1, received=1, refused=1, undelivered=1)
    refused_unknown = line(TO, "m9", "ff", good=False, code="70")
    assert whats(SAME, [*SAME, refused_unknown]) == [(TO, "m9", "k is in the partner's record only")]


def test_what_the_hub_puts_before_a_partners_id_is_known() -> None:
    """An envelope sealed afresh has other bytes: only the id tells that both sides mean one message."""
    for name, one in load_adapters().items():
        rules = [
            door.message_id for door in one.inbound if isinstance(door.message_id.path, str) and door.rest
        ]
        if RULES[name].from_ == "message_id":
            assert {rule.prefix for rule in rules} <= {RULES[name].prefix}, name


def test_each_system_has_a_rule() -> None:
    cast = partners(load_adapters(), everybody=True)
    assert {one.adapter for one in cast} == set(RULES)


def sha(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def keep(settings: Settings, *rows: dict[str, Any], receipts: dict[str, str] | None = None) -> Any:
    """A store with these documents of the party "p", each with its ledger entry."""
    store = open_store(settings)

    def act(work: Work) -> None:
        for number, row in enumerate(rows):
            entry = work.append(Draft("t", f"x{number}", "a", "b", "t", values={"payload": b"1"}))
            plain = {
                "at": time.time(),
                "party": "p",
                "protocol": "rest",
                "state": "sent",
                "code": "ok",
                "type": "t",
            }
            work.connection.execute(insert(document), plain | row | {"entry": entry.seq})
            for message_id, code in (receipts or {}).items() if number == 0 else ():
                planned = {
                    "party": "p", "message_id": message_id, "document": "d", "type": "t", "payload": {},
                    "context": {}, "state": "sent", "next_at": 0.0, "created_at": 0.0,
                    "entry": entry.seq, "receipt_code": code,
                }  # fmt: skip
                work.connection.execute(insert(outbox), planned)

    store.write(act)
    return store.engine


def read(engine: Any, rule: Rule) -> tuple[list[Line], int]:
    with reading(engine) as connection:
        found = hub_lines(connection, "p", rule)
    engine.dispose()
    return found


def test_the_hub_side_names_messages_as_the_partner_does(settings: Settings) -> None:
    engine = keep(
        settings,
        {"message_id": "u1", "direction": "out", "body": b"<FEE/>", "canonical": {"request_id": "r1"}},
        {"message_id": "paid-s1", "direction": "in", "state": "accepted", "body": b"{}"},
        {"message_id": "u2", "direction": "in", "state": "accepted", "type": RECEIPT, "body": b"{}"},
        {"message_id": "?", "direction": "in", "state": "refused", "code": "bad_request", "body": b"garbage"},
        {"message_id": "u3", "direction": "own", "body": b"{}"},
        {"message_id": "u4", "direction": "out", "party": "other", "body": b"{}"},
    )  # fmt: skip
    lines, receipts = read(engine, RULES["fees"])
    assert receipts == 1
    assert [(one.way, one.id, one.good) for one in lines] == [
        (TO, "r1", True), (FROM, "s1", True), (FROM, sha(b"garbage"), False),
    ]  # fmt: skip
    assert lines[0].digest == sha(b"<FEE/>")


def test_a_service_is_named_by_the_partners_number_of_it(settings: Settings) -> None:
    """Its contract: projectNo is 44 and the case number. A repeat has another time in its head."""
    said = {"case_no": "441400000000202611222000020H", "service_number": 2}
    lines, _ = read(
        keep(settings, {"message_id": "u1", "direction": "out", "body": b"{}", "canonical": said}),
        RULES["evaluation"],
    )
    assert [one.id for one in lines] == ["44441400000000202611222000020H/2"]


def test_a_refusal_that_came_as_a_receipt_counts(settings: Settings) -> None:
    rows = [{"message_id": name, "direction": "out", "body": b"{}"} for name in ("u1", "u2", "u3")]
    engine = keep(settings, *rows, receipts={"u1": "0", "u2": "70"})
    lines, _ = read(engine, RULES["department_a"])
    assert [(one.id, one.good) for one in lines] == [("u1", True), ("u2", False), ("u3", True)]
    assert lines[1].code == "70"


def test_the_partner_side_leaves_out_what_is_no_business_message() -> None:
    plain = {"direction": "received", "id": "c1", "sha256": "aa", "code": "0", "accepted": True, "repeats": 0}
    entries = [
        plain | {"kind": "GetToken", "case": ""},
        plain | {"kind": "QueryIncrement", "case": "", "repeats": 3},
    ]
    (only,) = partner_lines(entries, RULES["provincial_catalogue"])
    assert only == Line(TO, "aa", "aa", True, "0", "QueryIncrement", 3)


def test_a_question_asked_again_after_a_crash_is_no_difference_but_an_unknown_message_is() -> None:
    once_more = [*SAME, line(id="q-2", digest="dd", kind="QueryIncrement")]
    assert compare("sms", SAME, once_more, rule=Rule(reads=frozenset({"QueryIncrement"}))).differences == ()
    assert len(compare("sms", SAME, once_more).differences) == 1
    assert (
        len(compare("sms", once_more, SAME, rule=Rule(reads=frozenset({"QueryIncrement"}))).differences) == 1
    )


def test_a_batch_reported_again_after_a_crash_is_known_by_its_own_name(settings: Settings) -> None:
    rule = RULES["provincial_catalogue"]
    row = {
        "message_id": "m-1", "direction": "out", "type": "catalogue.reported.v1", "body": b"with a new token",
        "canonical": {"batch_id": "b-7"},
    }  # fmt: skip
    ours, _ = read(keep(settings, row), rule)
    kept = {
        "direction": "received", "id": "b-7", "kind": "ReportItems", "case": "", "sha256": "aa", "code": "0",
        "accepted": True, "repeats": 1,
    }  # fmt: skip
    assert compare("province", ours, partner_lines([kept], rule), rule=rule).differences == ()
    for other in (kept | {"id": "b-8"}, kept | {"repeats": 0}, kept | {"accepted": False}):
        assert compare("province", ours, partner_lines([other], rule), rule=rule).differences != ()


def test_a_partner_that_knows_no_message_ids_is_compared_by_case_and_kind() -> None:
    rule = RULES["department_d"]
    entry = {
        "direction": "received",
        "id": "r-1:1",
        "sha256": "aa",
        "code": "1",
        "accepted": True,
        "repeats": 0,
    }
    told = [
        entry | {"kind": "PRE_APASINFO", "case": "c-1"},
        entry | {"kind": "PRE_COMM_FORM", "case": "c-1"},
        entry | {"kind": "PRE_FILE", "case": "c-1"},
    ]
    lines = partner_lines(told, rule)
    assert [one.id for one in lines] == ["PRE_APASINFO c-1", "PRE_FILE c-1"]
    ours = [line(id="PRE_APASINFO c-1", digest="other"), line(id="PRE_FILE c-1", digest="more")]
    assert compare("department_d", ours, lines, rule=rule).differences == ()
    assert len(compare("department_d", ours[:1], lines, rule=rule).differences) == 1
    assert len(compare("department_d", ours, lines, rule=Rule()).differences) == 2, (
        "bytes are looked at elsewhere"
    )


def test_what_a_partner_refused_need_not_be_in_its_record() -> None:
    refused = [replace(line(id="m-9"), good=False, code="70")]
    assert compare("province", refused, []).differences == ()
    assert len(compare("province", [line(id="m-9")], []).differences) == 1
