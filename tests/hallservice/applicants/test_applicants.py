"""The register of applicants: found by whole numbers, seen where their cases are, read by acts."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from canonical.itemcodes import complete_credit_code
from canonical.values import complete_id_number
from exchange.errors import TryLater
from hallservice.applicants import beside, contacts, exporting, keeping, person, seeing
from hallservice.applicants.contacts import Correction
from hallservice.applicants.seeing import Listed, Wanted
from hallservice.complaints import register
from hallservice.complaints.register import Complaint
from hallservice.hall import Hall
from hallservice.people.clerk import Clerk
from hallservice.refusals import FormRefused, HallRefused
from tests.exchange.core.rig import ID_NUMBER, MOBILE, NAME, ORG, PLAIN_ITEM, Core, Story, case_number
from tests.hallservice.counter.counter import PLAIN, Desk

People = Callable[[str], Clerk]
SECOND = str(complete_id_number("44149919851231012"))
AGENT = str(complete_id_number("44149919750606003"))
FIRM = str(complete_credit_code("91441499XX0000011"))
OTHER_FIRM = str(complete_credit_code("91441499XX0000029"))
ALL = Wanted()
COMPANY = replace(
    PLAIN, kind="enterprise", name="梅州市试验（食品）有限公司", document_type="unified_social_credit_code",
    document_no=FIRM, contact_name="陈经办", mobile="13800000031",
)  # fmt: skip
FOR_HER = replace(
    PLAIN, name="丘试", document_no=SECOND, channel="agent", agent_name="代办甲", agent_document_no=AGENT,
    agent_relation="village_agent",
)  # fmt: skip


def listed(hall: Hall, clerk: Clerk, wanted: Wanted = ALL, size: int = 20, after: str = "") -> list[Listed]:
    """The register, page by page."""
    page = hall.read(lambda c: seeing.found(c, hall.hub.pseudonym_key, clerk, wanted, after, size))
    rest = listed(hall, clerk, wanted, size, page.next) if page.next else []
    return [*page.rows, *rest]


def sought(hall: Hall, clerk: Clerk, words: str) -> list[str]:
    """Masked names of whom these words find."""
    return [one.name for one in listed(hall, clerk, Wanted(keeping.known_by(hall.hub.pseudonym_key, words)))]


def acts(hub: Core, *kinds: str) -> list[tuple[str, Any]]:
    """Kind and value of the acts in the ledger, in their order."""
    rows = hub.rows("SELECT leaf, body FROM act JOIN ledger_entry ON seq = entry ORDER BY entry")
    named = [(row, next((one for one in kinds if f'"{one}"'.encode() in row["leaf"]), None)) for row in rows]
    return [(kind, json.loads(row["body"])["what"]) for row, kind in named if kind]


def everything_kept(hub: Core) -> str:
    """Every value in the tables of the hall, as the database has it."""
    with hub.hub.store.engine.connect() as connection:
        ask = connection.exec_driver_sql
        names = (
            ask("SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'hall%'").scalars().all()
        )
        return str([ask(f"SELECT * FROM {name}").all() for name in names])  # noqa: S608 - of our own tables


def rebuilt(hub: Core) -> None:
    """What was kept step by step is what the messages say."""
    key, tables = hub.hub.pseudonym_key, ("hall_applicant", "hall_applicant_case")
    before = [hub.rows(f"SELECT * FROM {table} ORDER BY 1, 2") for table in tables]  # noqa: S608 - of our own tables
    hub.hub.store.write(lambda work: keeping.rebuild(work, key))
    assert [hub.rows(f"SELECT * FROM {table} ORDER BY 1, 2") for table in tables] == before  # noqa: S608 - of our own tables


def refused(act: Callable[[], Any]) -> str:
    with pytest.raises(HallRefused) as refusal:
        act()
    return refusal.value.code


@pytest.mark.req("S0-04")
def test_persons_and_bodies_are_found_by_whole_names_and_numbers_alone(
    hall: Hall, hub: Core, desk: Desk
) -> None:
    clerk = desk.clerk()
    for form in (PLAIN, PLAIN, COMPANY, FOR_HER):
        hub.clock.on(60)
        desk.opened(form)
    rows = listed(hall, clerk)
    assert [(one.name, one.role, one.cases, one.kind) for one in rows] == [
        ("丘*", "applicant", 1, "natural_person"), ("代**", "agent", 1, "natural_person"),
        ("梅州市试验（食品）有限公司", "applicant", 1, "enterprise"),
        ("测***", "applicant", 2, "natural_person"),
    ]  # fmt: skip
    assert rows[3].document == ID_NUMBER[:4] + "*" * 10 + ID_NUMBER[-4:]
    assert [one.id for one in listed(hall, clerk, size=1)] == [one.id for one in rows], (
        "page by page the same"
    )
    for words in (NAME, ID_NUMBER, ID_NUMBER.lower(), f" {ID_NUMBER[:6]} {ID_NUMBER[6:]}"):
        assert sought(hall, clerk, words) == ["测***"]
    for words in (
        COMPANY.name,
        "梅州市试验(食品)有限公司",
        FIRM,
        "".join(chr(ord(c) + 0xFEE0) for c in FIRM),
    ):
        assert sought(hall, clerk, words) == [COMPANY.name]
    assert sought(hall, clerk, AGENT) == ["代**"]
    for part in (NAME[:2], ID_NUMBER[:-1], ID_NUMBER[-4:], "%", "", "*", "测***", FIRM[:17]):
        assert sought(hall, clerk, part) == []
    kinds = {"natural_person": 3, "enterprise": 1, "institution": 0}
    assert {kind: len(listed(hall, clerk, Wanted(kind=kind))) for kind in kinds} == kinds
    assert [one.name for one in listed(hall, clerk, Wanted(role="agent"))] == ["代**"]
    kept = everything_kept(hub)
    for number in (ID_NUMBER, SECOND, AGENT, FIRM):
        assert number not in kept, "a number stands in the application and nowhere else"
    rebuilt(hub)


@pytest.mark.req("S0-04")
def test_a_clerk_of_another_county_sees_nothing_and_learns_nothing(
    hall: Hall, hub: Core, desk: Desk, clerk_as: People
) -> None:
    desk.opened(PLAIN)
    (mine,) = listed(hall, desk.clerk())
    other = clerk_as("other")
    assert listed(hall, other) == [] == sought(hall, other, ID_NUMBER)

    def look(clerk: Clerk, applicant: str) -> str:
        return refused(lambda: hall.read(lambda c: seeing.look(c, clerk, applicant)))

    codes = {look(other, one) for one in (mine.id, "x" * 24)}
    assert codes == {"unknown_applicant"}, "one of another county is as one who never came"
    assert refused(lambda: person.unmask(hall, other, mine.id, "查看")) == "unknown_applicant"
    assert refused(lambda: contacts.correct(hall, other, mine.id, Correction(mobile=MOBILE, reason="到场"))) \
        == "unknown_applicant"  # fmt: skip
    assert person.call_up(hall, other, "resident_id_card", ID_NUMBER) is None
    assert acts(hub, "hall.unmasked", "hall.applicant_sought") == [
        ("hall.applicant_sought", {"found": False})
    ]
    for role in ("approver", "editor", "administrator"):
        assert listed(hall, clerk_as(role)) == []
        assert look(clerk_as(role), mine.id) == "not_allowed"
        assert (
            refused(lambda role=role: person.call_up(hall, clerk_as(role), "passport", "E1")) == "not_allowed"
        )
    blind = replace(desk.clerk(), scopes={k: v for k, v in desk.clerk().scopes.items() if k != "case.unmask"})
    assert refused(lambda: person.call_up(hall, blind, "resident_id_card", ID_NUMBER)) == "not_allowed"
    assert refused(lambda: person.unmask(hall, blind, mine.id, "查看")) == "not_allowed"


def test_numbers_are_not_guessed_without_the_key(hall: Hall, desk: Desk) -> None:
    """Whoever has the table and the number cannot find the row; one number on two documents is two people."""
    desk.opened(PLAIN)
    (mine,) = listed(hall, desk.clerk())
    key = hall.hub.pseudonym_key
    real = keeping.identity(key, "resident_id_card", keeping.known_by(key, ID_NUMBER))
    assert mine.id == real and re.fullmatch(r"[A-Za-z0-9_-]{24}", real)
    guessed = b"\0" * len(key)
    assert keeping.identity(guessed, "resident_id_card", keeping.known_by(guessed, ID_NUMBER)) != real
    assert keeping.identity(key, "passport", keeping.known_by(key, ID_NUMBER)) != real
    desk.opened(replace(PLAIN, name="另一人", document_type="passport", document_no="E1234567"))
    desk.opened(
        replace(PLAIN, name="第三人", document_type="foreign_residence_permit", document_no="E1234567")
    )
    assert sorted(sought(hall, desk.clerk(), "e1234567")) == ["另**", "第**"]


@pytest.mark.req("S0-04")
def test_reading_in_full_is_an_act_and_gives_what_was_told_last(hall: Hall, hub: Core, desk: Desk) -> None:
    desk.opened(replace(PLAIN, address="梅江区试验路1号"))
    clerk = desk.clerk()
    (mine,) = listed(hall, clerk)
    assert refused(lambda: person.unmask(hall, clerk, mine.id, " ")) == "form"
    found = person.unmask(hall, clerk, mine.id, "电话核对")
    assert (found.name, found.document_no, found.mobile, found.address) == (
        NAME, ID_NUMBER, MOBILE, "梅江区试验路1号",
    )  # fmt: skip
    assert (found.born, found.sex) == ("1990-03-07", "女" if int(ID_NUMBER[16]) % 2 == 0 else "男")
    assert acts(hub, "hall.unmasked") == [("hall.unmasked", {"reason": "电话核对"})]
    assert NAME not in str(hub.rows("SELECT body FROM act")) and ID_NUMBER not in str(
        hub.rows("SELECT * FROM act")
    )


@pytest.mark.req("S0-04")
def test_contact_data_is_corrected_with_who_and_when_and_nothing_is_overwritten(
    hall: Hall, hub: Core, desk: Desk, clerk_as: People
) -> None:
    desk.opened(replace(PLAIN, address="旧址1号"))
    clerk = desk.clerk()
    (mine,) = listed(hall, clerk)
    for wrong, field in (
        (Correction(mobile="12", reason="到场"), "mobile"), (Correction(mobile=MOBILE), "reason"),
        (Correction(reason="到场"), "contact_name"),
        (Correction(address="路" * 201, reason="到场"), "address"),
        (Correction(contact_name="甲\u202e乙", reason="到场"), "contact_name"),
    ):  # fmt: skip
        with pytest.raises(FormRefused) as refusal:
            contacts.correct(hall, clerk, mine.id, wrong)
        assert [fault.field for fault in refusal.value.faults] == [field]
    hub.clock.on(60)
    contacts.correct(hall, clerk, mine.id, Correction(mobile="13800000041", reason="本人到场"))
    hub.clock.on(60)
    contacts.correct(
        hall, desk.clerk("clerk2"), mine.id, Correction("新联系人", address="新址22号东侧", reason="来电")
    )
    history = hall.read(lambda c: contacts.history(c, clerk, mine.id))
    assert [(one.clerk, one.reason, one.masked()) for one in history] == [
        ("窗口乙", "来电", {"contact_name": "新***", "address": "新址22号东****"}),
        ("窗口甲", "本人到场", {"mobile": "138****0041"}),
    ]  # fmt: skip
    assert history[0].at - history[1].at == 60
    found = person.unmask(hall, clerk, mine.id, "核对")
    assert (found.contact_name, found.mobile, found.address) == ("新联系人", "13800000041", "新址22号东侧")
    kept = everything_kept(hub)
    for told in ("13800000041", "新联系人", "新址22号"):
        assert told not in kept and told.encode("unicode_escape").decode() not in kept, "sealed at rest"
    assert [what["fields"] for _, what in acts(hub, "hall.applicant_corrected")] == [
        ["mobile"], ["address", "contact_name"],
    ]  # fmt: skip
    hub.clock.on(60)
    desk.opened(replace(PLAIN, mobile="13800000051"))
    found = person.unmask(hall, clerk, mine.id, "核对")
    assert (found.mobile, found.address) == ("13800000051", "新址22号东侧"), "what was said last of each"
    hub.hub.store.write(
        lambda work: work.connection.exec_driver_sql("UPDATE hall_applicant_contact SET told = zeroblob(64)")
    )
    with pytest.raises(TryLater, match="value_damaged"):
        hall.read(lambda c: contacts.history(c, clerk, mine.id))


@pytest.mark.req("S0-04", "S0-16")
def test_agents_stand_with_those_they_act_for(hall: Hall, desk: Desk, hub: Core, clerk_as: People) -> None:
    for form in (FOR_HER, replace(FOR_HER, name=NAME, document_no=ID_NUMBER), FOR_HER):
        hub.clock.on(60)
        desk.opened(form, role="town")
    hub.clock.on(60)
    desk.opened(replace(FOR_HER, agent_relation="family"), role="clerk")
    clerk = desk.clerk()
    by_name = {one.name: one for one in listed(hall, clerk)}
    acted = hall.read(lambda c: beside.acted_for(c, clerk, by_name["代**"].id))
    town, county = clerk_as("town").org_name, clerk.org_name
    assert [(one.name, one.relation, one.site, one.cases) for one in acted] == [
        ("丘*", "family", county, 1), ("丘*", "village_agent", town, 2), ("测***", "village_agent", town, 1),
    ]  # fmt: skip
    came = hall.read(lambda c: beside.acted_by(c, clerk, by_name["丘*"].id))
    assert [(one.name, one.relation, one.site, one.cases) for one in came] == [
        ("代**", "family", county, 1), ("代**", "village_agent", town, 2),
    ]  # fmt: skip
    agent = person.unmask(hall, clerk, by_name["代**"].id, "核对")
    assert agent.name == "代办甲" and agent.document_no == AGENT[:4] + "*" * 10 + AGENT[-4:]
    assert person.call_up(hall, clerk, "resident_id_card", AGENT) is None, "never applied for herself"
    in_town = clerk_as("town")
    acted = hall.read(lambda c: beside.acted_for(c, in_town, by_name["代**"].id))
    assert [one.relation for one in acted] == ["village_agent"] * 2, "what the town took in"
    rebuilt(hub)


@pytest.mark.req("S0-04")
def test_names_that_do_not_fit_their_code_are_flagged(hall: Hall, desk: Desk, clerk_as: People) -> None:
    for form in (COMPANY, replace(COMPANY, name="梅州市试验(食品)有限公司")):
        desk.opened(form)
    (mine,) = listed(hall, desk.clerk())
    assert (mine.names, mine.namesakes, mine.cases) == (1, 0, 2), "brackets make no other name"
    desk.opened(replace(COMPANY, name="梅州市改名食品有限公司"))
    desk.opened(replace(COMPANY, document_no=OTHER_FIRM))
    rows = {one.document: one for one in listed(hall, desk.clerk())}
    doubts = {keeping.document_shown(FIRM): (2, 1), keeping.document_shown(OTHER_FIRM): (1, 1)}
    assert {shown: (one.names, one.namesakes) for shown, one in rows.items()} == doubts
    assert len(listed(hall, desk.clerk(), Wanted(doubt="names"))) == 1
    assert len(listed(hall, desk.clerk(), Wanted(doubt="namesakes"))) == 2
    assert listed(hall, desk.clerk(), Wanted(doubt="x")) == []
    names = hall.read(lambda c: beside.names(c, desk.clerk(), mine.id))
    assert {name for name, _ in names} >= {"梅州市改名食品有限公司"} and len(names) == 2
    others = hall.read(lambda c: seeing.namesakes(c, desk.clerk(), mine.id))
    assert [number for _, number in others] == [keeping.document_shown(OTHER_FIRM)]
    for name in ("梅江区市场监督管理局", "梅江区市监局"):
        desk.opened(replace(COMPANY, kind="government_organ", name=name, document_no=ORG))
        (office,) = listed(hall, desk.clerk(), Wanted(kind="government_organ"))
        said = hall.read(
            lambda c, one=office.id: beside.body_named(c, hall.hub.pseudonym_key, desk.clerk(), one)
        )
        assert said == ("" if name == "梅江区市场监督管理局" else "梅江区市场监督管理局")
    for form in (PLAIN, replace(PLAIN, document_no=SECOND)):
        desk.opened(form)
    people = listed(hall, desk.clerk(), Wanted(kind="natural_person"))
    assert [one.namesakes for one in people] == [0, 0], "two people may have one name"


@pytest.mark.req("S0-04")
def test_cases_certificates_complaints_and_messages_stand_beside_them(
    hall: Hall, hub: Core, desk: Desk, clerk_as: People
) -> None:
    no = desk.accepted(PLAIN)
    clerk = desk.clerk()
    (mine,) = listed(hall, clerk)
    told = (Complaint("visit", no, "", "等得太久", "等了一小时。", "别人", "13800000061"),
            Complaint("telephone", "", ORG, "没人接电话", "无人接听。", NAME, MOBILE),
            Complaint("telephone", "", ORG, "别人的事", "无关。", NAME, "13800000062"))  # fmt: skip
    for one in told:
        register.register(hall, clerk, one)
    titles = [row.title for row in hall.read(lambda c: beside.complaints(c, clerk, mine.id))]
    assert sorted(titles) == ["没人接电话", "等得太久"]
    said = hall.read(lambda c: beside.messages(c, clerk, mine.id))
    assert [(one.template, one.mobile, one.status) for one in said] == [
        ("accepted", "138****8017", "requested"), ("applied", "138****8017", "requested"),
    ]  # fmt: skip
    assert [row.case_no for row in hall.read(lambda c: beside.cases(c, clerk, mine.id))] == [no]
    blind = replace(clerk, scopes={k: v for k, v in clerk.scopes.items() if k in (seeing.VIEW,)})
    for ask in (beside.cases, beside.certificates, beside.messages):
        assert list(hall.read(lambda c, ask=ask: ask(c, blind, mine.id))) == [], "who may not open cases"
    assert hall.read(lambda c: beside.complaints(c, replace(blind, staff_no="X"), mine.id)) == []


@pytest.mark.req("S0-04")
def test_no_bulk_leaves_without_its_right_and_an_act(
    hall: Hall, hub: Core, desk: Desk, clerk_as: People
) -> None:
    for form in (PLAIN, COMPANY):
        desk.opened(form)
    clerk = desk.clerk()
    assert refused(lambda: exporting.export(hall, clerk, Wanted(), "汇总")) == "not_allowed"
    top = clerk.scopes[seeing.VIEW]
    may = replace(clerk, scopes={**clerk.scopes, seeing.EXPORT: top})
    assert refused(lambda: exporting.export(hall, may, Wanted(), "")) == "form"
    rows = exporting.export(hall, may, Wanted(kind="enterprise"), "核对单位")
    assert [one.name for one in rows] == [COMPANY.name] and FIRM not in str(rows)
    ((_, what),) = acts(hub, "hall.exported")
    assert (what["rows"], what["reason"], what["filters"]["kind"]) == (1, "核对单位", "enterprise")
    elsewhere = replace(may, scopes={**may.scopes, seeing.EXPORT: ("/4414/441403/",)})
    assert exporting.export(hall, elsewhere, Wanted(), "汇总") == [], "where the right is held"


def test_a_name_of_fifty_rare_characters(hall: Hall, hub: Core, desk: Desk) -> None:
    rare = "𠅤㛃䶮𬬭𡐓𰻝𪚥𫖯𫍯𬍛" * 5
    desk.opened(replace(PLAIN, name=rare))
    clerk = desk.clerk()
    (mine,) = listed(hall, clerk)
    assert mine.name == "𠅤" + "*" * 7
    assert sought(hall, clerk, rare) == [mine.name] and sought(hall, clerk, rare[:-1]) == []
    known = person.call_up(hall, clerk, "resident_id_card", ID_NUMBER)
    assert known is not None and known.name == known.contact_name == rare
    assert len(rare) == 50


def test_an_application_handed_in_again_names_anew(hall: Hall, hub: Core, desk: Desk) -> None:
    """Online: after a pre-review that wants more the applicant's own document was corrected."""
    story = Story(case_number(77), PLAIN_ITEM)
    hub.party("web", sends=("case.applied.v1",))
    hub.ok("web", "case.applied.v1", story.applied(channel="online"))
    first = listed(hall, desk.clerk("clerk"))
    hub.party("office", sends=("case.pre_reviewed.v1",))
    hub.ok("office", "case.pre_reviewed.v1", story.pre_reviewed("supplement"))
    right = {
        "kind": "natural_person",
        "name": NAME,
        "document_type": "resident_id_card",
        "document_no": SECOND,
    }
    hub.ok("web", "case.applied.v1", story.applied(channel="online", applicant=right))
    (now,) = listed(hall, desk.clerk("clerk"))
    assert [one.cases for one in first] == [1] and now.document.endswith(SECOND[-4:])
    assert sought(hall, desk.clerk(), ID_NUMBER) == []
    rebuilt(hub)
