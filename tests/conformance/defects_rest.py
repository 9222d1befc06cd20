"""Defects of a REST partner: what it does with seals, answers, identities, content and bytes."""

import base64
import copy
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from exchange.seals import jws
from mocks.conformance.identity import fresh
from tests.conformance.tamper import Defect, Proxy, Request, Response

STRANGER = fresh("another partner", curve=True)


def header_of(request: Request) -> dict[str, Any]:
    """The protected header as claimed."""
    first = (request.header(jws.HEADER_NAME) or "").split(".")[0]
    try:
        found = json.loads(base64.urlsafe_b64decode(first + "=" * (-len(first) % 4)))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def lax(when: Callable[[Request], bool]) -> Callable[[Proxy, Request], Response | None]:
    """Seals of this kind are taken as if they were good."""

    def before(proxy: Proxy, request: Request) -> Response | None:
        if when(request):
            if len(request.nonce) < 16:
                request.nonce = proxy.nonce()
            proxy.resign(request)
        return None

    return before


def never_replayed(proxy: Proxy, request: Request) -> Response | None:
    """Nonces are not remembered: every request counts as the first."""
    if not request.problem:
        proxy.memory["fresh"] = True
        proxy.resign(request)
    return None


def rebound(proxy: Proxy, request: Request) -> Response | None:
    """Only the path before the query is looked at."""
    request.path = request.path.partition("?")[0]
    if request.problem == "seal_scope":
        proxy.resign(request)
    return None


def narrow(proxy: Proxy, request: Request) -> Response | None:
    """A window of 60 s in place of 300."""
    if abs(header_of(request).get("iat", 0) - time.time()) > 60:
        request.put(jws.HEADER_NAME, "stale")
    return None


def unsealed(proxy: Proxy, request: Request, response: Response) -> None:
    response.headers.pop("x-gov-signature", None)


def refusals_unsealed(proxy: Proxy, request: Request, response: Response) -> None:
    if b'"code":0' not in response.body and b'"status":0' not in response.body:
        response.headers.pop("x-gov-signature", None)


def sealed_by_another(proxy: Proxy, request: Request, response: Response) -> None:
    proxy.seal(request, response, key=STRANGER)


def over_other_bytes(proxy: Proxy, request: Request, response: Response) -> None:
    response.body += b"\n"


def unbound(proxy: Proxy, request: Request, response: Response) -> None:
    proxy.seal(request, response, req="")


def wrong_status_bound(proxy: Proxy, request: Request, response: Response) -> None:
    proxy.seal(request, response, status=202)


def late_clock(proxy: Proxy, request: Request, response: Response) -> None:
    proxy.seal(request, response, now=datetime.now(UTC) - timedelta(seconds=900))


def one_seal(proxy: Proxy, request: Request, response: Response) -> None:
    """The seal of the first answer stays in a cache."""
    seal = response.headers.get("x-gov-signature", "")
    response.headers["x-gov-signature"] = proxy.memory.setdefault("seal", seal)


def changed(change: Callable[[Any], Any]) -> Callable[[Proxy, Request, Response], None]:
    """A good answer with another content."""

    def after(proxy: Proxy, request: Request, response: Response) -> None:
        try:
            tree = response.json()
        except ValueError:
            return
        response.put(change(copy.deepcopy(tree)))

    return after


def bytes_changed(change: Callable[[bytes], bytes]) -> Callable[[Proxy, Request, Response], None]:
    def after(proxy: Proxy, request: Request, response: Response) -> None:
        response.body = change(response.body)

    return after


def labelled(kind: str) -> Callable[[Proxy, Request, Response], None]:
    def after(proxy: Proxy, request: Request, response: Response) -> None:
        response.headers["content-type"] = kind

    return after


def error_page(proxy: Proxy, request: Request, response: Response) -> None:
    response.status, response.body = 200, "<html>系统维护中</html>".encode()
    response.headers["content-type"] = "text/html"


def slow(proxy: Proxy, request: Request) -> Response | None:
    time.sleep(0.8)
    return None


def ok_for_refused(proxy: Proxy, request: Request, response: Response) -> None:
    """HTTP 200 where the contract says 401."""
    if response.status == 401:
        response.status = 200
        proxy.seal(request, response)


def taken(when: Callable[[Request], bool]) -> dict[str, Any]:
    """What should be refused is answered like the last good one."""

    def before(proxy: Proxy, request: Request) -> Response | None:
        last = proxy.memory.get("last")
        if last is not None and not request.problem and when(request):
            response = Response(200, {"content-type": "application/json"}, last)
            proxy.seal(request, response)
            return response
        return None

    def after(proxy: Proxy, request: Request, response: Response) -> None:
        said = b'"accepted":1' in response.body or b'"status":0' in response.body
        if response.status == 200 and said and b"accessToken" not in response.body:
            proxy.memory["last"] = response.body

    return {"before": before, "after": after}


def mended(change: Callable[[bytes], bytes]) -> Callable[[Proxy, Request], Response | None]:
    """The partner reads the body its own lenient way: what it understands is this."""

    def before(proxy: Proxy, request: Request) -> Response | None:
        if request.problem or request.method != "POST":
            return None
        body = change(request.body)
        if body != request.body:
            request.body = body
            proxy.resign(request)
        return None

    return before


def crash(when: Callable[[Request], bool]) -> Callable[[Proxy, Request], Response | None]:
    def before(proxy: Proxy, request: Request) -> Response | None:
        return (
            Response(500, {"content-type": "text/plain"}, b"Internal Server Error") if when(request) else None
        )

    return before


def lenient_json(body: bytes) -> bytes:
    """The first document of the bytes, whatever follows or surrounds it."""
    text = body.decode("utf-8", "ignore").lstrip("\ufeff")
    try:
        tree, _ = json.JSONDecoder(strict=False).raw_decode(text)
    except (ValueError, RecursionError):
        return body
    return json.dumps(tree, ensure_ascii=False).encode() if isinstance(tree, dict) else body


def without_unknown(names: frozenset[str]) -> Callable[[bytes], bytes]:
    def change(body: bytes) -> bytes:
        try:
            tree = json.loads(body)
        except ValueError:
            return body
        return json.dumps(_only(tree, names), ensure_ascii=False).encode() if b"WZZD" in body else body

    return change


def _only(tree: Any, names: frozenset[str]) -> Any:
    if isinstance(tree, dict):
        return {name: _only(value, names) for name, value in tree.items() if name not in names}
    return [_only(one, names) for one in tree] if isinstance(tree, list) else tree


def forgetful(name: str) -> dict[str, Any]:
    """Ignores idempotency: each answer has a new number at `name`."""

    def change(tree: Any) -> Any:
        if isinstance(tree.get("data"), dict) and name in tree["data"]:
            tree["data"][name] = f"{time.time_ns()}"
        return tree

    return {"after": changed(change), "renew": True}


def shared(tree: Any) -> Any:
    if isinstance(tree.get("data"), dict) and "msgGroup" in tree["data"]:
        tree["data"]["msgGroup"] = "20261122000000one"
    return tree


SEALS: tuple[Defect, ...] = (
    Defect(
        "accepts-unsigned", ("SEAL-missing", "SEAL-empty"), lax(lambda one: one.problem == "seal_missing")
    ),
    Defect(
        "accepts-unknown-certificate", ("SEAL-kid-unknown",), lax(lambda one: one.problem == "unknown_party")
    ),
    Defect(
        "accepts-other-key",
        ("SEAL-other-key", "SEAL-flipped"),
        lax(lambda one: one.problem == "seal_invalid"),
    ),
    Defect(
        "accepts-expired",
        ("SEAL-iat-hour", "SEAL-iat-old"),
        lax(lambda one: one.problem == "stale" and header_of(one)["iat"] < time.time()),
    ),
    Defect(
        "accepts-future",
        ("SEAL-iat-ahead",),
        lax(lambda one: one.problem == "stale" and header_of(one)["iat"] > time.time()),
    ),
    Defect("accepts-replay", ("SEAL-replay", "SEAL-replay-bytes"), never_replayed),
    Defect("accepts-rebound-path", ("SEAL-path-other", "SEAL-rebound"), rebound),
    Defect(
        "accepts-other-method", ("SEAL-method-other",), lax(lambda one: header_of(one).get("method") == "PUT")
    ),
    Defect("accepts-alg-none", ("SEAL-alg-none",), lax(lambda one: header_of(one).get("alg") == "none")),
    Defect("accepts-hmac", ("SEAL-alg-hs256",), lax(lambda one: header_of(one).get("alg") == "HS256")),
    Defect(
        "accepts-zero-signature",
        ("SEAL-zero",),
        lax(lambda one: (one.header(jws.HEADER_NAME) or "").endswith("A" * 80)),
    ),
    Defect(
        "accepts-unbound",
        ("SEAL-path-absent",),
        lax(lambda one: "path" not in header_of(one) and "iat" in header_of(one)),
    ),
    Defect(
        "accepts-without-nonce",
        ("SEAL-nonce-absent", "SEAL-nonce-short"),
        lax(lambda one: len(str(header_of(one).get("nonce", ""))) < 16 and "iat" in header_of(one)),
    ),
    Defect(
        "accepts-without-time",
        ("SEAL-iat-absent",),
        lax(lambda one: "kid" in header_of(one) and "iat" not in header_of(one)),
    ),
    Defect(
        "accepts-altered-body",
        ("SEAL-body-digit", "SEAL-body-space"),
        lax(lambda one: one.problem == "seal_invalid" and header_of(one).get("alg") == "ES256"),
    ),
    Defect(
        "accepts-two-seals",
        ("SEAL-twice",),
        lax(
            lambda one: len([name for name, _ in one.headers if name.lower() == jws.HEADER_NAME.lower()]) == 2
        ),
    ),
    Defect("accepts-unknown-extension", ("SEAL-crit-more",), lax(lambda one: "x-more" in header_of(one))),
    Defect("narrow-window", ("SEAL-early", "SEAL-late"), narrow),
    Defect("answers-unsealed", ("ANS-seal", "ACC-submit"), after=unsealed),
    Defect("refusals-unsealed", ("ANS-refusal-seal",), after=refusals_unsealed),
    Defect("answers-sealed-by-another", ("ANS-seal",), after=sealed_by_another),
    Defect("answers-altered-after-sealing", ("ANS-seal",), after=over_other_bytes),
    Defect("answers-not-bound-to-request", ("ANS-seal",), after=unbound),
    Defect("answers-bound-to-other-status", ("ANS-seal",), after=wrong_status_bound),
    Defect("answers-with-a-late-clock", ("ANS-seal", "ANS-time"), after=late_clock),
    Defect("answers-share-one-seal", ("ANS-fresh",), after=one_seal),
)
ANSWERS: tuple[Defect, ...] = (
    Defect(
        "answer-lacks-a-field", ("SCH-submit",), after=changed(lambda tree: {**tree, "data": {}}), renew=True
    ),
    Defect(
        "answer-has-a-new-field",
        ("SCH-submit",),
        after=changed(lambda tree: {**tree, "newField": "新增字段"}),
        renew=True,
    ),
    Defect(
        "answer-number-as-text",
        ("SCH-submit",),
        after=changed(lambda tree: {**tree, "data": {**tree.get("data", {}), "accepted": "1"}}),
        renew=True,
    ),
    Defect(
        "answer-list-as-null",
        ("SCH-submit",),
        after=changed(lambda tree: {**tree, "data": {**tree.get("data", {}), "rejected": None}}),
        renew=True,
    ),
    Defect(
        "answer-says-null",
        ("SCH-submit",),
        after=changed(lambda tree: {**tree, "data": {**tree.get("data", {}), "msgGroup": "null"}}),
        renew=True,
    ),
    Defect(
        "answer-code-renamed",
        ("ACC-submit",),
        after=changed(lambda tree: {"status": tree.pop("code", 0), **tree}),
        renew=True,
    ),
    Defect("answer-labelled-gbk", ("HTTP-type",), after=labelled("application/json; charset=GBK")),
    Defect("answer-labelled-html", ("HTTP-type",), after=labelled("text/html")),
    Defect(
        "answer-in-gbk",
        ("HTTP-utf8", "ACC-submit"),
        after=bytes_changed(lambda body: body.replace(b"success", "成功".encode("gbk"))),
        renew=True,
    ),
    Defect(
        "answer-with-mark",
        ("HTTP-utf8", "ACC-submit"),
        after=bytes_changed(lambda body: b"\xef\xbb\xbf" + body),
        renew=True,
    ),
    Defect(
        "answer-truncated",
        ("ACC-submit",),
        after=bytes_changed(lambda body: body[: len(body) // 2]),
        renew=True,
    ),
    Defect(
        "answer-member-twice",
        ("ACC-submit",),
        after=bytes_changed(lambda body: body[:-1] + b',"code":0}'),
        renew=True,
    ),
    Defect("error-page-with-200", ("ACC-submit",), after=error_page),
    Defect("slow", ("TIM-submit",), slow, options={"timeout": 1.0}),
    Defect("refuses-with-200", ("SEAL-flipped",), after=ok_for_refused),
    Defect("drops-connections", ("ACC-submit", "HOS-alive"), lambda proxy, request: Response(599, {}, b"")),
)
CONTENT: tuple[Defect, ...] = (
    Defect("ignores-idempotency", ("IDM-submit-same", "IDM-submit-once"), **forgetful("msgGroup")),
    Defect(
        "takes-other-content",
        ("IDM-submit-conflict",),
        after=changed(lambda tree: {**tree, "data": {**tree.get("data", {}), "rejected": [], "accepted": 1}}),
        renew=True,
    ),
    Defect("one-answer-for-all", ("IDM-submit-distinct",), after=changed(shared), renew=True),
    Defect(
        "takes-too-many",
        ("LIM-submit-messages-more",),
        **taken(lambda one: one.body.count(b"clientMsgId") > 500),
    ),
    Defect(
        "takes-too-few",
        ("LIM-submit-messages-most",),
        crash(lambda one: one.body.count(b"clientMsgId") > 100),
    ),
    Defect("takes-none", ("LIM-submit-messages-none",), **taken(lambda one: b'"messages":[]' in one.body)),
    Defect("takes-unknown-fields", ("NEW-submit",), mended(without_unknown(frozenset({"WZZD"})))),
    Defect(
        "takes-missing-fields",
        ("FLD-submit-messages[0]/mobile",),
        **taken(lambda one: b"mobile" not in one.body),
    ),
    Defect(
        "takes-numbers-for-texts",
        ("TYP-submit-messages[0]/content",),
        **taken(lambda one: b'"content":7' in one.body),
    ),
    Defect("takes-any-mac", ("PRB-mac",), **taken(lambda one: one.method == "POST")),
    Defect(
        "takes-unsigned-texts",
        ("PRB-nosign",),
        **taken(lambda one: "【".encode() + "梅州政务".encode() not in one.body.split(b'"sign"')[0]),
    ),
    Defect("takes-any-number", ("PRB-badmobile",), **taken(lambda one: b'"12345"' in one.body)),
    Defect("takes-other-sign", ("CON-submit-sign",), **taken(lambda one: b'"another"' in one.body)),
)
BYTES: tuple[Defect, ...] = (
    Defect("reads-doubled-members", ("HOS-twice",), mended(lenient_json)),
    Defect("reads-trailing-bytes", ("HOS-trailing",), mended(lenient_json)),
    Defect("reads-marks", ("HOS-bom",), mended(lenient_json)),
    Defect(
        "takes-gbk",
        ("HOS-gbk",),
        mended(lambda body: body.decode("utf-8", "ignore").encode() if b"\xc3\xb7" in body else body),
    ),
    Defect(
        "takes-nan",
        ("HOS-nan", "HOS-infinity"),
        **taken(lambda one: b"NaN" in one.body or b"Infinity" in one.body),
    ),
    Defect("takes-null-text", ("HOS-null-text",), **taken(lambda one: b'"null"' in one.body)),
    Defect(
        "crashes-on-depth",
        ("HOS-deep", "HOS-deep-objects"),
        crash(lambda one: b"[[[[" in one.body or b'{"a":{"a":' in one.body),
    ),
    Defect("crashes-on-half-characters", ("HOS-surrogate",), crash(lambda one: rb"\ud800" in one.body)),
    Defect("crashes-on-empty", ("HOS-empty",), crash(lambda one: not one.body)),
    Defect(
        "takes-any-media-type",
        ("HOS-type",),
        lambda proxy, request: request.put("Content-Type", "application/json"),
    ),
    Defect("takes-any-size", ("LIM-bytes",), **taken(lambda one: len(one.body) > 4 << 20)),
    Defect("takes-any-method", ("HTTP-method",), **taken(lambda one: one.method == "PUT")),
    Defect("takes-any-path", ("HTTP-path",), **taken(lambda one: one.path == "/conformance/unknown")),
)
REST: tuple[Defect, ...] = SEALS + ANSWERS + CONTENT + BYTES
