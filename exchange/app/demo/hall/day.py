"""The clerks of the demonstration at work: each looks what its case waits for and does the next act."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from sqlalchemy import Connection, func, select

from exchange import items
from exchange.app.demo.hall import site
from exchange.app.demo.hall.plans import Plan, plans
from exchange.app.demo.hall.site import Body
from exchange.store.tables import case_record, item
from hallservice.counter import (
    accept,
    apply,
    certificate,
    certify,
    charge,
    deliver,
    evaluate,
    materials,
    paying,
    supplement,
)
from hallservice.counter.apply import Application
from hallservice.counter.materials import Material, Seen
from hallservice.counter.tables import hall_case, hall_receipt
from hallservice.flows import instances, todo
from hallservice.hall import Hall
from hallservice.people.clerk import Clerk
from hallservice.refusals import HallRefused

WINDOWS = (("chuangkou", "A01"), ("chuangkou2", "A02"))
ENDED = frozenset({"archived", "not_accepted", "pre_refused"})
# What came between a look and the act: a partner's answer, a rating by short message; the next look sees it.
BETWEEN = frozenset({"overtaken", "already_evaluated"})
Row = Mapping[str, Any]


@dataclass
class Standing:
    """How far the hall's cases are."""

    opened: int = 0
    finished: int = 0
    waiting: int = 0  # left on purpose, for whoever signs in
    failed: dict[str, str] = field(default_factory=dict)

    @property
    def over(self) -> bool:
        """Nothing is left that would go on by itself."""
        return self.finished + self.waiting + len(self.failed) >= self.opened


class Day:
    """The cases of one run, by number; what an earlier run left waiting stays as it is."""

    def __init__(self, hall: Hall, bodies: list[Body], finished: int, left: int) -> None:
        self.hall = hall
        self._bodies = {body.uscc: body for body in bodies}
        self._staff = {code: _staff(hall, at) for at, code in enumerate(body.code for body in bodies)}
        self._windows = [site.clerk(hall, login, window) for login, window in WINDOWS]
        self._todo = plans(bodies, hall.read(_opened), finished, left)
        self._open: dict[str, Plan] = {}
        self.standing = Standing(opened=len(self._todo))

    def step(self) -> None:
        """One look at every case: opened, carried on as far as it goes now, or ended."""
        for plan in self._todo[:4]:
            self._guarded(f"#{plan.number}", partial(self._begin, plan))
        del self._todo[:4]
        for case_no, plan in list(self._open.items()):
            self._guarded(case_no, partial(self._advance, case_no, plan))

    def _guarded(self, name: str, act: Callable[[], None]) -> None:
        try:
            act()
        except HallRefused as refusal:
            if refusal.code not in BETWEEN:
                wrong = "; ".join(f"{fault.field} {fault.said}" for fault in refusal.faults)
                self.standing.failed[name] = f"{refusal} {wrong}".strip()
                self._open.pop(name, None)

    def _window(self, plan: Plan) -> Clerk:
        return self._windows[plan.number % len(self._windows)]

    def _begin(self, plan: Plan) -> None:
        form = Application(
            plan.item, name=plan.name, document_no=plan.document_no, mobile=plan.mobile,
            channel="window", identified="card",
        )  # fmt: skip
        opened = apply.apply(self.hall, self._window(plan), form)
        self._open[opened.case_no] = plan

    def _advance(self, case_no: str, plan: Plan) -> None:
        row = self._row(case_no)
        if row["state"] in ENDED or (row["stage"] == "done" and row["state"] == "concluded"):
            self._end(case_no, "finished")
        elif row["stage"] == plan.stop:
            self._end(case_no, "waiting")
        elif act := self._acts().get(row["stage"]):
            act(row, plan)

    def _end(self, case_no: str, how: str) -> None:
        del self._open[case_no]
        setattr(self.standing, how, getattr(self.standing, how) + 1)

    def _row(self, case_no: str) -> Row:
        ask = (
            select(hall_case, case_record.c.facts, case_record.c.item_version)
            .join(case_record, case_record.c.case_no == hall_case.c.case_no)
            .where(hall_case.c.case_no == case_no)
        )
        return self.hall.read(lambda connection: dict(connection.execute(ask).mappings().one()))

    def _acts(self) -> Mapping[str, Callable[[Row, Plan], None]]:
        return {
            "receive": self._accept,
            "accept": self._accept,
            "supplement": self._supplemented,
            "approve": self._approve,
            "fee": self._fee,
            "certificate": self._conclude,
            "deliver": self._deliver,
            "done": self._rate,
        }

    def _materials(self, case_no: str) -> tuple[Material, ...]:
        return self.hall.read(lambda connection: materials.of(connection, case_no))

    def _accept(self, row: Row, plan: Plan) -> None:
        clerk, no, seen = self._window(plan), row["case_no"], row["version"]
        if plan.refuse:
            accept.refuse(self.hall, clerk, no, seen, "申请事项依法不属于本机关职权范围")
        elif plan.supplement and not row["facts"].get("supplemented"):
            laid = self._materials(no)
            problems = {laid[0].no: "缺少申请人签字"} if laid else {}
            more = [] if laid else [("申请书", "未提交")]
            supplement.notify(self.hall, clerk, no, seen, problems, more, "提交的材料不齐全")
        else:
            accept.accept(self.hall, clerk, no, seen, [_good(one) for one in self._materials(no)])

    def _supplemented(self, row: Row, plan: Plan) -> None:
        came = [_good(one) for one in self._materials(row["case_no"]) if one.status == "wanted"]
        supplement.supplemented(self.hall, self._window(plan), row["case_no"], row["version"], came)

    def _approve(self, row: Row, plan: Plan) -> None:
        no = row["case_no"]
        if row["state"] == "suspended":
            leader = self._staff[self._bodies[row["org"]].code]["approve"]
            instances.act(self.hall, leader, no, "resumed", opinion="现场核查完毕，恢复办理")
            return
        tasks = self.hall.read(lambda connection: todo.of_case(connection, no))
        asked = [task for task in tasks if task.wanted == "answer"]
        for task in asked or tasks:
            self._handle(no, row, plan, task)

    def _handle(self, no: str, row: Row, plan: Plan, task: Any) -> None:
        staff = self._staff[task.org]
        if task.wanted == "answer":
            instances.act(
                self.hall, staff["approve"], no, "answered", kind="suspension", step=task.step, grant=True,
                opinion="同意现场核查",
            )  # fmt: skip
        elif plan.suspend and task.kind == "review" and not _was_suspended(self.hall, no):
            instances.act(
                self.hall, staff["review"], no, "asked", kind="suspension", step=task.step,
                opinion="需要现场核查经营场所",
            )  # fmt: skip
        elif plan.deny and task.kind == "approve":
            instances.act(
                self.hall, staff["approve"], no, "refused", step=task.step, opinion="不符合法定条件"
            )
        else:
            instances.act(self.hall, staff[task.post], no, "passed", step=task.step, opinion="材料齐全，同意")

    def _fee(self, row: Row, plan: Plan) -> None:
        no, clerk = row["case_no"], self._window(plan)
        fee = self.hall.read(lambda connection: charge.latest(connection, no))
        if fee is None or fee.state == "reversed":
            content = self._content(row)
            asked = charge.Asked({one["code"]: "1" for one in content.get("fees", ())})
            charge.request(self.hall, clerk, no, row["version"], asked)
        elif fee.state == "paid":
            paying.confirm(self.hall, clerk, no, row["version"])

    def _conclude(self, row: Row, plan: Plan) -> None:
        no, clerk, content = row["case_no"], self._window(plan), self._content(row)
        wanted = row["facts"]["granted"] and content.get("certificate_type")
        made = self.hall.read(lambda connection: certificate.latest(connection, no))
        if wanted and made is None:
            name = content.get("result_name") or content["name"]
            fields = (("holderName", plan.name), ("scope", content["name"][:100]))
            asked = certify.Asked(name, "2026-01-01", "2031-01-01", fields)
            certify.request(self.hall, clerk, no, row["version"], asked)
        elif not wanted or row["facts"]["certified"]:
            certify.conclude(self.hall, clerk, no, row["version"])

    def _deliver(self, row: Row, plan: Plan) -> None:
        taken = deliver.Collection(plan.name, document_no=plan.document_no)
        deliver.deliver(self.hall, self._window(plan), row["case_no"], row["version"], taken)

    def _rate(self, row: Row, plan: Plan) -> None:
        if not row["facts"].get("evaluated"):
            rating = evaluate.Rating(plan.rating)
            evaluate.at_window(self.hall, self._window(plan), row["case_no"], rating)

    def _content(self, row: Row) -> Mapping[str, Any]:
        code, version = row["item_code"], row["item_version"]
        return self.hall.read(lambda connection: items.content_of(connection, code, version))


def certificate_types(hall: Hall, bodies: list[Body]) -> list[tuple[str, str]]:
    """Code and name of every certificate the bodies' items give."""
    codes = [code for body in bodies for code in body.items]
    ask = select(item.c.code, item.c.version).where(item.c.current, item.c.code.in_(codes))

    def read(connection: Connection) -> dict[str, str]:
        said = (items.content_of(connection, row.code, row.version) for row in connection.execute(ask).all())
        given = (one for one in said if one.get("certificate_type"))
        return {one["certificate_type"]: one.get("result_name") or one["name"] for one in given}

    return sorted(hall.read(read).items())


def _opened(connection: Connection) -> int:
    """How many cases earlier runs opened here."""
    return connection.execute(select(func.count()).select_from(hall_receipt)).scalar_one()


def _staff(hall: Hall, at: int) -> Mapping[str, Clerk]:
    number = f"{at + 1:02}" if at else ""
    logins = {one["posts"][0]: one["login"] + number for one in site.told()["each"]}
    return {post: site.clerk(hall, login) for post, login in logins.items()}


def _good(one: Material) -> Seen:
    """Everything in order, every review point looked at."""
    status = "deferred" if one.necessity == "deferrable" and one.no % 2 else "received"
    points = tuple(range(1, len(one.points) + 1))
    return Seen(one.no, status, checked=points if status == "received" else ())


def _was_suspended(hall: Hall, case_no: str) -> bool:
    ask = select(case_record.c.clock).where(case_record.c.case_no == case_no)
    clock = hall.read(lambda connection: connection.execute(ask).scalar()) or {}
    return bool(clock.get("suspensions"))
