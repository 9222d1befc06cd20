"""What the partner calls the hub for: documents, seals, repeats and patience, heard by the kit's own hub."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from exchange.errors import HubError
from exchange.manifest import Inbound
from exchange.mapping.refusal import DocumentRefused
from exchange.seals import jws
from exchange.transports.wrapped import unwrap
from mocks.conformance.bench import Bench, Shot
from mocks.conformance.checks import Maker
from mocks.conformance.clocks import clocked, shift
from mocks.conformance.facts import Callback
from mocks.conformance.listener import Answer, Heard, Listener, accepting
from mocks.conformance.masking import shown
from mocks.conformance.model import Verdict, failed, not_offered, passed

SETTLE = 1.0  # seconds after an accepted answer in which no repeat may come
SLACK = 1.2  # seconds a repeat may be late beside its contract time


@dataclass(frozen=True)
class Seen:
    """One document of the partner and every request it came in."""

    body: bytes
    requests: tuple[Heard, ...]
    trigger: str


def callback_checks(make: Maker) -> None:
    """For every REST door: the document, its seal, and what happens when the hub answers badly."""
    bench = make.bench
    for entry in bench.adapter.inbound:
        if entry.rest is None:
            continue
        rule = bench.facts.callback.get(entry.name) or Callback(trigger=(bench.main,))
        rows: list[tuple[str, str, str, Callable[[Bench, Inbound, Callback], Verdict]]] = [
            ("comes", "会回调约定的地址", "calls the agreed address", _comes),
            ("schema", "回调正文符合契约", "its document follows the contract", _schema),
            ("seal", "回调带有效签名（绑定方法与地址）", "it is sealed for method and path", _seal),
            (
                "fresh",
                "重发时签名与 nonce 更新，正文不变",
                "a repeat has a fresh seal over the same bytes",
                _fresh,
            ),
            ("type", "媒体类型为 application/json", "its media type is application/json", _type),
            ("settles", "得到正确回答后不再重发", "it is not repeated once answered well", _settles),
            ("http500", "回答 500 后重发", "it is repeated after a 500", partial(_repeats, how="http500")),
            ("http503", "回答 503 后重发", "it is repeated after a 503", partial(_repeats, how="http503")),
            (
                "silence",
                "没有回答时重发",
                "it is repeated when nobody answers",
                partial(_repeats, how="silence"),
            ),
            (
                "unsealed",
                "未签名的 200 不算回执",
                "an unsealed 200 is no receipt",
                partial(_repeats, how="unsealed"),
            ),
            (
                "bad-seal",
                "签名不符的 200 不算回执",
                "a 200 under a wrong seal is no receipt",
                partial(_repeats, how="bad_seal"),
            ),
        ]
        rows += [
            (
                f"backoff-{at + 1}",
                f"第 {at + 1} 次重发在 {gap:g} 秒后",
                f"repeat {at + 1} comes after {gap:g} s",
                partial(_gap, at=at),
            )
            for at, gap in enumerate(rule.repeats)
        ]
        rows.append(
            ("clock", "拨慢业务时钟，重发照旧", "its clock set back an hour delays no repeat", _clock)
        )
        if entry.name not in bench.facts.callback:
            rows = rows[:1]
        for id_, zh, en, run in rows:
            make.add(
                f"CBK-{entry.name}-{id_}", "callback", zh, en, partial(run, bench, entry, rule), rule.section
            )


def observed(
    bench: Bench, entry: Inbound, rule: Callback, how: Sequence[str], wait: float,
    then: Callable[[], None] | None = None,
) -> Seen | None:  # fmt: skip
    """One document of the partner, answered in turn as `how` says and then well; None when none came.
    `then` is done once its first request was answered."""
    key = f"callback {entry.name} {' '.join(how)}{' then' if then else ''}"
    if bench.memory.get(f"callback {entry.name} ", "") is None:
        return None  # nothing came the first time
    if key not in bench.memory:
        bench.memory[key] = _observe(bench, entry, rule, how, wait, then)
    found: Seen | None = bench.memory[key]
    return found


def _observe(
    bench: Bench, entry: Inbound, rule: Callback, how: Sequence[str], wait: float,
    then: Callable[[], None] | None,
) -> Seen | None:  # fmt: skip
    listener = bench.listener
    if listener is None or entry.rest is None or rule not in bench.facts.callback.values():
        return None
    good = accepting(entry)
    watched: list[bytes] = []

    def script(heard: Heard, before: int) -> Answer:
        if not watched and before == 0 and heard.at >= began:
            watched.append(heard.body)
        if heard.body in watched and before < len(how):
            return Answer(how[before], good)
        return Answer(body=good)

    listener.scripts[entry.rest.path] = script
    began = time.time()
    name = _caused(bench, rule, listener, watched)
    if not watched:
        return None
    if then is not None:
        then()
    listener.wait(lambda heard: len(_of(heard, watched[0])) > len(how), wait)
    return Seen(watched[0], tuple(_of(listener.heard, watched[0])), name)


def _caused(bench: Bench, rule: Callback, listener: Listener, watched: list[bytes]) -> str:
    """The document that was sent last when a call came, or when nothing came after all."""
    name = rule.trigger[0]
    for attempt in range(rule.tries):
        name = rule.trigger[attempt % len(rule.trigger)]
        bench.send(Shot(bench.ready(name)))
        if listener.wait(lambda heard: watched, max(0.6, rule.wait * bench.partner.scale)):
            break
    return name


def _of(heard: list[Heard], body: bytes) -> list[Heard]:
    return [one for one in heard if one.body == body]


def _plain(bench: Bench, entry: Inbound, rule: Callback) -> Seen | None:
    return observed(bench, entry, rule, (), 0)


def _nothing(bench: Bench, rule: Callback) -> Verdict:
    if rule not in bench.facts.callback.values():
        return not_offered("契约资料未说明何时回调 / the facts do not say what causes this call")
    why = "没有监听地址 / no listener" if bench.listener is None else "没有回调到来 / no call came"
    said = not_offered if bench.listener is None or rule.may else failed
    return said(f"{why} ({', '.join(rule.trigger)} × {rule.tries})")


def _told(seen: Seen) -> tuple[str, str]:
    times = [f"{one.at - seen.requests[0].at:+.2f}s → {one.answered}" for one in seen.requests]
    return f"{seen.trigger} → 回调 / callback", f"{shown(seen.body)}\n{'; '.join(times)}"


def _judged(seen: Seen, good: bool, why: str) -> Verdict:
    sent, received = _told(seen)
    return passed(sent, received) if good else failed(why, sent, received)


def _comes(bench: Bench, entry: Inbound, rule: Callback) -> Verdict:
    seen = _plain(bench, entry, rule)
    return (
        _nothing(bench, rule)
        if seen is None
        else _judged(seen, seen.requests[0].method == "POST", "不是 POST / not a POST")
    )


def _schema(bench: Bench, entry: Inbound, rule: Callback) -> Verdict:
    seen = _plain(bench, entry, rule)
    if seen is None:
        return _nothing(bench, rule)
    mapping = bench.adapter.mapping(entry.documents[0])
    try:
        body, wrap = seen.body, entry.rest.wrap if entry.rest else None
        plain = body if wrap is None else unwrap(body, wrap, bench.partner.cipher)
        mapping.hear(mapping.read(plain), bench.context())
    except DocumentRefused as fault:
        found = "; ".join(f"{error.path}: {error.code}" for error in fault.errors[:5])
        return _judged(seen, False, f"不符合契约 / departs from the contract: {found}")
    except HubError as fault:
        return _judged(seen, False, f"不可读 / unreadable: {fault.code} {fault.detail}")
    return _judged(seen, True, "")


def _seal_problem(bench: Bench, heard: Heard) -> str:
    now = datetime.fromtimestamp(heard.at, UTC)
    try:
        jws.verify_request(
            heard.seal, heard.body, bench.partner.by_kid, method=heard.method, path=heard.path, now=now
        )
    except HubError as fault:
        return f"{fault.code}: {fault.detail}"
    return ""


def _seal(bench: Bench, entry: Inbound, rule: Callback) -> Verdict:
    seen = _plain(bench, entry, rule)
    if seen is None:
        return _nothing(bench, rule)
    problem = _seal_problem(bench, seen.requests[0])
    return _judged(seen, not problem, f"签名无效 / the seal does not hold: {problem}")


def _type(bench: Bench, entry: Inbound, rule: Callback) -> Verdict:
    seen = _plain(bench, entry, rule)
    if seen is None:
        return _nothing(bench, rule)
    kind = seen.requests[0].headers.get("content-type", "").lower().replace(" ", "")
    return _judged(
        seen,
        kind in ("application/json", "application/json;charset=utf-8"),
        f"标注为 / labelled {kind or '-'}",
    )


def _settles(bench: Bench, entry: Inbound, rule: Callback) -> Verdict:
    seen = _plain(bench, entry, rule)
    if seen is None or bench.listener is None:
        return _nothing(bench, rule)
    limit = seen.requests[0].at + (rule.repeats[0] if rule.repeats else 1) * bench.partner.scale + SETTLE
    time.sleep(max(0.0, limit - time.time()))
    later = [one for one in _of(bench.listener.heard, seen.body) if one.at > seen.requests[0].at + 0.05]
    same = [one for one in later if one.seal == seen.requests[0].seal]
    return _judged(
        seen, len(later) <= 1 and not same, f"又重发 {len(later)} 次 / repeated {len(later)} times"
    )


def _waiting(rule: Callback, bench: Bench, count: int) -> float:
    return sum(gap * bench.partner.scale + SLACK for gap in rule.repeats[:count]) + SLACK


def _repeats(bench: Bench, entry: Inbound, rule: Callback, how: str) -> Verdict:
    wait = _waiting(rule, bench, 1) + (rule.timeout * bench.partner.scale if how == "silence" else 0)
    seen = observed(bench, entry, rule, (how,), wait)
    if seen is None:
        return _nothing(bench, rule)
    return _judged(
        seen, len(seen.requests) > 1, f"{wait:.1f} 秒内没有重发 / not repeated within {wait:.1f} s"
    )


def _series(bench: Bench, entry: Inbound, rule: Callback) -> Seen | None:
    count = sum(1 for gap in rule.repeats if gap * bench.partner.scale <= 6)
    return observed(bench, entry, rule, ("http503",) * count, _waiting(rule, bench, count))


def _clock(bench: Bench, entry: Inbound, rule: Callback) -> Verdict:
    """What waits to be repeated goes by true time: nobody's clock may lose or delay it."""
    count = sum(1 for gap in rule.repeats if gap * bench.partner.scale <= 6)
    back, wait = partial(shift, bench, -3600, seals=False), _waiting(rule, bench, count)

    def run() -> Verdict:
        seen = observed(bench, entry, rule, ("http503",) * count, wait, back)
        if seen is None:
            return _nothing(bench, rule)
        return _judged(seen, len(seen.requests) > count, f"{wait:.1f} 秒内没有重发 / not repeated in time")

    return clocked(bench, run)


def _gap(bench: Bench, entry: Inbound, rule: Callback, at: int) -> Verdict:
    wanted = rule.repeats[at] * bench.partner.scale
    if wanted > 6:
        return not_offered(
            f"{rule.repeats[at]:g} 秒太长，请以 --time-scale 测试 / too long to wait for; use --time-scale"
        )
    seen = _series(bench, entry, rule)
    if seen is None:
        return _nothing(bench, rule)
    if len(seen.requests) < at + 2:
        return _judged(
            seen, False, f"只有 {len(seen.requests) - 1} 次重发 / only {len(seen.requests) - 1} repeats"
        )
    found = seen.requests[at + 1].at - seen.requests[at].at
    good = wanted * 0.8 - 0.02 <= found <= wanted * 1.5 + SLACK
    return _judged(seen, good, f"间隔 {found:.2f} s，应为 / gap, expected {wanted:g} s")


def _fresh(bench: Bench, entry: Inbound, rule: Callback) -> Verdict:
    seen = observed(bench, entry, rule, ("http500",), _waiting(rule, bench, 1))
    if seen is None:
        return _nothing(bench, rule)
    if len(seen.requests) < 2:
        return _judged(seen, False, "没有重发 / not repeated")
    nonces = {jws.claimed_nonce(one.seal) for one in seen.requests}
    bad = next((problem for one in seen.requests if (problem := _seal_problem(bench, one))), "")
    good = len(nonces) == len(seen.requests) and not bad
    return _judged(seen, good, f"签名未更新或无效 / the seal is not fresh or does not hold: {bad}")
