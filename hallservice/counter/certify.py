"""发证: the certificate asked of the library, and the conclusion (S0-14, S3-45)."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from canonical.casetable import Event
from canonical.messages import CaseConcluded, CaseStep, CertificateRequested
from exchange.clocks import today
from exchange.store.tables import document
from exchange.store.work import Work
from hallservice.counter import notices, standards, waiting
from hallservice.counter.certificate import FUNCTION, Certificate, latest, owed
from hallservice.counter.form import Check
from hallservice.counter.standing import Standing, begin, handled, moment, tell
from hallservice.counter.tables import hall_certificate
from hallservice.hall import Hall
from hallservice.ids import new_id
from hallservice.people.clerk import Clerk
from hallservice.refusals import FieldFault, FormRefused, HallRefused
from ledger.prepared import run

_STEPS = (
    select(document.c.canonical)
    .where(
        document.c.case_no == bindparam("of"),
        document.c.type == CaseStep.TYPE,
        document.c.state == "accepted",
    )
    .order_by(document.c.entry.desc())
)


@dataclass(frozen=True, slots=True)
class Asked:
    """The form: dates as typed; `fields` are what the certificate type defines (name, value); what the case
    says itself may be left blank."""

    name: str
    valid_from: str = ""
    valid_to: str = ""
    fields: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class End:
    """办结 as typed. `without`: why no certificate is given though the item has one; `later`: the certificate
    that is not made in time follows by itself."""

    text: str = ""
    delivery: str = "window"
    without: str = ""
    later: str = ""


def request(hall: Hall, clerk: Clerk, case_no: str, seen: int, asked: Asked) -> str:
    """Ask the certificate library to issue; its request id. HallRefused no_certificate, already_requested,
    fee_first."""

    def act(work: Work) -> str:
        here = begin(work, clerk, case_no, seen, FUNCTION, Event.CERTIFICATE_ISSUED)
        late = _expect_wanted(work, here)
        check = Check()
        name = check.text("name", asked.name, "证照名称", 200)
        first = check.day("valid_from", asked.valid_from, "有效期起", required=False) or today(work.now)
        last = check.day("valid_to", asked.valid_to, "有效期止", required=False)
        if last is not None and last < first:
            check.fault("valid_to", "before", "有效期止不能早于有效期起")
        standard = standards.known(work.connection, here.item["certificate_type"])
        fields = standards.filled(check, standard, dict(asked.fields), here.case)
        check.done()
        ident = new_id(work.now)
        said = _said(work, here, ident, name, first, last)
        tell(hall, work, clerk, CertificateRequested.model_validate({**said, "fields": fields}))
        row = {"request_id": ident, "case_no": case_no, "name": name, "state": "requested"}
        dates = {"valid_from": first.isoformat(), "valid_to": last.isoformat() if last else None}
        asked_at = {"asked_at": work.now, "later": late}
        work.connection.execute(insert(hall_certificate), {**row, **dates, **asked_at})
        return ident

    return hall.write(act)


def wanted(here: Standing) -> bool:
    """Whether the item gives an electronic certificate, and this case gets one."""
    return bool(here.case["facts"]["granted"] and here.item.get("certificate_type"))


def _expect_wanted(work: Work, here: Standing) -> bool:
    """Whether it was left for later when the case was concluded."""
    late = owed(work.connection, here.no) is not None
    if not wanted(here) or (here.state == "concluded" and not late):
        raise HallRefused("no_certificate", "这个办件没有需要制发的电子证照")
    if here.case["facts"]["fee_due"]:
        raise HallRefused("fee_first", "费用还没有确认，不能制证")
    last = latest(work.connection, here.no)
    if last is not None and not last.refused:
        raise HallRefused("already_requested", "已经向电子证照系统提出制证，请等待签发结果")
    return late


def _said(
    work: Work, here: Standing, ident: str, name: str, first: date, last: date | None
) -> dict[str, Any]:
    applicant = here.case["application"]["applicant"]
    return {
        "request_id": ident,
        "case_no": here.no,
        "item_code": here.case["item_code"],
        "type_code": here.item["certificate_type"],
        "name": name,
        "issuer": here.department,
        "issuer_code": here.case["org"],
        "region": here.case["region"],
        "holders": [{key: applicant[key] for key in ("name", "document_type", "document_no")}],
        "issued_on": today(work.now).isoformat(),
        "valid_from": first.isoformat(),
        **({"valid_to": last.isoformat()} if last else {}),
    }


def conclude(hall: Hall, clerk: Clerk, case_no: str, seen: int, end: End = End()) -> str:
    """办结 after the decision: with the certificate where the item gives one, with the reason why not, or,
    where the library takes too long, with the certificate left for later; the number of the notice.

    FormRefused; HallRefused fee_first, certificate_pending, too_early."""
    check = Check()
    said = check.text("text", end.text, "办理结果", 1000, required=False)
    check.choice("delivery", end.delivery, "送达方式", "delivery_mode")
    without = check.text("without", end.without, "不发电子证照的理由", 500, required=False)
    check.done()

    def act(work: Work) -> str:
        here = begin(work, clerk, case_no, seen, FUNCTION, Event.CONCLUDED)
        made = latest(work.connection, case_no)
        late = made if made is not None and made.awaited and end.later else None
        _expect_ready(here, made, without, late)
        if without:
            hall.record(work, clerk, "hall.no_certificate", case_no, {"reason": without}, case_no)
        if late is not None:
            _leave_for_later(hall, work, clerk, here, late)
        payload = {
            **here.head,
            "officer": here.officer(clerk),
            "concluded_at": moment(work.now),
            **_result(here, made, said, without),
        }
        tell(hall, work, clerk, CaseConcluded.model_validate(payload))
        done = made if made is not None and made.issued else None
        decision = _decision(work, clerk, here, done)
        _conclusion(work, clerk, here, done, payload["result_text"], end.delivery)
        return decision

    return hall.write(act)


def _leave_for_later(hall: Hall, work: Work, clerk: Clerk, here: Standing, made: Certificate) -> None:
    """Only of a request that has waited long enough; its wait stands in the ledger."""
    wait = waiting.expect_long(hall, work.connection, made)
    mine = hall_certificate.c.request_id == made.request_id
    work.connection.execute(update(hall_certificate).where(mine).values(later=True))
    what = {"request": made.request_id, "asked_at": moment(wait.since), "days": wait.days, "most": wait.most}
    hall.record(work, clerk, "hall.certificate_later", here.no, what, here.no)


def _expect_ready(here: Standing, made: Certificate | None, without: str, late: Certificate | None) -> None:
    facts = here.case["facts"]
    if facts["granted"] and facts["fee_due"]:
        raise HallRefused("fee_first", "费用还没有确认，不能办结")
    if facts["certified"] or late is not None:
        return
    if made is not None and not made.refused:
        raise HallRefused("certificate_pending", "证照还没有签发，不能办结")
    if wanted(here) and not without:
        why = "这个事项发电子证照：请先申请制证；确实不发的，请写明理由"
        raise FormRefused([FieldFault("without", "required", why)])


def _result(here: Standing, made: Certificate | None, said: str, without: str) -> dict[str, Any]:
    granted = here.case["facts"]["granted"] is not False
    note = f"；未制发电子证照：{without}" if without else ""
    if made is not None and made.awaited:
        note = f"；电子证照“{made.name}”签发后补送，签发时另行短信告知"
    usual = ("准予" if granted else "不予") + ("许可" if is_licence(here) else "办理")
    text = {"result_text": ((said or usual) + note)[:1000]}
    if made is None or not here.case["facts"]["certified"]:
        return {"result": "concluded", **text}
    until = {"certificate_valid_to": made.valid_to} if made.valid_to else {}
    return {
        "result": "certificate_issued",
        "certificate_name": made.name,
        "certificate_no": made.number,
        **until,
        **text,
    }


def is_licence(here: Standing) -> bool:
    """行政许可 by the item's type; a benefit or a confirmation is decided in other words."""
    return bool(here.item.get("kind", "licence") == "licence")


def _decision(work: Work, clerk: Clerk, here: Standing, made: Certificate | None) -> str:
    """准予 or 不予行政许可决定书, 准予 or 不予办理决定书."""
    granted = here.case["facts"]["granted"] is not False
    said: dict[str, Any] = {
        "granted": granted,
        "licence": is_licence(here),
        "applied_on": here.case["application"]["applied_at"][:10],
        "reason": "" if granted else last_opinion(work.connection, here.no),
        "basis": notices.line(str(here.item.get("legal_basis") or "有关法律法规")),
        "remedy": notices.remedy_of(here.case["region"]),
    }
    if made is not None and made.number:
        said["certificate"] = {"name": made.name, "number": made.number}
        said["valid"] = f"{made.valid_from} 至 {made.valid_to or '长期'}"
    return notices.issue(work, clerk, here, "decision", said)


def _conclusion(
    work: Work, clerk: Clerk, here: Standing, made: Certificate | None, result: str, delivery: str
) -> str:
    papers = [{"name": made.name, "number": made.number}] if made is not None and made.number else []
    said = {
        "concluded_at": moment(work.now),
        "result": notices.line(result),
        "papers": papers,
        "delivery": notices.delivery_text(delivery),
    }
    number = notices.issue(work, clerk, here, "conclusion", said)
    handled(work, clerk, here.no, CaseConcluded.TYPE)
    return number


def last_opinion(connection: Connection, case_no: str) -> str:
    """What the last step said; a refusal's reason."""
    said = run(connection, _STEPS, {"of": case_no}).first()
    return str(said.canonical["opinion"]) if said is not None else "不符合法定条件"
