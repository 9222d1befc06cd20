"""The partner's clock, where its test system lets it be set (seals, nightly windows), and its pace.

The test clock is the address of `--clock`: POST {"offset_s": n, "seals": true|false|"only"} sets it n seconds
ahead; `seals` false puts that of seals and tokens right, "only" leaves that of the business as it stands
(asked for where the contract has windows).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import datetime, time, timedelta
from functools import partial
from typing import Literal

import httpx2

from canonical.amounts import BEIJING
from exchange.errors import Misconfigured
from mocks.conformance.bench import Bench, Shot, authorities
from mocks.conformance.checks import Maker, judged_acceptance, judged_refusal
from mocks.conformance.facts import Pace, Window
from mocks.conformance.model import Verdict, not_offered
from mocks.conformance.reply import Reply

NO_CLOCK = "对方没有可拨的测试时钟（--clock） / the partner offers no test clock (--clock)"
WITHIN, BEYOND = 200, 420  # seconds inside and outside the window of 300 s a seal may be off
HASTE = 8  # calls at once when the pace is broken on purpose


def clock_checks(make: Maker) -> None:
    """Clocks of timed seals, the contract's windows, and its pace."""
    bench = make.bench
    if bench.adapter.seal in ("jws", "wssec"):
        for id_, zh, en, offset in (
            ("within", "仍接受", "seals still hold", WITHIN),
            ("beyond", "即拒绝", "seals are refused", BEYOND),
        ):
            zh, en = f"时钟偏差 {offset} 秒{zh}", f"with its clock {offset} s off {en}"
            make.add(f"CLK-{id_}", "clock", zh, en, partial(clocked, bench, partial(_off, bench, offset)))
    for window in bench.facts.windows:
        run = partial(clocked, bench, partial(_windowed, bench, window))
        make.add(f"WIN-{window.id}", "clock", window.zh, window.en, run, window.section)
    if (pace := bench.facts.pace) is not None:
        zh, en = f"每秒超过 {pace.calls} 次即要求稍后", f"more than {pace.calls} calls a second are put off"
        make.add("LIM-pace", "limits", zh, en, partial(_hasty, bench, pace))


def clocked(bench: Bench, run: Callable[[], Verdict]) -> Verdict:
    """Only where the partner's clock can be set; it is put right whatever happens."""
    if bench.partner.clock is None:
        return not_offered(NO_CLOCK)
    try:
        return run()
    finally:
        _rest(bench)


@contextmanager
def by_day(bench: Bench) -> Iterator[None]:
    """A whole run outside the hours at which the contract has the partner closed, whatever the hour here is;
    without a test clock it is the tester who chooses the hour."""
    if bench.partner.clock is None or not bench.facts.windows:
        yield
        return
    with suppress(Misconfigured):  # each check that needs the clock says that it does not answer
        _rest(bench)
    try:
        yield
    finally:
        with suppress(Misconfigured):
            shift(bench, 0)


def _rest(bench: Bench) -> None:
    """Puts the clock where it stands between the checks: right, but for the hour where there are windows."""
    hours = [window.outside for window in bench.facts.windows]
    now = datetime.now(BEIJING)
    today = datetime.combine(now.date(), time.fromisoformat(hours[0]), BEIJING) if hours else now
    shift(bench, (today - now).total_seconds(), seals=not hours)


def shift(bench: Bench, seconds: float, *, seals: bool | Literal["only"] = True) -> None:
    """Sets the partner's clock so many seconds ahead."""
    asked, trust = {"offset_s": seconds, "seals": seals}, authorities()
    try:
        answer = httpx2.post(str(bench.partner.clock), json=asked, timeout=10, trust_env=False, verify=trust)
    except (httpx2.HTTPError, httpx2.InvalidURL) as fault:
        raise Misconfigured("no_clock", f"{type(fault).__name__}: no answer", "--clock") from fault
    if answer.status_code != 200:
        raise Misconfigured("no_clock", f"the test clock answered {answer.status_code}", "--clock")


def _off(bench: Bench, offset: float) -> Verdict:
    ready = bench.ready()
    seals: bool | Literal["only"] = "only" if bench.facts.windows else True
    ahead = -offset if ready.call.table else offset  # rows may wait: only those ahead of it are refused
    shift(bench, ahead, seals=seals)
    reply = bench.send(Shot(ready, note=f"clock +{offset:g} s"))
    return judged_acceptance(reply) if offset == WITHIN else judged_refusal(reply, bench.facts.seal_refused)


def seconds_until(hour: str, now: datetime) -> float:
    """Seconds from now to the next time a clock in Beijing shows HH:MM."""
    at = datetime.combine(now.date(), time.fromisoformat(hour), now.tzinfo)
    return ((at - now) % timedelta(days=1)).total_seconds()


def _windowed(bench: Bench, window: Window) -> Verdict:
    """Inside the window as the contract says, and the same document well outside it."""
    with _hour(bench, window.outside):
        ready = bench.ready(window.document)
    with _hour(bench, window.at):
        inside = bench.send(Shot(ready, note=f"{window.at}"))
    wanted = ", ".join(f"{path}={'|'.join(values)}" for path, values in window.expect.items())
    if not inside.meets(window.expect):
        return inside.verdict(False, f"{window.at} 应为 / expected {wanted}")
    with _hour(bench, window.outside):
        after = bench.send(Shot(ready, note=f"{window.outside}"))
    return after.verdict(after.accepted, f"{window.outside} 应接受 / must be accepted")


@contextmanager
def _hour(bench: Bench, hour: str) -> Iterator[None]:
    shift(bench, seconds_until(hour, datetime.now(BEIJING)), seals=False)
    yield


def _hasty(bench: Bench, pace: Pace) -> Verdict:
    """As fast as can be, until one is put off; those after it are spared."""
    put_off: list[Reply] = []

    def one(shot: Shot) -> Reply:
        reply = bench.send(shot, hasty=True)
        if reply.meets(pace.expect):
            put_off.append(reply)
        return reply

    with ThreadPoolExecutor(HASTE) as pool:
        for _ in range(5):
            last = list(pool.map(one, [Shot(bench.specimen()) for _ in range(pace.calls)]))[-1]
            if put_off:
                return put_off[0].verdict(True, "")
    return last.verdict(False, f"{5 * pace.calls} 次皆未要求稍后 / none of so many was put off")
