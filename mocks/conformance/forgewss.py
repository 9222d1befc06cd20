"""WS-Security envelopes, good and forged: the hub's own seal, then surgery."""

from __future__ import annotations

import base64
import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from lxml import etree

from exchange.seals import dsig
from exchange.seals.dsig import DS, SIGNATURE
from exchange.seals.keys import SigningKey, der
from exchange.seals.safexml import Element
from exchange.seals.wssec import BASE64, SECURITY, SOAP, TIMESTAMP, TOKEN, WSSE, WSU, WSU_ID, X509V3
from mocks.conformance.identity import Keys

PARTS = ("tb-body", "tb-header", "tb-token", "tb-time")


@dataclass(frozen=True)
class WssRecipe:
    """How a sealed envelope departs from the profile; `parts` are the wsu:Ids that get signed."""

    id: str
    zh: str
    en: str
    parts: tuple[str, ...] = PARTS
    shift: int = 0
    life: int = 300
    key: str = "hub"
    certificate: str = "hub"
    twist: str = ""
    accepted: bool = False


GOOD_WSS = WssRecipe("good", "正确签名", "a good seal", accepted=True)


def seal_envelope(envelope: Element, recipe: WssRecipe, keys: Keys, header: str) -> Element:
    """Seals in place as the recipe says."""
    if recipe.twist == "unsigned":
        return envelope
    now = datetime.now(UTC) + timedelta(seconds=recipe.shift)
    signer = keys.rsa if recipe.key == "hub" else keys.stranger_rsa
    shown = keys.rsa if recipe.certificate == "hub" else keys.stranger_rsa
    _secure(envelope, recipe, header, (signer, shown), now)
    return SURGERY[recipe.twist](envelope)


def _secure(
    envelope: Element, recipe: WssRecipe, header: str, keys: tuple[SigningKey, SigningKey], now: datetime
) -> None:  # fmt: skip
    soap_header, body = envelope.find(f"{{{SOAP}}}Header"), envelope.find(f"{{{SOAP}}}Body")
    business = soap_header.find(header)
    body.set(WSU_ID, "tb-body")
    business.set(WSU_ID, "tb-header")
    security = etree.fromstring(_security(keys[1], now, now + timedelta(seconds=recipe.life)))
    soap_header.insert(0, security)
    found = {"tb-body": body, "tb-header": business, "tb-token": security[0], "tb-time": security[1]}
    references = [dsig.reference(f"#{name}", found[name]) for name in recipe.parts]
    security.append(dsig.sign(references, keys[0].private, _KEY_INFO))


def _security(key: SigningKey, created: datetime, expires: datetime) -> str:
    first, last = (f"{at:%Y-%m-%dT%H:%M:%S}.000Z" for at in (created, expires))
    return (
        f'<wsse:Security xmlns:wsse="{WSSE}" xmlns:wsu="{WSU}"><wsse:BinarySecurityToken wsu:Id="tb-token"'
        f' EncodingType="{BASE64}" ValueType="{X509V3}">{der(key.certificate)}</wsse:BinarySecurityToken>'
        f'<wsu:Timestamp wsu:Id="tb-time"><wsu:Created>{first}</wsu:Created><wsu:Expires>{last}</wsu:Expires>'
        "</wsu:Timestamp></wsse:Security>"
    )


_KEY_INFO = (
    f'<wsse:SecurityTokenReference xmlns:wsse="{WSSE}"><wsse:Reference URI="#tb-token" ValueType="{X509V3}"/>'
    "</wsse:SecurityTokenReference>"
)
Surgeon = Callable[[Element], Element]


def _body(envelope: Element) -> Element:
    return envelope.find(f"{{{SOAP}}}Body")


def _security_of(envelope: Element) -> Element:
    return envelope.find(f"{{{SOAP}}}Header/{SECURITY}")


def _body_altered(envelope: Element) -> Element:
    """The document inside the last argument, one blank longer."""
    last = _body(envelope)[0][-1]
    last.text = (last.text or "") + " "
    return envelope


def _header_altered(envelope: Element) -> Element:
    leaf = envelope.find(f"{{{SOAP}}}Header")[1][0]
    leaf.text = leaf.text[:-1] + ("1" if leaf.text[-1] != "1" else "2")
    return envelope


def _time_altered(envelope: Element) -> Element:
    node = _security_of(envelope).find(f"{TIMESTAMP}/{{{WSU}}}Expires")
    node.text = node.text.replace("Z", "1Z")
    return envelope


def _value_altered(envelope: Element) -> Element:
    node = _security_of(envelope).find(f"{SIGNATURE}/{{{DS}}}SignatureValue")
    node.text = ("B" if node.text[0] == "A" else "A") + node.text[1:]
    return envelope


def _zero(envelope: Element) -> Element:
    node = _security_of(envelope).find(f"{SIGNATURE}/{{{DS}}}SignatureValue")
    node.text = base64.b64encode(bytes(256)).decode()
    return envelope


def _no_signature(envelope: Element) -> Element:
    security = _security_of(envelope)
    security.remove(security.find(SIGNATURE))
    return envelope


def _no_time(envelope: Element) -> Element:
    security = _security_of(envelope)
    security.remove(security.find(TIMESTAMP))
    return envelope


def _no_token(envelope: Element) -> Element:
    security = _security_of(envelope)
    security.remove(security.find(TOKEN))
    return envelope


def _two_times(envelope: Element) -> Element:
    security = _security_of(envelope)
    more = copy.deepcopy(security.find(TIMESTAMP))
    more.set(WSU_ID, "tb-time-2")
    security.append(more)
    return envelope


def _two_headers(envelope: Element) -> Element:
    header = envelope.find(f"{{{SOAP}}}Header")
    more = copy.deepcopy(header[1])
    more.set(WSU_ID, "tb-header-2")
    header.append(more)
    return envelope


def _same_id(envelope: Element) -> Element:
    _body(envelope)[0].set(WSU_ID, "tb-body")
    return envelope


def _wrapped(envelope: Element) -> Element:
    """The signed Body is moved into a header, an unsigned one takes its place."""
    body = _body(envelope)
    fresh = copy.deepcopy(body)
    fresh.set(WSU_ID, "tb-body-2")
    wrapper = etree.SubElement(envelope.find(f"{{{SOAP}}}Header"), "{urn:attack}Wrapper")
    wrapper.append(body)
    envelope.append(fresh)
    return envelope


def _two_bodies(envelope: Element) -> Element:
    more = copy.deepcopy(_body(envelope))
    more.set(WSU_ID, "tb-body-2")
    envelope.append(more)
    return envelope


def _must_understand(envelope: Element) -> Element:
    node = etree.SubElement(envelope.find(f"{{{SOAP}}}Header"), "{urn:attack}Pay")
    node.set(f"{{{SOAP}}}mustUnderstand", "1")
    return envelope


SURGERY: Mapping[str, Surgeon] = {
    "": lambda envelope: envelope,
    "no_signature": _no_signature,
    "value": _value_altered,
    "zero": _zero,
    "body": _body_altered,
    "header": _header_altered,
    "time": _time_altered,
    "no_time": _no_time,
    "no_token": _no_token,
    "two_times": _two_times,
    "two_headers": _two_headers,
    "same_id": _same_id,
    "wrapped": _wrapped,
    "two_bodies": _two_bodies,
    "must": _must_understand,
}

WSS: tuple[WssRecipe, ...] = (
    WssRecipe("missing", "没有 wsse:Security", "no wsse:Security", twist="unsigned"),
    WssRecipe("no-signature", "Security 中没有签名", "a Security without signature", twist="no_signature"),
    WssRecipe("flipped", "签名值被改动", "an altered signature value", twist="value"),
    WssRecipe("zero", "签名值为零字节", "a signature value of zero bytes", twist="zero"),
    WssRecipe("body-altered", "签名后改动 Body", "the Body altered after signing", twist="body"),
    WssRecipe(
        "header-altered",
        "签名后改动业务头（转用 callId）",
        "the business header altered after signing",
        twist="header",
    ),
    WssRecipe("time-altered", "签名后改动 Timestamp", "the Timestamp altered after signing", twist="time"),
    WssRecipe("body-unsigned", "签名未覆盖 Body", "a signature that leaves out the Body", parts=PARTS[1:]),
    WssRecipe(
        "header-unsigned",
        "签名未覆盖业务头",
        "a signature that leaves out the business header",
        parts=("tb-body", "tb-token", "tb-time"),
    ),
    WssRecipe(
        "token-unsigned",
        "签名未覆盖证书令牌",
        "a signature that leaves out the token",
        parts=("tb-body", "tb-header", "tb-time"),
    ),
    WssRecipe(
        "time-unsigned", "签名未覆盖 Timestamp", "a signature that leaves out the Timestamp", parts=PARTS[:3]
    ),
    WssRecipe("no-time", "没有 Timestamp", "no Timestamp", twist="no_time"),
    WssRecipe("no-token", "没有证书令牌", "no token", twist="no_token"),
    WssRecipe("two-times", "两个 Timestamp", "two Timestamps", twist="two_times"),
    WssRecipe("two-headers", "两个业务头", "two business headers", twist="two_headers"),
    WssRecipe("same-id", "两个元素同一 wsu:Id", "two elements of one wsu:Id", twist="same_id"),
    WssRecipe(
        "wrapped",
        "签名包装攻击：被签 Body 移入头部",
        "signature wrapping: the signed Body moved into the Header",
        twist="wrapped",
    ),
    WssRecipe("two-bodies", "两个 Body", "two Bodies", twist="two_bodies"),
    WssRecipe(
        "unknown",
        "未登记的证书（自洽签名）",
        "an unregistered certificate, signed consistently",
        key="stranger",
        certificate="stranger",
    ),
    WssRecipe(
        "other-key", "以他人密钥签名、附我方证书", "our certificate, signed by another key", key="stranger"
    ),
    WssRecipe("expired", "Timestamp 已过期一小时", "a Timestamp that ended an hour ago", shift=-3900),
    WssRecipe("ahead", "Created 超前 20 分钟", "Created 20 minutes ahead", shift=1200),
    WssRecipe(
        "too-long", "Timestamp 有效期超过 1 小时", "a Timestamp that lasts more than an hour", life=7200
    ),
    WssRecipe("backwards", "Expires 早于 Created", "Expires before Created", life=-10),
)
