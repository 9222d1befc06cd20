"""Hostile and malformed JSON, over REST and over queues: each ends in a coded refusal, never in a crash."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import partial
from typing import Any

from exchange.mapping import json as strict
from mocks.conformance import trees
from mocks.conformance.bench import Bench, Shot
from mocks.conformance.checks import Maker, judged_acceptance, judged_refusal, measured
from mocks.conformance.model import Verdict, not_offered
from mocks.conformance.reply import Reply
from mocks.conformance.sealchecks import kind_of
from mocks.conformance.specimen import FRESH, Specimen
from mocks.conformance.wording import declared, words

Bytes = Callable[[bytes], bytes]
MARK = b"@@kit@@"


def _member(body: bytes, text: str) -> bytes:
    """One more member at the end of the outermost object."""
    return body.rstrip()[:-1] + b"," + text.encode() + b"}"


def _twice(body: bytes) -> bytes:
    name = next(iter(json.loads(body)))
    return _member(body, f"{json.dumps(name)}:{json.dumps(json.loads(body)[name], ensure_ascii=False)}")


def _text(text: bytes) -> Bytes:
    """These bytes inside a text of the document."""
    return lambda body: body.replace(MARK, text, 1)


def _whole(text: bytes) -> Bytes:
    """These bytes in place of that text."""
    return lambda body: re.sub(rb'"[^"]*' + MARK + rb'"', lambda found: text, body, count=1)


JSON: tuple[tuple[str, str, str, Bytes], ...] = (
    ("empty", "空正文", "an empty body", lambda body: b""),
    ("not-json", "不是 JSON 的正文", "a body that is no JSON", lambda body: b"<xml/>"),
    ("truncated", "截断的正文", "a truncated body", lambda body: body[: len(body) // 2]),
    ("trailing", "正文之后还有内容", "content after the document", lambda body: body + b"{}"),
    ("array", "数组代替对象", "an array in place of the object", lambda body: b"[" + body + b"]"),
    ("null", "正文为 null", "the body null", lambda body: b"null"),
    ("text", "正文为一个文本", "the body a text", lambda body: b'"x"'),
    ("twice", "重复的成员名", "a member name twice", _twice),
    ("nan", "NaN 数值", "the number NaN", lambda body: _member(body, '"WZZD":NaN')),
    ("infinity", "Infinity 数值", "the number Infinity", lambda body: _member(body, '"WZZD":-Infinity')),
    (
        "huge-number",
        "百万位的数",
        "a number of a hundred thousand digits",
        lambda body: _member(body, '"WZZD":' + "9" * 100_000),
    ),
    (
        "deep",
        "一万层嵌套",
        "ten thousand levels",
        lambda body: _member(body, '"WZZD":' + "[" * 10_000 + "]" * 10_000),
    ),
    (
        "deep-objects",
        "五千层对象",
        "five thousand nested objects",
        lambda body: _member(body, '"WZZD":' + '{"a":' * 5000 + "1" + "}" * 5000),
    ),
    (
        "many-members",
        "十万个成员",
        "a hundred thousand members",
        lambda body: _member(body, ",".join(f'"m{i}":1' for i in range(100_000))),
    ),
    ("surrogate", "半个代理对字符", "half of a surrogate pair", _text(rb"\ud800")),
    (
        "control",
        "未转义的控制字符",
        "an unescaped control character",
        _text(b"a\x01b"),
    ),
    ("nul", "NUL 字符", "a NUL character", _text(rb"a\u0000b")),
    ("null-text", "文本 null", "the literal text null", _whole(b'"null"')),
    ("bom", "带字节序标记", "a byte order mark", lambda body: b"\xef\xbb\xbf" + body),
    (
        "gbk",
        "GBK 字节冒充 UTF-8",
        "GBK bytes in place of UTF-8",
        _text("梅州市".encode("gbk")),
    ),
    ("utf16", "UTF-16 编码", "UTF-16", lambda body: body.replace(MARK, b"").decode().encode("utf-16")),
    ("overlong", "过长 UTF-8 编码", "an overlong UTF-8 form", _text(b"\xc0\xaf")),
    ("comment", "JSON 中的注释", "a comment in JSON", lambda body: b"/* x */" + body),
    ("single-quotes", "单引号 JSON", "single quotes", lambda body: body.replace(b'"', b"'")),
)


def hostile_checks(make: Maker) -> None:
    """The bytes above under a good seal, sizes, media types, methods; and that the partner works after."""
    bench, kind = make.bench, kind_of(make.bench)
    if kind not in ("rest", "amqp"):
        return
    for id_, zh, en, change in JSON:
        make.add(
            f"HOS-{id_}",
            "hostile",
            f"拒绝：{zh}",
            f"refuses: {en}",
            partial(measured, bench, None, partial(_bytes, bench, change)),
        )
    most = bench.adapter.limits.max_bytes
    big = partial(
        measured, bench, None, partial(_bytes, bench, lambda body: _member(body, f'"WZZD":"{"x" * most}"'))
    )
    make.add("LIM-bytes", "limits", f"拒绝超过 {most} 字节", f"refuses more than {most} bytes", big)
    make.add(
        "HOS-type",
        "hostile",
        "拒绝：媒体类型不是 JSON",
        "refuses: another media type",
        partial(measured, bench, None, partial(_typed, bench, "text/plain")),
    )
    make.add(
        "HOS-charset",
        "hostile",
        "拒绝：字符集标注为 GBK",
        "refuses: a label saying GBK",
        partial(measured, bench, None, partial(_typed, bench, "application/json; charset=GBK")),
    )
    if kind == "rest":
        make.add(
            "HTTP-method", "http", "其他方法不被接受", "another method is not taken", partial(_method, bench)
        )
        make.add(
            "HTTP-path",
            "http",
            "未约定的地址不被接受",
            "an address nobody agreed on is not taken",
            partial(_path, bench),
        )
        make.add(
            "HTTP-type",
            "http",
            "回答的媒体类型为 JSON",
            "answers are labelled JSON",
            partial(_answer_type, bench),
        )
        make.add(
            "HTTP-utf8",
            "http",
            "回答为无字节序标记的 UTF-8",
            "answers are UTF-8 without a mark",
            partial(_answer_bytes, bench),
        )
    make.add(
        "HOS-alive",
        "hostile",
        "受攻击之后仍正常服务",
        "still serves after all of this",
        partial(_alive, bench),
    )


def _marked(bench: Bench, specimen: Specimen) -> bytes:
    """The document with a mark at the end of its longest free text, where a reader could meet it."""
    tree = specimen.tree
    line: Any = bench.line(Shot(specimen))
    rest = specimen.call.rest
    if rest is not None and rest.wrap is not None:
        return bytes(line.body(Shot(specimen)))
    spec = declared(bench.adapter.folder, specimen.mapping.name)
    own = FRESH | set(bench.facts.fresh)
    free = [
        word.place for word in words(spec, tree)
        if word.spec.to and word.spec.to not in own and not word.spec.codes and not word.spec.as_
        and isinstance(trees.reach(tree, word.place), str)
    ]  # fmt: skip
    if not free:
        return strict.dumps(tree)
    place = max(free, key=lambda one: len(trees.reach(tree, one)))
    return strict.dumps(trees.put(tree, place, trees.reach(tree, place) + MARK.decode()))


def _bytes(bench: Bench, change: Bytes) -> Verdict:
    specimen = bench.ready()
    marked = _marked(bench, specimen)
    if (raw := change(marked)) == marked:
        return not_offered("报文中没有可改之处 / the document has no place for it")
    raw = raw.replace(MARK, b"")
    reply = bench.send(Shot(specimen, raw=raw, timeout=min(8.0, bench.adapter.limits.timeout)))
    return judged_refusal(_bounded(reply), None)


def _bounded(reply: Reply) -> Reply:
    """A connection closed on a body that is too large is a refusal too (RFC 9110 §15.5.14)."""
    large = len(reply.sent) > 1 << 20 and reply.problem.startswith(
        ("WriteError", "ReadError", "RemoteProtocolError")
    )
    return (
        Reply(reply.sent[:400], reply.how, 413, b"connection closed", outcome=reply.outcome)
        if large
        else reply
    )


def _typed(bench: Bench, kind: str) -> Verdict:
    return judged_refusal(bench.send(Shot(bench.ready(), content_type=kind)), None)


def _method(bench: Bench) -> Verdict:
    return judged_refusal(bench.send(Shot(bench.ready(), method="PUT")), None)


def _path(bench: Bench) -> Verdict:
    return judged_refusal(bench.send(Shot(bench.ready(), path="/conformance/unknown")), None)


def _answer_type(bench: Bench) -> Verdict:
    reply = bench.send(Shot(bench.ready()))
    kind = reply.headers.get("content-type", "").lower().replace(" ", "")
    good = kind in ("application/json", "application/json;charset=utf-8")
    return reply.verdict(good, f"标注为 / labelled {kind or '-'}")


def _answer_bytes(bench: Bench) -> Verdict:
    reply = bench.send(Shot(bench.ready()))
    return reply.verdict(_is_plain(reply.body), "不是无标记的 UTF-8 / not UTF-8 without a mark")


def _is_plain(body: bytes) -> bool:
    try:
        return bool(body) and not body.decode().startswith("\ufeff")
    except UnicodeDecodeError:
        return False


def _alive(bench: Bench) -> Verdict:
    return judged_acceptance(bench.send(Shot(bench.ready())))
