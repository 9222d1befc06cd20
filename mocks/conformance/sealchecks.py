"""Seals as an attacker tries them, and as the partner's own answers carry them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from mocks.conformance import trees
from mocks.conformance.bench import Bench, Shot, new_nonce
from mocks.conformance.checks import Maker, judged_acceptance, judged_refusal, measured
from mocks.conformance.forgewss import WSS
from mocks.conformance.forgexml import XMLDSIG
from mocks.conformance.model import Verdict, not_offered, passed
from mocks.conformance.recipes import JWS
from mocks.conformance.reply import Reply

GROUP = "seal"


def kind_of(bench: Bench) -> str:
    """What the main document travels under: rest, amqp and table (JWS), xmldsig, wssec, or none."""
    call = next(call for call, document in bench.specimens.documents() if document.mapping == bench.main)
    seal = call.seal or bench.adapter.seal
    if seal == "jws":
        return "rest" if call.rest else "amqp" if call.amqp else "table"
    return seal


def seal_checks(make: Maker) -> None:
    """Every forgery of the seal in use, replay, and the seals of answers."""
    bench = make.bench
    kind = kind_of(bench)
    recipes: tuple[Any, ...] = {"xmldsig": XMLDSIG, "wssec": WSS}.get(
        kind, JWS if kind in ("rest", "amqp", "table") else ()
    )
    for recipe in recipes:
        if kind in ("rest", "amqp", "table") and kind not in recipe.on:
            continue
        verb, en = ("接受", "accepts") if recipe.accepted else ("拒绝", "refuses")
        make.add(
            f"SEAL-{recipe.id}",
            GROUP,
            f"{verb}：{recipe.zh}",
            f"{en}: {recipe.en}",
            partial(measured, bench, None, partial(_tried, bench, recipe)),
        )
    if kind in ("rest", "amqp"):
        _replays(make)
    if kind in ("none", "table"):
        return
    _answers(make, kind)


def _tried(bench: Bench, recipe: Any) -> Verdict:
    shot = Shot(bench.ready(), seal=recipe)
    reply = bench.send(shot)
    return judged_acceptance(reply) if recipe.accepted else judged_refusal(reply, bench.facts.seal_refused)


def _replays(make: Maker) -> None:
    bench = make.bench
    make.add(
        "SEAL-replay",
        GROUP,
        "拒绝：同一字节、同一签名重放（另一业务）",
        "refuses: a nonce used before, under another document",
        partial(_nonce_again, bench),
    )
    if kind_of(bench) == "rest":
        make.add(
            "SEAL-replay-bytes",
            GROUP,
            "拒绝：逐字节重放同一请求",
            "refuses: the same request byte for byte again",
            partial(_bytes_again, bench),
        )
        make.add(
            "SEAL-rebound",
            GROUP,
            "拒绝：签名转用到另一地址",
            "refuses: a good seal sent to another address",
            partial(_elsewhere, bench),
        )
    else:
        make.add(
            "SEAL-rebound",
            GROUP,
            "拒绝：签名转用到另一路由键",
            "refuses: a good seal under another routing key",
            partial(_other_key, bench),
        )


def _nonce_again(bench: Bench) -> Verdict:
    nonce = new_nonce()
    first = bench.send(Shot(bench.ready(), nonce=nonce))
    if not first.accepted:
        return first.verdict(False, "首次发送未被接受 / the first was not accepted")
    return judged_refusal(
        bench.send(Shot(bench.ready(), nonce=nonce, note="nonce used")), bench.facts.seal_refused
    )


def _bytes_again(bench: Bench) -> Verdict:
    shot = Shot(bench.ready())
    line: Any = bench.line(shot)
    shot = replace(shot, forged=line.forge(shot))
    first = bench.send(shot)
    if not first.accepted:
        return first.verdict(False, "首次发送未被接受 / the first was not accepted")
    return judged_refusal(bench.send(replace(shot, note="replay")), bench.facts.seal_refused)


def _elsewhere(bench: Bench) -> Verdict:
    shot = Shot(bench.ready())
    line: Any = bench.line(shot)
    path = f"{shot.specimen.call.rest.path if shot.specimen.call.rest else ''}?x=1"
    reply = bench.send(replace(shot, forged=line.forge(shot), path=path, note="query added after signing"))
    return judged_refusal(reply, bench.facts.seal_refused)


def _other_key(bench: Bench) -> Verdict:
    shot = Shot(bench.ready())
    line: Any = bench.line(shot)
    forged = line.forge(shot)
    key = line.target(shot)[1].rpartition(".")[0] + ".99"
    return judged_refusal(
        bench.send(replace(shot, forged=forged, path=key, note=key)), bench.facts.seal_refused
    )


def _answers(make: Maker, kind: str) -> None:
    bench = make.bench
    add = partial(make.add, group="answer")
    rows: tuple[tuple[str, str, str, Callable[[Bench], Verdict]], ...] = (
        (
            "ANS-seal",
            "回答带有对方登记证书的有效签名",
            "answers carry a valid seal of the registered certificate",
            _answer_sealed,
        ),
        ("ANS-refusal-seal", "拒绝也带有效签名", "refusals carry a valid seal too", _refusal_sealed),
        (
            "ANS-time",
            "回答签名的时间在 300 秒内",
            "the time in an answer's seal is within 300 s",
            _answer_time,
        ),
        ("ANS-fresh", "两次回答的签名各不相同", "two answers do not share a seal", _answer_fresh),
    )
    for id_, zh, en, run in rows:
        if id_ in ("ANS-time", "ANS-fresh") and kind == "xmldsig":
            continue
        add(id_, zh=zh, en=en, run=partial(run, bench))


def _first(bench: Bench) -> Reply:
    if "first" not in bench.memory:
        bench.memory["first"] = bench.send(Shot(bench.ready()))
    found: Reply = bench.memory["first"]
    return found


def _answer_sealed(bench: Bench) -> Verdict:
    reply = _first(bench)
    return reply.verdict(
        not reply.problem and not reply.seal, f"签名无效 / the seal does not hold: {reply.seal}"
    )


def _refusal_sealed(bench: Bench) -> Verdict:
    specimen = bench.ready()
    leaves = [place for place, _ in trees.leaves(specimen.tree)]
    reply = bench.send(
        Shot(specimen, tree=trees.put(specimen.tree, leaves[-1], {"x": "1"}), note="malformed")
    )
    if not reply.status_given:
        return not_offered("拒绝没有正文可签 / the refusal has no document to seal", reply.how, reply.seen)
    if reply.accepted:
        return reply.verdict(False, "被接受，应拒绝 / accepted, must be refused")
    return reply.verdict(not reply.seal, f"签名无效 / the seal does not hold: {reply.seal}")


def _answer_time(bench: Bench) -> Verdict:
    reply = _first(bench)
    if reply.iat is None:
        return (
            reply.verdict(False, "没有可用的时间 / no usable time")
            if reply.seal
            else passed(reply.how, reply.seen)
        )
    off = reply.iat - time.time()
    return reply.verdict(abs(off) <= 300, f"相差 {off:.0f} 秒 / off by {off:.0f} s")


def _answer_fresh(bench: Bench) -> Verdict:
    first, second = _first(bench), bench.send(Shot(bench.ready()))
    if first.problem or second.problem:
        return second.verdict(False, "没有回答 / no answer")
    seals = [
        one.headers.get("x-gov-signature") or one.headers.get("X-Gov-Signature") or one.body
        for one in (first, second)
    ]
    return second.verdict(seals[0] != seals[1], "同一签名用了两次 / one seal used twice")
