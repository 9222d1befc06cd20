"""投诉: those who call or come are written down, the portal's stand beside them, each is answered once."""

from typing import Any

from sqlalchemy import Connection, Row
from starlette.responses import Response

from hallservice.complaints import lists, places, reading, register, resolve
from hallservice.complaints.places import HANDLE, REGISTER, STATES, VIEW
from hallservice.complaints.reading import Person
from hallservice.complaints.register import Complaint
from hallservice.counter.form import Check, read
from hallservice.counter.lists import local
from hallservice.counter.materials import label
from hallservice.counter.standing import Standing
from hallservice.people.clerk import Clerk
from hallservice.refusals import FieldFault
from hallservice.web.context import Context
from hallservice.web.lists import Badge, Cell, Column, Filter, Link, Listing, Paging, asked
from hallservice.web.pages.counter_parts import Facts, acted, options
from hallservice.web.registry import Pages

pages = Pages()
GROUP = "投诉"
LIST, NEW, ONE = "/complaints", "/complaints/new", "/complaints/{complaint}"
NEW_PAGE, ONE_PAGE = "complaints/new.html", "complaints/complaint.html"
EXAMPLE = {"complaint": "@complaint", "@as": "supervisor"}
MOST_EXPORT = 5_000  # rows of a spreadsheet
COLUMNS = (
    Column("投诉编号", "number"), Column("来源"), Column("标题", "title"), Column("被投诉单位"),
    Column("投诉人"), Column("手机号码"), Column("登记时间", "registered", "date"),
    Column("状态", kind="act"), Column("认定结果"),
)  # fmt: skip
FILTERS = (
    Filter("source", "来源", options("complaint_source")),
    Filter("state", "状态", tuple(STATES.items())),
    Filter("words", "编号、办件编号、标题或单位"),
)
COURSE = (Column("时间", kind="date"), Column("环节"), Column("办理人"), Column("结果"))
COLOURS = {"registered": "warn", "resolved": "ok"}


@pages.counter("complaints", HANDLE, shared=True)
def waiting(connection: Connection, clerk: Clerk) -> int:
    return lists.waiting(connection, clerk)


@pages.get(LIST, function=VIEW, title="投诉台账", menu=GROUP, order=51, count="complaints")
def listed(ctx: Context) -> Response:
    listing = asked(ctx.query, COLUMNS, FILTERS, "-registered")
    if ctx.one("as") == "xlsx":
        every, _ = _found(ctx, listing, 0, MOST_EXPORT)
        return ctx.sheet("投诉台账", COLUMNS, [_cells(ctx, row) for row in every])
    found, total = _found(ctx, listing, listing.offset, listing.size)
    values: dict[str, Any] = {
        "columns": COLUMNS,
        "filters": FILTERS,
        "rows": [_cells(ctx, row) for row in found],
        "paging": Paging(listing, total),
        "may_register": ctx.clerk.may(REGISTER),
    }
    return ctx.render("complaints/list.html", **values)


def _found(ctx: Context, listing: Listing, offset: int, most: int) -> tuple[list[Row[Any]], int]:
    wanted = lists.Wanted(**listing.wanted)
    rows, total = ctx.hall.read(
        lambda connection: lists.found(
            connection, ctx.clerk, wanted, listing.sort, listing.descending, offset, most
        )
    )
    return list(rows), total


def _cells(ctx: Context, row: Row[Any]) -> tuple[Cell, ...]:
    return (
        Link(ctx.url(_url(row.id)), row.number), label("complaint_source", row.source), row.title,
        places.body_told(row), row.complainant_masked, row.mobile_masked, local(row.registered_at),
        Badge(COLOURS[row.state], STATES[row.state]),
        label("complaint_result", row.result) if row.result else "",
    )  # fmt: skip


def _url(complaint: str) -> str:
    return f"{LIST}/{complaint}"


@pages.get(NEW, function=REGISTER, title="投诉登记", menu=GROUP, order=50)
def form(ctx: Context) -> Response:
    return ctx.render(NEW_PAGE, **_form(ctx, ctx.one("case_no")))


@pages.post(NEW, function=REGISTER, title="投诉登记")
def registered(ctx: Context) -> Response:
    """Written down; or, with do=case, the case of the typed number is shown and nothing is done yet."""
    typed = ctx.form.one("case_no")
    if ctx.form.one("do") == "case":
        ctx.typed = ctx.form
        return ctx.render(NEW_PAGE, **_form(ctx, typed))

    def act() -> Response:
        once = ctx.form.one("act")
        made = register.register(ctx.hall, ctx.clerk, read(Complaint, ctx.form), once=once)
        return ctx.redirect(_url(made.id), f"已登记，投诉编号 {made.number}，请告知投诉人。")

    return acted(ctx, NEW_PAGE, lambda: _form(ctx, typed, faulty=False), act)


def _form(ctx: Context, case_no: str, *, faulty: bool = True) -> dict[str, Any]:
    """With the case of that number; `faulty`: what is wrong with it is said here, nobody else does."""
    check = Check()
    bodies, case = ctx.hall.read(
        lambda connection: (
            places.bodies(connection, ctx.clerk),
            register.case_named(connection, ctx.clerk, case_no, check),
        )
    )
    faults: dict[str, list[FieldFault]] = {"faults": check.faults} if faulty and check.faults else {}
    return {
        **faults,
        "case_no": case_no,
        "case": _case(case) if case else (),
        "bodies": [("", "未指明（由本级处理）"), *bodies],
        "sources": [one for one in options("complaint_source") if one[0] in register.SOURCES],
    }


def _case(case: Standing) -> Facts:
    return (("事项", case.row["item_name"]), ("主管部门", case.department))


@pages.get(ONE, function=VIEW, title="投诉", example=EXAMPLE)
def shown(ctx: Context) -> Response:
    return ctx.render(ONE_PAGE, **_values(ctx))


@pages.post(ONE + "/resolve", function=HANDLE, title="投诉")
def resolved(ctx: Context) -> Response:
    def act() -> Response:
        result, reply = ctx.form.one("result"), ctx.form.one("reply")
        number = resolve.resolve(ctx.hall, ctx.clerk, ctx.path["complaint"], result, reply)
        return ctx.redirect(_url(ctx.path["complaint"]), f"投诉 {number} 已办结。")

    return acted(ctx, ONE_PAGE, lambda: _values(ctx), act)


@pages.post(ONE + "/unmask", function=reading.UNMASKING, title="投诉")
def unmasked(ctx: Context) -> Response:
    def act() -> Response:
        person = reading.unmask(ctx.hall, ctx.clerk, ctx.path["complaint"], ctx.form.one("reason"))
        return ctx.render(ONE_PAGE, **_values(ctx, person))

    return acted(ctx, ONE_PAGE, lambda: _values(ctx), act)


def _values(ctx: Context, person: Person | None = None) -> dict[str, Any]:
    complaint, clerk = ctx.path["complaint"], ctx.clerk
    with ctx.hall.hub.store.read() as connection:
        whole = reading.whole(connection, clerk, complaint)
        steps = reading.course(connection, whole.row)
    row = whole.row
    here = row.path or ""
    return {
        "row": row,
        "facts": _facts(row, person),
        "content": whole.content,
        "answer": _answer(whole) if row.state == "resolved" else (),
        "reply": whole.reply,
        "person": person,
        "may_unmask": reading.may_unmask(clerk, row),
        "may_resolve": row.state == "registered" and clerk.may(HANDLE, here),
        "may_see_case": bool(row.case_no) and clerk.may("case.view"),
        "results": options("complaint_result"),
        "columns": COURSE,
        "course": [(local(one.at), one.what, one.who, one.result) for one in steps],
        "state": Badge(COLOURS[row.state], STATES[row.state]),
    }


def _facts(row: Row[Any], person: Person | None) -> Facts:
    name, mobile = (person.name, person.mobile) if person else (row.complainant_masked, row.mobile_masked)
    return (
        ("来源", label("complaint_source", row.source)),
        ("登记时间", local(row.registered_at)),
        ("被投诉单位", places.body_told(row)),
        ("涉及办件", row.case_no or "无"),
        ("投诉人", name),
        ("手机号码", mobile),
        ("登记人", _taken_by(row)),
    )


def _taken_by(row: Row[Any]) -> str:
    if row.clerk is None:
        return f"由 {row.party} 报送"
    return f"{row.window} 号窗口 {row.clerk}" if row.window else str(row.clerk)


def _answer(whole: reading.Whole) -> Facts:
    row = whole.row
    return (
        ("认定结果", label("complaint_result", row.result)),
        ("办结时间", local(row.resolved_at)),
        ("答复单位", whole.answered_by),
        ("答复人", row.resolved_by),
    )
