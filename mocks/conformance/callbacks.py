"""What the partner calls the hub for: documents, seals, repeats and patience, heard by the kit's own hub."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from exchange.manifest import Inbound
from mocks.conformance.bench import Bench, Shot
from mocks.conformance.checks import Maker
from mocks.conformance.clocks import clocked, shift
from mocks.conformance.ears import Ear, ear_of
from mocks.conformance.facts import Callback
from mocks.conformance.listener import Answer, Heard, Listener, accepting
from mocks.conformance.masking import shown
from mocks.conformance.model import Verdict, failed, not_offered, passed

SETTLE = 1.0  # seconds after an accepted answer in which no repeat may come
LEAST = 3.0  # seconds a call is waited for at least
NO_TRIGGER = (
    "conformance.toml 未说明何时回调 / conformance.toml does not say what causes this call: [callback.…]"
)
AGAIN = 2  # gaps of one door that are looked at twice


@dataclass(frozen=True)
class Seen:
    """One document of the partner and every request it came in."""

    ear: Ear
    ident: bytes
    requests: tuple[Heard, ...]
    trigger: str


Run = Callable[[Bench, Inbound, Callback], Verdict]


def callback_checks(make: Maker) -> None:
    """For every door called over HTTP: the document, its seal, and what follows a bad answer of the hub."""
    bench = make.bench
    for entry in bench.adapter.inbound:
        if entry.rest is None and entry.soap is None:
            continue
        rule = bench.facts.callback.get(entry.name) or Callback(trigger=(bench.main,))
        rows = [*_content_rows(entry), *_patience_rows(entry), *_backoff_rows(rule)]
        for id_, zh, en, run in rows if entry.name in bench.facts.callback else rows[:1]:
            label = f"CBK-{entry.name}-{id_}"
            make.add(label, "callback", zh, en, partial(run, bench, entry, rule), rule.section)


def _content_rows(entry: Inbound) -> Iterator[tuple[str, str, str, Run]]:
    yield "comes", "会回调约定的地址", "calls the agreed address", _comes
    yield "schema", "回调正文符合契约", "its document follows the contract", _schema
    if entry.soap is not None:
        yield "seal", "回调文档带有效签名", "its document carries a valid seal", _seal
        zh, en = "字符集、首部与信封符合 WSDL", "character set, headers and envelope follow the WSDL"
        yield "type", zh, en, _type
        yield "fresh", "重发的是同一文档", "a repeat is the same document", _fresh
        return
    yield "seal", "回调带有效签名（绑定方法与地址）", "it is sealed for method and path", _seal
    zh, en = "重发时签名与 nonce 更新，正文不变", "a repeat has a fresh seal over the same bytes"
    yield "fresh", zh, en, _fresh
    yield "type", "媒体类型为 application/json", "its media type is application/json", _type


def _patience_rows(entry: Inbound) -> Iterator[tuple[str, str, str, Run]]:
    """What it does when the hub answers badly."""
    for how, id_, zh, en in (
        ("http500", "http500", "回答 500 后重发", "it is repeated after a 500"),
        ("http503", "http503", "回答 503 后重发", "it is repeated after a 503"),
        ("silence", "silence", "没有回答时重发", "it is repeated when nobody answers"),
        ("unsealed", "unsealed", "未签名的 200 不算回执", "an unsealed 200 is no receipt"),
        ("bad_seal", "bad-seal", "签名不符的 200 不算回执", "a 200 under a wrong seal is no receipt"),
    ):
        yield id_, zh, en, partial(_repeats, how=how)
    if entry.soap is not None:
        zh, en = "回答“稍后”（busy）后重发", "it is repeated after the contract's busy"
        yield "busy", zh, en, partial(_repeats, how="busy")
        yield "refused", "被拒绝的文档不再原样重发", "a refused document does not come again", _refused
    yield "settles", "得到正确回答后不再重发", "it is not repeated once answered well", _settles


def _backoff_rows(rule: Callback) -> Iterator[tuple[str, str, str, Run]]:
    for at, gap in enumerate(rule.repeats):
        zh, en = f"第 {at + 1} 次重发在 {gap:g} 秒后", f"repeat {at + 1} comes after {gap:g} s"
        yield f"backoff-{at + 1}", zh, en, partial(_gap, at=at)
    yield "clock", "拨慢业务时钟，重发照旧", "its clock set back an hour delays no repeat", _clock


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
    listener, ear = bench.listener, ear_of(bench, entry)
    if listener is None or ear is None or rule not in bench.facts.callback.values():
        return None
    good = accepting(entry)
    watched: list[bytes] = []

    def script(heard: Heard, before: int) -> Answer:
        if not watched and before == 0 and heard.at >= began:
            watched.append(heard.ident)
        if heard.ident in watched and before < len(how):
            return Answer(how[before], good)
        return Answer(body=good)

    listener.scripts[ear.name] = script
    began = time.time()
    name = _caused(bench, rule, listener, watched)
    if not watched:
        return None
    if then is not None:
        then()
    listener.wait(lambda heard: len(_of(heard, ear.name, watched[0])) > len(how), wait)
    return Seen(ear, watched[0], tuple(_of(listener.heard, ear.name, watched[0])), name)


def _caused(bench: Bench, rule: Callback, listener: Listener, watched: list[bytes]) -> str:
    """The document that was sent last when a call came, or when nothing came after all."""
    name = rule.trigger[0]
    for attempt in range(rule.tries):
        name = rule.trigger[attempt % len(rule.trigger)]
        bench.send(Shot(bench.ready(name)))
        if listener.wait(lambda heard: watched, max(LEAST, rule.wait * bench.partner.scale)):
            break
    return name


def _of(heard: list[Heard], door: str, ident: bytes) -> list[Heard]:
    return [one for one in heard if one.door == door and one.ident == ident]


def _plain(bench: Bench, entry: Inbound, rule: Callback) -> Seen | None:
    return observed(bench, entry, rule, (), 0)


def _nothing(bench: Bench, rule: Callback) -> Verdict:
    if rule not in bench.facts.callback.values():
        return not_offered(NO_TRIGGER)
    why = "没有监听地址 / no listener" if bench.listener is None else "没有回调到来 / no call came"
    said = not_offered if bench.listener is None or rule.may else failed
    return said(f"{why} ({', '.join(rule.trigger)} × {rule.tries})")


def _told(seen: Seen) -> tuple[str, str]:
    times = [f"{one.at - seen.requests[0].at:+.2f}s → {one.answered}" for one in seen.requests]
    return f"{seen.trigger} → 回调 / callback", f"{shown(seen.requests[0].body)}\n{'; '.join(times)}"


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
    problem = seen.ear.schema(seen.requests[0])
    return _judged(seen, not problem, problem)


def _seal(bench: Bench, entry: Inbound, rule: Callback) -> Verdict:
    seen = _plain(bench, entry, rule)
    if seen is None:
        return _nothing(bench, rule)
    problem = seen.ear.seal(seen.requests[0])
    return _judged(seen, not problem, f"签名无效 / the seal does not hold: {problem}")


def _type(bench: Bench, entry: Inbound, rule: Callback) -> Verdict:
    seen = _plain(bench, entry, rule)
    if seen is None:
        return _nothing(bench, rule)
    problem = seen.ear.frame(seen.requests[0])
    return _judged(seen, not problem, problem)


def _settles(bench: Bench, entry: Inbound, rule: Callback) -> Verdict:
    seen = _plain(bench, entry, rule)
    if seen is None or bench.listener is None:
        return _nothing(bench, rule)
    limit = seen.requests[0].at + (rule.repeats[0] if rule.repeats else 1) * bench.partner.scale + SETTLE
    time.sleep(max(0.0, limit - time.time()))
    again = _of(bench.listener.heard, seen.ear.name, seen.ident)
    later = [one for one in again if one.at > seen.requests[0].at + 0.05]
    same = [one for one in later if entry.rest is not None and one.seal == seen.requests[0].seal]
    return _judged(
        seen, len(later) <= 1 and not same, f"又重发 {len(later)} 次 / repeated {len(later)} times"
    )


def _refused(bench: Bench, entry: Inbound, rule: Callback) -> Verdict:
    """The refusal is an answer; a partner may correct its document and send that under another identity."""
    wait = (rule.repeats[0] if rule.repeats else 1) * bench.partner.scale + SETTLE
    seen = observed(bench, entry, rule, ("refused",), wait)
    if seen is None:
        return _nothing(bench, rule)
    return _judged(seen, len(seen.requests) == 1, "被拒绝后原样重发 / sent again although refused")


def _waiting(rule: Callback, bench: Bench, count: int) -> float:
    slack = bench.partner.slack
    return sum(gap * bench.partner.scale + slack for gap in rule.repeats[:count]) + slack


def _repeats(bench: Bench, entry: Inbound, rule: Callback, how: str) -> Verdict:
    wait = _waiting(rule, bench, 1) + (rule.timeout * bench.partner.scale if how == "silence" else 0)
    seen = observed(bench, entry, rule, (how,), wait)
    if seen is None:
        return _nothing(bench, rule)
    return _judged(
        seen, len(seen.requests) > 1, f"{wait:.1f} 秒内没有重发 / not repeated within {wait:.1f} s"
    )


def _series(bench: Bench, entry: Inbound, rule: Callback) -> Seen | None:
    how = _all_refused(bench, rule)
    return observed(bench, entry, rule, how, _waiting(rule, bench, len(how)))


def _all_refused(bench: Bench, rule: Callback) -> tuple[str, ...]:
    """As often as the contract's gaps are short enough to wait for."""
    return ("http503",) * sum(1 for gap in rule.repeats if gap * bench.partner.scale <= 6)


def _clock(bench: Bench, entry: Inbound, rule: Callback) -> Verdict:
    """What waits to be repeated goes by true time: nobody's clock may lose or delay it."""
    how = _all_refused(bench, rule)[:2]
    count = len(how)
    back, wait = partial(shift, bench, -3600, seals=False), _waiting(rule, bench, count)

    def run() -> Verdict:
        seen = observed(bench, entry, rule, how, wait, back)
        if seen is None:
            return _nothing(bench, rule)
        return _judged(seen, len(seen.requests) > count, f"{wait:.1f} 秒内没有重发 / not repeated in time")

    return clocked(bench, run)


def _gap(bench: Bench, entry: Inbound, rule: Callback, at: int) -> Verdict:
    """A gap that is wrong is looked at once more: a machine may be busy for a moment."""
    first = _gap_once(bench, entry, rule, at)
    if first.result != "failed" or bench.memory.get(key := f"again {entry.name}", 0) >= AGAIN:
        return first
    bench.memory[key] = bench.memory.get(key, 0) + 1
    bench.memory.pop(f"callback {entry.name} {' '.join(_all_refused(bench, rule))}", None)
    return _gap_once(bench, entry, rule, at)


def _gap_once(bench: Bench, entry: Inbound, rule: Callback, at: int) -> Verdict:
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
    good = wanted * 0.8 - 0.02 <= found <= wanted * 1.5 + bench.partner.slack
    return _judged(seen, good, f"间隔 {found:.2f} s，应为 / gap, expected {wanted:g} s")


def _fresh(bench: Bench, entry: Inbound, rule: Callback) -> Verdict:
    seen = observed(bench, entry, rule, ("http500",), _waiting(rule, bench, 1))
    if seen is None:
        return _nothing(bench, rule)
    if len(seen.requests) < 2:
        return _judged(seen, False, "没有重发 / not repeated")
    problem = seen.ear.repeated(seen.requests)
    return _judged(seen, not problem, f"重发的签名或内容不符 / seals or content of the repeats: {problem}")
