"""What each kind of paper says, as a sheet: one small function a kind, the sentences in wording.toml."""

from collections.abc import Iterable
from functools import singledispatch
from typing import NamedTuple

from hallservice.papers import kinds, parts
from hallservice.papers.sheet import (
    Blanks,
    Block,
    Facts,
    Heading,
    Paragraph,
    Sheet,
    Signature,
    day_text,
    limit_text,
    time_text,
)
from hallservice.papers.tables import fees, findings, materials, named_papers, wanted
from hallservice.papers.wording import Wording

RECEIVED = Blanks(("签收人", "签收时间"))


class Said(NamedTuple):
    """The title and what stands between the head and the end of the page."""

    title: str
    blocks: tuple[Block, ...]


def sheet_of(paper: kinds.Paper, wording: Wording) -> Sheet:
    """The paper without code and copy mark."""
    said = content(paper, wording)
    addressee = paper.applicant if isinstance(paper, kinds.CasePaper) else getattr(paper, "target", "")
    return Sheet(said.title, paper.department, paper.doc_no, addressee, said.blocks)


@singledispatch
def content(paper: kinds.Paper, wording: Wording) -> Said:
    """Registered for every kind below."""
    raise TypeError(type(paper).__name__)


@content.register
def _(paper: kinds.Acceptance, wording: Wording) -> Said:
    return Said(
        wording.title("acceptance"),
        (
            Paragraph(wording.text("acceptance", "opening", item=paper.item)),
            facts(paper, ("受理时间", time_text(paper.accepted_at)), ("受理部门", paper.department),
                  *window(paper), ("承诺时限", limit_text(paper.promised)), ("送达方式", paper.delivery)),
            Heading(wording.text("acceptance", "materials")),
            materials(paper.materials),
            signature(paper),
            RECEIVED,
        ),
    )  # fmt: skip


@content.register
def _(paper: kinds.Refusal, wording: Wording) -> Said:
    title = wording.title("refusal")
    return Said(
        title,
        (
            Paragraph(wording.text("refusal", "opening", item=paper.item)),
            facts(
                paper,
                ("受理时间", time_text(paper.received_at)),
                ("受理部门", paper.department),
                *window(paper),
            ),
            Heading("不予受理的理由"),
            *lines(paper.reason),
            Paragraph(remedy(paper.remedy, title, wording)),
            signature(paper),
            RECEIVED,
        ),
    )


@content.register
def _(paper: kinds.Supplement, wording: Wording) -> Said:
    return Said(
        wording.title("supplement"),
        (
            Paragraph(wording.text("supplement", "opening", item=paper.item)),
            facts(paper, ("受理时间", time_text(paper.received_at)), ("受理部门", paper.department),
                  *window(paper), ("承诺时限", limit_text(paper.promised))),
            Heading(wording.text("supplement", "materials")),
            wanted(paper.materials),
            *lines(paper.reason),
            signature(paper),
            RECEIVED,
        ),
    )  # fmt: skip


@content.register
def _(paper: kinds.SpecialProcedure, wording: Wording) -> Said:
    return Said(
        wording.title("special"),
        (
            Paragraph(wording.text("special", "opening", item=paper.item, procedure=paper.procedure)),
            facts(paper, ("特别程序", paper.procedure), ("开始日期", day_text(paper.starts_on)),
                  ("所需时间", limit_text(paper.lasts) if paper.lasts else wording.text("special", "lasts")),
                  ("法律依据", paper.basis), *window(paper)),
            Heading("理由"),
            *lines(paper.reason),
            signature(paper),
            RECEIVED,
        ),
    )  # fmt: skip


@content.register
def _(paper: kinds.Extension, wording: Wording) -> Said:
    return Said(
        wording.title("extension"),
        (
            Paragraph(wording.text("extension", "opening", item=paper.item)),
            facts(paper, ("延长时间", limit_text(paper.by)), ("原定期限", day_text(paper.due_before)),
                  ("延长后期限", day_text(paper.due_now)), ("批准人", paper.approver), *window(paper)),
            Heading("延长期限的理由"),
            *lines(paper.reason),
            signature(paper),
            RECEIVED,
        ),
    )  # fmt: skip


@content.register
def _(paper: kinds.Payment, wording: Wording) -> Said:
    return Said(
        wording.title("payment"),
        (
            Paragraph(wording.text("payment", "opening", item=paper.item)),
            facts(paper, ("缴款人", paper.payer), ("执收单位编码", paper.unit_code),
                  ("缴款码", paper.pay_code), ("缴费地点", paper.bank),
                  ("缴费期限", day_text(paper.pay_by) if paper.pay_by else ""),
                  ("核价人", paper.verified_by), *window(paper)),
            Heading(wording.text("payment", "fees")),
            fees(paper),
            signature(paper),
            Blanks(("银行收讫", "窗口确认")),
        ),
    )  # fmt: skip


@content.register
def _(paper: kinds.Decision, wording: Wording) -> Said:
    section = ("granted" if paper.granted else "denied") + ("" if paper.licence else "_other")
    title = wording.title(section)
    values = {"item": paper.item, "applied_on": day_text(paper.applied_on), "basis": paper.basis}
    named = paper.certificate
    return Said(
        title,
        (
            Paragraph(wording.text(section, "opening", **values)),
            *lines(paper.reason),
            facts(paper, ("证照名称", named.name if named else ""),
                  ("证照编号", named.number if named else ""), ("有效期限", paper.valid), *window(paper)),
            Paragraph(remedy(paper.remedy, title, wording)),
            signature(paper),
            RECEIVED,
        ),
    )  # fmt: skip


@content.register
def _(paper: kinds.Conclusion, wording: Wording) -> Said:
    return Said(
        wording.title("conclusion"),
        (
            Paragraph(wording.text("conclusion", "opening", item=paper.item)),
            facts(paper, ("办结时间", time_text(paper.concluded_at)), ("办理结果", paper.result),
                  ("送达方式", paper.delivery), *window(paper)),
            *named_papers(wording.text("conclusion", "papers"), paper.papers),
            signature(paper),
            RECEIVED,
        ),
    )  # fmt: skip


@content.register
def _(paper: kinds.Collection, wording: Wording) -> Said:
    return Said(
        wording.title("collection"),
        (
            Paragraph(wording.text("collection", "opening", item=paper.item)),
            facts(paper, ("领取地点", paper.place), ("领取时间", paper.hours), ("携带证件", paper.bring),
                  ("领取期限", day_text(paper.until) if paper.until else ""), *window(paper)),
            *named_papers(wording.text("collection", "papers"), paper.papers),
            signature(paper),
            Blanks(("领取人", "领取时间")),
        ),
    )  # fmt: skip


@content.register
def _(paper: kinds.DeliveryReceipt, wording: Wording) -> Said:
    return Said(
        wording.title("delivery_receipt"),
        (
            Paragraph(wording.text("delivery_receipt", "opening")),
            facts(paper, ("办理事项", paper.item), ("受送达人", paper.applicant), ("送达方式", paper.method),
                  ("送达地点", paper.place), ("送达人", "、".join(paper.servers)), *window(paper)),
            *named_papers(wording.text("delivery_receipt", "papers"), paper.papers),
            signature(paper),
            Blanks(("受送达人（代收人）签名", "代收人与受送达人的关系", "收到时间", "备注")),
        ),
    )  # fmt: skip


@content.register
def _(paper: kinds.Receiving, wording: Wording) -> Said:
    return Said(
        wording.title("receiving"),
        (
            Paragraph(wording.text("receiving", "opening", item=paper.item)),
            facts(paper, ("收件时间", time_text(paper.received_at)), ("收件部门", paper.department),
                  *window(paper), ("查询密码", paper.query_password), ("查询地址", paper.query_address)),
            Heading(wording.text("receiving", "materials")),
            materials(paper.materials),
            Paragraph(wording.text("receiving", "closing")),
            signature(paper),
        ),
    )  # fmt: skip


@content.register
def _(paper: kinds.UrgeOrder, wording: Wording) -> Said:
    found = (
        (Heading(wording.text("urge_order", "findings")), findings(paper.findings)) if paper.findings else ()
    )
    return Said(
        wording.title("urge_order"),
        (
            *lines(paper.content),
            *found,
            Paragraph(wording.text("urge_order", "closing", reply_by=day_text(paper.reply_by))),
            signature(paper, f"联系人：{paper.contact}"),
            Blanks(("签收人", "签收时间", "办理情况")),
        ),
    )


@content.register
def _(paper: kinds.QueueSlip, wording: Wording) -> Said:
    name = "appointment" if paper.slot else "queue"
    waiting = "" if paper.waiting is None else f"{paper.waiting}人"
    slot = f"{day_text(paper.slot.on)} {paper.slot.start}—{paper.slot.end}" if paper.slot else ""
    rows = (("办理业务", paper.service), ("预约时段", slot), ("办理区域", paper.area), ("前面等候", waiting),
            ("地点", paper.place), ("打印时间", time_text(paper.issued_at)))  # fmt: skip
    closing = paper.note or wording.text("slip", f"{name}_closing")
    title = wording.titles.get("slip") or wording.text("slip", name)
    return Said(title, (Facts((("号码", paper.ticket), *filled(rows))), Paragraph(closing)))


def facts(paper: kinds.CasePaper, *rows: tuple[str, str]) -> Facts:
    """The case number first; rows without a value are left out."""
    return Facts((("业务编号", paper.case_no), *filled(rows)))


def filled(rows: Iterable[tuple[str, str]]) -> Iterable[tuple[str, str]]:
    return [row for row in rows if row[1]]


def window(paper: kinds.CasePaper) -> tuple[tuple[str, str], ...]:
    at = paper.window
    return (("窗口人员", at.staff + (f"（{at.name}）" if at.name else "")), ("联系电话", at.phone))


def lines(text: str) -> Iterable[Paragraph]:
    """One paragraph a line; empty lines are left out."""
    return [Paragraph(line) for line in text.split("\n") if line.strip()]


def remedy(where: parts.Remedy, title: str, wording: Wording) -> str:
    this = "决定书" if title.endswith("决定书") else wording.notice
    return wording.text("remedy", "text", this=this, **where.model_dump())


def signature(paper: kinds.Issued, *more: str) -> Signature:
    return Signature(paper.department, day_text(paper.issued_at), more)
