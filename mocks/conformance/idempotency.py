"""The same identity again: same content the same answer, other content a conflict, however often."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any

from mocks.conformance import trees
from mocks.conformance.bench import Bench, Shot
from mocks.conformance.checks import Maker
from mocks.conformance.content import redigested
from mocks.conformance.facts import Idempotency
from mocks.conformance.model import Verdict, failed, not_offered, passed
from mocks.conformance.reply import Reply

AT_ONCE = 6


def idempotency_checks(make: Maker) -> None:
    """For the documents the facts name, else the main one."""
    bench = make.bench
    for name, rule in (bench.facts.idempotency or {bench.main: Idempotency()}).items():
        rows = (
            ("same", "同一标识、同一内容：得到同一回答", "same id, same content: the same answer", _same),
            ("thrice", "第三次仍得到同一回答", "the third time still the same answer", _thrice),
            (
                "once",
                "并发发送同一请求：回答一致",
                "the same at once from several sides: one answer",
                _at_once,
            ),
            ("conflict", "同一标识、其他内容：冲突", "same id, other content: a conflict", _conflict),
            (
                "kept",
                "冲突之后原请求仍得到首次回答",
                "after a conflict the original still gets its first answer",
                _kept,
            ),
            ("distinct", "不同标识得到不同回答", "another id gets another answer", _distinct),
        )
        for id_, zh, en, run in rows:
            make.add(f"IDM-{name}-{id_}", "idempotency", zh, en, partial(run, bench, name, rule))


def business(reply: Reply, rule: Idempotency) -> str:
    """What of an answer must stay the same."""
    if rule.same:
        return json.dumps([reply.value(path) for path in rule.same])
    return json.dumps(reply.tree, sort_keys=True, ensure_ascii=False)


def _pair(bench: Bench, name: str, times: int) -> list[Reply]:
    specimen = bench.ready(name)
    return [bench.send(Shot(specimen, note=f"#{at + 1}")) for at in range(times)]


def _same(bench: Bench, name: str, rule: Idempotency) -> Verdict:
    return _all_alike(_pair(bench, name, 2), rule)


def _thrice(bench: Bench, name: str, rule: Idempotency) -> Verdict:
    return _all_alike(_pair(bench, name, 3), rule)


def _at_once(bench: Bench, name: str, rule: Idempotency) -> Verdict:
    specimen = bench.ready(name)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        replies = list(pool.map(lambda at: bench.send(Shot(specimen, note=f"#{at}")), range(AT_ONCE)))
    return _all_alike(replies, rule)


def _all_alike(replies: list[Reply], rule: Idempotency) -> Verdict:
    for reply in replies:
        if not reply.accepted:
            return reply.verdict(False, "被拒绝，应接受 / refused, must be accepted")
    answers = {business(reply, rule) for reply in replies}
    return replies[-1].verdict(len(answers) == 1, f"{len(answers)} 种不同的回答 / different answers")


def _other(bench: Bench, name: str, rule: Idempotency) -> tuple[Shot, Shot] | None:
    specimen = bench.ready(name)
    place = trees.place_of(rule.other) if rule.other else None
    if place is None or trees.reach(specimen.tree, place) is None:
        return None
    value: Any = rule.value if rule.value is not None else f"{trees.reach(specimen.tree, place)}改"
    tree = redigested(bench, specimen, trees.put(specimen.tree, place, value))
    return Shot(specimen), Shot(specimen, tree=tree, note=f"{rule.other} changed")


NO_FIELD = "conformance.toml 未给出可改的字段 / conformance.toml names no field to change:"


def _conflict(bench: Bench, name: str, rule: Idempotency) -> Verdict:
    shots = _other(bench, name, rule)
    if shots is None:
        return not_offered(f"{NO_FIELD} [idempotency.{name}]")
    first, second = bench.send(shots[0]), bench.send(shots[1])
    if not first.accepted:
        return first.verdict(False, "首次发送未被接受 / the first was not accepted")
    if rule.conflict is not None:
        wanted = ", ".join(f"{path}={'|'.join(values)}" for path, values in rule.conflict.items())
        return second.verdict(second.meets(rule.conflict), f"应为 / expected {wanted}")
    return second.verdict(second.refused, "其他内容被接受 / other content was accepted")


def _kept(bench: Bench, name: str, rule: Idempotency) -> Verdict:
    shots = _other(bench, name, rule)
    if shots is None:
        return not_offered(f"{NO_FIELD} [idempotency.{name}]")
    first = bench.send(shots[0])
    bench.send(shots[1])
    return _all_alike([first, bench.send(replace(shots[0], note="original again"))], rule)


def _distinct(bench: Bench, name: str, rule: Idempotency) -> Verdict:
    first, second = (bench.send(Shot(bench.ready(name))) for _ in range(2))
    if not (first.accepted and second.accepted):
        return second.verdict(False, "被拒绝，应接受 / refused, must be accepted")
    if business(first, rule) != business(second, rule):
        return passed(second.how, second.seen)
    reply = bench.said(name).call.reply
    if reply is None or reply.type is None:
        return not_offered("回答本身不含各请求的内容 / the answer says nothing of its own request")
    return failed(
        "两个不同请求得到同一回答 / two different requests share one answer", second.how, second.seen
    )
