"""One case: what it is, its materials, files, notices, fee and course; and what may be done next."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup
from sqlalchemy import Connection, select
from starlette.responses import Response

from hallservice import wording
from hallservice.counter import (
    certificate,
    charge,
    claim,
    deliver,
    files,
    history,
    materials,
    nextstep,
    notices,
    unmask,
)
from hallservice.counter.apply import RELATIONS
from hallservice.counter.lists import COUNTER, local
from hallservice.counter.standing import Standing, sees
from hallservice.counter.tables import hall_found
from hallservice.counter.turneddown import REFUSED
from hallservice.counter.unmask import Person
from hallservice.people import organisations
from hallservice.people.functions import label
from hallservice.refusals import FieldFault, FormRefused, HallRefused
from hallservice.uploads import megabytes
from hallservice.web.context import Context
from hallservice.web.lists import Column
from hallservice.web.pages.counter_parts import (
    COLOURS,
    MATERIAL_COLUMNS,
    Facts,
    acted,
    back,
    case_url,
    expected,
    material_cells,
    renderer,
    the_case,
)
from hallservice.web.pages.counter_parts import facts as facts_of
from hallservice.web.registry import Pages

pages = Pages()
VIEW = "case.view"
CASE = {"case_no": "@case"}
CASE_PAGE = "counter/case.html"
PDF = "application/pdf"
PRINTING = ("counter.apply", "counter.accept", "counter.deliver")
FILE_COLUMNS = (
    Column("材料"), Column("文件"), Column("版本", kind="num"), Column("大小（KB）", kind="num"),
    Column("上传人"), Column("上传时间", kind="date"),
)  # fmt: skip
FOUND_COLUMNS = (
    Column("证照"),
    Column("编号"),
    Column("状态"),
    Column("有效期至", kind="date"),
    Column("持有系统"),
)
HISTORY_COLUMNS = (
    Column("时间", kind="date"), Column("环节"), Column("办理人"), Column("结果"), Column("意见或说明"),
)  # fmt: skip


@pages.get("/cases/{case_no}", function=VIEW, title="办件", example=CASE)
def case(ctx: Context) -> Response:
    return ctx.render(CASE_PAGE, **_values(ctx, the_case(ctx, VIEW)))


@pages.post("/cases/{case_no}/unmask", function="case.unmask", title="办件")
def unmasked(ctx: Context) -> Response:
    def act() -> Response:
        person = unmask.unmask(ctx.hall, ctx.clerk, ctx.path["case_no"], ctx.form.one("reason"))
        return ctx.render(CASE_PAGE, **_values(ctx, the_case(ctx, VIEW), person))

    return _acted(ctx, act)


def _acted(ctx: Context, act: Callable[[], Response]) -> Response:
    """An act of the case's own page."""
    return acted(ctx, CASE_PAGE, lambda: _values(ctx, the_case(ctx, VIEW)), act)


def _values(ctx: Context, here: Standing, person: Person | None = None) -> dict[str, Any]:
    return {
        "row": here.row,
        "state": wording.state(here.state),
        "stage": wording.stage(here.row["stage"]),
        "colour": COLOURS.get(here.state, "info"),
        **_next(ctx, here),
        "claim": _claim(ctx, here),
        "facts": _facts(here, person),
        "person": person,
        "may_open": ctx.clerk.may("counter.apply"),
        "may_unmask": ctx.clerk.may("case.unmask"),
        "may_print": any(
            ctx.clerk.may(code) for code in ("counter.apply", "counter.accept", "counter.deliver")
        ),
        **_papers(ctx, here),
        **ctx.hall.read(lambda connection: _beside(ctx, connection, here)),
    }


def _next(ctx: Context, here: Standing) -> dict[str, Any]:
    """What comes next, and what of it this person may do."""
    found = nextstep.of(here, ctx.hall.read(lambda connection: _beside_of(connection, here)), _ended(here))
    clerk = ctx.clerk
    acts = [
        (case_url(here.no) + one.path, one.text, one.key) for one in found.acts if clerk.may(one.function)
    ]
    missing = "" if acts else "、".join(f"“{label(code)}”" for code in found.functions if not clerk.may(code))
    if here.case["acceptance"] and clerk.may("approval.handle"):
        acts.append((f"/approval/cases/{here.no}", "审批办理", "H"))
    return {"acts": acts, "next": found, "missing": missing}


def _beside_of(connection: Connection, here: Standing) -> nextstep.Beside:
    made = certificate.latest(connection, here.no)
    owner = organisations.by_uscc(connection, here.case["org"])
    owed = certificate.owed(connection, here.no) is not None
    issued = made is not None and made.issued
    return nextstep.Beside(owed, issued, owner is None or owner.has_own_system)


def _ended(here: Standing) -> str:
    code = here.case["facts"]["conclusion"]
    return materials.label("conclusion_result", code) if code else ""


def _claim(ctx: Context, here: Standing) -> dict[str, str] | None:
    """签收 while a case waits at the counter; whoever has it may give it back."""
    if here.row["stage"] not in COUNTER or not ctx.clerk.may("counter.accept"):
        return None
    held = ctx.hall.read(lambda connection: claim.holder(connection, here.no))
    if held is None:
        return {"act": "take", "text": "签收"}
    return {"act": "release", "text": "退还签收"} if held == ctx.clerk.staff_no else None


@pages.post("/cases/{case_no}/claim", function="counter.accept", title="办件")
def claimed(ctx: Context) -> Response:
    def act() -> Response:
        if ctx.form.one("do") == "release":
            claim.release(ctx.hall, ctx.clerk, ctx.path["case_no"])
            return back(ctx, "已退还，其他窗口可以签收。")
        claim.take(ctx.hall, ctx.clerk, ctx.path["case_no"])
        return back(ctx, "已签收。")

    return _acted(ctx, act)


def _facts(here: Standing, person: Person | None) -> Facts:
    shown = (*facts_of(here), *_received(here))
    if person is None:
        return shown
    full = {"申请人": person.name, "证件号码": person.document_no}
    more = (("联系人", person.contact), ("手机号码", person.mobile), ("住址", person.address or "未登记"))
    return (*((name, full.get(name, value)) for name, value in shown), *more)


def _received(here: Standing) -> Facts:
    """By whom and through whom it was taken in."""
    got = here.receipt
    if got is None:
        return ()
    found = [("接件", f"{got['org_name']} {got['window'] or ''} {got['clerk']}")]
    if agent := got["agent"]:
        found.append(("代办人", f"{agent['name']}（{RELATIONS[agent['relation']]}，{agent['document']}）"))
    if got["situations"]:
        found.append(("办理情形", "、".join(got["situations"])))
    return tuple(found)


def _papers(ctx: Context, here: Standing) -> dict[str, Any]:
    shown = expected(ctx, here)
    return {
        "material_columns": MATERIAL_COLUMNS,
        "material_cells": material_cells(shown),
        "material_names": [(one.name, one.name) for one in shown] or [("其他材料", "其他材料")],
        "megabytes": megabytes(files.LARGEST),
        "may_attach": ctx.clerk.may(files.FUNCTION) and here.row["stage"] != "done",
    }


def _beside(ctx: Context, connection: Connection, here: Standing) -> dict[str, Any]:
    fee, made = charge.latest(connection, here.no), certificate.latest(connection, here.no)
    sent = deliver.parcel(connection, here.no)
    return {
        "notices": [_notice(one) for one in notices.of_case(connection, here.no)],
        "money": fee_facts(fee) if fee else (),
        "certificate": certificate_facts(made) if made else (),
        "parcel": parcel_facts(sent) if sent else (),
        "turned_down": _turned_down(here, fee, made, sent),
        "file_columns": FILE_COLUMNS,
        "files": file_cells(ctx, files.of_case(connection, here.no)),
        "found_columns": FOUND_COLUMNS,
        "found": _found(connection, here.no),
        "history_columns": HISTORY_COLUMNS,
        "history": [
            (local(one.at), one.what, one.who, one.result, one.said)
            for one in history.of_case(connection, here)
        ],
    }


def _turned_down(
    here: Standing,
    fee: charge.Fee | None,
    made: certificate.Certificate | None,
    sent: deliver.Parcel | None,
) -> dict[str, str] | None:
    """What a partner refused for good while the case waits for it: whoever may act on it is led there."""
    stage = here.row["stage"]
    if stage == "deliver" and made is not None and made.later and made.refused:
        stage = "certificate"
    found = {
        "fee": ("收费系统", fee.reason if fee and fee.state == REFUSED else "", "/fee"),
        "certificate": ("电子证照系统", made.reason if made and made.refused else "", "/certificate"),
        "deliver": ("快递公司", sent.reason if sent and sent.refused else "", "/deliver"),
    }
    partner, reason, path = found.get(stage, ("", "", ""))
    return {"partner": partner, "reason": reason, "path": path} if reason else None


def _notice(one: notices.Notice) -> dict[str, Any]:
    return {
        "title": one.title,
        "doc_no": one.doc_no,
        "at": local(one.issued_at),
        "by": one.issued_by,
        "copies": one.copies,
    }


def fee_facts(fee: charge.Fee) -> Facts:
    """One request for payment, as it stands."""
    return (
        ("应缴合计（元）", fee.total),
        ("状态", charge.STATES[fee.state]),
        ("减免（元）", f"{fee.reduction}（{fee.reduction_basis}）" if fee.reduction_basis else "无"),
        ("缴款通知书号", fee.notice_no or "尚未取得"),
        ("核价人", fee.verified_by),
        ("缴费期限", fee.due_on),
        ("银行流水号", fee.serial or "—"),
        ("窗口确认人", fee.confirmed_by or "—"),
    )


def certificate_facts(made: certificate.Certificate) -> Facts:
    """One certificate asked for, as it stands."""
    states = {"requested": "已申请，等待签发", "pending_seal": "待签章", "issued": "已签发"}
    states[REFUSED] = "证照系统未受理，可重新申请"
    return (
        ("证照名称", made.name),
        ("状态", states.get(made.state, made.state)),
        ("证照编号", made.number or "—"),
        ("有效期", f"{made.valid_from} 至 {made.valid_to or '长期'}"),
        ("提出时间", local(made.asked_at)),
        *((("办结", "已先行办结，证照后补"),) if made.later else ()),
    )


def parcel_facts(sent: deliver.Parcel) -> Facts:
    """One parcel, as it was tracked last."""
    return (("运单号", sent.waybill_no or "尚未取得"), ("状态", sent.told), ("位置", sent.place or "—"))


def file_cells(ctx: Context, found: tuple[files.File, ...]) -> list[tuple[Any, ...]]:
    """Files with a link to each."""
    return [
        (
            one.material,
            Opened(ctx, one),
            one.version,
            max(one.size // 1024, 1),
            one.by,
            local(one.at),
        )
        for one in found
    ]


@dataclass(frozen=True)
class Opened:
    """A cell with a button that opens a file: reading one is an act, so it is posted."""

    ctx: Context
    one: files.File

    def __html__(self) -> str:
        action = self.ctx.url(f"/cases/{self.one.case_no}/file")
        return FILE_FORM.format(action, self.ctx.guard(), self.one.id, self.one.name)

    def __str__(self) -> str:
        return self.one.name


FILE_FORM = Markup(
    '<form class="inline" method="post" action="{}">{}<input type="hidden" name="id" value="{}">'
    '<button class="plain">{}</button></form>'
)


def _found(connection: Connection, case_no: str) -> list[tuple[Any, ...]]:
    rows = connection.execute(select(hall_found).where(hall_found.c.case_no == case_no))
    return [
        (
            row.name,
            row.number_masked,
            materials.label("certificate_state", row.state),
            row.valid_to or "长期",
            row.held_by or "电子证照库",
        )
        for row in rows
    ]


def _expect_own(ctx: Context, here: Standing) -> None:
    """The paper is one of this case; HallRefused unknown_notice."""
    known = ctx.hall.read(lambda connection: notices.of_case(connection, here.no))
    if ctx.form.one("no") not in {one.doc_no for one in known}:
        raise HallRefused("unknown_notice", "没有这份文书", "doc_no")


@pages.post("/cases/{case_no}/paper", function=VIEW, title="文书", once=False, draft=False, slow=True)
def paper(ctx: Context) -> Response:
    """The original to look at: it names the applicant, so that looking is an act."""
    here = the_case(ctx, VIEW)
    _expect_own(ctx, here)
    body = notices.shown(ctx.hall, ctx.clerk, ctx.form.one("no"), renderer(ctx))
    return ctx.file(body, f"{here.no}.pdf", PDF, inline=True)


@pages.post("/cases/{case_no}/print", function=PRINTING, once=False, slow=True)
def printed(ctx: Context) -> Response:
    """One copy more, as PDF for the printer; by who works at the counter of this very case."""
    here = the_case(ctx, VIEW)
    if not any(sees(ctx.clerk, code, here.row["org_path"], here.row["site_path"]) for code in PRINTING):
        raise HallRefused("not_allowed", "您没有此项权限")
    _expect_own(ctx, here)
    body = notices.printed(ctx.hall, ctx.clerk, ctx.form.one("no"), renderer(ctx))
    return ctx.file(body, f"{here.no}.pdf", PDF, inline=True)


@pages.post(
    "/cases/{case_no}/files", function=files.FUNCTION, title="办件", files=5, largest=48 * 1024 * 1024,
    slow=True,
)  # fmt: skip
def attach(ctx: Context) -> Response:
    def act() -> Response:
        folder, material = ctx.hall.settings.files, ctx.form.one("material")
        sent = ctx.accept("file", largest=files.LARGEST)
        if not sent:
            raise FormRefused([FieldFault("file", "required", "请选择要上传的文件")])
        for one in sent:
            files.attach(ctx.hall, ctx.clerk, folder, ctx.path["case_no"], material, one)
        return back(ctx, f"已上传 {len(sent)} 个附件。")

    return _acted(ctx, act)


@pages.post("/cases/{case_no}/file", function=VIEW, title="附件", once=False, draft=False)
def file(ctx: Context) -> Response:
    found, body = files.fetch(ctx.hall, ctx.clerk, ctx.hall.settings.files, ctx.form.one("id"))
    return ctx.file(body, found.name, found.media_type)
