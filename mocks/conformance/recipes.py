"""The forged JWS seals a partner must refuse, and the odd ones it must accept."""

from __future__ import annotations

from mocks.conformance.forgejws import SENT, Recipe

JWS: tuple[Recipe, ...] = (
    Recipe("missing", "没有签名", "no signature", twist="none"),
    Recipe("empty", "签名头为空", "an empty signature", twist="empty", on=SENT),
    Recipe("garbage", "签名不是 JWS", "a signature that is no JWS", twist="garbage"),
    Recipe("twice", "两个签名头", "two signature headers", twist="twice", on=("rest",)),
    Recipe("flipped", "签名值被改动", "an altered signature value", twist="flipped"),
    Recipe("cut", "签名值被截短", "a shortened signature value", twist="cut"),
    Recipe("zero", "签名值全零（r=s=0）", "a signature of zeros (r = s = 0)", twist="zero"),
    Recipe("unsigned", "签名值为空", "an empty signature value", twist="unsigned"),
    Recipe("alg-none", "alg 为 none", "alg none", {"alg": "none"}, twist="unsigned"),
    Recipe(
        "alg-hs256",
        "以公钥作 HMAC 密钥（HS256）",
        "the public key used as an HMAC secret (HS256)",
        {"alg": "HS256"},
        twist="hmac",
    ),
    Recipe("alg-rs256", "alg 与登记的密钥不符", "an alg that is not the registered key's", {"alg": "RS256"}),
    Recipe("alg-es384", "未约定的算法 ES384", "an alg nobody agreed on (ES384)", {"alg": "ES384"}),
    Recipe("der", "签名值为 DER 编码而非 r||s", "a DER signature in place of r and s", twist="der"),
    Recipe("attached", "正文附在 JWS 中", "a JWS with its payload attached", twist="attached"),
    Recipe(
        "encoded",
        "按 base64 正文签名（未按 RFC 7797）",
        "signed over the encoded body (not RFC 7797)",
        twist="encoded",
    ),
    Recipe("padded", "base64url 带填充", "padded base64url", twist="padded"),
    Recipe(
        "spelled",
        "同一字节的另一种 base64url 写法",
        "another spelling of the same base64url bytes",
        twist="spelled",
    ),
    Recipe("b64-true", "b64 为 true", "b64 true", {"b64": True}),
    Recipe("b64-absent", "缺少 b64", "b64 left out", {"b64": None}),
    Recipe("crit-absent", "缺少 crit", "crit left out", {"crit": None}),
    Recipe(
        "crit-more",
        "crit 中有不认识的扩展",
        "crit names an unknown extension",
        {"crit": ["b64", "x-more"], "x-more": "1"},
    ),
    Recipe("member-more", "受保护头多一个成员", "one protected member too many", {"typ": "JOSE"}),
    Recipe("member-twice", "受保护头有重复成员", "a protected member twice", twist="twice_member"),
    Recipe("kid-absent", "缺少 kid", "kid left out", {"kid": None}),
    Recipe(
        "kid-unknown",
        "未登记的证书（自洽签名）",
        "an unregistered certificate, signed consistently",
        key="stranger",
        kid="own",
    ),
    Recipe("other-key", "以他人密钥冒用我方 kid", "our kid, signed by another key", key="stranger"),
    Recipe(
        "rsa-other",
        "以 RSA 他人密钥冒用我方 kid",
        "our kid, signed by a foreign RSA key",
        {"alg": "RS256"},
        key="rsa",
    ),
    Recipe("kid-path", "kid 为文件路径", "a file path as kid", kid="../../etc/passwd"),
    Recipe("iat-absent", "缺少 iat", "iat left out", {"iat": None}),
    Recipe("iat-text", "iat 为文本", "iat as a text", {"iat": "1700000000"}),
    Recipe("iat-true", "iat 为布尔值", "iat as a truth value", {"iat": True}),
    Recipe("iat-old", "iat 早于 300 秒窗口", "iat before the 300 s window", shift=-420, on=SENT),
    Recipe("iat-hour", "iat 为一小时前", "iat an hour ago", shift=-3600, on=SENT),
    Recipe("iat-ahead", "iat 晚于 300 秒窗口", "iat after the 300 s window", shift=420),
    Recipe("iat-ms", "iat 为毫秒", "iat in milliseconds", {"iat": 1_900_000_000_000}),
    Recipe("nonce-absent", "缺少 nonce", "nonce left out", {"nonce": None}),
    Recipe("nonce-short", "nonce 过短", "a nonce of 8 characters", {"nonce": "abcd1234"}),
    Recipe("nonce-long", "nonce 过长", "a nonce of 100 characters", {"nonce": "n" * 100}),
    Recipe(
        "nonce-signs", "nonce 含非法字符", "a nonce of other characters", {"nonce": "' OR 1=1 -- xxxxxxxx"}
    ),
    Recipe(
        "method-other", "签名绑定另一方法", "bound to another method", bound={"method": "PUT"}, on=("rest",)
    ),
    Recipe("method-absent", "签名未绑定方法", "bound to no method", {"method": None}, on=("rest",)),
    Recipe(
        "path-other",
        "签名绑定另一路径（转用）",
        "bound to another path (rebound)",
        bound={"path": "/other"},
        on=("rest",),
    ),
    Recipe("path-absent", "签名未绑定路径", "bound to no path", {"path": None}, on=("rest",)),
    Recipe(
        "exchange-other",
        "签名绑定另一交换机",
        "bound to another exchange",
        bound={"exchange": "other"},
        on=("amqp",),
    ),
    Recipe("exchange-absent", "签名未绑定交换机", "bound to no exchange", {"exchange": None}, on=("amqp",)),
    Recipe(
        "key-other",
        "签名绑定另一路由键（转用）",
        "bound to another routing key (rebound)",
        bound={"routing_key": "case.push.other.01"},
        on=("amqp",),
    ),
    Recipe("key-absent", "签名未绑定路由键", "bound to no routing key", {"routing_key": None}, on=("amqp",)),
    Recipe(
        "body-digit",
        "签名后改动正文一个数字",
        "one digit of the body altered after signing",
        body="digit",
        on=SENT,
    ),
    Recipe(
        "body-space", "签名后正文加一个空格", "a blank added to the body after signing", body="space", on=SENT
    ),
    Recipe("body-cut", "签名后正文被截短", "the body shortened after signing", body="cut", on=SENT),
    Recipe("body-other", "签名后换成另一正文", "another body under the signature", body="empty", on=SENT),
    Recipe(
        "table-other", "签名绑定另一表", "bound to another table", bound={"table": "another"}, on=("table",)
    ),
    Recipe("table-absent", "签名未绑定表", "bound to no table", {"table": None}, on=("table",)),
    Recipe("row-absent", "签名未绑定行", "bound to no row", {"row": None}, on=("table",)),
    Recipe(
        "row-other", "签名绑定另一行", "bound to another row", bound={"row": "another-row:1"}, on=("table",)
    ),
    Recipe(
        "waited", "一天前写下的行", "a row written a day ago", shift=-86_400, accepted=True, on=("table",)
    ),
    Recipe("early", "iat 早 250 秒仍在窗口内", "iat 250 s ago, inside the window", shift=-250, accepted=True),
    Recipe("late", "iat 晚 250 秒仍在窗口内", "iat 250 s ahead, inside the window", shift=250, accepted=True),
)
