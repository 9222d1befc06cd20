"""Hostile JSON over HTTP: each ends in its documented code (docs/wire.md §8) and has no effect."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import insert

from exchange.app.opening import open_store
from exchange.app.settings import load_settings
from exchange.store.tables import party_certificate
from tests.wire.rig import PATH, SEAL, Hub, Identity, application, document, identity, now_text, to_json

Make = Callable[[Identity], bytes]
JSON = "application/json"
STATUS = {
    "bad_request": 400,
    "too_large": 413,
    "bad_media_type": 415,
    "not_allowed": 403,
    "replay": 409,
    "conflict": 409,
    "seal_missing": 401,
    "seal_invalid": 401,
    "seal_scope": 401,
    "unknown_party": 401,
    "certificate_invalid": 401,
}
"""docs/wire.md §8; the rest is 422."""


pytestmark = pytest.mark.usefixtures("slow")


@pytest.fixture(scope="module")
def slow(attacked: Hub) -> Iterator[threading.Thread]:
    """Senders that never finish, beside all other tests of this module."""
    answers: list[bytes] = []

    def drip() -> None:
        with connected(attacked, 50) as line:
            line.sendall(request(b"{", f"{SEAL}: x\r\n", "Content-Length: 1000"))
            for _ in range(45):
                time.sleep(1)
                try:
                    line.sendall(b" ")
                except OSError:
                    break
                line.settimeout(0.01)
                try:
                    answers.append(line.recv(65536))
                    break
                except TimeoutError:
                    continue

    threads = [threading.Thread(target=drip, daemon=True) for _ in range(12)]
    for one in threads:
        one.start()
    threads[0].answers = answers  # type: ignore[attr-defined]
    yield threads[0]
    for one in threads:
        one.join(60)


def refused(hub: Hub, answer: Any, code: str, path: str | None = None) -> dict[str, Any]:
    """An RFC 9457 problem of this code under the hub's seal; `path` is what the first error names."""
    assert (answer.status_code, answer.json()["code"]) == (STATUS.get(code, 422), code), answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = hub.check_answer(answer)
    assert problem["status"] == answer.status_code
    assert problem["traceId"]
    if path is not None:
        assert path in {error["path"].rstrip("/") for error in problem["errors"]}, problem["errors"]
    return problem


def changed(*path: str | int, to: Any) -> Make:
    """An application with one member replaced or added."""

    def make(who: Identity) -> bytes:
        value = application(who.name)
        place: Any = value
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = to
        return to_json(value)

    return make


def raw(text: str | bytes, instead: str = "测试甲") -> Make:
    """An application in which a name is replaced by these bytes."""
    data = text.encode() if isinstance(text, str) else text
    return lambda who: to_json(application(who.name)).replace(instead.encode(), data, 1)


def without(name: str) -> Make:
    def make(who: Identity) -> bytes:
        value = application(who.name)
        del value["payload"][name]
        return to_json(value)

    return make


def nested(depth: int) -> Make:
    return raw("[" * depth + "]" * depth, '"测试甲"')


UNREADABLE: dict[str, tuple[Make, str]] = {
    "empty": (lambda who: b"", "bad_request"),
    "blank": (lambda who: b"  \n", "bad_request"),
    "no json": (lambda who: b"<Message/>", "bad_request"),
    "cut short": (lambda who: to_json(application(who.name))[:-1], "bad_request"),
    "two documents": (lambda who: to_json(application(who.name)) * 2, "bad_request"),
    "byte order mark": (lambda who: b"\xef\xbb\xbf" + to_json(application(who.name)), "bad_request"),
    "utf-16": (lambda who: to_json(application(who.name)).decode().encode("utf-16"), "bad_request"),
    "gbk bytes": (lambda who: to_json(application(who.name)).decode().encode("gbk"), "bad_request"),
    "bare NUL": (raw(b"\x00"), "bad_request"),
    "NUL in the end": (lambda who: to_json(application(who.name)) + b"\x00", "bad_request"),
    "overlong UTF-8": (raw(b"\xc0\xaf"), "bad_request"),
    "UTF-8 surrogate": (raw(b"\xed\xa0\x80"), "bad_request"),
    "lone high surrogate": (raw(r"\ud800"), "bad_request"),
    "lone low surrogate": (raw(r"\udc00\ud800"), "bad_request"),
    "duplicate key": (lambda who: b'{"sender": "x", ' + to_json(application(who.name))[1:], "bad_request"),
    "duplicate inner key": (raw('x", "name": "y'), "bad_request"),
    "NaN": (raw("NaN", '"测试甲"'), "bad_request"),
    "Infinity": (raw("-Infinity", '"测试甲"'), "bad_request"),
    "10000 deep": (nested(10_000), "too_large"),
    "10000 objects deep": (raw('{"a":' * 10_000 + "1" + "}" * 10_000, '"测试甲"'), "too_large"),
    "unclosed 100000 deep": (lambda who: b"[" * 100_000, "too_large"),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_is_no_document_is_refused(attacked: Hub, window: Identity, name: str) -> None:
    make, code = UNREADABLE[name]
    refused(attacked, attacked.send(window, make(window)), code)


WRONG: dict[str, tuple[Make, str, str]] = {
    "unknown field": (changed("payload", "colour", to=1), "unknown_field", "payload/colour"),
    "unknown inner field": (
        changed("payload", "applicant", "colour", to=1),
        "unknown_field",
        "payload/applicant/colour",
    ),
    "unknown member": (changed("colour", to="red"), "unknown_field", "colour"),
    "missing field": (without("summary"), "missing_field", "payload/summary"),
    "null for a needed field": (changed("payload", "summary", to=None), "bad_value", "payload/summary"),
    "unknown code": (changed("payload", "channel", to="telepathy"), "unknown_code", "payload/channel"),
    "unknown code in a list": (
        changed("payload", "materials", 1, "received_as", to="fax"),
        "unknown_code",
        "payload/materials[1]/received_as",
    ),
    "number as text": (changed("payload", "version", to="1"), "bad_value", "payload/version"),
    "text as number": (changed("payload", "summary", to=7), "bad_value", "payload/summary"),
    "number as truth": (changed("payload", "version", to=True), "bad_value", "payload/version"),
    "a fraction": (changed("payload", "version", to=1.5), "bad_value", "payload/version"),
    "beyond 64 bits": (changed("payload", "version", to=10**40), "bad_value", "payload/version"),
    "escaped NUL": (changed("payload", "summary", to="a\x00b"), "bad_value", "payload/summary"),
    "an object for a text": (changed("payload", "summary", to={"$gt": ""}), "bad_value", "payload/summary"),
    "a list for the payload": (changed("payload", to=[]), "bad_value", "payload"),
    "unknown type": (changed("type", to="case.abolished.v1"), "unknown_type", "type"),
    "type is no text": (changed("type", to=7), "bad_value", "type"),
    "id too short": (changed("message_id", to="short"), "bad_value", "message_id"),
    "id of a path": (changed("message_id", to="../../etc/passwd"), "bad_value", "message_id"),
    "time without zone": (changed("sent_at", to="2026-11-22T09:30:00"), "bad_value", "sent_at"),
    "wrong check digit": (
        changed("payload", "case_no", to="4414020000002026112020000010"[:28]),
        "bad_value",
        "payload/case_no",
    ),
    "unknown item": (
        changed("payload", "item_code", to="1144140200720810054442025999000"),
        "unknown_item",
        "item_code",
    ),
    "another sender": (changed("sender", to="bureau"), "not_allowed", "sender"),
    "sender nobody knows": (changed("sender", to="nobody-here"), "not_allowed", "sender"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_breaks_the_schema_or_the_business_is_refused_by_path(
    attacked: Hub, window: Identity, name: str
) -> None:
    make, code, path = WRONG[name]
    body = make(window)
    problem = refused(attacked, attacked.send(window, body), code, path)
    assert problem["sender"] == window.name
    assert problem["receipt_status"] == "refused"


@pytest.mark.parametrize("value", [b"[]", b"7", b'"x"', b"null", b"{}"])
def test_a_message_is_one_object(attacked: Hub, window: Identity, value: bytes) -> None:
    answer = attacked.send(window, value)
    assert answer.json()["code"] in {"bad_value", "missing_field"}
    refused(attacked, answer, answer.json()["code"])


def test_a_type_this_party_may_not_send_is_refused(attacked: Hub, window: Identity) -> None:
    payload = {"since": 0, "to_version": 1, "total": 0}
    value = document(window.name, payload, "catalogue.increment.v1")
    refused(attacked, attacked.send(window, value), "not_allowed", "type")


def test_a_case_nobody_opened_is_refused(attacked: Hub, window: Identity) -> None:
    value = application(window.name)
    payload = {name: value["payload"][name] for name in ("case_no", "item_code", "region")}
    payload |= {"received_by": "李四", "materials": value["payload"]["materials"], "received_at": now_text()}
    late = document(window.name, payload, "case.supplemented.v1")
    refused(attacked, attacked.send(window, late), "unknown_case", "case_no")


SEALS: dict[str, tuple[dict[str, Any], str]] = {
    "other method": ({"method": "GET"}, "seal_scope"),
    "other path": ({"path": "/api/v1/other"}, "seal_scope"),
    "path with query": ({"path": PATH + "?a=1"}, "seal_scope"),
    "unknown key": ({"kid": "A" * 43}, "unknown_party"),
    "key id of a path": ({"kid": "../keys/hub-ec"}, "unknown_party"),
    "algorithm none": ({"alg": "none"}, "seal_invalid"),
    "HMAC": ({"alg": "HS256"}, "seal_invalid"),
    "RSA for a P-256 key": ({"alg": "RS256"}, "seal_invalid"),
    "no nonce": ({"nonce": None}, "seal_invalid"),
    "short nonce": ({"nonce": "short"}, "seal_invalid"),
    "nonce with a line break": ({"nonce": "a" * 16 + "\r\nX: y"}, "seal_invalid"),
    "no b64": ({"b64": None}, "seal_invalid"),
    "b64 true": ({"b64": True}, "seal_invalid"),
    "no crit": ({"crit": None}, "seal_invalid"),
    "further crit": ({"crit": ["b64", "exp"]}, "seal_invalid"),
    "key in the header": ({"jwk": {"kty": "EC"}}, "seal_invalid"),
    "certificate in the header": ({"x5u": "http://127.0.0.1:1/key"}, "seal_invalid"),
    "time as text": ({"iat": str(int(time.time()))}, "seal_invalid"),
    "time as a fraction": ({"iat": time.time()}, "seal_invalid"),
    "time far beyond": ({"iat": 10**30}, "replay"),
    "no time": ({"iat": None}, "seal_invalid"),
    "stale": ({"iat": int(time.time()) - 400}, "replay"),
    "from the future": ({"iat": int(time.time()) + 86_400}, "replay"),
}


@pytest.mark.parametrize("name", SEALS)
def test_a_seal_outside_the_profile_is_refused(attacked: Hub, window: Identity, name: str) -> None:
    members, code = SEALS[name]
    refused(attacked, attacked.send(window, application(window.name), **members), code)


TOKENS = {
    "absent": (lambda seal: None, "seal_missing"),
    "empty": (lambda seal: "", "seal_missing"),
    "no token": (lambda seal: "x", "seal_invalid"),
    "attached": (lambda seal: seal.replace("..", ".e30."), "seal_invalid"),
    "without signature": (lambda seal: seal.partition("..")[0] + "..", "seal_invalid"),
    "padded": (lambda seal: seal + "==", "seal_invalid"),
    "doubled": (lambda seal: f"{seal}, {seal}", "seal_invalid"),
    "very long": (lambda seal: seal + "A" * 20_000, "seal_invalid"),
    "signature changed": (
        lambda seal: seal[:-10] + ("A" if seal[-10] != "A" else "B") + seal[-9:],
        "seal_invalid",
    ),
    "header changed": (lambda seal: "eyJhbGciOiJub25lIn0" + seal[seal.index("..") :], "seal_invalid"),
    "JSON bomb": (lambda seal: "W1tb" * 1000 + seal[seal.index("..") :], "seal_invalid"),
}


@pytest.mark.parametrize("name", TOKENS)
def test_a_malformed_seal_is_refused(attacked: Hub, window: Identity, name: str) -> None:
    change, code = TOKENS[name]
    body = to_json(application(window.name))
    seal = change(window.jws(body))
    answer = attacked.post(body, {"Content-Type": JSON} | ({SEAL: seal} if seal is not None else {}))
    refused(attacked, answer, code)


def test_a_changed_body_is_refused(attacked: Hub, window: Identity) -> None:
    body = to_json(application(window.name))
    seal = window.jws(body)
    for forged in (body.replace("测试甲".encode(), "测试乙".encode()), body + b" ", body[:-1]):
        refused(attacked, attacked.post(forged, {"Content-Type": JSON, SEAL: seal}), "seal_invalid")


def test_a_query_the_seal_does_not_name_is_refused(attacked: Hub, window: Identity) -> None:
    body = to_json(application(window.name))
    answer = attacked.post(body, {"Content-Type": JSON, SEAL: window.jws(body)}, PATH + "?admin=1")
    refused(attacked, answer, "seal_scope")


def test_two_signature_headers_are_refused(attacked: Hub, window: Identity) -> None:
    body = to_json(application(window.name))
    head = f"{SEAL}: {'x'}\r\n{SEAL}: {window.jws(body)}\r\n"
    assert b" 401 " in exchanged(attacked, request(body, head)).split(b"\r\n")[0]


def test_a_certificate_nobody_registered_is_refused(attacked: Hub) -> None:
    stranger = identity("window-system")
    problem = refused(attacked, attacked.send(stranger, application("window-system")), "unknown_party")
    assert "ledger" not in problem


@pytest.mark.parametrize("days", [(-3, -1), (1, 3)], ids=["expired", "not yet valid"])
def test_a_certificate_outside_its_time_is_refused(
    attacked: Hub, window: Identity, days: tuple[int, int]
) -> None:
    other = identity(window.name, days=days)
    with_certificate(attacked, window.name, other)
    refused(attacked, attacked.send(other, application(window.name)), "certificate_invalid")


def with_certificate(hub: Hub, party: str, other: Identity) -> None:
    """As if it had been registered while it was valid: the registry itself takes no expired one."""
    pem = other.files(hub.state)[1].read_text()
    row = {"key_id": other.key_id, "party": party, "pem": pem, "active": True}
    store = open_store(load_settings(environ={"TONGBAN_STATE": str(hub.state)}))
    store.write(lambda work: work.connection.execute(insert(party_certificate), row) and None)
    time.sleep(1.1)


MEDIA = [
    "",
    "text/plain",
    "application/jsonp",
    "multipart/form-data; boundary=x",
    "application/json; charset=gbk",
    "application/json; charset=utf-16",
    "application/xml; charset=iso-8859-1",
    "a" * 5000,
]


@pytest.mark.parametrize("media", MEDIA)
def test_another_media_type_or_charset_is_refused(attacked: Hub, window: Identity, media: str) -> None:
    body = to_json(application(window.name))
    answer = attacked.post(body, {"Content-Type": media, SEAL: window.jws(body)})
    assert answer.status_code == 415, answer.text
    assert b"bad_media_type" in answer.content


@pytest.mark.parametrize("size", [4 * 1024 * 1024 + 1, 40 * 1024 * 1024])
def test_a_body_over_4_mb_is_refused(attacked: Hub, window: Identity, size: int) -> None:
    """By its declared length: nothing of it is read, so a sender that goes on may find the line cut."""
    head = f"{SEAL}: {window.jws(b'')}\r\n"
    answer = exchanged(attacked, request(b"x" * 1000, head, f"Content-Length: {size}"))
    assert answer.startswith(b"HTTP/1.1 413"), answer[:300]
    assert b'"code": "too_large"' in answer


def test_an_endless_chunked_body_is_cut_off(attacked: Hub) -> None:
    head = request(b"", f"{SEAL}: x\r\n", "Transfer-Encoding: chunked")
    sent, answer = 0, b""
    with connected(attacked) as line:
        line.sendall(head)
        chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
        try:
            while sent < 64 * 1024 * 1024:
                line.sendall(chunk)
                sent += 65536
        except OSError:
            pass
        answer = received(line)
    assert sent < 32 * 1024 * 1024, "the hub went on reading"
    assert answer == b"" or answer.startswith(b"HTTP/1.1 413"), answer[:200]


FRAMES = {
    "length too small": "Content-Length: 3",
    "negative length": "Content-Length: -1",
    "length is no number": "Content-Length: four",
    "two lengths": "Content-Length: 5\r\nContent-Length: 6",
    "length and chunks": "Content-Length: 5\r\nTransfer-Encoding: chunked",
    "unknown coding": "Transfer-Encoding: gzip, identity",
    "space in a name": "Content-Length : 5",
    "broken chunk": "Transfer-Encoding: chunked",
    "NUL in a header": "X-A: a\x00b\r\nContent-Length: 5",
}


@pytest.mark.parametrize("name", FRAMES)
def test_broken_framing_is_refused(attacked: Hub, window: Identity, name: str) -> None:
    body = to_json(application(window.name))
    answer = exchanged(attacked, request(body, f"{SEAL}: {window.jws(body)}\r\n", FRAMES[name]))
    assert answer.split(b" ")[1] in {b"400", b"401", b"413"}, answer[:300]


def test_a_body_that_ends_early_changes_nothing(attacked: Hub, window: Identity) -> None:
    body = to_json(application(window.name))
    head = request(body[:-5], f"{SEAL}: {window.jws(body)}\r\n", f"Content-Length: {len(body)}")
    with connected(attacked) as line:
        line.sendall(head)
        line.shutdown(socket.SHUT_WR)
        assert received(line)[9:12] in {b"", b"400", b"413"}
    assert "Traceback" not in attacked.log()


def test_injected_headers_do_not_come_back(attacked: Hub, window: Identity) -> None:
    """What a sender writes never becomes a line of the answer's head."""
    value = application(window.name, message_id="a" * 16)
    value["payload"]["colour\r\nSet-Cookie: a=b"] = "x\r\nSet-Cookie: a=b"
    answer = attacked.send(window, value)
    assert answer.json()["code"] == "unknown_field"
    assert "set-cookie" not in {name.lower() for name in answer.headers}
    evil = window.jws(b"x", nonce="a\r\nSet-Cookie: a=b")
    assert "set-cookie" not in attacked.post(b"x", {"Content-Type": JSON, SEAL: evil}).headers


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "TRACE"])
def test_other_methods_are_refused(attacked: Hub, method: str) -> None:
    with connected(attacked) as line:
        line.sendall(f"{method} {PATH} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".encode())
        assert received(line).startswith(b"HTTP/1.1 405")


def test_slow_senders_do_not_keep_others_out(attacked: Hub, window: Identity, slow: threading.Thread) -> None:
    """More of them than the hub has workers; each is cut off after 30 s."""
    started = time.monotonic()
    refused(attacked, attacked.send(window, b"{"), "bad_request")
    assert time.monotonic() - started < 5


def test_half_a_head_does_not_keep_others_out(attacked: Hub, window: Identity) -> None:
    lines = [connected(attacked) for _ in range(20)]
    for line in lines:
        line.sendall(b"POST /api/v1/messages HTTP/1.1\r\nHost: h\r\nX-")
    refused(attacked, attacked.send(window, b"{"), "bad_request")
    for line in lines:
        line.close()


def test_a_slow_body_ends_in_a_refusal(slow: threading.Thread) -> None:
    slow.join(45)
    answers: list[bytes] = slow.answers  # type: ignore[attr-defined]
    assert answers
    assert answers[0].startswith(b"HTTP/1.1 413")
    assert json.loads(answers[0].partition(b"\r\n\r\n")[2])["code"] == "too_large"


def request(body: bytes, head: str, framing: str | None = None) -> bytes:
    """The bytes of a POST to the house face."""
    framing = framing if framing is not None else f"Content-Length: {len(body)}"
    fixed = f"POST {PATH} HTTP/1.1\r\nHost: h\r\nContent-Type: {JSON}\r\nConnection: close\r\n"
    return f"{fixed}{head}{framing}\r\n\r\n".encode("latin-1") + body


def connected(hub: Hub, timeout: float = 10) -> socket.socket:
    return socket.create_connection(("127.0.0.1", hub.port), timeout=timeout)


def received(line: socket.socket) -> bytes:
    """Everything until the hub closes the line."""
    parts = []
    try:
        while part := line.recv(65536):
            parts.append(part)
    except ConnectionError:
        pass
    return b"".join(parts)


def exchanged(hub: Hub, data: bytes) -> bytes:
    with connected(hub) as line:
        line.sendall(data)
        return received(line)
