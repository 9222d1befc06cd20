"""The archives against adapters/archives/contract/contract.md, as a process of its own."""

import base64
import hashlib
import io
import json
import secrets
import signal
import sqlite3
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
import pika
import pytest
from cryptography.hazmat.primitives import serialization
from lxml import etree
from signxml import methods
from signxml.algorithms import CanonicalizationMethod
from signxml.signer import XMLSigner

from exchange.app.rabbit import RabbitNode
from tests.mocks.jsonparty import ACCOUNT, SECRET, Program, checked_header, compact_now, until

ADD, UNIT = "/archive/addFile", "0123"
Files = dict[str, bytes]


class PackageServer:
    """Serves bytes by path, with Range; `cuts` are lengths after which a connection breaks."""

    def __init__(self) -> None:
        self.packages: dict[str, bytes] = {}
        self.asked: list[tuple[str, str | None]] = []
        self.cuts: list[int] = []
        self.statuses: list[int] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                wanted = self.headers.get("Range")
                outer.asked.append((self.path, wanted))
                data = outer.packages.get(self.path.split("?")[0])
                status = outer.statuses.pop(0) if outer.statuses else 200 if data is not None else 404
                start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and status == 200 else 0
                part = (data or b"")[start:] if status == 200 else b""
                self.send_response(206 if start else status)
                if start:
                    self.send_header(
                        "Content-Range", f"bytes {start}-{len(data or b'') - 1}/{len(data or b'')}"
                    )
                self.send_header("Content-Length", str(len(part)))
                self.end_headers()
                if outer.cuts and status == 200:
                    self.wfile.write(part[: outer.cuts.pop(0)])
                    self.wfile.flush()
                    self.close_connection = True
                    return
                self.wfile.write(part)

            def log_message(self, format: str, *args: Any) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(
            target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture(scope="module")
def server() -> Iterator[PackageServer]:
    server = PackageServer()
    yield server
    server.close()


@pytest.fixture(autouse=True)
def quiet(server: PackageServer) -> None:
    server.cuts.clear()
    server.statuses.clear()


OWN: dict[str, Any] = {"check_delay_ms": 50, "repeat_seconds": [0.2, 0.2, 0.2]}


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    program = Program("archives", tmp_path_factory.mktemp("archives"), b"{}", **OWN)
    yield program
    program.close()


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Any]:
    """Starts an archive of its own with other keys."""
    programs: list[Program] = []

    def make(**own: Any) -> Program:
        programs.append(Program("archives", tmp_path, b"{}", **{**OWN, **own}))
        return programs[-1]

    yield make
    for program in programs:
        program.close()


def token_path(account: str = ACCOUNT, secret: str = SECRET, moment: str | None = None) -> str:
    moment = moment or compact_now()
    digest = hashlib.sha256((account + moment + secret).encode()).hexdigest()
    return f"/archive/token?appid={account}&time={moment}&digest={digest}"


def token_of(program: Program) -> str:
    answer = program.send("GET", token_path(), seal=None)
    said = answer.json()
    assert (answer.status_code, said["code"]) == (200, "0")
    assert set(said["data"]) == {"token", "expires"}
    assert compact_now(7100) <= said["data"]["expires"] <= compact_now(7200)
    token: str = said["data"]["token"]
    return token


def new_case() -> str:
    return "441499" + "".join(secrets.choice("0123456789") for _ in range(12))


def index(files: Files, **wrong: dict[str, str]) -> etree._Element:
    """package.xml before it is signed; `wrong` replaces attributes of a file's line."""
    root = etree.Element("Package", Id="p1")
    for name, data in files.items():
        line = {"name": name, "size": str(len(data)), "sha256": hashlib.sha256(data).hexdigest()}
        etree.SubElement(root, "File", line | wrong.get(name, {}))
    return root


def signed(program: Program, root: etree._Element, key: Any = None) -> bytes:
    """Enveloped XML-DSig by signxml, under the hub's RSA key unless another is given."""
    signer = XMLSigner(
        methods.enveloped, c14n_algorithm=CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0
    )
    pem = program.rsa_certificate.public_bytes(serialization.Encoding.PEM)
    done = signer.sign(root, key=key or program.rsa, cert=pem.decode(), reference_uri="#p1")
    data: bytes = etree.tostring(done, xml_declaration=True, encoding="utf-8")
    return data


def zipped(entries: Files, folder: str) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as package:
        for name, data in entries.items():
            package.writestr(f"{folder}/{name}", data)
    return target.getvalue()


FILES: Files = {"form.pdf": b"%PDF-1.7 form", "attachments/scan.jpg": b"\xff\xd8\xff" * 400}


def package(program: Program, case: str, files: Files = FILES) -> bytes:
    return zipped({"package.xml": signed(program, index(files)), **files}, case)


def request(server: PackageServer, case: str, data: bytes, **other: Any) -> dict[str, Any]:
    """A request for `data`, which the server holds from now on."""
    server.packages[f"/{case}.zip"] = data
    digest = base64.b64encode(hashlib.sha256(data).digest()).decode()
    return {
        "reqid": f"{case}@{compact_now()}", "appid": ACCOUNT, "libcode": "WS", "unitcode": UNIT,
        "fileno": case, "title": "食品经营许可", "retention": "D30", "year": 2026,
        "url": f"{server.url}/{case}.zip?sig=abc", "size": len(data), "aipdigest": digest,
    } | other  # fmt: skip


def add(program: Program, value: Any, token: str | None = None) -> Any:
    answer = program.post(ADD, value, headers={"Authorization": f"Bearer {token or token_of(program)}"})
    assert answer.status_code == 200
    return program.checked(answer)


def rows(program: Program, case: str) -> list[sqlite3.Row]:
    """What lies in the hub's queue for a case, read as docs/wire.md section 6 says."""
    db = sqlite3.connect(program.folder / "queue.db", timeout=5)
    db.row_factory = sqlite3.Row
    try:
        return db.execute(
            "SELECT * FROM message WHERE queue = 'hub.archive.result' AND correlation_id = ? ORDER BY id",
            (case,),
        ).fetchall()
    finally:
        db.close()


def result(program: Program, case: str) -> Any:
    """The one result of a case, its seal checked by joserfc."""
    row = until(lambda: rows(program, case))[0]
    assert (row["exchange"], row["routing_key"]) == ("gov.archive", f"result.{UNIT}")
    assert row["content_type"] == "application/json"
    assert row["message_id"]
    header = checked_header(json.loads(row["headers"])["X-Gov-Signature"], row["body"], program.certificate)
    assert (header["exchange"], header["routing_key"]) == ("gov.archive", f"result.{UNIT}")
    assert set(header) == {"alg", "b64", "crit", "kid", "iat", "nonce", "exchange", "routing_key"}
    said = json.loads(row["body"])
    assert set(said["detectionResult"]) == {"authenticity", "integrity", "usability", "security"}
    return said


def items(said: Any) -> dict[str, list[str]]:
    """Failed checks by list."""
    return {name: [one["item"] for one in found] for name, found in said["detectionResult"].items() if found}


@pytest.mark.req("S3-51")
def test_a_package_is_accepted_fetched_examined_and_the_result_told(
    archives: Program, server: PackageServer
) -> None:
    case = new_case()
    value = request(server, case, package(archives, case))
    assert add(archives, value) == {"code": "0", "msg": "accepted", "reqid": value["reqid"]}
    said = result(archives, case)
    assert {name: said[name] for name in ("reqid", "unitcode", "fileno", "retcode")} == {
        "reqid": value["reqid"], "unitcode": UNIT, "fileno": case, "retcode": "200",
    }  # fmt: skip
    assert said["archiveNo"]
    assert items(said) == {}
    assert (f"/{case}.zip?sig=abc", None) in server.asked


def test_the_same_request_is_accepted_again_without_a_second_archive(
    archives: Program, server: PackageServer
) -> None:
    case, token = new_case(), token_of(archives)
    value = request(server, case, package(archives, case))
    answers = [add(archives, value, token) for _ in range(3)]
    assert answers[0] == answers[1] == answers[2]
    assert add(archives, value | {"title": "别的"}, token)["code"] == "30"
    result(archives, case)
    assert add(archives, value, token) == answers[0]
    time.sleep(0.5)
    assert len(rows(archives, case)) == 1
    kept = [row for row in archives.admin("record") if row["id"] == value["reqid"] and row["accepted"]]
    assert [(row["direction"], row["repeats"]) for row in kept] == [("received", 3), ("sent", 0)]


def test_a_file_number_already_held_is_1_2_2(archives: Program, server: PackageServer) -> None:
    case = new_case()
    data = package(archives, case)
    add(archives, request(server, case, data))
    assert result(archives, case)["retcode"] == "200"
    add(archives, request(server, case, data, reqid=f"{case}@20200101000000"))
    second = json.loads(until(lambda: rows(archives, case)[1:])[0]["body"])
    assert second["retcode"].startswith("4")
    assert "archiveNo" not in second
    assert items(second) == {"authenticity": ["1-2-2"]}


def tampered(program: Program, case: str) -> bytes:
    xml = signed(program, index(FILES)).replace(b"form.pdf", b"f0rm.pdf")
    return zipped({"package.xml": xml, "f0rm.pdf": FILES["form.pdf"]}, case)


def other_key(program: Program, case: str) -> bytes:
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(65537, 2048)
    return zipped({"package.xml": signed(program, index(FILES), key), **FILES}, case)


def unsigned(program: Program, case: str) -> bytes:
    return zipped({"package.xml": etree.tostring(index(FILES)), **FILES}, case)


def wrapped(program: Program, case: str) -> bytes:
    """A true signed Package inside another one, with its signature in the last place."""
    inner = etree.fromstring(signed(program, index(FILES)))
    outer = index({"form.pdf": b"evil"})
    outer.set("Id", "p2")
    signature = inner[-1]
    outer.append(inner)
    outer.append(signature)
    return zipped({"package.xml": etree.tostring(outer), "form.pdf": b"evil"}, case)


def changed_file(program: Program, case: str) -> bytes:
    files = {**FILES, "form.pdf": b"%PDF-1.7 f0rm"}
    return zipped({"package.xml": signed(program, index(FILES)), **files}, case)


def longer_file(program: Program, case: str) -> bytes:
    return zipped({"package.xml": signed(program, index(FILES)), **FILES, "form.pdf": b"0" * 5_000_000}, case)


def missing_file(program: Program, case: str) -> bytes:
    return zipped({"package.xml": signed(program, index(FILES)), "form.pdf": FILES["form.pdf"]}, case)


def unlisted_file(program: Program, case: str) -> bytes:
    return zipped({"package.xml": signed(program, index(FILES)), **FILES, "evil.exe": b"MZ"}, case)


def other_folder(program: Program, case: str) -> bytes:
    return zipped({"package.xml": signed(program, index(FILES)), **FILES}, "000")


def escaping(program: Program, case: str) -> bytes:
    files = {**FILES, "../../outside": b"x"}
    return zipped({"package.xml": signed(program, index(files)), **files}, case)


def doctype(program: Program, case: str) -> bytes:
    xml = b'<!DOCTYPE Package [<!ENTITY a "b">]><Package Id="p1"/>'
    return zipped({"package.xml": xml, **FILES}, case)


def no_zip(program: Program, case: str) -> bytes:
    return b"this is no zip"


def broken_zip(program: Program, case: str) -> bytes:
    data = bytearray(package(program, case))
    data[60:200] = bytes(140)
    return bytes(data)


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (tampered, {"authenticity": ["1-1-1"]}), (other_key, {"authenticity": ["1-1-1"]}),
        (unsigned, {"authenticity": ["1-1-1"]}), (wrapped, {"authenticity": ["1-1-1"]}),
        (changed_file, {"integrity": ["2-2-1"]}), (longer_file, {"integrity": ["2-1-1"]}),
        (missing_file, {"usability": ["3-1-1"]}), (unlisted_file, {"usability": ["3-1-1"]}),
        (other_folder, {"usability": ["3-1-1"]}), (escaping, {"usability": ["3-1-1"]}),
        (doctype, {"usability": ["3-1-1"]}), (no_zip, {"usability": ["3-1-1"]}),
        (broken_zip, {"usability": ["3-1-1"]}),
    ],
)  # fmt: skip
def test_a_failed_check_is_named(
    archives: Program,
    server: PackageServer,
    make: Callable[[Program, str], bytes],
    expected: dict[str, list[str]],
) -> None:
    case = new_case()
    add(archives, request(server, case, make(archives, case)))
    said = result(archives, case)
    assert said["retcode"].startswith("4")
    assert "archiveNo" not in said
    assert items(said) == expected
    # a failed case number may be archived later, rightly
    add(archives, request(server, case, package(archives, case), reqid=f"{case}@20200101000000"))
    assert json.loads(until(lambda: rows(archives, case)[1:])[0]["body"])["retcode"] == "200"


def test_another_size_or_digest_is_named(archives: Program, server: PackageServer) -> None:
    for other, expected in (
        ({"size": 10}, {"integrity": ["2-1-1"]}), ({"size": 10_000_000}, {"integrity": ["2-1-1"]}),
        ({"aipdigest": base64.b64encode(bytes(32)).decode()}, {"integrity": ["2-2-1"]}),
    ):  # fmt: skip
        case = new_case()
        add(archives, request(server, case, package(archives, case), **other))
        assert items(result(archives, case)) == expected


def test_an_interrupted_download_goes_on_where_it_stopped(archives: Program, server: PackageServer) -> None:
    case = new_case()
    value = request(server, case, package(archives, case))
    server.cuts.append(300)
    add(archives, value)
    assert result(archives, case)["retcode"] == "200"
    asked = [wanted for path, wanted in server.asked if path.startswith(f"/{case}")]
    assert asked == [None, "bytes=300-"]


def test_an_expired_address_is_told_and_a_passing_trouble_overcome(
    archives: Program, server: PackageServer
) -> None:
    case = new_case()
    value = request(server, case, package(archives, case))
    server.statuses.append(403)
    add(archives, value)
    assert result(archives, case)["retcode"] == "403"
    case = new_case()
    value = request(server, case, package(archives, case))
    server.statuses += [503, 503]
    add(archives, value)
    assert result(archives, case)["retcode"] == "200"
    case = new_case()
    value = request(server, case, b"x")
    del server.packages[f"/{case}.zip"]
    add(archives, value)
    assert result(archives, case)["retcode"] == "404"


WRONG: dict[str, dict[str, Any]] = {
    "reqid of another case": {"reqid": "other@20261122093000"},
    "reqid without a moment": {"reqid": "x"},
    "other account": {"appid": "somebody"},
    "retention": {"retention": "Y 永久"},
    "year as text": {"year": "2026"},
    "year true": {"year": True},
    "no size": {"size": 0},
    "too large": {"size": 1 << 40},
    "digest in hex": {"aipdigest": "0" * 64},
    "file address": {"url": "file:///etc/hostname"},
    "address with a password": {"url": "http://a:b@127.0.0.1/"},
    "no host": {"url": "http:///x"},
    "two words in the key": {"unitcode": "a.b"},
    "unit as wildcard": {"unitcode": "#"},
    "climbing file number": {"fileno": "..", "reqid": "..@20261122093000"},
    "empty title": {"title": ""},
    "unknown member": {"more": 1},
}


@pytest.mark.parametrize("other", WRONG.values(), ids=WRONG.keys())
def test_a_bad_parameter_is_code_1(archives: Program, server: PackageServer, other: dict[str, Any]) -> None:
    case, received = new_case(), archives.admin("counts")["received"]
    assert add(archives, request(server, case, b"x", **other))["code"] == "1"
    assert archives.admin("counts")["received"] == received


def test_a_missing_member_duplicate_keys_and_broken_bytes_are_code_1(
    archives: Program, server: PackageServer
) -> None:
    value, token = request(server, new_case(), b"x"), token_of(archives)
    for name in value:
        assert add(archives, {key: item for key, item in value.items() if key != name}, token)["code"] == "1"
    twice = json.dumps(value)[:-1].encode() + b', "size": 1}'
    for body in (twice, b"", b"null", b"\xef\xbb\xbf{}", b"[" * 100_000, b"\xff"):
        headers = {"Authorization": f"Bearer {token}"}
        answer = archives.send("POST", ADD, body, headers=headers)
        assert archives.checked(answer)["code"] == "1"


def test_wrong_tokens_are_code_2(archives: Program, server: PackageServer) -> None:
    value = request(server, new_case(), b"x")
    for header in ({}, {"Authorization": "Bearer " + "0" * 48}, {"Authorization": "Basic x"}):
        assert archives.checked(archives.post(ADD, value, headers=header))["code"] == "2"
    for path in (token_path(secret="x"), token_path(account="x"), token_path(moment="20200101000000")):
        assert archives.send("GET", path, seal=None).json()["code"] == "2"
    for path in ("/archive/token", token_path() + "&more=1", token_path() + f"&appid={ACCOUNT}"):
        assert archives.send("GET", path, seal=None).json()["code"] == "1"


def test_bad_seals_replays_and_bindings_are_refused(archives: Program, server: PackageServer) -> None:
    body = json.dumps(request(server, new_case(), b"x")).encode()
    headers = {"Authorization": f"Bearer {token_of(archives)}"}
    received = archives.admin("counts")["received"]
    for members in ({"path": "/archive/token"}, {"method": "GET"}, {"iat": 1}, {"nonce": "n"}, {"kid": "k"}):
        seal = archives.hub.seal(body, **({"method": "POST", "path": ADD} | members))
        assert archives.send("POST", ADD, body, seal=seal, headers=headers).status_code == 401
    assert archives.send("POST", ADD, body, seal=None, headers=headers).status_code == 401
    assert archives.send("GET", token_path(), path_bound=1).status_code == 401  # a seal, if there, must hold
    assert archives.admin("counts")["received"] == received
    good = archives.hub.seal(body, method="POST", path=ADD)
    assert archives.checked(archives.send("POST", ADD, body, seal=good, headers=headers))["code"] == "0"
    assert archives.send("POST", ADD, body, seal=good, headers=headers).status_code == 401
    assert archives.send("POST", ADD, b"x" * ((4 << 20) + 1), headers=headers).status_code == 413


def test_a_sealed_token_request_gets_a_sealed_answer(archives: Program) -> None:
    nonce = secrets.token_hex(16)
    assert archives.checked(archives.send("GET", token_path(), nonce=nonce), nonce)["code"] == "0"


def test_too_much_waiting_is_code_9(fresh: Any, server: PackageServer) -> None:
    archives = fresh(max_waiting=1, check_delay_ms=60_000)
    first, second = (request(server, new_case(), b"x") for _ in range(2))
    assert add(archives, first)["code"] == "0"
    assert add(archives, second)["code"] == "9"
    assert add(archives, first)["code"] == "0"


def test_a_killed_archive_goes_on(fresh: Any, server: PackageServer) -> None:
    archives = fresh(check_delay_ms=1500)
    case = new_case()
    value = request(server, case, package(archives, case))
    token = token_of(archives)
    add(archives, value, token)
    record = archives.admin("record")
    archives.end(signal.SIGKILL)
    archives.start()
    assert archives.admin("record") == record
    assert add(archives, value, token)["code"] == "0"
    assert result(archives, case)["retcode"] == "200"
    archives.end(signal.SIGKILL)
    archives.start()
    time.sleep(0.7)
    assert len(rows(archives, case)) == 1


def test_a_result_waits_for_the_bus(fresh: Any, server: PackageServer) -> None:
    archives = fresh(check_delay_ms=300)
    case = new_case()
    db = sqlite3.connect(archives.folder / "queue.db", timeout=5)
    db.execute("DELETE FROM binding")
    db.commit()
    add(archives, request(server, case, package(archives, case)))
    time.sleep(1.0)
    assert rows(archives, case) == []
    assert archives.admin("counts")["sent"] == 0
    db.execute("INSERT INTO binding VALUES ('gov.archive', 'result.#', 'hub.archive.result')")
    db.commit()
    db.close()
    assert result(archives, case)["retcode"] == "200"


def test_the_result_travels_over_rabbitmq(fresh: Any, server: PackageServer, rabbit: RabbitNode) -> None:
    archives, case = fresh(amqp_url=rabbit.url), new_case()
    value = request(server, case, package(archives, case))
    connection = pika.BlockingConnection(pika.URLParameters(rabbit.url))
    channel = connection.channel()
    queue = f"test.{case}"
    channel.queue_declare(queue, exclusive=True)
    channel.queue_bind(queue, "gov.archive", f"result.{UNIT}")
    add(archives, value)
    method, properties, body = until(lambda: (got := channel.basic_get(queue, auto_ack=True))[0] and got)
    connection.close()
    assert (method.exchange, method.routing_key) == ("gov.archive", f"result.{UNIT}")
    assert (properties.correlation_id, properties.delivery_mode) == (case, 2)
    assert properties.message_id
    header = checked_header(properties.headers["X-Gov-Signature"], body, archives.certificate)
    assert (header["exchange"], header["routing_key"]) == ("gov.archive", f"result.{UNIT}")
    assert json.loads(body)["retcode"] == "200"


def test_faults(fresh: Any, server: PackageServer) -> None:
    archives = fresh()
    cases = [new_case() for _ in range(3)]
    archives.arm(operation="result", fault="duplicate_push", value=1)
    add(archives, request(server, cases[0], package(archives, cases[0])))
    twice = until(lambda: len(rows(archives, cases[0])) == 2 and rows(archives, cases[0]))
    assert twice[0]["message_id"] == twice[1]["message_id"]
    assert twice[0]["headers"] != twice[1]["headers"]  # a fresh seal each time
    archives.arm(operation="addFile", fault="callback_before_reply")
    value = request(server, cases[1], package(archives, cases[1]))
    assert add(archives, value)["code"] == "0"
    assert len(rows(archives, cases[1])) == 1
    archives.arm(operation="addFile", fault="drop_before_reply")
    value = request(server, cases[2], package(archives, cases[2]))
    with pytest.raises(httpx2.RemoteProtocolError):
        add(archives, value)
    assert add(archives, value)["code"] == "0"
    assert result(archives, cases[2])["retcode"] == "200"
    assert archives.arm(operation="addFile", fault="partial_accept").status_code == 422


def test_sigterm_ends_it_in_two_seconds(fresh: Any) -> None:
    code, seconds = fresh().end()
    assert code == 0
    assert seconds < 2
