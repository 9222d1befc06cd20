"""Which pages there are: a feature declares them, the frame serves them, tests walk them."""

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from sqlalchemy import Connection
from starlette.responses import Response

from hallservice.people.clerk import Clerk

if TYPE_CHECKING:
    from hallservice.web.context import Context

Handler = Callable[["Context"], Response]
Counter = Callable[[Connection, Clerk], int]
NOTHING: Mapping[str, str] = MappingProxyType({})

FORM_BYTES = 256 * 1024
TOLD_BYTES = 16 * 1024
FORM_FIELDS = 1000
MENUS = 1000  # different ones that are remembered


@dataclass(frozen=True, slots=True)
class Page:
    """One address and who may use it. `function`: one code, or several of which any will do; None: whoever
    is signed in, or with `public` everybody. `files`: most files one POST may carry (0: none), `largest`:
    bytes of its body. `menu` puts it in the tree under that group, with `count` behind it."""

    method: str
    path: str
    handler: Handler
    functions: tuple[str, ...] = ()
    public: bool = False
    title: str = ""
    menu: str = ""
    order: int = 100
    count: str = ""
    files: int = 0
    largest: int = FORM_BYTES
    once: bool = True  # a second submission gets the first answer
    draft: bool = True  # what was typed may be kept when the session has ended
    slow: bool = False  # waits for another system or a process: few at a time, so that others are answered
    at_once: bool = False  # reads little: made where its request arrives, where nothing must wait
    told: bool = False  # by another system, not by a browser: what it carries is its only proof
    # path parameters (and under "?" the query) a test opens it with; "@name": as prepared by the test's world
    example: Mapping[str, str] = field(default_factory=dict)

    def open_to(self, clerk: Clerk) -> bool:
        """Whether this person may use it at all; rows are filtered by the services."""
        return not self.functions or any(clerk.may(function) for function in self.functions)


@dataclass(frozen=True, slots=True)
class Counted:
    """A number shown behind menu entries: `(12)`. `shared`: it follows from nothing but the paths under which
    the function is held, so that all who hold it there are told the same."""

    name: str
    function: str
    count: Counter
    shared: bool = False

    def key(self, clerk: Clerk) -> tuple[str, object]:
        """For whom else a number counted for this person holds."""
        return self.name, clerk.scopes[self.function] if self.shared else clerk.user


class Pages:
    """The pages of one feature."""

    def __init__(self) -> None:
        self.declared: list[Page] = []
        self.counters: list[Counted] = []

    def get(
        self,
        path: str,
        *,
        function: str | tuple[str, ...] | None,
        title: str,
        public: bool = False,
        menu: str = "",
        order: int = 100,
        count: str = "",
        slow: bool = False,
        at_once: bool = False,
        example: Mapping[str, str] = NOTHING,
    ) -> Callable[[Handler], Handler]:
        """A page that only shows."""
        return self._declare(
            lambda handler: Page(
                "GET", path, handler, _codes(function), public, title, menu, order, count, slow=slow,
                at_once=at_once, example=example,
            )
        )  # fmt: skip

    def post(
        self,
        path: str,
        *,
        function: str | tuple[str, ...] | None,
        title: str = "",
        public: bool = False,
        files: int = 0,
        largest: int = FORM_BYTES,
        once: bool = True,
        draft: bool = True,
        slow: bool = False,
    ) -> Callable[[Handler], Handler]:
        """An act: guarded by the form's tokens, done once however often it is submitted."""
        return self._declare(
            lambda handler: Page(
                "POST",
                path,
                handler,
                _codes(function),
                public,
                title,
                files=files,
                largest=largest,
                once=once,
                draft=draft,
                slow=slow,
            )
        )

    def told(self, path: str, *, title: str) -> Callable[[Handler], Handler]:
        """What another system posts: no session is looked at, no cookie set, no form's token asked for. The
        handler proves what came, and raises HallRefused for whatever it does not believe."""
        return self._declare(
            lambda handler: Page(
                "POST", path, handler, public=True, title=title, largest=TOLD_BYTES, once=False, draft=False,
                slow=True, told=True,
            )
        )  # fmt: skip

    def counter(self, name: str, function: str, *, shared: bool = False) -> Callable[[Counter], Counter]:
        """A live number for those who hold `function`; called at most once a second for each of them, with
        `shared` for each subtree in which it is held."""

        def declare(count: Counter) -> Counter:
            self.counters.append(Counted(name, function, count, shared))
            return count

        return declare

    def _declare(self, page: Callable[[Handler], Page]) -> Callable[[Handler], Handler]:
        def declare(handler: Handler) -> Handler:
            self.declared.append(page(handler))
            return handler

        return declare


def _codes(function: str | tuple[str, ...] | None) -> tuple[str, ...]:
    if function is None:
        return ()
    return (function,) if isinstance(function, str) else function


def shipped() -> list[Pages]:
    """The pages of every module in hallservice.web.pages, by module name."""
    folder = importlib.import_module("hallservice.web.pages")
    names = sorted(module.name for module in pkgutil.iter_modules(folder.__path__))
    modules = [importlib.import_module(f"{folder.__name__}.{name}") for name in names]
    return [found for module in modules if isinstance(found := getattr(module, "pages", None), Pages)]


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the tree."""

    title: str
    path: str
    count: str


Groups = tuple[tuple[str, tuple[Entry, ...]], ...]


class Menu:
    """The function tree: for each person the groups and entries he may use."""

    def __init__(self, pages: Iterable[Page]) -> None:
        listed = [page for page in pages if page.menu and page.method == "GET"]
        self._pages = sorted(listed, key=lambda page: (page.order, page.path))
        self._known: dict[frozenset[str], Groups] = {}  # follows from the functions held and nothing else

    def of(self, clerk: Clerk) -> Groups:
        """Groups in the order of their first entry."""
        held = frozenset(function for function, paths in clerk.scopes.items() if paths)
        found = self._known.get(held)
        if found is None:
            if len(self._known) >= MENUS:
                self._known.clear()
            found = self._known[held] = self._made(clerk)
        return found

    def _made(self, clerk: Clerk) -> Groups:
        groups: dict[str, list[Entry]] = {}
        for page in self._pages:
            if page.open_to(clerk):
                groups.setdefault(page.menu, []).append(Entry(page.title, page.path, page.count))
        return tuple((group, tuple(entries)) for group, entries in groups.items())
