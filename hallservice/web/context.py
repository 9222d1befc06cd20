"""What a page's handler is given, and how it answers."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import quote

from jinja2 import Environment
from markupsafe import Markup, escape
from starlette.responses import Response

from exchange.store.atonce import WouldWait
from hallservice.hall import Hall
from hallservice.othertodos import Beside
from hallservice.people.clerk import Clerk
from hallservice.people.sessions import Signed
from hallservice.refusals import FieldFault, HallRefused
from hallservice.scanning import Scanner, expect_clean
from hallservice.uploads import LARGEST, PAPERS, Checked, check
from hallservice.web import drafts, responses
from hallservice.web.assets import Assets
from hallservice.web.forms import Form, Upload
from hallservice.web.guard import Vault, new_token
from hallservice.web.lists import Cell, Column, Filter, Listing
from hallservice.web.live import Board, Numbers
from hallservice.web.parts import bar, tree
from hallservice.web.registry import Groups, Menu, Page
from hallservice.web.sheets import workbook

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
HTML = "text/html; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Kit:
    """What all requests share. `extras`: things a site wires in for pages of its own, by name."""

    hall: Hall
    vault: Vault
    templates: Environment
    assets: Assets
    menu: Menu
    prefix: str
    board: Board
    beside: Beside
    scanner: Scanner | None = None
    sign_on: Sequence[tuple[str, str]] = ()
    extras: Mapping[str, Any] = field(default_factory=dict)

    @property
    def secure(self) -> bool:
        return self.hall.settings.public_url.startswith("https:")


@dataclass(frozen=True, slots=True)
class Asked:
    """One request, read."""

    path: str  # below the prefix
    query_string: str
    params: Mapping[str, str]
    query: Mapping[str, list[str]]
    client: str
    trace: str
    cookies: Mapping[str, str]
    headers: Mapping[str, str]
    form: Form = field(default_factory=Form)


class Context:
    """One request of one person. On a public page nobody need be signed in: ask `signed` there."""

    def __init__(self, kit: Kit, hall: Hall, page: Page, asked: Asked, signed: Signed | None) -> None:
        self.kit, self.hall, self.page, self.asked, self.signed = kit, hall, page, asked, signed
        self.form, self.query, self.path = asked.form, asked.query, asked.params
        self.typed: Form = Form()  # shown again in the fields of a form
        self.said = ""  # a flash message to show
        self.saying = ""  # a flash message for the page a redirect leads to
        self.guest = ""  # an anonymous visitor's cookie
        self.session: str | None = None  # a new session token for the browser; empty: sign out

    @property
    def clerk(self) -> Clerk:
        """Who is signed in; HallRefused sign_in."""
        if self.signed is None:
            raise HallRefused("sign_in", "请先登录")
        return self.signed.clerk

    @property
    def files(self) -> Mapping[str, list[Upload]]:
        return self.form.files

    @property
    def client(self) -> str:
        """Address of the browser."""
        return self.asked.client

    def one(self, name: str, default: str = "") -> str:
        """A value of the query."""
        found = self.query.get(name)
        return found[0].strip() if found else default

    def url(self, path: str) -> str:
        """The address of a page: `ctx.url("/cases/…")`."""
        return self.kit.prefix + path

    def asset(self, name: str) -> str:
        """The address of a file of the browser, empty when the set-up did not build it."""
        path = self.kit.assets.path(name)
        return self.url(path) if path else ""

    @property
    def here(self) -> str:
        """This page's own address below the prefix, with its query."""
        path = quote(self.asked.path)
        return f"{path}?{self.asked.query_string}" if self.asked.query_string else path

    def menu(self) -> Groups:
        """The function tree of whoever is signed in."""
        return self.kit.menu.of(self.signed.clerk) if self.signed else ()

    def tree(self) -> Markup:
        """The same as the frame shows it."""
        return tree(self.menu(), self.numbers, self.kit.prefix, self.page.path)

    def bar(self, filters: Sequence[Filter], listing: Listing, action: str = "") -> Markup:
        """The query bar above a list of this page."""
        return bar(filters, listing, self.url(self.asked.path), action)

    def count(self, name: str) -> int | None:
        """The number behind a menu entry, None when it is not known yet."""
        return self.numbers.get(name)

    @cached_property
    def numbers(self) -> Numbers:
        """All that stand behind menu entries, not older than a second."""
        return self.kit.board.numbers(self.signed.clerk, self.hall) if self.signed else {}

    def guard(self) -> Markup:
        """The hidden fields every form that posts must carry: `{{ ctx.guard() }}`."""
        hidden = {"csrf": self.csrf, "act": new_token(), "from": self._back}
        if self.signed is not None:
            hidden["owner"] = drafts.claim(self.kit.vault, self.signed.clerk.user)
        if draft := self.one("draft"):
            hidden["draft"] = draft
        lines = [f'<input type="hidden" name="{name}" value="{escape(hidden[name])}">' for name in hidden]
        return Markup("".join(lines))  # noqa: S704 - the values were escaped

    @property
    def csrf(self) -> str:
        """The token of the session, or of an anonymous visitor's cookie."""
        if self.signed is not None:
            return self.signed.csrf
        self.guest = self.guest or new_token()
        return self.kit.vault.mark("csrf", self.guest)

    @property
    def _back(self) -> str:
        return self.here if self.page.method == "GET" else self.form.one("from", "/")

    def takes_long(self) -> None:
        """Said before much work: WouldWait where everybody else would wait for its end."""
        if not self.hall.hub.store.patient:
            raise WouldWait("takes long")

    def render(self, template: str, /, *, status: int = 200, **values: Any) -> Response:
        """A page; what `values` does not say is usual: no faults, the page's own title."""
        usual: dict[str, Any] = {"ctx": self, "typed": self.typed, "faults": (), "title": self.page.title}
        text = self.kit.templates.get_template(template).render(usual | values)
        return Response(text, status, media_type=HTML)

    def redirect(self, path: str, said: str = "") -> Response:
        """On to another page of ours (a path below the prefix), with a message shown there."""
        self.saying = said
        return responses.redirect(self.url(path))

    def fault(self, refusal: HallRefused, template: str, /, **values: Any) -> Response:
        """The same form again: what was typed, an error summary on top, status 422 (403, 409 … as coded)."""
        self.typed = self.form
        faults = refusal.faults or (FieldFault("", refusal.code, refusal.said),)
        status = responses.failure(refusal.code).status
        return self.render(template, status=status, **values, faults=faults)

    @property
    def scans(self) -> bool:
        """Whether uploads are scanned for malware on this site."""
        return self.kit.scanner is not None

    def accept(self, name: str, kinds: Collection[str] = PAPERS, largest: int = LARGEST) -> list[Checked]:
        """The files of one field, each checked by content, size and the scanner; FormRefused at the field."""
        checked = [
            check(name, upload.name, upload.read(), kinds, largest) for upload in self.files.get(name, [])
        ]
        for one in checked:
            expect_clean(self.kit.scanner, name, one.body)
        return checked

    def file(self, body: bytes, name: str, media_type: str, *, inline: bool = False) -> Response:
        """A download, or with `inline` shown by the browser."""
        return responses.attachment(body, name, media_type, inline=inline)

    def sheet(self, name: str, columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> Response:
        """A list as a spreadsheet called `name`.xlsx."""
        return self.file(workbook(name, columns, rows), f"{name}.xlsx", XLSX)
