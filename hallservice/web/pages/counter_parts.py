"""What several pages of the counter share: the case's head, material rows, where one goes next."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection
from starlette.responses import Response

from canonical.casetable import MOVES, Event
from canonical.codes import code_list
from exchange.clocks import today
from hallservice import wording
from hallservice.counter import cards, materials, receive
from hallservice.counter.materials import Material, Seen
from hallservice.counter.standing import Standing, look
from hallservice.papers.kinds import Paper
from hallservice.papers.sealing import SealService
from hallservice.papers.service import Papers
from hallservice.refusals import FieldFault, FormRefused, HallRefused
from hallservice.web.context import Context
from hallservice.web.forms import Form
from hallservice.web.lists import Column

Facts = tuple[tuple[str, object], ...]
COLOURS: Mapping[str, str] = {
    "accepted": "ok", "decided": "ok", "certified": "ok", "concluded": "ok", "delivered": "ok",
    "archived": "plain", "not_accepted": "bad", "pre_refused": "bad", "supplementing": "warn",
    "pre_supplement": "warn", "suspended": "warn", "awaiting_payment": "warn",
}  # fmt: skip
MATERIAL_COLUMNS = (
    Column("材料"), Column("必要性"), Column("收取情况"), Column("形式"), Column("份数", kind="num"),
    Column("要点核对", kind="num"), Column("电子证照"),
)  # fmt: skip
NO_PRINTING = "本站没有配置打印服务"
CARD = "card_mark"  # the hidden field that says a card was read
SEEN, BY_CARD, NOT_SEEN = ("seen", "已核对证件原件"), ("card", "读卡器已核验"), ("none", "未核验")


def options(codes: str, first: str = "") -> list[tuple[str, str]]:
    """A code list as choices."""
    listed = [(entry.name, entry.label) for entry in code_list(codes).entries]
    return [("", first), *listed] if first else listed


def card_reader(ctx: Context) -> cards.CardReader | None:
    """The reader at the clerk's window, where the site has wired one in."""
    return cards.at_window(ctx.kit.extras.get(cards.EXTRA), ctx.clerk)


def read_card(ctx: Context, reader: cards.CardReader) -> tuple[cards.IdCard, Form]:
    """The card on the reader, and what was typed with the mark that it was read."""
    card = cards.read(reader, ctx.clerk, today(ctx.hall.hub.store.clock()))
    mark = ctx.kit.vault.mark(CARD, _read_by(ctx, card.document_no))
    return card, Form({**ctx.form, "identified": ["card"], CARD: [mark]})


def _read_by(ctx: Context, document_no: str) -> str:
    """A reading holds for its number and its day, and for who made it."""
    return f"{ctx.clerk.user} {today(ctx.hall.hub.store.clock())} {document_no.upper()}"


def identified(ctx: Context, document_no: str) -> str:
    """How the person was identified; FormRefused not_read for a card that was not."""
    said = ctx.form.one("identified", "seen")
    if said == "card" and not ctx.kit.vault.marked(CARD, _read_by(ctx, document_no), ctx.form.one(CARD)):
        why = "没有读到这个号码的身份证，请重新读卡，或者改选其他核验方式"
        raise FormRefused([FieldFault("identified", "not_read", why)])
    return said


def identities(ctx: Context) -> tuple[tuple[str, str], ...]:
    """How a person can have been identified; by card where one was read."""
    return (SEEN, BY_CARD, NOT_SEEN) if ctx.typed.one("identified") == "card" else (SEEN, NOT_SEEN)


def the_case(ctx: Context, function: str) -> Standing:
    """The case of the address."""
    return ctx.hall.read(lambda connection: look(connection, ctx.clerk, ctx.path["case_no"], function))


def facts(here: Standing) -> Facts:
    """The head of every screen about a case, masked."""
    row = here.row
    return (
        ("办件编号", row["case_no"]),
        ("事项", row["item_name"]),
        ("申请人", row["applicant_masked"]),
        ("证件号码", row["document_masked"]),
        ("主管部门", here.department),
        ("当前状态", wording.state(here.state)),
        ("申请方式", materials.label("apply_channel", row["channel"])),
        ("承诺办结日期", row["promised_due"] or "受理后确定"),
    )


def seen_version(form: Form) -> int:
    """The version the form was made from; HallRefused bad_request."""
    said = form.one("seen")
    if not said.isdecimal() or len(said) > 15:
        raise HallRefused("bad_request", "请从办件页面重新进入")
    return int(said)


def looked(form: Form, most: int = 200) -> tuple[Seen, ...]:
    """The material rows of a form: `material-<no>`, `-as`, `-count`, `-point`."""
    numbers = [name.removeprefix("material-") for name in form if name.startswith("material-")]
    rows = sorted({int(no) for no in numbers if no.isdecimal() and len(no) < 5})[:most]
    return tuple(
        Seen(
            no,
            form.one(f"material-{no}"),
            form.one(f"material-{no}-as"),
            form.one(f"material-{no}-count", "1"),
            tuple(int(at) for at in form.all(f"material-{no}-point") if at.isdecimal() and len(at) < 5),
        )
        for no in rows
    )


def material_cells(shown: Sequence[Material]) -> list[tuple[Any, ...]]:
    """Rows of the case page's list."""
    return [
        (
            one.name,
            one.needed,
            one.told,
            materials.label("material_received_as", one.received_as) if one.status == "received" else "",
            one.count or "",
            f"{len(one.checked)}/{len(one.points)}" if one.points else "",
            one.certificate_name,
        )
        for one in shown
    ]


def expected(ctx: Context, here: Standing) -> tuple[Material, ...]:
    """The materials of a case; those of its item while nobody has taken them in."""

    def read(connection: Connection) -> tuple[Material, ...]:
        return materials.of(connection, here.no) or materials.asked_by(receive.asked(connection, here))

    return ctx.hall.read(read)


def renderer(ctx: Context) -> Callable[[Paper, int], tuple[bytes, str]]:
    """The site's printing, sealed where it has a seal; HallRefused no_printing. The digest is of the paper
    before its seal: that one can be made again byte by byte."""
    papers: object = ctx.kit.extras.get("papers")
    seal: SealService | None = ctx.kit.extras.get("seal")
    if not isinstance(papers, Papers):
        raise HallRefused("no_printing", NO_PRINTING)

    def render(paper: Paper, copy: int) -> tuple[bytes, str]:
        made = papers.render(paper, copy=copy)
        if seal is None:
            return made.pdf, made.sha256
        return seal.seal(made.pdf, at=paper.issued_at, reason=paper.doc_no), made.sha256

    return render


def case_url(case_no: str) -> str:
    return f"/cases/{case_no}"


def back(ctx: Context, said: str) -> Response:
    """To the case's page, which then shows what may be done next."""
    return ctx.redirect(case_url(ctx.path["case_no"]), said)


def acted(
    ctx: Context, template: str, values: Callable[[], Mapping[str, Any]], act: Callable[[], Response]
) -> Response:
    """What an act leads to; refused, its form again as things stand now, with what was typed."""
    try:
        return act()
    except HallRefused as refusal:
        ctx.typed = ctx.form
        return ctx.fault(refusal, template, **values())


@dataclass(frozen=True)
class Screen:
    """A form about one case: its template, who may use it, what its acts are in the case's table, and what it
    shows beyond the head."""

    template: str
    function: str
    values: Callable[[Context, Standing], Mapping[str, Any]]
    events: tuple[Event, ...] = ()

    def shown(self, ctx: Context) -> Response:
        return ctx.render(self.template, **self.made(ctx))

    def acted(self, ctx: Context, act: Callable[[], str | Response]) -> Response:
        """An act's words are shown on the case's page, unless it leads elsewhere itself."""

        def done() -> Response:
            said = act()
            return back(ctx, said) if isinstance(said, str) else said

        return acted(ctx, self.template, lambda: self.made(ctx), done)

    def made(self, ctx: Context) -> dict[str, Any]:
        """`idle`: in this state nothing of the form can be done."""
        here = the_case(ctx, self.function)
        idle = bool(self.events) and not any(here.state in MOVES[event] for event in self.events)
        head = {"row": here.row, "facts": facts(here), "idle": idle, "state": wording.state(here.state)}
        return {**head, **self.values(ctx, here)}
