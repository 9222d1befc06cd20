"""What the counter turns away, and what it shows to whom."""

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import insert, text

from exchange.clocks import today
from hallservice.counter import (
    accept,
    apply,
    cards,
    charge,
    claim,
    files,
    lists,
    materials,
    notices,
    overlay,
    prereview,
    progress,
    projection,
    standing,
)
from hallservice.counter import receive as receiving
from hallservice.counter import unmask as unmasking
from hallservice.counter.apply import HandedIn
from hallservice.counter.cards import IdCard
from hallservice.counter.lists import Wanted
from hallservice.counter.materials import Seen
from hallservice.counter.prereview import Review
from hallservice.counter.projection import hashed
from hallservice.items.tables import hall_item
from hallservice.papers.overlay import shipped_layouts
from hallservice.refusals import FormRefused, HallRefused
from hallservice.uploads import check
from tests.exchange.core.rig import (
    ID_NUMBER,
    ITEM,
    MOBILE,
    NAME,
    ORG,
    START,
    Story,
    case_number,
    service_item,
)
from tests.hallservice.counter.conftest import MATERIALS
from tests.hallservice.counter.counter import FORM, PLAIN, WHOLE, Desk, Reader

MATERIAL_NAMES = [one["name"] for one in MATERIALS]


def refused(act: Callable[[], Any]) -> HallRefused:
    with pytest.raises(HallRefused) as found:
        act()
    return found.value


def test_every_field_of_the_form_says_what_is_wrong_with_it(desk: Desk) -> None:
    wrong = replace(
        FORM, name="", document_no=ID_NUMBER[:-1] + ("0" if ID_NUMBER[-1] != "0" else "1"), mobile="12345",
        channel="agent", agent_relation="", agent_name="甲" * 101, agent_document_no=ID_NUMBER,
    )  # fmt: skip
    found = refused(lambda: desk.opened(wrong))
    assert isinstance(found, FormRefused)
    assert {one.field: one.code for one in found.faults} == {
        "name": "required", "contact_name": "required", "document_no": "check_digit", "mobile": "bad_form",
        "agent_name": "too_long", "agent_relation": "required",
    }  # fmt: skip
    assert next(one.said for one in found.faults if one.field == "document_no") == (
        "证件号码的校验位不符，请核对是否录错"
    )
    assert desk.core.value("SELECT count(*) FROM case_record") == 0


def test_what_no_paper_can_carry_is_refused_at_its_field(desk: Desk) -> None:
    for name in ("a\u202eb", "甲\n乙", "\x00", "null", "z" + "\u0301" * 9, "\u200b", "甲" * 101):
        form = replace(FORM, name=name, contact_name="乙")
        assert [one.field for one in refused(partial(desk.opened, form)).faults] == ["name"], name


def test_a_body_has_no_identity_card_and_a_person_no_credit_code(desk: Desk) -> None:
    for change, field in (
        ({"kind": "enterprise"}, "document_type"),
        ({"document_type": "unified_social_credit_code", "document_no": ORG}, "kind"),
    ):
        found = refused(partial(desk.opened, replace(FORM, **change)))
        assert [(one.field, one.code) for one in found.faults] == [(field, "other_document")]
    body = {"kind": "enterprise", "document_type": "unified_social_credit_code", "document_no": ORG}
    assert desk.stage(desk.opened(replace(FORM, **body)).case_no) == ("submitted", "accept")


def test_full_width_figures_of_an_input_method_are_read(desk: Desk) -> None:
    wide = str.maketrans("0123456789", "０１２３４５６７８９")
    form = replace(
        FORM, document_no=f" {ID_NUMBER.translate(wide)}　", mobile="138 0013 8017".translate(wide)
    )
    no = desk.opened(form).case_no
    assert unmasking.unmask(desk.hall, desk.clerk(), no, "核对").document_no == ID_NUMBER


@pytest.mark.req("S3-11")
def test_no_case_of_an_item_that_is_not_in_force_and_the_version_is_pinned(desk: Desk) -> None:
    no = desk.opened().case_no
    assert desk.core.value("SELECT item_version FROM case_record WHERE case_no = :no", no=no) == 2
    suspended = service_item(ITEM, 3, "suspended")
    desk.core.catalogue(suspended, to=3)
    assert refused(lambda: desk.opened()).code == "item_not_in_force"
    expired = service_item(ITEM, 4, cancelled_on="2026-03-02")
    desk.core.catalogue(expired, to=4)
    assert refused(lambda: desk.opened()).code == "item_not_in_force"
    assert refused(lambda: desk.opened(replace(FORM, item_code="1" * 31))).code == "unknown_item"
    accept.accept(desk.hall, desk.clerk(), no, desk.seen(no), WHOLE)  # by its own version, 10 working days
    assert desk.core.due(no)["promised_due"] == "2026-03-16"


@pytest.mark.req("S0-13", "S3-25")
def test_a_clerk_acts_on_the_own_cases_with_the_own_rights_alone(desk: Desk) -> None:
    assert refused(lambda: desk.opened(role="other")).code == "wrong_place"
    no = desk.opened(role="village").case_no
    seen = desk.seen(no)
    for role, code in (("other", "unknown_case"), ("approver", "not_allowed"), ("auditor", "not_allowed")):
        found = refused(lambda role=role: accept.accept(desk.hall, desk.clerk_as(role), no, seen, WHOLE))
        assert found.code == code, role
    assert (
        refused(lambda: unmasking.unmask(desk.hall, desk.clerk("supervisor"), no, "核对")).code
        == "not_allowed"
    )
    with desk.core.hub.store.read() as connection:
        for role, sees in (("clerk", 1), ("village", 1), ("approver", 1), ("health", 0), ("other", 0)):
            assert lists.counts(connection, desk.clerk_as(role))["accept"] == sees, role
            found = lists.search(connection, desk.clerk_as(role), Wanted(case_no=no))
            assert len(found.rows) == sees, role
    accept.accept(
        desk.hall, desk.clerk("village"), no, seen, WHOLE
    )  # received in the village, accepted there


def test_an_act_out_of_order_is_refused_in_words(desk: Desk) -> None:
    no = desk.accepted()
    found = refused(lambda: accept.accept(desk.hall, desk.clerk(), no, desk.seen(no), WHOLE))
    assert (found.code, found.said) == ("state_forbids", "办件现在是“已受理”，不能这样办理")
    assert refused(lambda: desk.concluded(no)).code == "state_forbids"
    assert refused(lambda: desk.collected(no)).code == "state_forbids"
    assert refused(lambda: desk.requested(no)).code == "no_fee_due"


def test_of_two_clerks_the_second_hears_who_was_first_and_when(desk: Desk) -> None:
    no = desk.opened().case_no
    seen = desk.seen(no)
    answers: list[Any] = []

    def act(role: str) -> None:
        try:
            answers.append(accept.accept(desk.hall, desk.clerk(role), no, seen, WHOLE))
        except HallRefused as fault:
            answers.append(fault)

    clerks = [threading.Thread(target=act, args=(role,)) for role in ("clerk", "clerk2")]
    for one in clerks:
        one.start()
    for one in clerks:
        one.join(30)
    lost = [one for one in answers if isinstance(one, HallRefused)]
    assert len(answers) == 2 and [one.code for one in lost] == ["overtaken"]
    assert "先办理了这个办件，现在是“已受理”" in lost[0].said and "03-02 09:30:00" in lost[0].said
    assert lost[0].said.startswith(("窗口甲", "窗口乙"))
    assert desk.core.value("SELECT count(*) FROM hall_notice WHERE kind = 'acceptance'") == 1


def test_a_form_sent_twice_opens_one_case(desk: Desk) -> None:
    first = apply.apply(desk.hall, desk.clerk(), FORM, HandedIn(WHOLE), once="form-1")
    again = apply.apply(desk.hall, desk.clerk(), FORM, HandedIn(WHOLE), once="form-1")
    assert again == first and desk.core.value("SELECT count(*) FROM case_record") == 1
    second = apply.apply(desk.hall, desk.clerk(), FORM, HandedIn(WHOLE), once="form-2")
    assert int(second.case_no[21:27]) == int(first.case_no[21:27]) + 1


def test_a_claim_names_who_has_it_and_can_be_given_back(desk: Desk) -> None:
    no = desk.opened().case_no
    claim.take(desk.hall, desk.clerk(), no)
    assert "窗口甲" in refused(lambda: claim.take(desk.hall, desk.clerk("clerk2"), no)).said
    with desk.core.hub.store.read() as connection:
        assert lists.todo(connection, desk.clerk(), "accept").rows[0].claimed_by == "窗口甲"
    claim.release(desk.hall, desk.clerk(), no)
    claim.take(desk.hall, desk.clerk("clerk2"), no)


@pytest.mark.req("S3-23", "S3-26", "S3-28")
def test_an_online_application_is_pre_reviewed_then_received_with_the_card(desk: Desk) -> None:
    desk.partner("library", "certificates")
    desk.core.party("front", sends=("case.applied.v1",))
    story = Story(case_number(1), ITEM)
    desk.core.ok("front", "case.applied.v1", story.applied(channel="online", materials=[]))
    assert desk.stage(story.no) == ("submitted", "prereview")
    found = refused(
        lambda: prereview.pre_review(
            desk.hall, desk.clerk(), story.no, desk.seen(story.no), Review("supplement")
        )
    )
    assert [one.field for one in found.faults] == ["said"]
    prereview.pre_review(desk.hall, desk.clerk(), story.no, desk.seen(story.no), Review("passed"))
    assert desk.stage(story.no) == ("pre_accepted", "receive")
    sent = desk.core.rows("SELECT canonical FROM document WHERE type = 'sms.requested.v1' ORDER BY entry")
    assert json.loads(sent[-1]["canonical"])["template"] == "pre_passed"
    clerk, reader = desk.clerk(), Reader(IdCard(NAME, ID_NUMBER, valid_to=START.date() + timedelta(days=1)))
    cards.confirm(cards.read(reader, clerk, START.date()), ID_NUMBER)
    receiving.receive(desk.hall, desk.clerk(), story.no, desk.seen(story.no), (), "card")
    assert desk.stage(story.no) == ("pre_accepted", "accept")
    asked = json.loads(desk.core.outbox("type = 'certificate.searched.v1'")[0]["payload"])
    assert asked["holder"]["name"] == NAME and asked["purpose"] == "办理食品经营许可核验申请材料"
    answer = {"request_id": asked["request_id"], "case_no": story.no, "certificates": [
        {"identifier": CERTIFICATE, "name": "营业执照", "number": "91441402MA4X", "holder_name": NAME,
         "valid_from": "2024-01-01", "state": "valid"}]}  # fmt: skip
    desk.answers("library", "certificate.found.v1", answer)
    row = desk.core.rows("SELECT * FROM hall_material WHERE no = 2")[0]
    assert (row["status"], row["received_as"], row["certificate"]) == (
        "received", "certificate_library", CERTIFICATE,
    )  # fmt: skip


CERTIFICATE = "1.2.156.3005.2.114414020072081005001.114414020072081005.0000000017.001.S"


def test_what_a_card_reader_cannot_do_is_said_in_words(desk: Desk) -> None:
    card = IdCard(NAME, ID_NUMBER, valid_to=START.date() + timedelta(days=1))
    clerk, late = desk.clerk(), START.date() + timedelta(days=2)
    readers = {"card_expired": Reader(card), "no_card": Reader(None), "no_reader": Reader(card, away=True)}
    for code, reader in readers.items():
        assert refused(partial(cards.read, reader, clerk, late)).code == code
    assert refused(lambda: cards.confirm(card, MOBILE)).code == "other_person"
    assert cards.at_window(Reader(card), desk.clerk(window="A02")) is None  # none stands there
    assert cards.at_window(Reader(card), desk.clerk(window=None)) is None
    assert cards.at_window(None, clerk) is None and cards.at_window(object(), clerk) is None


SETUP = {
    "questions": [{"name": "seats", "label": "座位数", "type": "integer", "options": []}],
    "situations": [
        {
            "name": "大型",
            "description": "",
            "condition": {"test": "compare", "field": "seats", "op": "ge", "value": 50},
        }
    ],
    "materials": {"平面布局图": ["大型"]},
    "formulas": {
        "103044": {"kind": "tiered", "unit": "座", "tiers": [{"upto": "10", "rate": "2"}, {"rate": "1"}]}
    },
}


@pytest.mark.req("S3-12")
def test_answers_decide_which_materials_an_item_asks_for_and_formulas_what_it_costs(desk: Desk) -> None:
    kept(desk, SETUP)
    for seats, names in (("12", ["食品经营许可申请书", "营业执照", "健康证明"]), ("50", MATERIAL_NAMES)):
        handed_in = HandedIn((Seen(1, "received", checked=(1,)),), {"seats": seats})
        no = apply.apply(desk.hall, desk.clerk(), FORM, handed_in).case_no
        with desk.core.hub.store.read() as connection:
            assert [one.name for one in materials.of(connection, no)] == names
            here = standing.look(connection, desk.clerk(), no, "case.view")
            computed = charge.compute(charge.standards(connection, here), charge.Asked({"103044": seats}))
        assert str(computed.total) == {"12": "22.00", "50": "60.00"}[seats]  # 10 x 2 + 2 x 1; 10 x 2 + 40 x 1
        assert here.receipt is not None and here.receipt["situations"] == (["大型"] if seats == "50" else [])
    wrong = refused(lambda: apply.apply(desk.hall, desk.clerk(), FORM, HandedIn((), {"seats": "many"})))
    assert [one.field for one in wrong.faults] == ["seats"]


def kept(desk: Desk, setup: dict[str, Any]) -> None:
    """The item as the hall's own list has it."""
    row = {
        "list": "implementation", "code": ITEM, "version": 2, "state": "in_use", "current": True, "name": "x",
        "kind": "licence", "org": "441402-scj", "org_path": "/", "region": "441402000000", "category": "",
        "above": "", "content": {}, "setup": setup, "successors": [], "change": "c", "published_at": 0.0,
    }  # fmt: skip
    desk.hall.write(lambda work: work.connection.execute(insert(hall_item), row).rowcount)


@pytest.mark.req("S0-56", "S0-57")
def test_lists_count_page_filter_and_mask(desk: Desk) -> None:
    numbers = []
    for at in range(5):
        desk.core.clock.on(60)
        numbers.append(desk.opened(PLAIN if at % 2 else FORM).case_no)
    desk.core.clock.on(60)
    accept.accept(desk.hall, desk.clerk(), numbers[0], desk.seen(numbers[0]), WHOLE)
    key = desk.core.hub.pseudonym_key
    with desk.core.hub.store.read() as connection:
        counted = lists.counts(connection, desk.clerk())
        assert counted == dict.fromkeys(lists.COUNTER, 0) | {"accept": 4}
        first = lists.todo(connection, desk.clerk(), "accept", size=3)
        rest = lists.todo(connection, desk.clerk(), "accept", after=first.next, size=3)
        assert [row.case_no for row in (*first.rows, *rest.rows)] == numbers[1:] and rest.next == ""
        masked = f"4414{'*' * 10}{ID_NUMBER[-4:]}"
        assert {(row.applicant, row.document) for row in first.rows} == {("测***", masked)}
        done = lists.done(connection, desk.clerk())
        assert [row.case_no for row in done.rows] == [numbers[0], *numbers[:0:-1]]
        assert done.rows[0].told() == "已受理" and done.rows[0].supervised(START.date()) == "正常"
        assert done.rows[0].supervised(today(START.timestamp()) + timedelta(days=15)) == "超期"
        assert lists.done(connection, desk.clerk("clerk2")).rows == ()
        by_person = lists.search(connection, desk.clerk(), Wanted(who=hashed(key, ID_NUMBER), item="户外"))
        assert [row.case_no for row in by_person.rows] == [numbers[3], numbers[1]]
        assert (
            lists.search(connection, desk.clerk(), Wanted(who=hashed(key, NAME), state="accepted"))
            .rows[0]
            .stage
            == "approve"
        )
        assert lists.search(connection, desk.clerk(), Wanted(who=hashed(key, "测试"))).rows == ()
        assert lists.search(connection, desk.clerk(), Wanted(since="2026-03-03")).rows == ()


def test_rows_follow_a_new_calendar_and_an_organisation_that_moved(desk: Desk) -> None:
    no = desk.accepted(PLAIN)

    def change(work: Any) -> int:
        work.connection.execute(text("UPDATE case_record SET promised_due = '2026-03-17'"))
        work.connection.execute(text("UPDATE hall_org SET path = '/4414/x/' WHERE code = '441402-scj'"))
        return projection.refresh(work, desk.core.hub.pseudonym_key)

    assert desk.hall.write(change) == 1
    row = desk.core.rows("SELECT promised_due, org_path FROM hall_case WHERE case_no = :no", no=no)[0]
    assert row == {"promised_due": "2026-03-17", "org_path": "/4414/x/"}
    assert desk.hall.write(lambda work: projection.refresh(work, desk.core.hub.pseudonym_key)) == 0


@pytest.mark.req("R-05")
def test_the_banner_counts_what_is_due(desk: Desk) -> None:
    desk.accepted(PLAIN)  # due 16 March
    found = []
    for days in (11, 12, 14, 15):
        desk.core.clock.to(START + timedelta(days=days))
        with desk.core.hub.store.read() as connection:
            one = lists.pressing(desk.hall, connection, desk.clerk())
            found.append((one.soon, one.today, one.over))
    assert found == [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)]


@pytest.mark.req("S3-49")
def test_progress_by_number_and_password_and_no_more(desk: Desk) -> None:
    opened = desk.opened(PLAIN)
    told = progress.of(desk.hall, f" {opened.case_no.lower()}", opened.query_password, "10.0.0.1")
    assert (told.state, told.item_name, [mark.what for mark in told.marks]) == (
        "已申请",
        "户外广告备案",
        ["申请"],
    )
    wrong = "000000" if opened.query_password != "000000" else "000001"
    unknown = case_number(999)
    said = {refused(lambda: progress.of(desk.hall, opened.case_no, wrong, "10.0.0.2")).said}
    said.add(refused(lambda: progress.of(desk.hall, unknown, wrong, "10.0.0.2")).said)
    said.add(refused(lambda: progress.of(desk.hall, opened.case_no, "", "10.0.0.2")).said)
    assert said == {"办件编号或查询密码不正确"}
    for _ in range(4):
        refused(lambda: progress.of(desk.hall, opened.case_no, wrong, "10.0.0.3"))
    assert refused(lambda: progress.of(desk.hall, opened.case_no, wrong, "10.0.0.3")).code == "wrong"
    for number in (opened.case_no, unknown):
        asked = partial(progress.of, desk.hall, number, wrong, "10.0.0.3")
        assert "too_many" in {refused(asked).code for _ in range(6)}
    assert (
        refused(lambda: progress.of(desk.hall, opened.case_no, opened.query_password, "10.0.0.3")).code
        == "too_many"
    )
    assert progress.of(desk.hall, opened.case_no, opened.query_password, "10.0.0.4").case_no == opened.case_no
    desk.core.clock.on(progress.WINDOW)
    assert progress.of(desk.hall, opened.case_no, opened.query_password, "10.0.0.3").case_no == opened.case_no


def test_a_hundred_addresses_do_not_find_a_query_password(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Six digits: within the quarter hours alone 1,920 could be tried a day at one case."""
    opened = desk.opened(PLAIN)

    def tried(no: str, client: str) -> str:
        return refused(lambda: progress.of(desk.hall, no, "x", client)).code

    codes = []
    for _ in range(4):
        codes += [tried(opened.case_no, f"20.0.{n}.1") for n in range(21)]
        desk.core.clock.on(3600)
    assert codes.count("wrong") == 60
    # From one address over all cases; of IPv6 the network counts.
    assert progress.MOST["client-day"] == (300, 86_400)
    monkeypatch.setattr(progress, "MOST", {**progress.MOST, "client-day": (50, progress.DAY)})
    codes = []
    for hour in range(2):
        codes += [tried(case_number(500 + 31 * hour + n), f"2a01:db8::{hour}") for n in range(31)]
        desk.core.clock.on(3600)
    assert codes.count("wrong") == 50
    desk.core.clock.on(progress.DAY)
    assert progress.of(desk.hall, opened.case_no, opened.query_password, "2a01:db8::1")
    tried(opened.case_no, "20.9.9.9")
    assert desk.core.value("SELECT count(*) FROM hall_query_attempt") <= 10  # the old ones are gone


@pytest.mark.req("S3-93")
def test_reading_a_person_unmasked_leaves_its_line_in_the_ledger(desk: Desk) -> None:
    no = desk.opened().case_no
    assert refused(lambda: unmasking.unmask(desk.hall, desk.clerk(), no, "")).faults[0].field == "reason"
    person = unmasking.unmask(desk.hall, desk.clerk(), no, "核对证件")
    assert (person.name, person.document_no, person.mobile) == (NAME, ID_NUMBER, MOBILE)
    acts = [
        row
        for row in desk.core.rows("SELECT body FROM act")
        if b"\\u6838" in row["body"] or "核对证件".encode() in row["body"]
    ]
    assert len(acts) == 1
    desk.core.verified()


def test_a_notice_is_printed_on_demand_counted_and_the_same_bytes(desk: Desk) -> None:
    no = desk.opened().case_no
    doc = accept.accept(desk.hall, desk.clerk(), no, desk.seen(no), WHOLE).doc_no
    made: list[int] = []

    def render(paper: Any, copy: int) -> tuple[bytes, str]:
        made.append(copy)
        return f"{paper.doc_no} {copy}".encode(), "d" * 64

    first = notices.printed(desk.hall, desk.clerk(), doc, render)
    notices.printed(desk.hall, desk.clerk(), doc, render)
    assert notices.shown(desk.hall, desk.clerk(), doc, render) == first and made == [1, 2, 1]
    row = desk.core.rows("SELECT copies, pdf_sha256 FROM hall_notice WHERE doc_no = :no", no=doc)[0]
    assert row == {"copies": 2, "pdf_sha256": "d" * 64}
    assert (
        refused(lambda: notices.printed(desk.hall, desk.clerk("other"), doc, render)).code == "unknown_case"
    )
    numbers = [
        row["doc_no"]
        for row in desk.core.rows("SELECT doc_no FROM hall_notice ORDER BY issued_at, kind DESC")
    ]
    assert numbers == ["（441402）收字〔2026〕000001号", "（441402）受字〔2026〕000001号"]


@pytest.mark.req("R-07", "S3-45")
def test_overlay_printing_fills_what_the_case_knows_and_is_recorded(desk: Desk) -> None:
    layout = shipped_layouts()["food-permit"]
    early = desk.accepted()
    placed: list[Mapping[str, str]] = []

    def place(
        _layout: Any, values: Mapping[str, str], _at: Any, shift: tuple[float, float]
    ) -> tuple[bytes, str]:
        placed.append({**values, "shift": str(shift)})
        return b"%PDF-", "d" * 64

    asked = overlay.Asked({"permit_no": "JY14414", "address": "江南路 1 号"}, "1.5", "-2")
    found = refused(lambda: overlay.printed(desk.hall, desk.clerk(), early, layout, asked, place))
    assert found.code == "too_early" and not placed
    no = desk.decided(PLAIN)
    assert overlay.printed(desk.hall, desk.clerk(), no, layout, asked, place) == b"%PDF-"
    assert (placed[0]["operator"], placed[0]["permit_no"]) == (NAME, "JY14414")
    assert placed[0]["shift"] == "(1.5, -2.0)"
    wrong = overlay.Asked({}, "far")
    assert (
        refused(lambda: overlay.printed(desk.hall, desk.clerk(), no, layout, wrong, place)).faults[0].field
        == "right"
    )
    assert b"hall.overlay_printed" in desk.core.leaves()[-1]
    other = overlay.Asked({"operator": "别人", "permit_no": "JY14414"})
    overlay.printed(desk.hall, desk.clerk(), no, layout, other, place)
    bodies = [row["body"] for row in desk.core.rows("SELECT body FROM act ORDER BY entry")]
    told = [json.loads(body)["what"]["instead"] for body in bodies if b'"instead"' in body]
    assert told == [[], ["operator"]]


def test_files_are_kept_by_digest_never_changed_and_sent_on(desk: Desk, tmp_path: Any) -> None:
    no = desk.opened().case_no
    folder = tmp_path / "files"
    for body in (b"%PDF-1.7 one", b"%PDF-1.7 two"):
        checked = check("file", "../照 片.pdf", body)
        last = files.attach(desk.hall, desk.clerk(), folder, no, "营业执照", checked)
    assert (last.version, last.name, last.media_type) == (2, "照 片.pdf", "application/pdf")
    found, body = files.fetch(desk.hall, desk.clerk(), folder, last.id)
    assert body == b"%PDF-1.7 two" and found.sha256 == last.sha256
    sent = desk.core.rows("SELECT canonical FROM document WHERE type = 'case.attached.v1' ORDER BY entry")
    assert [json.loads(row["canonical"])["version"] for row in sent] == [1, 2]
    large = check("file", "a.pdf", b"%PDF-" + b"x" * files.LARGEST)
    fault = refused(lambda: files.attach(desk.hall, desk.clerk(), folder, no, "营业执照", large))
    assert [(one.field, one.code) for one in fault.faults] == [("file", "too_large")]
    assert (
        refused(lambda: files.fetch(desk.hall, desk.clerk("other"), folder, last.id)).code == "unknown_case"
    )
    (folder / last.sha256[:2] / last.sha256).write_bytes(b"%PDF-1.7 changed")
    assert refused(lambda: files.fetch(desk.hall, desk.clerk(), folder, last.id)).code == "file_damaged"
