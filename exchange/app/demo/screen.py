"""What a person sees: the steps, the live view (a plain line every 5 s into a pipe) and the summary."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from exchange.app.demo.comparing import Outcome
from exchange.app.demo.hall.running import Seen
from exchange.app.demo.layout import Partner
from exchange.app.demo.result import Result
from exchange.app.demo.watching import Progress
from ledger.report import WHOLE

PLAIN_EVERY = 5.0  # seconds between lines when nobody watches
SHOWN = 10  # differences listed

# State of a case -> Chinese label, in the order of a case's life (canonical/casetable.py).
STATES = {
    "draft": "草稿", "submitted": "已申办", "pre_supplement": "预审补正", "pre_refused": "预审不受理",
    "pre_accepted": "已预受理", "received": "已收件", "supplementing": "补齐补正", "not_accepted": "不予受理",
    "accepted": "已受理", "undertaking": "承办", "reviewing": "审核", "approving": "批准",
    "suspended": "特别程序", "extension_pending": "延时申请",
    "decided": "已决定", "awaiting_payment": "待缴费", "certified": "已制证",
    "concluded": "已办结", "delivered": "已领取", "archived": "已归档",
}  # fmt: skip


@dataclass(frozen=True)
class View:
    """One frame."""

    partners: Sequence[Partner]
    total: int
    done: int
    progress: Progress
    restarts: Mapping[str, int]
    seconds: float
    rate: float  # messages a second, lately


class Screen:
    """A terminal, or lines into a pipe."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False)
        self._live: Live | None = None
        self._said = float("-inf")

    def banner(self) -> None:
        """The first line."""
        self.console.print(Text("通办 Tongban · 演示 demonstration", style="bold"))

    def step(self, chinese: str, english: str) -> None:
        """One thing that is done now."""
        self.console.print(Text.assemble((f"  {chinese}", "cyan"), f"  {english}"), soft_wrap=True)

    def warn(self, text: str) -> None:
        """One line that matters."""
        self.console.print(Text(f"  ! {text}", style="yellow"), soft_wrap=True)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """The live part of the run."""
        if not self.console.is_terminal:
            yield
            return
        with Live(console=self.console, auto_refresh=False, transient=True) as self._live:
            try:
                yield
            finally:
                self._live = None

    def show(self, view: View) -> None:
        """One frame, or one line when it is time for one."""
        if self._live is not None:
            self._live.update(frame(view), refresh=True)
        elif time.monotonic() - self._said >= PLAIN_EVERY:
            self._said = time.monotonic()
            self.console.print(plain_line(view), soft_wrap=True)

    def accounts(self, hall: Seen) -> None:
        """Who may sign in to the hall."""
        self.console.print(accounts(hall))

    def summary(self, result: Result) -> None:
        """The end of the run."""
        for part in summary(result):
            self.console.print(part)


def plain_line(view: View) -> str:
    """One frame as one line."""
    now = view.progress
    parts = [
        f"{view.seconds:5.0f} s", f"cases {view.done}/{view.total}", f"sent {sum(now.sent.values())}",
        f"received {sum(now.received.values())}", f"refused {now.refused}", f"open {now.open}",
        f"unanswered {now.unanswered}", f"ledger {now.ledger}", f"{view.rate:.0f} messages/s",
    ]  # fmt: skip
    return "  " + "  ".join(parts + ([f"restarts {sum(view.restarts.values())}"] if view.restarts else []))


def frame(view: View) -> RenderableType:
    """The live view."""
    bar = Table.grid(padding=(0, 1), expand=True)
    bar.add_column(no_wrap=True)
    bar.add_column(ratio=1)
    bar.add_column(no_wrap=True)
    progress = ProgressBar(total=max(1, view.total), completed=view.done)
    bar.add_row("办件 cases", progress, f"{view.done}/{view.total}  {view.seconds:.0f} s")
    now = view.progress
    first = _facts_line(
        ("待发 open", now.open), ("待回执 unanswered", now.unanswered), ("拒收 refused", now.refused)
    )
    restarts = sum(view.restarts.values())
    second = _facts_line(
        ("账本 ledger", now.ledger), ("每秒 messages/s", round(view.rate)), ("重启 restarts", restarts)
    )
    return Panel(
        Group(bar, _states(now.cases), first, second, _live_table(view)),
        title="运行 running",
        box=box.ROUNDED,
    )


def _facts_line(*facts: tuple[str, int]) -> Text:
    return Text("  ").join(Text.assemble((f"{name} ", "dim"), str(value)) for name, value in facts)


def _states(cases: Mapping[str, int]) -> Text:
    order = list(STATES)
    known = sorted(cases, key=lambda state: order.index(state) if state in order else len(order))
    parts = [f"{STATES.get(state, '')} {state} {cases[state]}".strip() for state in known]
    return Text("  ".join(parts) or "—")


def _live_table(view: View) -> Table:
    """One line for each system: the view must fit 24 lines."""
    table = _numbers_table(("名称\nname", "\n"), ("发出\nsent", "收到\nreceived"))
    for one in view.partners:
        sent, received = (now.get(one.party, 0) for now in (view.progress.sent, view.progress.received))
        english = Text(one.english, style="dim")
        table.add_row(one.system or "—", one.title, english, _number(sent), _number(received))
    return table


def _numbers_table(names: Sequence[str], numbers: Sequence[str]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("系统\nsystem", no_wrap=True)
    for heading in names:
        table.add_column(heading, overflow="fold")
    for heading in numbers:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def _row(table: Table, one: Partner, numbers: Sequence[object]) -> None:
    name = Text.assemble(one.title, (f"\n{one.english} · {one.protocol}", "dim"))
    table.add_row(one.system or "—", name, *(_number(value) for value in numbers))


def _number(value: object) -> Text:
    if isinstance(value, Text):
        return value
    return Text(str(value), style="dim" if value == 0 else "")


def summary(result: Result) -> Iterator[RenderableType]:
    """The parts of the summary, top down; the last one is the verdict."""
    yield _systems(result)
    if listed := _differences(result):
        yield Text("\n".join(listed), style="red")
    yield _facts(result)
    yield verdict(result)


def _systems(result: Result) -> Table:
    headings = ("发出\nsent", "收到\nreceived", "回执\nreceipts", "拒收\nrefused", "差异\ndiffer")
    table = _numbers_table(("名称\nname",), headings)
    for one in result.partners:
        outcome = result.outcomes.get(one.name, Outcome())
        differ = len(outcome.differences)
        numbers = [outcome.sent, outcome.received, outcome.receipts, outcome.refused]
        _row(table, one, [*numbers, Text(str(differ), style="bold red") if differ else 0])
    return table


def _differences(result: Result) -> list[str]:
    every = [str(one) for outcome in result.outcomes.values() for one in outcome.differences]
    more = [f"… and {len(every) - SHOWN} more"] if len(every) > SHOWN else []
    return [f"差异 difference  {line}" for line in every[:SHOWN]] + more


def _facts(result: Result) -> Table:
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column(overflow="fold")
    for name, value in _fact_lines(result):
        facts.add_row(name, value)
    return facts


def _fact_lines(result: Result) -> Iterator[tuple[str, RenderableType]]:
    yield "办件 cases", Text(f"{result.finished} of {result.driven} finished")
    if result.hall.url:
        here = result.hall.standing
        words = f"{here.finished} of {here.opened} finished, {here.waiting} wait for whoever signs in"
        yield "内嵌大厅 hall", Text(words)
    yield "状态 states", _states(result.cases)
    yield (
        "账本 ledger",
        _verdict_of(result.report.status, f"{result.report.size} entries, {result.report.status}"),
    )
    yield "树根 root", Text(result.root)
    for finding in result.report.findings[:SHOWN]:
        yield "", Text(str(finding), style="red")
    if result.exported is not None:
        yield (
            "导出 export",
            _verdict_of(result.exported.status, f"{result.exported.size} entries, {result.exported.status}"),
        )
    yield (
        "队列 queue",
        Text("RabbitMQ (private node)" if result.rabbit else "database queue (SQLite), no RabbitMQ"),
    )
    speed = f"{result.seconds:.1f} s, {result.messages} messages, {result.rate:.0f} messages/s"
    yield "用时 duration", Text(speed)
    if given_up := sum(one.undelivered for one in result.outcomes.values()):
        yield (
            "未送达 undelivered",
            Text(f"{given_up} given up by their sender after its last repeat", style="yellow"),
        )
    restarts = ", ".join(f"{name} {number}" for name, number in result.restarts.items())
    yield "重启 restarts", Text(restarts or "none", style="yellow" if restarts else "")


ROLES = {
    "clerk": "窗口人员", "undertaker": "承办人", "reviewer": "审核人", "approver": "批准人",
    "supervisor": "监察员", "administrator": "管理员", "auditor": "审计员", "items_editor": "事项编制员",
    "establishment_reviewer": "编制审核员", "legal_reviewer": "法制审核员",
}  # fmt: skip


def accounts(hall: Seen) -> RenderableType:
    """Where the hall is, and who may sign in."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for heading in ("角色 role", "登录名 login", "姓名 name"):
        table.add_column(heading)
    for one in hall.accounts:
        table.add_row(f"{ROLES[one.role]} {one.role}", one.login, one.name)
    return Group(Text(f"内嵌大厅 hall  {hall.url}   密码 password  {hall.password}"), table)


def _verdict_of(status: str, text: str) -> Text:
    return Text(text, style="green" if status == WHOLE else "bold red")


def verdict(result: Result) -> Text:
    """The closing line."""
    if problems := result.problems():
        return Text("不符 NOT OK: " + "; ".join(problems), style="bold red")
    total = sum(one.sent + one.received for one in result.outcomes.values())
    words = f"通过 OK: {total} business messages agree on both sides, the ledger is whole"
    return Text(words, style="bold green")
