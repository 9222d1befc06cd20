"""Forms of the counter after the decision: fee, certificate, conclusion, delivery, evaluation."""

from functools import partial
from typing import Any

from starlette.responses import Response

from canonical.casetable import MOVES, Event
from canonical.codes import code_list
from canonical.regions import full_name, regions
from canonical.values import RegionCode
from hallservice.counter import (
    certfile,
    certificate,
    certify,
    charge,
    deliver,
    evaluate,
    paying,
    standards,
    waiting,
)
from hallservice.counter.evaluate import TAGS, Rating
from hallservice.counter.fees import Standard
from hallservice.counter.standing import Standing
from hallservice.counter.turneddown import REFUSED
from hallservice.web.context import Context
from hallservice.web.lists import Column
from hallservice.web.pages.counter_case import CASE, PDF, certificate_facts, fee_facts, parcel_facts
from hallservice.web.pages.counter_parts import Screen, options, seen_version, the_case
from hallservice.web.registry import Pages

pages = Pages()
FEE, DELIVER = "counter.fee", "counter.deliver"
LINE = ("code", "name", "standard", "quantity", "unit", "amount")
FEE_COLUMNS = (
    Column("编码"), Column("收费项目"), Column("标准"), Column("数量", kind="num"), Column("单位"),
    Column("金额（元）", kind="num"),
)  # fmt: skip
LEVELS = [(entry.name, entry.label) for entry in code_list("satisfaction").entries]
PAYABLE = ("decided",)
UNPAID = ("noticed", "reversed")  # where no fee system tells of payments, the window sees the bank's receipt


def _fee(ctx: Context, here: Standing, computed: charge.Computed | None = None) -> dict[str, Any]:
    fee = ctx.hall.read(lambda connection: charge.latest(connection, here.no))
    case_facts, by_hand = here.case["facts"], not charge.attached(ctx.hall)
    due = here.state in PAYABLE and case_facts["granted"] and case_facts["fee_due"]
    lines, payable = fee.lines if fee else (), here.state in MOVES[Event.FEE_CONFIRMED]
    return {
        "turned_down": fee.reason if fee and fee.state == REFUSED else "",
        "fee": fee_facts(fee) if fee else (),
        "fee_columns": FEE_COLUMNS,
        "fee_rows": [tuple(line.get(key, "") for key in LINE) for line in lines],
        "may_notice": fee is not None and fee.state == "noticed",
        "may_confirm": fee is not None
        and payable
        and (fee.state == "paid" or (fee.state in UNPAID and by_hand)),
        "by_hand": by_hand,
        "may_ask": due and (fee is None or fee.state in ("reversed", REFUSED)),
        "standards": standards_of(ctx, here),
        "before": before(fee),
        "computed": computed,
        "amounts": {line.code: line.amount for line in computed.lines} if computed else {},
    }


def before(fee: charge.Fee | None) -> dict[str, str]:
    """What was asked for last, to be corrected rather than typed anew."""
    if fee is None:
        return {}
    reduced = {"reduction": fee.reduction, "reduction_basis": fee.reduction_basis}
    typed = {f"quantity-{line['code']}": line["quantity"] for line in fee.lines}
    return typed | (reduced if fee.reduction_basis else {})


def standards_of(ctx: Context, here: Standing) -> tuple[Standard, ...]:
    """The fee standards of the case's item version."""
    return ctx.hall.read(lambda connection: charge.standards(connection, here))


FEES = Screen("counter/fee.html", FEE, _fee)


@pages.get("/cases/{case_no}/fee", function=FEE, title="核价与缴费", example=CASE)
def fee_form(ctx: Context) -> Response:
    return FEES.shown(ctx)


@pages.post("/cases/{case_no}/fee", function=FEE, title="核价与缴费")
def fee_asked(ctx: Context) -> Response:
    form = ctx.form

    def act() -> Response:
        here = the_case(ctx, FEE)
        known = standards_of(ctx, here)
        quantities = {one.code: form.one(f"quantity-{one.code}") for one in known}
        said = (form.one(name) for name in ("reduction", "reduction_basis", "due_on"))
        asked = charge.Asked(quantities, *said)
        if form.one("do") == "compute":
            ctx.typed = form
            priced = Screen(FEES.template, FEE, partial(_fee, computed=charge.compute(known, asked)))
            return priced.shown(ctx)
        charge.request(ctx.hall, ctx.clerk, here.no, seen_version(form), asked)
        return ctx.redirect(f"/cases/{here.no}/fee", "已核价并发出缴费通知。")

    return FEES.acted(ctx, act)


@pages.post("/cases/{case_no}/fee/notice", function=FEE, title="核价与缴费")
def fee_noticed(ctx: Context) -> Response:
    def act() -> str:
        number = paying.notice(ctx.hall, ctx.clerk, ctx.path["case_no"])
        return f"请打印缴费通知单 {number} 交申请人到银行缴费。"

    return FEES.acted(ctx, act)


@pages.post("/cases/{case_no}/fee/confirm", function=FEE, title="核价与缴费")
def fee_confirmed(ctx: Context) -> Response:
    def act() -> str:
        seen, voucher = seen_version(ctx.form), ctx.form.one("voucher")
        paying.confirm(ctx.hall, ctx.clerk, ctx.path["case_no"], seen, voucher)
        return "已确认缴费。"

    return FEES.acted(ctx, act)


def _certificate(ctx: Context, here: Standing) -> dict[str, Any]:
    made = ctx.hall.read(lambda connection: certificate.latest(connection, here.no))
    owed = here.state == "concluded" and made is not None and made.later and not made.issued
    unpaid = bool(here.case["facts"]["granted"] and here.case["facts"]["fee_due"])
    decided = here.state == "decided" and not unpaid
    wanted = certify.wanted(here)
    open_ = made is None or made.refused
    before = made if made and made.refused else None  # to be corrected rather than typed anew
    return {
        "turned_down": before.reason if before else "",
        "certificate": certificate_facts(made) if made else (),
        "name": before.name if before else here.item.get("result_name") or here.row["item_name"],
        "valid_from": before.valid_from if before else "",
        "valid_to": before.valid_to if before else "",
        "fields": _fields(ctx, here),
        "unpaid": unpaid and here.state in ("decided", "certified"),
        "may_ask": (decided or owed) and wanted and open_,
        "may_conclude": (here.state == "certified" and not unpaid) or (decided and not wanted and open_),
        "may_do_without": decided and wanted and open_,
        "owed": owed,
        "issued": made is not None and made.issued,
        "idle": here.state not in ("decided", "certified") and not owed,
        "deliveries": options("delivery_mode"),
        "wait": _wait(ctx, made) if made is not None and made.awaited and (decided or owed) else None,
        "attached": waiting.attached(ctx.hall),
    }


def _wait(ctx: Context, made: certificate.Certificate) -> waiting.Wait:
    return ctx.hall.read(lambda connection: waiting.wait_of(ctx.hall, connection, made))


def _fields(ctx: Context, here: Standing) -> list[dict[str, Any]]:
    """The fields the certificate's type wants, as the form asks them."""
    code = here.item.get("certificate_type")
    standard = ctx.hall.read(lambda connection: standards.known(connection, code)) if code else None
    said = standards.own(here.case)
    return [
        {
            "name": standards.field_name(one.name),
            "label": one.label,
            "type": "date" if one.kind == "date" else "text",
            "required": one.required and one.name not in said,
            "hint": "不填则按申请信息填写" if one.name in said else "",
            "maxlength": one.length,
        }
        for one in standard or ()
    ]


CERTIFICATE = Screen(
    "counter/certificate.html", DELIVER, _certificate, (Event.CERTIFICATE_ISSUED, Event.CONCLUDED)
)


@pages.get("/cases/{case_no}/certificate", function=DELIVER, title="制证与办结", example={"case_no": "@late"})
def certificate_form(ctx: Context) -> Response:
    return CERTIFICATE.shown(ctx)


@pages.post("/cases/{case_no}/certificate", function=DELIVER, title="制证与办结")
def certificate_asked(ctx: Context) -> Response:
    form = ctx.form

    def act() -> str:
        start = standards.field_name("")
        fields = tuple((name.removeprefix(start), form.one(name)) for name in form if name.startswith(start))
        asked = certify.Asked(form.one("name"), form.one("valid_from"), form.one("valid_to"), fields)
        certify.request(ctx.hall, ctx.clerk, ctx.path["case_no"], seen_version(form), asked)
        return "已向电子证照系统申请制证，签发后再办结。"

    return CERTIFICATE.acted(ctx, act)


@pages.post("/cases/{case_no}/conclude", function=DELIVER, title="制证与办结")
def concluded(ctx: Context) -> Response:
    def act() -> str:
        said = (ctx.form.one(name) for name in ("text", "delivery", "without", "later"))
        end = certify.End(*said)
        number = certify.conclude(ctx.hall, ctx.clerk, ctx.path["case_no"], seen_version(ctx.form), end)
        return f"已办结，申请人会收到短信。请打印决定书 {number} 和办结通知书。"

    return CERTIFICATE.acted(ctx, act)


@pages.post("/cases/{case_no}/certificate/again", function=DELIVER, title="制证与办结")
def certificate_urged(ctx: Context) -> Response:
    def act() -> Response:
        case_no = ctx.path["case_no"]
        waiting.ask_again(ctx.hall, ctx.clerk, case_no, seen_version(ctx.form))
        return ctx.redirect(
            f"/cases/{case_no}/certificate", "已再次向电子证照系统提出，同一申请不会重复制证。"
        )

    return CERTIFICATE.acted(ctx, act)


@pages.post("/cases/{case_no}/certificate/end", function=DELIVER, title="制证与办结")
def certificate_given_up(ctx: Context) -> Response:
    def act() -> str:
        seen, reason = seen_version(ctx.form), ctx.form.one("reason")
        waiting.give_up(ctx.hall, ctx.clerk, ctx.path["case_no"], seen, reason)
        return "已登记不再补发证照，可以登记送达。"

    return CERTIFICATE.acted(ctx, act)


def _file(ctx: Context, here: Standing) -> dict[str, Any]:
    now = ctx.hall.hub.store.clock()
    made = ctx.hall.read(lambda connection: certificate.to_hand_out(connection, here.no))
    paper = ctx.hall.read(lambda connection: certfile.latest(connection, here.no))
    mine = paper if paper and made and paper.identifier == made.identifier else None
    return {
        "certificate": certificate_facts(made) if made else (),
        "attached": waiting.attached(ctx.hall),
        "paper": mine,
        "printable": mine is not None and mine.printable(now),
        "askable": made is not None and (mine is None or mine.askable(now)),
    }


FILE = Screen("counter/certificate_file.html", DELIVER, _file)


@pages.get(
    "/cases/{case_no}/certificate/file", function=DELIVER, title="证照打印", example={"case_no": "@issued"}
)
def file_form(ctx: Context) -> Response:
    return FILE.shown(ctx)


@pages.post("/cases/{case_no}/certificate/file", function=DELIVER, title="证照打印")
def file_asked(ctx: Context) -> Response:
    def act() -> Response:
        case_no = ctx.path["case_no"]
        certfile.ask(ctx.hall, ctx.clerk, case_no)
        return ctx.redirect(f"/cases/{case_no}/certificate/file", "已向电子证照系统调取，取到后即可打印。")

    return FILE.acted(ctx, act)


@pages.post(
    "/cases/{case_no}/certificate/print",
    function=DELIVER,
    title="证照打印",
    once=False,
    draft=False,
    slow=True,
)
def file_printed(ctx: Context) -> Response:
    """The library's own file for the printer: it names the holder, so that printing is an act."""

    def act() -> Response:
        get = ctx.kit.extras.get("certificate_files") or certfile.from_library(ctx.hall)
        no, folder = ctx.path["case_no"], ctx.hall.settings.files
        return ctx.file(certfile.printed(ctx.hall, ctx.clerk, no, folder, get), f"{no}.pdf", PDF, inline=True)

    return FILE.acted(ctx, act)


def _deliver(ctx: Context, here: Standing) -> dict[str, Any]:
    sent = ctx.hall.read(lambda connection: deliver.parcel(connection, here.no))
    owed = ctx.hall.read(lambda connection: certificate.owed(connection, here.no))
    return {
        "owed": owed.name if owed else "",
        "turned_down": sent.reason if sent and sent.refused else "",
        "parcel": parcel_facts(sent) if sent else (),
        "may_send": sent is None or sent.may_go_again,
        "documents": options("document_type"),
        "deliveries": options("delivery_mode"),
        "region": here.row["region"],
        "regions": counties(),
    }


def counties() -> list[tuple[str, str]]:
    """The counties of the city as choices."""
    return [(code, full_name(RegionCode(code))) for code, one in regions().items() if one.level == "4"]


DELIVERY = Screen("counter/deliver.html", DELIVER, _deliver, (Event.DELIVERED,))


@pages.get("/cases/{case_no}/deliver", function=DELIVER, title="送达", example=CASE)
def deliver_form(ctx: Context) -> Response:
    return DELIVERY.shown(ctx)


@pages.post("/cases/{case_no}/deliver", function=DELIVER, title="送达")
def delivered(ctx: Context) -> Response:
    form = ctx.form

    def act() -> str:
        said = (form.one(name) for name in ("collector", "document_type", "document_no", "mode"))
        asked = deliver.Collection(*said)
        number = deliver.deliver(ctx.hall, ctx.clerk, ctx.path["case_no"], seen_version(form), asked)
        return f"已登记送达。请打印送达回执 {number} 由领取人签名，并请领取人评价。"

    return DELIVERY.acted(ctx, act)


@pages.post("/cases/{case_no}/send", function=DELIVER, title="送达")
def sent(ctx: Context) -> Response:
    form = ctx.form

    def act() -> str:
        names = ("receiver", "mobile", "region", "address", "sender_mobile", "sender_address")
        asked = deliver.Address(*(form.one(name) for name in names))
        deliver.send(ctx.hall, ctx.clerk, ctx.path["case_no"], seen_version(form), asked)
        return "已下单邮寄，快件签收后再登记送达。"

    return DELIVERY.acted(ctx, act)


def _evaluate(ctx: Context, here: Standing) -> dict[str, Any]:
    return rating_values(ctx, f"/cases/{here.no}/evaluate")


EVALUATION = Screen("counter/evaluate.html", DELIVER, _evaluate)


@pages.get("/cases/{case_no}/evaluate", function=DELIVER, title="评价", example=CASE)
def evaluate_form(ctx: Context) -> Response:
    return EVALUATION.shown(ctx)


def rating_values(ctx: Context, path: str, case_no: str = "", password: str = "") -> dict[str, Any]:
    """What the form of a rating needs."""
    return {
        "action": ctx.url(path),
        "case_no": case_no,
        "password": password,
        "levels": LEVELS,
        "tags": [(tag, tag) for tag in TAGS],
    }


def rating(ctx: Context) -> Rating:
    """As typed."""
    form = ctx.form
    return Rating(form.one("satisfaction"), form.one("comment"), tuple(form.all("tags")))


@pages.post("/cases/{case_no}/evaluate", function=DELIVER, title="评价")
def evaluated(ctx: Context) -> Response:
    def act() -> str:
        evaluate.at_window(ctx.hall, ctx.clerk, ctx.path["case_no"], rating(ctx))
        return "评价已提交，谢谢。"

    return EVALUATION.acted(ctx, act)
