"""Hostile and malformed SOAP: entities, depth, character sets, framing, the document inside the string."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from exchange.seals.wssec import SOAP
from mocks.conformance.bench import Bench, Shot
from mocks.conformance.checks import Maker, judged_acceptance, judged_refusal, measured
from mocks.conformance.model import Verdict, failed, not_offered, passed

Text = Callable[[str], str]
DECLARATION = re.compile(r"^<\?xml[^>]*\?>\s*")
LAUGHS = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10 if i else "x" * 10}">' for i in range(8))


def _prolog(doctype: str) -> Text:
    return lambda text: DECLARATION.sub(lambda found: found[0] + doctype, text)


def _inside(extra: str) -> Text:
    """More elements in front of the Body's end."""
    return lambda text: text.replace("</s:Body>", f"{extra}</s:Body>", 1)


ENVELOPES: tuple[tuple[str, str, str, Text], ...] = (
    ("truncated", "截断的信封", "a truncated envelope", lambda text: text[: len(text) * 2 // 3]),
    ("doctype", "信封带 DOCTYPE", "a DOCTYPE", _prolog("<!DOCTYPE s:Envelope>")),
    ("entity", "信封内定义实体", "an entity of its own", _prolog('<!DOCTYPE s:Envelope [<!ENTITY a "b">]>')),
    (
        "laughs",
        "实体膨胀（十亿笑）",
        "an entity bomb (billion laughs)",
        _prolog(f"<!DOCTYPE s:Envelope [{LAUGHS}]>"),
    ),
    ("instruction", "处理指令", "a processing instruction", _prolog('<?xml-stylesheet href="x.xsl"?>')),
    ("deep", "五千层嵌套", "five thousand levels", _inside("<a>" * 5000 + "</a>" * 5000)),
    ("two-operations", "Body 中两个操作", "two operations in the Body", _inside("<x/>")),
    (
        "no-body",
        "没有 Body",
        "no Body",
        lambda text: re.sub(r"<s:Body.*</s:Body>", "", text, flags=re.DOTALL),
    ),
    (
        "soap12",
        "SOAP 1.2 信封",
        "a SOAP 1.2 envelope",
        lambda text: text.replace(SOAP, "http://www.w3.org/2003/05/soap-envelope"),
    ),
    (
        "other-namespace",
        "操作属于另一命名空间",
        "an operation of another namespace",
        lambda text: re.sub(r'xmlns:c="[^"]+"', 'xmlns:c="urn:other"', text),
    ),
    ("unclosed", "标签不闭合", "a tag not closed", lambda text: text.replace("</s:Body>", "", 1)),
    ("not-xml", "不是 XML", "no XML at all", lambda text: '{"xml": 1}'),
    ("nul", "含 NUL 字符", "a NUL character", lambda text: text.replace("<s:Body", "\0<s:Body", 1)),
)


def _after(extra: str) -> Text:
    return lambda text: DECLARATION.sub("", text).replace("</", f"{extra}</", 1)


INNER: tuple[tuple[str, str, str, Text], ...] = (
    ("doctype", "内层文档带 DOCTYPE", "a DOCTYPE in the inner document", _prolog("<!DOCTYPE FEE>")),
    (
        "laughs",
        "内层文档实体膨胀",
        "an entity bomb in the inner document",
        _prolog(f"<!DOCTYPE FEE [{LAUGHS}]>"),
    ),
    ("truncated", "内层文档截断", "a truncated inner document", lambda text: text[: len(text) // 2]),
    ("empty", "内层文档为空", "an empty inner document", lambda text: ""),
    ("not-xml", "内层不是 XML", "an inner document that is no XML", lambda text: "{}"),
    ("other-root", "内层根元素不符", "another root element", lambda text: "<OTHER/>"),
    (
        "deep",
        "内层文档五千层",
        "an inner document of five thousand levels",
        _after("<a>" * 5000 + "</a>" * 5000),
    ),
    (
        "cdata",
        "内层文档多包一层 CDATA",
        "an inner document wrapped in CDATA once more",
        lambda text: f"<![CDATA[{text}]]>",
    ),
    ("null", "内层文档为 null", "the inner document null", lambda text: "null"),
)


def hostile_xml_checks(make: Maker) -> None:
    """All of it, when the main document travels by SOAP."""
    bench = make.bench
    if bench.adapter.soap is None or "soap" not in {_kind(bench)}:
        return
    for id_, zh, en, change in ENVELOPES:
        make.add(
            f"HOS-{id_}",
            "hostile",
            f"拒绝：{zh}",
            f"refuses: {en}",
            partial(measured, bench, None, partial(_envelope, bench, change)),
        )
    for id_, zh, en, change in INNER:
        make.add(
            f"HOS-inner-{id_}",
            "hostile",
            f"拒绝：{zh}",
            f"refuses: {en}",
            partial(measured, bench, None, partial(_inner, bench, change)),
        )
    _outside(make)
    _charsets(make)
    for id_, zh, en, run in (
        ("ENC-cdata", "接受：内层文档以 CDATA 传递", "accepts: the inner document as CDATA", _cdata),
        (
            "ENC-declared",
            "接受：内层文档声明任意编码（声明无意义）",
            "accepts: an inner declaration of another encoding (it says nothing)",
            _declared,
        ),
        (
            "HTTP-action",
            "SOAPAction 与操作不符时拒绝",
            "refuses: a SOAPAction that is not the operation's",
            _action,
        ),
        ("HTTP-status", "Fault 以 HTTP 500 返回", "a Fault comes with HTTP 500", _fault_status),
        (
            "HTTP-type",
            "回答的媒体类型与字符集符合契约",
            "answers are labelled as the contract says",
            _answer_type,
        ),
        ("LIM-bytes", "拒绝超过约定大小的请求", "refuses more bytes than agreed", _large),
        ("HOS-alive", "受攻击之后仍正常服务", "still serves after all of this", _alive),
    ):
        make.add(
            id_,
            "limits" if id_.startswith("LIM") else "hostile" if id_.startswith("HOS") else "http",
            zh,
            en,
            partial(run, bench),
        )


def _kind(bench: Bench) -> str:
    call = next(call for call, document in bench.specimens.documents() if document.mapping == bench.main)
    return "soap" if call.soap else ""


def _line(bench: Bench, shot: Shot) -> Any:
    return bench.line(shot)


def _text(bench: Bench, shot: Shot) -> str:
    line = _line(bench, shot)
    return str(line.encoded(line.envelope(shot)).decode("gb18030" if line.gbk else "utf-8"))


def _bytes(bench: Bench, shot: Shot, text: str) -> bytes:
    return text.encode("gb18030" if _line(bench, shot).gbk else "utf-8")


def _envelope(bench: Bench, change: Text) -> Verdict:
    shot = Shot(bench.ready())
    raw = _bytes(bench, shot, change(_text(bench, shot)))
    return judged_refusal(bench.send(Shot(shot.specimen, raw=raw, timeout=8.0)), None)


def _inner(bench: Bench, change: Text) -> Verdict:
    shot = Shot(bench.ready())
    line = _line(bench, shot)
    raw = line.encoded(line.envelope(shot, change(line.inner(shot))))
    return judged_refusal(bench.send(Shot(shot.specimen, raw=raw, timeout=8.0)), None)


def _outside(make: Maker) -> None:
    bench = make.bench
    for id_, zh, en in (
        ("HOS-external", "信封的外部实体不被读取", "an external entity of the envelope is not fetched"),
        (
            "HOS-inner-external",
            "内层文档的外部实体不被读取",
            "an external entity of the inner document is not fetched",
        ),
    ):
        make.add(
            id_, "hostile", zh, en, partial(measured, bench, None, partial(_external, bench, "inner" in id_))
        )


def _external(bench: Bench, inner: bool) -> Verdict:
    if bench.listener is None:
        return not_offered("没有监听地址可供外部实体指向 / no listener for the entity to point to")
    mark = f"/xxe-{bench.specimens.identity()}"
    root = "FEE" if inner else "s:Envelope"
    change = _prolog(f'<!DOCTYPE {root} [<!ENTITY e SYSTEM "{bench.listener.url}{mark}"> ]>')
    verdict = _inner(bench, change) if inner else _envelope(bench, change)
    if any(one.path == mark for one in bench.listener.heard):
        return failed("外部实体被读取（SSRF） / the entity was fetched", verdict.sent, verdict.received)
    return verdict


def _charsets(make: Maker) -> None:
    bench = make.bench
    rows: tuple[tuple[str, str, str, Callable[[Bench], Verdict]], ...] = (
        (
            "CHR-label",
            "标签与声明的字符集矛盾时拒绝",
            "refuses: label and declaration contradict each other",
            _label,
        ),
        (
            "CHR-bytes",
            "字节不属于所标字符集时拒绝",
            "refuses: bytes that are not of the labelled character set",
            _foreign_bytes,
        ),
        ("CHR-utf16", "UTF-16 编码时拒绝", "refuses: UTF-16", _utf16),
        ("CHR-unknown", "未约定的字符集时拒绝", "refuses: a character set nobody agreed on", _unknown),
        ("CHR-media", "媒体类型不是 text/xml 时拒绝", "refuses: a media type that is not text/xml", _media),
        (
            "CHR-rare",
            "接受：GB18030 四字节生僻字",
            "accepts: rare characters of four bytes in GB18030",
            _rare,
        ),
    )
    for id_, zh, en, run in rows:
        make.add(id_, "charset", zh, en, partial(measured, bench, None, partial(run, bench)))


def _label(bench: Bench) -> Verdict:
    shot = Shot(bench.ready())
    other = "utf-8" if _line(bench, shot).gbk else "GBK"
    return judged_refusal(bench.send(Shot(shot.specimen, content_type=f"text/xml; charset={other}")), None)


def _foreign_bytes(bench: Bench) -> Verdict:
    shot = Shot(bench.ready())
    raw = _bytes(bench, shot, _text(bench, shot)).replace(b"</s:Body>", b"\xff\xff</s:Body>", 1)
    return judged_refusal(bench.send(Shot(shot.specimen, raw=raw)), None)


def _utf16(bench: Bench) -> Verdict:
    shot = Shot(bench.ready())
    return judged_refusal(bench.send(Shot(shot.specimen, raw=_text(bench, shot).encode("utf-16"))), None)


def _unknown(bench: Bench) -> Verdict:
    return judged_refusal(
        bench.send(Shot(bench.ready(), content_type="text/xml; charset=EBCDIC-CP-US")), None
    )


def _media(bench: Bench) -> Verdict:
    return judged_refusal(bench.send(Shot(bench.ready(), content_type="application/json")), None)


def _rare(bench: Bench) -> Verdict:
    """A name with characters beyond GBK, in a text of the main document."""
    specimen = bench.ready()
    payload = specimen.payload
    name = next((one for one in ("payer", "name", "summary", "content") if hasattr(payload, one)), None)
    if payload is None or name is None:
        return not_offered("样例没有可放生僻字的文本 / the specimen has no text for it")
    changed = payload.model_copy(update={name: "陈㙓𠮷"})
    return judged_acceptance(bench.send(Shot(replace(specimen, payload=changed))))


def _cdata(bench: Bench) -> Verdict:
    shot = Shot(bench.ready())
    text = _text(bench, shot)
    opened = re.sub(
        r"&lt;\?xml(.*?)(?=</c:)",
        lambda found: f"<![CDATA[{_unescaped(found[0])}]]>",
        text,
        count=1,
        flags=re.DOTALL,
    )
    if opened == text:
        return not_offered("内层文档没有声明 / the inner document has no declaration to find it by")
    return judged_acceptance(bench.send(Shot(shot.specimen, raw=_bytes(bench, shot, opened))))


def _unescaped(text: str) -> str:
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", '"').replace("&amp;", "&")


def _declared(bench: Bench) -> Verdict:
    shot = Shot(bench.ready())
    line = _line(bench, shot)
    inner = DECLARATION.sub('<?xml version="1.0" encoding="UTF-8"?>', line.inner(shot))
    return judged_acceptance(bench.send(Shot(shot.specimen, raw=line.encoded(line.envelope(shot, inner)))))


def _action(bench: Bench) -> Verdict:
    service = bench.adapter.soap
    headers = {"SOAPAction": f'"{service.namespace if service else ""}/NoSuchOperation"'}
    return judged_refusal(bench.send(Shot(bench.ready(), headers=headers)), None)


def _fault_status(bench: Bench) -> Verdict:
    shot = Shot(bench.ready())
    raw = _bytes(bench, shot, _inside("<x/>")(_text(bench, shot)))
    reply = bench.send(Shot(shot.specimen, raw=raw))
    good = bool(reply.fault) and reply.status == 500
    return reply.verdict(good, f"HTTP {reply.status}, fault {reply.fault or '-'}")


def _answer_type(bench: Bench) -> Verdict:
    shot = Shot(bench.ready())
    reply, line = bench.send(shot), _line(bench, shot)
    kind = reply.headers.get("content-type", "").lower().replace(" ", "").replace('"', "")
    good = kind == f"text/xml;charset={line.charset.lower()}"
    return reply.verdict(good, f"标注为 / labelled {kind or '-'}")


def _large(bench: Bench) -> Verdict:
    shot = Shot(bench.ready())
    most = bench.adapter.limits.max_bytes
    raw = _bytes(bench, shot, _text(bench, shot).replace("</s:Body>", f"<!--{'x' * most}--></s:Body>", 1))
    reply = bench.send(Shot(shot.specimen, raw=raw))
    if reply.problem.startswith(("WriteError", "ReadError", "RemoteProtocolError")):
        return passed(reply.how, "connection closed")
    return judged_refusal(reply, None)


def _alive(bench: Bench) -> Verdict:
    return judged_acceptance(bench.send(Shot(bench.ready())))
