"""A hub with its hall on one address, people who hold every function here and elsewhere, things to reach
for."""

import asyncio
import re
from collections.abc import Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

from fastapi import FastAPI
from sqlalchemy import select
from starlette.routing import Mount

from exchange.app.halls import mount
from exchange.app.http import build_app
from exchange.store.work import Work
from hallservice.counter import notices
from hallservice.hall import Hall
from hallservice.people import grants, rights
from hallservice.people import tables as t
from hallservice.people.accounts import UserRow, add
from hallservice.people.grants import Wish
from hallservice.people.sessions import Door, csrf_of
from hallservice.people.sessions import open as open_session
from hallservice.people.system import SYSTEM
from hallservice.web.app import Gate
from hallservice.web.guard import new_token
from hallservice.web.registry import Page
from tests.exchange.core.rig import Core
from tests.hallservice.web.prepared import MAKERS
from tests.hallservice.web.webrig import Place, Visitor
from tests.hallservice.world import hall_of

T = TypeVar("T")
WORK = ("窗口受理", "审批办理", "部门审批管理", "事项编制", "事项审核", "效能监察", "机构与授权管理")
HERE, ELSEWHERE = "441402-scj", "441403-dt"
PEOPLE = {
    "all": (HERE, [(role, "441402") for role in WORK]),
    "foreign": (ELSEWHERE, [(role, "441403") for role in WORK]),
    "looker": (ELSEWHERE, [("窗口受理", "441403"), ("效能监察", "441402")]),
}


@dataclass
class Site:
    """The served hub, and what there is in it."""

    place: Place
    hall: Hall
    pages: list[Page]
    made: Mapping[str, str]
    tokens: Mapping[str, str]
    gate: Gate
    came: dict[str, Visitor] = field(default_factory=dict)

    def visitor(self, who: str = "") -> Visitor:
        """ "all": every function in the county; "foreign": every function in the next one;
        "looker": at a counter there, and sees the cases here; "": nobody."""
        if who not in self.came:
            made = self.place.visitor()
            self.came[who] = made.enter(self.tokens[who]) if who else made
        return self.came[who]

    def hidden(self, who: str) -> dict[str, str]:
        """What every form of this person carries."""
        return {"csrf": csrf_of(self.tokens[who]), "act": new_token(), "from": "/"}

    def path(self, page: Page) -> str:
        """Its address for the things that were made."""
        given = {name: self._meant(value) for name, value in page.example.items()}
        return "/hall" + re.sub(
            r"\{(\w+)\}", lambda at: given.get(at[1]) or self.made.get(at[1], "x"), page.path
        )

    def _meant(self, value: str) -> str:
        return self.made.get(value[1:], "x") if value.startswith("@") else value


def alone(work: Coroutine[Any, Any, T]) -> T:
    """In a thread of its own: a browser's tool may have a loop in this one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


def built(core: Core) -> tuple[FastAPI, Hall, dict[str, str], dict[str, str]]:
    """The application, its hall, what was made and the tokens of the sessions."""
    hall = hall_of(core)
    made = {name: make(hall) for name, make in MAKERS.items()}
    made |= {"change": made["item_change"], "staged": made["item_import"], "no": "1", "verb": "asked"}
    made |= {"case_no": made["case"], "code": HERE, "owner": HERE, "key": made["flow_key"], "version": "1"}
    made["notice"] = hall.read(lambda connection: notices.of_case(connection, made["case"]))[0].doc_no
    tokens = hall.write(lambda work: _peopled(hall, work))
    app = build_app(core.hub)
    mount(app, core.settings, hall)
    app.state.pages = next(route.app for route in app.routes if isinstance(route, Mount))
    return app, hall, made, tokens


def _peopled(hall: Hall, work: Work) -> dict[str, str]:
    ask = select(t.role.c.name, t.role.c.id)
    roles = {row.name: row.id for row in work.connection.execute(ask)}
    root = work.connection.execute(select(t.user.c.id).where(t.user.c.login == "admin")).scalar_one()
    people = {}
    for who, (org, held) in PEOPLE.items():
        people[who] = add(hall, work, SYSTEM, UserRow(f"S-{who}", f"外来{who}", org, f"ceshi.{who}"))
        for role, over in held:
            grants.keep(work, Wish(roles[role], "user", people[who], over, may_pass=True), root)
    rights.touched(work.connection)
    return {who: open_session(hall, work, user, Door("127.0.0.1")).token for who, user in people.items()}
