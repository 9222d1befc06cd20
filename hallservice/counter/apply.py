"""代申请: a case opened at a town's or village's counter for who came there (S0-15, S0-16, S0-55, S0-58).

The agent is recorded apart from the applicant. The papers are taken in by the same act.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, bindparam, select

from canonical.messages import CaseApplied
from canonical.values import RegionCode
from exchange import items
from exchange.errors import Refused
from exchange.store.tables import item
from exchange.store.work import Work
from hallservice import wording
from hallservice.approval.conditions import Fact
from hallservice.counter import catalogue, materials, numbers, receive
from hallservice.counter.form import Check
from hallservice.counter.materials import Material, Seen
from hallservice.counter.projection import document_shown, hashed
from hallservice.counter.receive import Opened
from hallservice.counter.standing import moment, standing_of, tell
from hallservice.counter.tables import hall_case, hall_receipt
from hallservice.hall import Hall
from hallservice.items import following, situations
from hallservice.items.situations import Setup
from hallservice.people.clerk import Clerk
from hallservice.refusals import HallRefused
from ledger.prepared import run

CHANNELS = ("window", "agent")
_ONCE = select(hall_receipt.c.case_no).where(hall_receipt.c.once == bindparam("of"))
_ROW = select(hall_case).where(hall_case.c.case_no == bindparam("of"))
RELATIONS: Mapping[str, str] = {
    "village_agent": "村（社区）代办员", "family": "近亲属", "entrusted": "委托代理人", "guardian": "监护人",
    "staff": "单位经办人",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Application:
    """The form as typed. `channel` window: the applicant came; agent: somebody came for the applicant."""

    item_code: str
    channel: str = "window"
    kind: str = "natural_person"
    name: str = ""
    document_type: str = "resident_id_card"
    document_no: str = ""
    address: str = ""
    contact_name: str = ""
    mobile: str = ""
    summary: str = ""
    agent_name: str = ""
    agent_relation: str = ""
    agent_document_no: str = ""
    identified: str = "seen"  # card: read by the reader, seen: looked at, none
    remark: str = ""


@dataclass(frozen=True, slots=True)
class HandedIn:
    """What came with the form: `seen` speaks of the materials by number, in the order of `asked_for`; the
    answers are those to the item's questions, as typed."""

    seen: tuple[Seen, ...] = ()
    answers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an item in force asks of an applicant who answers so."""

    content: Mapping[str, Any]
    setup: Setup
    answers: Mapping[str, Fact]

    @property
    def situations(self) -> tuple[str, ...]:
        """Those the answers meet."""
        return situations.met(self.setup, self.answers)

    @property
    def item(self) -> dict[str, Any]:
        """The item with the materials of these situations alone (S3-12)."""
        asked = situations.materials_for(self.content, self.answers, self.setup)
        return {**self.content, "materials": asked}


def asked_for(connection: Connection, code: str, answers: Mapping[str, str]) -> Wanted:
    """What the form is made from; FormRefused for an answer of another type, HallRefused unknown_item."""
    version = version_of(connection, code)
    setup = situations.setup_of(connection, code, version)
    content = items.content_of(connection, code, version)
    return Wanted(content, setup, situations.answers_of(setup, answers))


def apply(
    hall: Hall, clerk: Clerk, asked: Application, handed_in: HandedIn = HandedIn(), once: str | None = None
) -> Opened:
    """Open a case and take its papers in. `once` names the form: sent twice it is one case. FormRefused;
    HallRefused item_not_in_force, unknown_item, not_allowed, wrong_place."""
    clerk.expect("counter.apply", clerk.path)
    check = Check()
    payload = _payload(asked, check)
    agent = _agent(hall, asked, check)
    check.text("address", asked.address, "住址", 200, required=False)
    check.done()
    return hall.write(lambda work: _opened(hall, work, clerk, asked, payload, agent, handed_in, once))


def version_of(connection: Connection, code: str) -> int:
    """The version of an item a form may be opened for; HallRefused unknown_item."""
    found = connection.execute(select(item.c.version).where(item.c.code == code, item.c.current)).scalar()
    if found is None:
        raise HallRefused("unknown_item", wording.SAID["unknown_item"], "item_code")
    return int(found)


def _payload(asked: Application, check: Check) -> dict[str, Any]:
    if asked.channel not in CHANNELS:
        check.fault("channel", "bad_choice", "请选择申请方式")
    kind = check.choice("kind", asked.kind, "申请人类型", "applicant_type")
    document = check.choice("document_type", asked.document_type, "证件类型", "document_type")
    _expect_fitting(check, kind, document)
    applicant = {
        "kind": kind,
        "name": check.text("name", asked.name, "申请人姓名或名称", 100),
        "document_type": document,
        "document_no": check.document("document_no", document, asked.document_no),
    }
    contact = {
        "name": check.text("contact_name", asked.contact_name or asked.name, "联系人", 100),
        "mobile": check.mobile("mobile", asked.mobile),
    }
    return {
        "applicant": applicant,
        "contact": contact,
        "summary": check.text("summary", asked.summary, "办理摘要", 1000, required=False),
        "channel": asked.channel,
        "remark": check.text("remark", asked.remark, "备注", 500, required=False) or None,
    }


def _expect_fitting(check: Check, kind: str, document: str) -> None:
    """A person has no credit code, a body no identity card."""
    if kind == "natural_person" and document == "unified_social_credit_code":
        check.fault("kind", "other_document", "自然人没有统一社会信用代码，请改选申请人类型或证件类型")
    elif kind != "natural_person" and document == "resident_id_card":
        check.fault("document_type", "other_document", "申请人不是自然人，请改选统一社会信用代码等证件类型")


def _agent(hall: Hall, asked: Application, check: Check) -> dict[str, str] | None:
    """The agent without the full number: that stays on the letter of authority."""
    if asked.channel != "agent":
        return None
    name = check.text("agent_name", asked.agent_name, "代办人姓名", 100)
    if asked.agent_relation not in RELATIONS:
        check.fault("agent_relation", "required", "请选择代办人与申请人的关系")
    number = check.document(
        "agent_document_no", "resident_id_card", asked.agent_document_no, "代办人证件号码"
    )
    if number and number == asked.document_no.strip().upper():
        check.fault("agent_document_no", "same_person", "代办人与申请人是同一人，请改选“窗口”")
    return {
        "name": name,
        "relation": asked.agent_relation,
        "document": document_shown(number),
        "hash": hashed(hall.hub.pseudonym_key, number),
    }


def _opened(
    hall: Hall,
    work: Work,
    clerk: Clerk,
    asked: Application,
    payload: dict[str, Any],
    agent: dict[str, str] | None,
    handed_in: HandedIn,
    once: str | None,
) -> Opened:
    if once and (known := run(work.connection, _ONCE, {"of": once}).scalar()):
        return receive.opened(work, known)
    _expect_item(work, clerk, asked.item_code)
    wanted = asked_for(work.connection, asked.item_code, handed_in.answers)
    content = wanted.content
    region = RegionCode(content.get("region", clerk.region))
    number = str(numbers.case_number(work, region, asked.channel))
    laid = _materials(work, number, wanted.item, handed_in.seen)
    said = {
        **payload,
        "case_no": number,
        "item_code": asked.item_code,
        "region": content.get("region", clerk.region),
        "item_name": content["name"][:200],
        "summary": payload["summary"] or content["name"],
        "materials": materials.as_messages(laid) if handed_in.seen else [],
        "applied_at": moment(work.now),
        "site": clerk.region,
    }
    tell(hall, work, clerk, CaseApplied.model_validate(said))
    address = asked.address.strip()
    taken = receive.Taken(asked.identified, agent, once, wanted.answers, wanted.situations, address)
    receive.keep(hall, work, clerk, number, taken)
    row = work.connection.execute(_ROW, {"of": number}).one()
    here = standing_of(work.connection, number, row._asdict())
    receive.search_library(hall, work, clerk, here)
    receive.slip(hall, work, clerk, here, laid)
    return receive.opened(work, number)


def _expect_item(work: Work, clerk: Clerk, code: str) -> None:
    """In force today, and received at this counter."""
    try:
        version = items.in_force(work, code).version
    except Refused as fault:
        refused = wording.in_chinese(fault)
        why = following.refusal(work.connection, code) if fault.code == "item_not_in_force" else ""
        raise HallRefused(refused.code, why or refused.said, "item_code") from fault
    if not catalogue.receivable(items.content_of(work.connection, code, version), clerk.region):
        raise HallRefused("wrong_place", "该事项不在本窗口受理范围内，请到事项所属地办理", "item_code")
    if not catalogue.at_level(work.connection, code, version, clerk.region):
        raise HallRefused(
            "wrong_place", "该事项不由本级窗口收件，请到办事指南所列层级的窗口办理", "item_code"
        )


def _materials(
    work: Work, case_no: str, item: Mapping[str, Any], seen: tuple[Seen, ...]
) -> tuple[Material, ...]:
    """The item's materials laid out for the case, with what was handed in."""
    materials.lay_out(work, case_no, item, ())
    check = Check()
    laid = materials.look_at(work, case_no, seen, check)
    check.done()
    return laid
