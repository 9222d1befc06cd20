"""预约管理: the bookings of a day, the slots of the site, booking for somebody at the counter."""

from typing import Any

from starlette.responses import Response

from exchange.clocks import today
from hallservice.counter import appoint, catalogue, slots
from hallservice.counter.appoint import Person
from hallservice.counter.form import read
from hallservice.counter.slots import FUNCTION, Rule
from hallservice.refusals import HallRefused
from hallservice.typed import day_in
from hallservice.web.context import Context
from hallservice.web.pages.counter_apply import COLUMNS, item_cells
from hallservice.web.pages.counter_parts import acted, options
from hallservice.web.registry import Pages

pages = Pages()
HOME, BOOK = "/counter/appointments", "/counter/appointments/book"
HOME_PAGE, BOOK_PAGE = "counter/appointments.html", "counter/book.html"


@pages.get(HOME, function=FUNCTION, title="预约管理", menu="窗口", order=40)
def day(ctx: Context) -> Response:
    return ctx.render(HOME_PAGE, **_day(ctx))


def _day(ctx: Context) -> dict[str, Any]:
    asked = (day_in(ctx.one("day")) or today(ctx.hall.hub.store.clock())).isoformat()
    return {
        "day": asked,
        "booked": ctx.hall.read(lambda connection: appoint.of_day(connection, ctx.clerk, asked)),
        "rules": ctx.hall.read(lambda connection: slots.rules(connection, ctx.clerk)),
        "states": appoint.STATES,
    }


@pages.post("/counter/appointments/rules", function=FUNCTION, title="预约管理")
def configured(ctx: Context) -> Response:
    def act() -> Response:
        slots.configure(ctx.hall, ctx.clerk, read(Rule, ctx.form))
        return ctx.redirect(HOME, "时段已新增。")

    return acted(ctx, HOME_PAGE, lambda: _day(ctx), act)


@pages.post("/counter/appointments/act", function=FUNCTION, title="预约管理")
def changed(ctx: Context) -> Response:
    ident, verb = ctx.form.one("id"), ctx.form.one("do")

    def act() -> Response:
        if verb == "missed":
            return ctx.redirect(HOME, f"已登记未到 {appoint.mark_missed(ctx.hall, ctx.clerk)} 人。")
        if verb not in ACTS:
            raise HallRefused("bad_request", "请从预约管理页面重新进入")
        do, said = ACTS[verb]
        do(ctx.hall, ctx.clerk, ident)
        return ctx.redirect(HOME, said)

    return acted(ctx, HOME_PAGE, lambda: _day(ctx), act)


ACTS = {
    "check_in": (appoint.check_in, "已签到。"),
    "cancel": (appoint.cancel, "预约已取消。"),
    "close": (slots.close, "这个时段不再开放预约。"),
}


@pages.get(BOOK, function=FUNCTION, title="代约")
def book_form(ctx: Context) -> Response:
    return ctx.render(BOOK_PAGE, **_book(ctx, ctx.one("item"), ctx.one("q")))


def _book(ctx: Context, code: str, words: str) -> dict[str, Any]:
    now = today(ctx.hall.hub.store.clock()).isoformat()
    found = ctx.hall.read(
        lambda connection: catalogue.search(connection, ctx.clerk, code or words[:100], now)
    )
    item = found[0] if len(found) == 1 and (code or words) else None
    free = slots.slots(ctx.hall, ctx.clerk.path, item.code) if item else ()
    choices = [
        (f"{one.rule} {one.day} {one.begins}", f"{one.day} {one.begins}–{one.ends}（余 {one.left}）")
        for one in free
    ]
    return {
        "words": words,
        "offered": bool(found) or bool(words),
        "item": item,
        "slots": choices,
        "columns": COLUMNS,
        "rows": [item_cells(ctx, one, BOOK) for one in found],
        "documents": options("document_type"),
    }


@pages.post(BOOK, function=FUNCTION, title="代约")
def booked(ctx: Context) -> Response:
    form = ctx.form
    code = form.one("item_code")
    person = Person(*(form.one(name) for name in ("name", "document_type", "document_no", "mobile")))
    rule, _, at = form.one("slot").partition(" ")
    on, _, begins = at.partition(" ")

    def act() -> Response:
        made = appoint.book(ctx.hall, person, rule, on, begins, code)
        said = f"已预约 {made.day} {made.begins}，预约码 {made.code}，短信已发送。"
        return ctx.redirect(f"{HOME}?day={made.day}", said)

    return acted(ctx, BOOK_PAGE, lambda: _book(ctx, code, ""), act)
