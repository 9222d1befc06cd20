"""Forms of the counter from pre-review to acceptance."""

from typing import Any

from starlette.responses import Response

from canonical.casetable import Event
from hallservice.counter import accept, cards, files, prereview, receive, supplement
from hallservice.counter.prereview import Review
from hallservice.counter.standing import Standing
from hallservice.counter.supplement import Corrected
from hallservice.refusals import FieldFault, FormRefused, HallRefused
from hallservice.web.context import Context
from hallservice.web.forms import Form
from hallservice.web.pages.counter_case import CASE, FILE_COLUMNS, file_cells
from hallservice.web.pages.counter_parts import (
    MATERIAL_COLUMNS,
    Screen,
    card_reader,
    expected,
    identified,
    identities,
    looked,
    material_cells,
    options,
    read_card,
    seen_version,
    the_case,
)
from hallservice.web.registry import Pages

pages = Pages()
ACCEPT, APPLY = "counter.accept", "counter.apply"


def _prereview(ctx: Context, here: Standing) -> dict[str, Any]:
    found = ctx.hall.read(lambda connection: files.of_case(connection, here.no))
    return {
        "columns": MATERIAL_COLUMNS,
        "cells": material_cells(expected(ctx, here)),
        "file_columns": FILE_COLUMNS,
        "files": file_cells(ctx, found),
    }


PREREVIEW = Screen("counter/prereview.html", ACCEPT, _prereview, (Event.PRE_PASSED,))


@pages.get("/cases/{case_no}/prereview", function=ACCEPT, title="预审", example=CASE)
def prereview_form(ctx: Context) -> Response:
    return PREREVIEW.shown(ctx)


@pages.post("/cases/{case_no}/prereview", function=ACCEPT, title="预审")
def prereviewed(ctx: Context) -> Response:
    def act() -> str:
        asked = Review(ctx.form.one("result"), ctx.form.one("said"))
        prereview.pre_review(ctx.hall, ctx.clerk, ctx.path["case_no"], seen_version(ctx.form), asked)
        return "预审结论已提交，申请人会收到短信。"

    return PREREVIEW.acted(ctx, act)


def _receive(ctx: Context, here: Standing) -> dict[str, Any]:
    return {
        "shown": expected(ctx, here),
        "path": "/receive",
        "verb": "接件",
        "identities": identities(ctx),
        "reader": card_reader(ctx) is not None,
        "may_expire": False,
        "again": False,
    }


RECEIVE = Screen("counter/receive.html", APPLY, _receive, (Event.RECEIVED,))


@pages.get("/cases/{case_no}/receive", function=APPLY, title="接件", example=CASE)
def receive_form(ctx: Context) -> Response:
    return RECEIVE.shown(ctx)


@pages.post("/cases/{case_no}/receive", function=APPLY, title="接件")
def received(ctx: Context) -> Response:
    def act() -> str | Response:
        form, seen = ctx.form, seen_version(ctx.form)
        if form.one("do") == "card" and (reader := card_reader(ctx)):
            return _by_card(ctx, reader, RECEIVE, _applicant_no(ctx, APPLY))
        known = identified(ctx, _applicant_no(ctx, APPLY))
        receive.receive(ctx.hall, ctx.clerk, ctx.path["case_no"], seen, looked(form), known)
        return "已接件，请打印收件回执交申请人。"

    return RECEIVE.acted(ctx, act)


def _by_card(ctx: Context, reader: cards.CardReader, screen: Screen, document_no: str) -> Response:
    """The form again, the applicant identified by the card that lies on the reader."""
    card, typed = read_card(ctx, reader)
    cards.confirm(card, document_no)
    ctx.typed = typed
    return screen.shown(ctx)


def _applicant_no(ctx: Context, function: str) -> str:
    return str(the_case(ctx, function).case["application"]["applicant"]["document_no"])


def _accept(ctx: Context, here: Standing) -> dict[str, Any]:
    return {"shown": expected(ctx, here), "deliveries": options("delivery_mode")}


ACCEPTANCE = Screen("counter/accept.html", ACCEPT, _accept, (Event.ACCEPTED,))


@pages.get("/cases/{case_no}/accept", function=ACCEPT, title="受理", example=CASE)
def accept_form(ctx: Context) -> Response:
    return ACCEPTANCE.shown(ctx)


@pages.post("/cases/{case_no}/accept", function=ACCEPT, title="受理")
def accepted(ctx: Context) -> Response:
    acts = {"accept": _accepted, "supplement": _wanted, "refuse": _refused}

    def act() -> str:
        chosen = acts.get(ctx.form.one("do"))
        if chosen is None:
            raise HallRefused("bad_request", "请选择受理、通知补正或不予受理")
        return chosen(ctx, seen_version(ctx.form))

    return ACCEPTANCE.acted(ctx, act)


def _accepted(ctx: Context, seen: int) -> str:
    done = accept.accept(
        ctx.hall, ctx.clerk, ctx.path["case_no"], seen, looked(ctx.form), ctx.form.one("delivery")
    )
    return f"已受理，承诺办结日期 {done.promised_due or '待定'}。请打印受理通知书 {done.doc_no}。"


def _wanted(ctx: Context, seen: int) -> str:
    form = ctx.form
    problems = {
        int(name.removeprefix("problem-")): form.one(name)
        for name in form
        if name.startswith("problem-") and name.removeprefix("problem-").isdecimal() and form.one(name)
    }
    more = [(form.one("more-1"), form.one("more-1-problem"))]
    extra = [pair for pair in more if any(pair)]
    try:
        done = supplement.notify(
            ctx.hall, ctx.clerk, ctx.path["case_no"], seen, problems, extra, form.one("supplement_reason")
        )
    except FormRefused as refusal:
        raise _renamed(refusal, form) from refusal
    return f"已通知补正。请打印补齐补正通知书 {done.doc_no}。"


def _renamed(refusal: FormRefused, form: Form) -> FormRefused:
    """The faults at this page's own fields."""
    names = {"reason": "supplement_reason", "materials": "problem-1" if "problem-1" in form else "more-1"}
    return FormRefused(
        [FieldFault(names.get(one.field, one.field), one.code, one.said) for one in refusal.faults]
    )


def _refused(ctx: Context, seen: int) -> str:
    done = accept.refuse(ctx.hall, ctx.clerk, ctx.path["case_no"], seen, ctx.form.one("reason"))
    return f"已登记不予受理。请打印不予受理通知书 {done.doc_no}。"


def _supplemented(ctx: Context, here: Standing) -> dict[str, Any]:
    same = {"path": "/supplemented", "verb": "补正材料已收", "identities": (), "reader": False}
    shown = _receive(ctx, here) | same | {"may_expire": here.state in supplement.ENDS}
    if here.state != "pre_supplement":
        return shown
    wanted = ctx.hall.read(lambda connection: supplement.wanted(connection, here.no))
    again = {"path": "/resubmitted", "verb": "补正已收，继续办理", "again": True, "wanted": wanted}
    return shown | again | {"identities": identities(ctx), "reader": card_reader(ctx) is not None}


SUPPLEMENTED = Screen("counter/receive.html", ACCEPT, _supplemented, (Event.SUPPLEMENTED, Event.APPLIED))


@pages.get(
    "/cases/{case_no}/supplemented", function=ACCEPT, title="补正续办", example={"case_no": "@sent_back"}
)
def supplemented_form(ctx: Context) -> Response:
    return SUPPLEMENTED.shown(ctx)


@pages.post("/cases/{case_no}/supplemented", function=ACCEPT, title="补正续办")
def supplemented(ctx: Context) -> Response:
    def act() -> Response:
        case_no = ctx.path["case_no"]
        supplement.supplemented(ctx.hall, ctx.clerk, case_no, seen_version(ctx.form), looked(ctx.form))
        return ctx.redirect(f"/cases/{case_no}/accept", "补正材料已收，请继续受理。")

    return SUPPLEMENTED.acted(ctx, act)


@pages.post("/cases/{case_no}/resubmitted", function=ACCEPT, title="补正续办")
def resubmitted(ctx: Context) -> Response:
    """An online application that wants corrections, brought to the window."""

    def act() -> Response:
        form, case_no = ctx.form, ctx.path["case_no"]
        seen, number = seen_version(form), _applicant_no(ctx, ACCEPT)
        if form.one("do") == "card" and (reader := card_reader(ctx)):
            return _by_card(ctx, reader, SUPPLEMENTED, number)
        typed = {name: form.one(name) for name in ("said", "more", "contact_name", "mobile", "summary")}
        said = Corrected(**typed, identified=identified(ctx, number))
        slip = supplement.resubmitted(ctx.hall, ctx.clerk, case_no, seen, looked(form), said)
        printed = f"请打印收件回执 {slip}，" if slip else "请"
        return ctx.redirect(f"/cases/{case_no}/accept", f"补正已登记，{printed}继续受理。")

    return SUPPLEMENTED.acted(ctx, act)


@pages.post("/cases/{case_no}/expired", function=ACCEPT, title="补正续办")
def expired(ctx: Context) -> Response:
    def act() -> str:
        seen, reason = seen_version(ctx.form), ctx.form.one("reason")
        number = supplement.expired(ctx.hall, ctx.clerk, ctx.path["case_no"], seen, reason)
        return f"已登记办结。请打印办结通知书 {number}。"

    return SUPPLEMENTED.acted(ctx, act)
