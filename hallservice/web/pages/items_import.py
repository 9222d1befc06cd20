"""Batch import: template, upload, every error by sheet, row and column, confirmation."""

from typing import Any

from starlette.responses import Response

from hallservice.items import importing, layout, workbooks
from hallservice.items.wording import EDIT, IMPLEMENTATION, LISTS
from hallservice.people.organisations import search
from hallservice.refusals import FieldFault, FormRefused, HallRefused
from hallservice.uploads import SHEETS
from hallservice.web.context import XLSX, Context
from hallservice.web.lists import Column
from hallservice.web.pages.items import FIRST, MENU
from hallservice.web.registry import Pages

pages = Pages()
SHOWN = 200
COLUMNS = (Column("工作表"), Column("行", kind="num"), Column("列"), Column("错误"))
LINES = (Column("行", kind="num"), Column("编码"), Column("事项名称"))


@pages.get("/items/import", function=EDIT, title="批量导入", menu=MENU, order=FIRST + 4)
def form(ctx: Context) -> Response:
    template = ctx.one("template")
    if template in LISTS:
        body = workbooks.write(layout.template(template))
        return ctx.file(body, f"{LISTS[template]}导入模板.xlsx", XLSX)
    return ctx.render("items/import.html", **_form(ctx))


def _form(ctx: Context) -> dict[str, Any]:
    bodies = ctx.hall.read(lambda connection: search(connection, ctx.clerk, "", EDIT, 300))
    return {
        "lists": list(LISTS.items()), "orgs": [(one.code, one.name) for one in bodies],
        "list": IMPLEMENTATION, "org": ctx.clerk.unit or ctx.clerk.org,
        "largest": workbooks.LARGEST // (1024 * 1024),
    }  # fmt: skip


@pages.post(
    "/items/import",
    function=EDIT,
    title="批量导入",
    files=1,
    largest=workbooks.LARGEST + 64 * 1024,
    slow=True,
)
def upload(ctx: Context) -> Response:
    try:
        files = ctx.accept(workbooks.FIELD, SHEETS, workbooks.LARGEST)
        if not files:
            raise FormRefused([FieldFault(workbooks.FIELD, "required", "请选择表格文件")])
        given = ctx.form
        staged = importing.stage(
            ctx.hall, ctx.clerk, given.one("list"), given.one("org"), files[0].name, files[0].body
        )
    except HallRefused as refusal:
        return ctx.fault(refusal, "items/import.html", **_form(ctx))
    return ctx.redirect(f"/items/import/{staged}", "表格已读取，尚未生效")


@pages.get("/items/import/{staged}", function=EDIT, title="导入结果", example={"staged": "@item_import"})
def result(ctx: Context) -> Response:
    here = ctx.hall.read(lambda connection: importing.find(connection, ctx.clerk, ctx.path["staged"]))
    if ctx.one("as") == "xlsx":
        return ctx.file(importing.marked(here), f"错误-{here.file_name}", XLSX)
    return ctx.render("items/imported.html", **_result(here))


def _result(here: importing.Staged) -> dict[str, Any]:
    faults = [(one["sheet"], one["row"], one["column"], one["said"]) for one in here.faults[:SHOWN]]
    lines = [
        (no, one["code"] or "（新增）", one["content"].get("name") or "")
        for no, one in enumerate(here.lines[:SHOWN], 1)
    ]
    return {
        "here": here, "columns": COLUMNS, "rows": faults, "line_columns": LINES, "lines": lines,
        "list": LISTS[here.list], "shown": SHOWN,
    }  # fmt: skip


@pages.post("/items/import/{staged}", function=EDIT, title="导入结果")
def decide(ctx: Context) -> Response:
    staged = ctx.path["staged"]
    try:
        if ctx.form.one("do") == "drop":
            importing.drop(ctx.hall, ctx.clerk, staged)
            return ctx.redirect("/items/import", "已放弃本次导入，没有任何改动")
        change = importing.confirm(ctx.hall, ctx.clerk, staged)
    except HallRefused as refusal:
        here = ctx.hall.read(lambda connection: importing.find(connection, ctx.clerk, staged))
        return ctx.fault(refusal, "items/imported.html", **_result(here))
    return ctx.redirect(f"/items/changes/{change}", "已生成一份清单变更，提交审核通过后生效")
