"""One demonstration from start to end: the cases driven, both sides compared, the ledger verified."""

import json
import signal
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from sqlalchemy import Engine

from exchange.adapterfolder import Adapter, load_adapters
from exchange.app.demo.asking import Asking
from exchange.app.demo.counter import PORTAL, Counter, Standing, write_items
from exchange.app.demo.hall.running import Working
from exchange.app.demo.hall.running import begin as begin_hall
from exchange.app.demo.layout import partners, write_file
from exchange.app.demo.proving import settled_comparison, verify_ledger
from exchange.app.demo.result import Result
from exchange.app.demo.scenes import load_scenario, playing
from exchange.app.demo.screen import Screen, View
from exchange.app.demo.starting import Cast, alone, prepare, start
from exchange.app.demo.watching import Progress, Watcher
from exchange.app.opening import coded, ledger_signer, open_reader
from exchange.app.settings import load_settings
from exchange.errors import TryLater

LIMIT_SECONDS, PER_CASE_SECONDS = 600.0, 3.0
TICK = 0.25
QUIET_SECONDS = 2.0  # nothing new for so long: late reports have come
RATE_SECONDS = 5.0  # span of the live messages a second
FAILED, INTERRUPTED = 1, 130


@dataclass(frozen=True)
class Options:
    """What the command line asks for."""

    once: bool = False
    cases: int = 100
    json: Path | None = None
    export: Path | None = None
    rabbit: bool = True
    scenario: str | None = None
    hall: int = 0  # cases of the embedded hall that go to their end


def demonstrate(options: Options) -> int:
    """The exit code: 0 when both sides agree and the ledger holds."""
    settings, screen = load_settings(), Screen()
    adapters = load_adapters(settings.adapters)
    scenario = load_scenario(options.scenario) if options.scenario else None
    screen.banner()
    with stopping_on_sigterm(), alone(settings.state / "demo"):
        cast = prepare(settings, screen, partners(adapters, everybody=scenario is not None))
        try:
            with Asking(cast.layout) as asking:
                start(cast, asking, adapters, rabbit=options.rabbit)
                with playing(cast, scenario):
                    code = _perform(cast, asking, adapters, options)
                if not options.once:
                    _stay(cast)
            return code
        except KeyboardInterrupt:
            return INTERRUPTED
        finally:
            _end(cast)


def _perform(cast: Cast, asking: Asking, adapters: Mapping[str, Adapter], options: Options) -> int:
    with coded():
        engine = open_reader(cast.settings)
    try:
        result = drive(cast, asking, engine, adapters, options)
    finally:
        engine.dispose()
    cast.screen.summary(result)
    if result.hall.url and not options.once:
        cast.screen.accounts(result.hall)
    if options.json is not None:
        with coded():
            text = json.dumps(result.as_json(), ensure_ascii=False, indent=2) + "\n"
            write_file(options.json.absolute(), text, 0o644)
    return FAILED if result.problems() else 0


def drive(
    cast: Cast, asking: Asking, engine: Engine, adapters: Mapping[str, Adapter], options: Options
) -> Result:
    """The counter opens the cases; everything after that follows. Then what was done is proven."""
    write_items(engine, cast.layout, asking, cast.members)
    counter = Counter(asking, portal=any(one.name == PORTAL for one in cast.members))
    cast.screen.step("内嵌大厅", f"hall: {cast.settings.public_url}/hall, its bodies and staff")
    hall = begin_hall(cast.settings, cast.layout, cast.members, asking, options.hall)
    try:
        run = Run(cast, counter, Watcher(engine, adapters, cast.begun), options.cases, hall)
        run.begin()
        with cast.screen.watching():
            unfinished = run.until_done()
    finally:
        hall.close()
    seconds, progress = run.seconds, run.progress
    cast.screen.step("双方比对", "comparison: what the hub recorded against what each partner recorded")
    outcomes = settled_comparison(engine, cast.members, asking.record, cast.tend)
    cast.screen.step("验证账本", "ledger: every entry, hash, signature and value is checked")
    report, exported = verify_ledger(engine, ledger_signer(cast.settings), options.export)
    return Result(
        tuple(cast.members), outcomes, progress.cases, run.standing.total, run.standing.done, report,
        cast.broker.rabbit, seconds, progress.documents, cast.restarts, cast.urls, unfinished, exported,
        hall.seen,
    )  # fmt: skip


@dataclass
class Run:
    """The cases on their way."""

    cast: Cast
    counter: Counter
    watcher: Watcher
    total: int
    hall: Working = field(default_factory=Working)
    progress: Progress = field(default_factory=Progress)
    standing: Standing = field(default_factory=Standing)
    seconds: float = 0.0  # until the last message
    _began: float = 0.0
    _changed: float = 0.0
    _lately: deque[tuple[float, int]] = field(default_factory=deque)

    def begin(self) -> None:
        """Ask the counter to open the cases."""
        self.cast.screen.step("受理办件", f"cases: {self.total} are opened")
        self.counter.begin(self.total)
        self._began = self._changed = time.monotonic()

    def until_done(self) -> str:
        """Returns when nothing is left to do, or with what was unfinished at the time limit."""
        while not self.done():
            if time.monotonic() - self._began > self.limit:
                return f"unfinished after {self.limit:.0f} s: {self.lacking()}"
            self.cast.tend()
            self.hall.step()
            self.look()
            self.cast.screen.show(self.view())
            time.sleep(TICK)
        return self.lacking()

    @property
    def limit(self) -> float:
        """Seconds the run may take, the cases an earlier one left included."""
        return LIMIT_SECONDS + PER_CASE_SECONDS * max(self.total, self.standing.total)

    def look(self) -> None:
        """One look at counter and hub; a process being restarted is asked again later."""
        before = self.progress
        self.progress = self.watcher.look()
        try:
            self.standing = self.counter.standing()
        except TryLater:
            self._changed = time.monotonic()
        if (before.documents, before.ledger) != (self.progress.documents, self.progress.ledger):
            self._changed = time.monotonic()
            self.seconds = self._changed - self._began

    def done(self) -> bool:
        """Every case finished, every delivery made and answered, and nothing new for a while."""
        quiet = time.monotonic() - self._changed > QUIET_SECONDS
        over = self.standing.over and self.hall.seen.standing.over
        return quiet and over and self.progress.quiet and self.cast.scene_over.is_set()

    def lacking(self) -> str:
        """What is not done, in words; empty when all is."""
        hall = self.hall.seen.standing
        failed = [*self.standing.failed, *(f"{no} {why}" for no, why in hall.failed.items())]
        under_way = self.standing.total - self.standing.done + hall.opened - hall.finished - hall.waiting
        parts = {
            "cases failed": len(failed), "cases under way": under_way - len(failed),
            "deliveries open": self.progress.open, "receipts missing": self.progress.unanswered,
        }  # fmt: skip
        words = ", ".join(f"{number} {name}" for name, number in parts.items() if number > 0)
        return words + (f" ({'; '.join(failed[:5])})" if failed else "")

    def view(self) -> View:
        """What the screen shows now."""
        now = time.monotonic()
        self._lately.append((now, self.progress.documents))
        while now - self._lately[0][0] > RATE_SECONDS:
            self._lately.popleft()
        (since, first), span = self._lately[0], max(now - self._lately[0][0], TICK)
        del since
        rate = (self.progress.documents - first) / span
        done, seconds = self.standing.done, now - self._began
        return View(
            self.cast.members,
            max(self.total, self.standing.total),
            done,
            self.progress,
            self.cast.restarts,
            seconds,
            rate,
        )


def _stay(cast: Cast) -> None:
    cast.screen.step("运行中", "everything stays up; Ctrl-C ends it")
    for name, url in cast.urls.items():
        cast.screen.step(f"{name:<13}", url)
    with suppress(KeyboardInterrupt):
        while True:
            cast.tend()
            time.sleep(TICK)


def _end(cast: Cast) -> None:
    """An orderly end that a second Ctrl-C does not tear."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    cast.stop()


@contextmanager
def stopping_on_sigterm() -> Iterator[None]:
    """SIGTERM unwinds like a Ctrl-C; the handlers are put back."""

    def stop(number: int, stack: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
