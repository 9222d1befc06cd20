"""The archives against adapters/archives/contract/contract.md, as a process of its own."""

import base64
import copy
import hashlib
import json
import secrets
import signal
import sqlite3
import threading
import time
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
import pika
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from lxml import etree

from exchange.app.rabbit import RabbitNode
from tests.mocks import eepackage
from tests.mocks.eepackage import DS, FILES, NS, Case, at, built, removed, text, zipped
from tests.mocks.jsonparty import ACCOUNT, SECRET, Program, checked_header, compact_now, self_signed, until

ADD, UNIT = "/archive/addFile", "0123"


@dataclass
class Trouble:
    """`cuts`: after how many bytes connections break; `statuses` are answered first; `lies` are headers."""

    cuts: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    lies: list[dict[str, str]] = field(default_factory=list)
    etag: str = '"one"'


class PackageServer:
    """Serves bytes by path with ETag, Range and If-Range (RFC 9110), each case with troubles of its own."""

    def __init__(self) -> None:
        self.packages: dict[str, bytes] = {}
        self.asked: list[tuple[str, str | None]] = []
        self.troubles: defaultdict[str, Trouble] = defaultdict(Trouble)
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                wanted = self.headers.get("Range")
                outer.asked.append((self.path, wanted))
                path = self.path.split("?")[0]
                data, trouble = outer.packages.get(path), outer.troubles[path]
                status = trouble.statuses.pop(0) if trouble.statuses else 200 if data is not None else 404
                data = (data or b"") if status == 200 else b""
                start = 0
                if wanted and status == 200 and self.headers.get("If-Range") == trouble.etag:
                    start = int(wanted.removeprefix("bytes=").rstrip("-"))
                    status = 206 if start < len(data) else 416
                part = b"" if status == 416 else data[start:]
                headers = {"ETag": trouble.etag, "Accept-Ranges": "bytes", "Content-Length": str(len(part))}
                if status == 206:
                    headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
                if status == 206 and trouble.lies:
                    headers |= trouble.lies.pop(0)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                if trouble.cuts and status in (200, 206):
                    self.wfile.write(part[: trouble.cuts.pop(0)])
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

    def trouble(self, case: str) -> Trouble:
        return self.troubles[f"/{case}.zip"]

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture(scope="module")
def server() -> Iterator[PackageServer]:
    server = PackageServer()
    yield server
    server.close()


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


def package(program: Program, case: str, **more: Any) -> bytes:
    """A good package of a case, signed by the hub's RSA key."""
    return built(Case(case, **more), (program.rsa, program.rsa_certificate))


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
    """Failed checks by list, each once."""
    found = said["detectionResult"].items()
    return {name: sorted({one["item"] for one in some}) for name, some in found if some}


@pytest.mark.req("S3-51")
def test_a_package_is_accepted_fetched_examined_and_the_result_told(
    archives: Program, server: PackageServer, tmp_path: Path
) -> None:
    case = new_case()
    data = package(archives, case)
    (tmp_path / "package.zip").write_bytes(data)
    with zipfile.ZipFile(tmp_path / "package.zip") as opened:
        assert eepackage.verified(opened.read(f"{case}/eep.xml"), archives.rsa_certificate, tmp_path)
    value = request(server, case, data)
    assert add(archives, value) == {"code": "0", "msg": "accepted", "reqid": value["reqid"]}
    said = result(archives, case)
    assert {name: said[name] for name in ("reqid", "unitcode", "fileno", "retcode")} == {
        "reqid": value["reqid"], "unitcode": UNIT, "fileno": case, "retcode": "200",
    }  # fmt: skip
    head, _, number = said["archiveNo"].rpartition("-")
    assert (head, len(number), number.isdigit()) == (f"{UNIT}-WS·2026-D30", 6, True)
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


def offered(program: Program, server: PackageServer, case: str, data: bytes, moment: str = "") -> Any:
    """The result of one offer; `moment` makes the reqid of a further one."""
    before = len(rows(program, case))
    reqid = f"{case}@{moment or compact_now()}"
    assert add(program, request(server, case, data, reqid=reqid))["code"] == "0"
    said = json.loads(until(lambda: rows(program, case)[before:])[0]["body"])
    assert said["reqid"] == reqid
    assert ("archiveNo" in said) == (said["retcode"] == "200")
    return said


def test_versions_of_one_file_number(archives: Program, server: PackageServer) -> None:
    case = new_case()
    first = offered(archives, server, case, package(archives, case))
    again = offered(archives, server, case, package(archives, case), "20200101000001")
    assert (again["retcode"], items(again)) == ("400", {"authenticity": ["1-2-2"]})
    second = offered(archives, server, case, package(archives, case, kind="修改型"), "20200101000002")
    assert (first["retcode"], second["retcode"]) == ("200", "200")
    assert second["archiveNo"] == first["archiveNo"]
    other = new_case()
    number = offered(archives, server, other, package(archives, other))["archiveNo"]
    assert int(number[-6:]) == int(first["archiveNo"][-6:]) + 1


def test_after_a_failed_offer_only_a_changed_package_is_taken(
    archives: Program, server: PackageServer
) -> None:
    case = new_case()
    unheard = offered(archives, server, case, package(archives, case, kind="修改型"))
    assert items(unheard) == {"authenticity": ["1-2-2"]}
    original = offered(archives, server, case, package(archives, case), "20200101000001")
    assert items(original) == {"authenticity": ["1-2-2"]}
    changed = offered(archives, server, case, package(archives, case, kind="修改型"), "20200101000002")
    assert changed["retcode"] == "200"


def key_of(program: Program) -> eepackage.Key:
    return program.rsa, program.rsa_certificate


def other_key(program: Program, case: str) -> bytes:
    key = rsa.generate_private_key(65537, 2048)
    return built(Case(case), (key, self_signed(key, "hub-rsa")))


def unsigned(program: Program, case: str) -> bytes:
    root = eepackage.tree(Case(case), program.rsa_certificate)
    return zipped({"eep.xml": etree.tostring(root, encoding="utf-8"), **FILES}, case)


def wrapped(program: Program, case: str) -> bytes:
    """The true signed object moved away, another one in its place."""

    def swap(root: Any) -> None:
        good = at(root, "被签名对象")
        evil = copy.deepcopy(good)
        evil.set("Id", "signed-2")
        good.getparent().replace(good, evil)
        at(root, "签名结果")[0].append(good)

    return built(Case(case), key_of(program), after=swap)


def before(change: eepackage.Change) -> Callable[[Program, str], bytes]:
    return lambda program, case: built(Case(case), key_of(program), before=change)


def after(change: eepackage.Change) -> Callable[[Program, str], bytes]:
    return lambda program, case: built(Case(case), key_of(program), after=change)


def packed(**entries: bytes) -> Callable[[Program, str], bytes]:
    """Other files in the zip than 文档 name; names with _ for a full stop."""
    changed = {name.replace("_", "."): data for name, data in entries.items()}

    def make(program: Program, case: str) -> bytes:
        return built(Case(case), key_of(program), entries=FILES | changed)

    return make


def naming(files: dict[str, bytes]) -> Callable[[Program, str], bytes]:
    """文档 name these files, and they are packed."""
    return lambda program, case: built(Case(case, files=files), key_of(program))


def missing_file(program: Program, case: str) -> bytes:
    return built(Case(case), key_of(program), entries={"form.pdf": FILES["form.pdf"]})


def other_folder(program: Program, case: str) -> bytes:
    return built(Case(case), key_of(program)).replace(case.encode(), b"0" * len(case))


def doctype(program: Program, case: str) -> bytes:
    return zipped({"eep.xml": b'<!DOCTYPE a [<!ENTITY a "b">]><a/>', **FILES}, case)


def gbk(program: Program, case: str) -> bytes:
    root = eepackage.tree(Case(case), program.rsa_certificate)
    return zipped({"eep.xml": etree.tostring(root, encoding="gb18030", xml_declaration=True), **FILES}, case)


def encrypted(program: Program, case: str) -> bytes:
    """The flag of encryption set on the second entry, in both of its headers."""
    data = bytearray(built(Case(case), key_of(program)))
    name = f"{case}/form.pdf".encode()
    data[data.index(name) - 24] |= 1
    data[data.rindex(name) - 38] |= 1
    return bytes(data)


def other_method(program: Program, case: str) -> bytes:
    return zipped({"eep.xml": b"<a/>"}, case, zipfile.ZIP_BZIP2)


def no_zip(program: Program, case: str) -> bytes:
    return b"this is no zip"


def broken_zip(program: Program, case: str) -> bytes:
    data = bytearray(package(program, case))
    data[60:200] = bytes(140)
    return bytes(data)


def twice(path: str) -> eepackage.Change:
    """An element repeated."""

    def change(root: Any) -> None:
        node = at(root, path)
        node.addnext(copy.deepcopy(node))

    return change


def added(path: str, name: str) -> eepackage.Change:
    def change(root: Any) -> None:
        etree.SubElement(at(root, path), name).text = "x"

    return change


def attribute(path: str, name: str, value: str) -> eepackage.Change:
    return lambda root: at(root, path).set(name, value)


def moved_up(path: str) -> eepackage.Change:
    """An element before the one it follows."""

    def change(root: Any) -> None:
        node = at(root, path)
        node.getprevious().addprevious(node)

    return change


def algorithm(name: str, uri: str) -> eepackage.Change:
    return lambda root: root.find(f".//{{{DS}}}{name}").set("Algorithm", uri)


def second_reference(root: Any) -> None:
    info = root.find(f".//{{{DS}}}SignedInfo")
    info.append(copy.deepcopy(info[-1]))


def other_act(root: Any) -> None:
    """The first act is later than the second."""
    text("业务实体/行为时间", eepackage.moment(-100))(root)


AUTH, WHOLE, USE, SAFE = "authenticity", "integrity", "usability", "security"
BROKEN: dict[str, tuple[Callable[[Program, str], bytes], dict[str, list[str]]]] = {
    "text changed after signing": (after(text("责任者", "别人")), {AUTH: ["1-1-1"]}),
    "file renamed after signing": (
        after(text("电子属性/计算机文件名", "f0rm.pdf")), {AUTH: ["1-1-1"], WHOLE: ["2-1-2"]},
    ),
    "another key": (other_key, {AUTH: ["1-1-1"]}),
    "not signed": (unsigned, {AUTH: ["1-1-1"]}),
    "wrapped": (wrapped, {AUTH: ["1-1-1"], WHOLE: ["2-3-1"]}),
    "another certificate beside it": (after(text("证书块/证书", "AAAA")), {AUTH: ["1-1-1"]}),
    "another Id": (before(attribute("电子签名", "ID", "x")), {AUTH: ["1-1-1"], WHOLE: ["2-3-1"]}),
    "two references": (before(second_reference), {AUTH: ["1-1-1"]}),
    "SHA-1": (
        before(algorithm("DigestMethod", "http://www.w3.org/2000/09/xmldsig#sha1")), {AUTH: ["1-1-1"]},
    ),
    "inclusive canonicalisation": (
        before(algorithm("Transform", "http://www.w3.org/TR/2001/REC-xml-c14n-20010315")), {AUTH: ["1-1-1"]},
    ),
    "signed before it was made": (before(text("签名时间", eepackage.moment(-3600))), {AUTH: ["1-1-1"]}),
    "signed tomorrow": (before(text("签名时间", eepackage.moment(86400))), {AUTH: ["1-1-1"]}),
    "another fonds": (before(text("档号/全宗号", "0124")), {AUTH: ["1-2-1"]}),
    "another year": (before(text("档号/年度", "2025")), {AUTH: ["1-2-1"]}),
    "another retention": (before(text("档号/保管期限", "永久")), {AUTH: ["1-2-1"]}),
    "another category": (before(text("档号/机构或问题", "XK")), {AUTH: ["1-2-1"]}),
    "another title": (before(text("内容描述/题名", "别的")), {AUTH: ["1-2-1"]}),
    "an act by nobody": (before(text("业务实体/机构人员标识符", "ry9")), {AUTH: ["1-3-1"]}),
    "acts out of order": (before(other_act), {AUTH: ["1-3-1"]}),
    "count": (before(text("件数", "3")), {WHOLE: ["2-1-2"]}),
    "file missing": (missing_file, {WHOLE: ["2-1-2"]}),
    "file besides": (packed(more_xml=b"<a/>"), {WHOLE: ["2-1-2"]}),
    "file changed": (packed(form_pdf=b"%PDF-1.7 f0rm"), {WHOLE: ["2-2-1"]}),
    "file longer": (packed(form_pdf=b"%PDF-1.7 form "), {WHOLE: ["2-2-1"]}),
    "element missing": (before(removed("责任者")), {WHOLE: ["2-3-1"]}),
    "element empty": (before(text("立档单位名称", " ")), {WHOLE: ["2-3-1"]}),
    "element twice": (before(twice("密级")), {WHOLE: ["2-3-1"]}),
    "element unknown": (before(added("形式特征", f"{{{NS}}}备注")), {WHOLE: ["2-3-1"]}),
    "element of another namespace": (before(added("形式特征", "备注")), {WHOLE: ["2-3-1"]}),
    "elements in another order": (before(moved_up("内容描述/责任者")), {WHOLE: ["2-3-1"]}),
    "attribute unknown": (before(attribute("文档", "x", "y")), {WHOLE: ["2-3-1"]}),
    "attribute version": (before(attribute("被签名对象", "eep版本", "2010")), {WHOLE: ["2-3-1"]}),
    "no day": (before(text("内容描述/日期", "20260230")), {WHOLE: ["2-3-1"]}),
    "no classification": (before(text("密级", "绝密")), {WHOLE: ["2-3-1"]}),
    "no name": (before(text("文档/文档标识符", "1 2")), {WHOLE: ["2-3-1"]}),
    "a name twice": (before(text("文档/文档标识符", "wd2")), {WHOLE: ["2-3-1"]}),
    "a gap": (before(text("文档/文档序号", "5")), {WHOLE: ["2-3-1"]}),
    "description too long": (before(text("业务实体/行为描述", "长" * 1001)), {WHOLE: ["2-3-1"]}),
    "no main document": (before(text("文档/文档主从声明", "附属文档")), {WHOLE: ["2-3-1"]}),
    "another wording": (before(text("编码描述", "SHA-256")), {WHOLE: ["2-3-1"]}),
    "JPEG": (naming(FILES | {"scan.jpg": b"\xff\xd8\xff"}), {WHOLE: ["2-3-1"], USE: ["3-1-1"]}),
    "no PDF": (naming({"form.pdf": b"<html>"}), {USE: ["3-1-1"]}),
    "no OFD": (naming({"a.ofd": eepackage.zipped({"a": b"b"}, "c")}), {USE: ["3-1-1"]}),
    "DOCTYPE": (doctype, {USE: ["3-1-1"]}),
    "GBK": (gbk, {USE: ["3-1-1"]}),
    "no zip": (no_zip, {USE: ["3-1-1"]}),
    "broken zip": (broken_zip, {USE: ["3-1-1"]}),
    "bzip2": (other_method, {USE: ["3-1-1"]}),
    "encrypted": (encrypted, {SAFE: ["4-1-1"]}),
    "another folder": (other_folder, {USE: ["3-1-1"], SAFE: ["4-1-1"]}),
    "leading outside": (naming({"../../evil.pdf": b"%PDF-"}), {SAFE: ["4-1-1"]}),
    "a program": (naming({"a.exe": b"MZ\x90"}), {USE: ["3-1-1"], SAFE: ["4-1-1"]}),
    "a script": (packed(form_pdf=b"#!/bin/sh\nabc"), {WHOLE: ["2-2-1"], USE: ["3-1-1"], SAFE: ["4-1-1"]}),
    "a bomb": (naming({"a.pdf": b"%PDF-" + bytes(3_000_000)}), {SAFE: ["4-1-1"]}),
}  # fmt: skip


@pytest.fixture(scope="module")
def broken(archives: Program, server: PackageServer) -> dict[str, str]:
    """Every broken package offered at once; their cases by name."""
    token, cases = token_of(archives), {name: new_case() for name in BROKEN}
    for name, case in cases.items():
        add(archives, request(server, case, BROKEN[name][0](archives, case)), token)
    return cases


@pytest.mark.parametrize("name", BROKEN)
def test_a_failed_check_is_named(archives: Program, broken: dict[str, str], name: str) -> None:
    said = result(archives, broken[name])
    assert said["retcode"] == "400"
    assert "archiveNo" not in said
    assert items(said) == BROKEN[name][1]


def test_all_checks_that_can_be_made_are_made(archives: Program, server: PackageServer) -> None:
    case = new_case()

    def change(root: Any) -> None:
        for one in (text("档号/年度", "2025"), text("件数", "9"), removed("责任者"), other_act):
            one(root)

    data = built(Case(case, kind="修改型"), key_of(archives), before=change, after=text("题名", "别的"))
    assert items(offered(archives, server, case, data)) == {
        AUTH: ["1-1-1", "1-2-1", "1-2-2", "1-3-1"], WHOLE: ["2-1-2", "2-3-1"],
    }  # fmt: skip


def test_another_size_or_digest_is_named(archives: Program, server: PackageServer) -> None:
    for other, expected in (
        ({"size": 10}, {"integrity": ["2-1-1"]}), ({"size": 10_000_000}, {"integrity": ["2-1-1"]}),
        ({"aipdigest": base64.b64encode(bytes(32)).decode()}, {"integrity": ["2-2-1"]}),
    ):  # fmt: skip
        case = new_case()
        add(archives, request(server, case, package(archives, case), **other))
        assert items(result(archives, case)) == expected


def asked_for(server: PackageServer, case: str) -> list[str | None]:
    return [wanted for path, wanted in server.asked if path.startswith(f"/{case}")]


@pytest.mark.req("S3-51")
def test_an_interrupted_download_goes_on_where_it_stopped(archives: Program, server: PackageServer) -> None:
    case = new_case()
    server.trouble(case).cuts += [300, 200]
    assert offered(archives, server, case, package(archives, case))["retcode"] == "200"
    assert asked_for(server, case) == [None, "bytes=300-", "bytes=500-"]


def test_another_package_under_the_address_is_fetched_from_its_start(
    archives: Program, server: PackageServer
) -> None:
    case = new_case()
    old, data = bytes(5000), package(archives, case)
    value = request(server, case, data)
    server.packages[f"/{case}.zip"] = old
    server.trouble(case).cuts.append(300)
    server.trouble(case).etag = '"old"'
    add(archives, value)
    until(lambda: asked_for(server, case))
    server.packages[f"/{case}.zip"], server.trouble(case).etag = data, '"new"'
    assert result(archives, case)["retcode"] == "200"
    assert asked_for(server, case) == [None, "bytes=300-"]


def test_a_part_of_something_else_is_not_taken(archives: Program, server: PackageServer) -> None:
    case = new_case()
    data = package(archives, case)
    server.trouble(case).cuts.append(300)
    server.trouble(case).lies += [
        {"ETag": '"two"'},
        {"Content-Range": f"bytes 299-{len(data) - 1}/{len(data)}"},
    ]
    assert offered(archives, server, case, data)["retcode"] == "200"
    assert asked_for(server, case) == [None, "bytes=300-", "bytes=300-", "bytes=300-"]


@pytest.mark.parametrize("status", [404, 410])
def test_a_package_that_is_gone_is_told_and_offered_again(
    archives: Program, server: PackageServer, status: int
) -> None:
    case = new_case()
    server.trouble(case).statuses.append(status)
    said = offered(archives, server, case, package(archives, case))
    assert (said["retcode"], items(said)) == ("410", {})
    second = offered(archives, server, case, package(archives, case, kind="修改型"), "20200101000001")
    assert second["retcode"] == "200"


def test_a_passing_trouble_is_overcome(archives: Program, server: PackageServer) -> None:
    case = new_case()
    server.trouble(case).statuses += [503, 403, 500]
    assert offered(archives, server, case, package(archives, case))["retcode"] == "200"


def test_a_download_not_finished_in_time_is_408(fresh: Any, server: PackageServer) -> None:
    archives, case = fresh(), new_case()
    server.trouble(case).statuses += [503] * 1000
    value = request(server, case, package(archives, case))
    add(archives, value)
    until(lambda: asked_for(server, case))
    assert rows(archives, case) == []
    archives.client.post(f"{archives.url}/admin/clock", json={"offset_s": 86_000, "seals": False})
    time.sleep(0.5)
    assert rows(archives, case) == []
    archives.client.post(f"{archives.url}/admin/clock", json={"offset_s": 86_401, "seals": False})
    assert result(archives, case)["retcode"] == "408"


def test_a_killed_archive_resumes_the_download(fresh: Any, server: PackageServer) -> None:
    archives, case = fresh(repeat_seconds=[1.0]), new_case()
    server.trouble(case).cuts.append(300)
    value = request(server, case, package(archives, case))
    add(archives, value)
    until(lambda: asked_for(server, case))
    time.sleep(0.2)
    archives.end(signal.SIGKILL)
    archives.start()
    assert result(archives, case)["retcode"] == "200"
    assert asked_for(server, case) == [None, "bytes=300-"]


def test_more_than_10_gb_is_413(archives: Program, server: PackageServer) -> None:
    case = new_case()
    value = request(server, case, b"x", size=10_000_000_001)
    assert add(archives, value)["code"] == "0"
    assert result(archives, case)["retcode"] == "413"
    assert asked_for(server, case) == []


WRONG: dict[str, dict[str, Any]] = {
    "reqid of another case": {"reqid": "other@20261122093000"},
    "reqid without a moment": {"reqid": "x"},
    "other account": {"appid": "somebody"},
    "retention": {"retention": "Y 永久"},
    "year as text": {"year": "2026"},
    "year true": {"year": True},
    "no size": {"size": 0},
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


def test_faults_of_download_and_detection(archives: Program, server: PackageServer) -> None:
    case = new_case()
    archives.arm(operation="download", fault="interrupted", value=400)
    assert offered(archives, server, case, package(archives, case))["retcode"] == "200"
    assert asked_for(server, case) == [None, "bytes=400-"]
    for fault, code in (("gone", "410"), ("not_finished", "408")):
        case = new_case()
        archives.arm(operation="download", fault=fault)
        assert offered(archives, server, case, package(archives, case))["retcode"] == code
    case = new_case()
    archives.arm(operation="check", fault="check_fails", value="2-3-1")
    assert items(offered(archives, server, case, package(archives, case))) == {WHOLE: ["2-3-1"]}
    case = new_case()
    archives.arm(operation="result", fault="missing_attachment")
    assert "detectionResult" not in offered(archives, server, case, package(archives, case))


def test_sigterm_ends_it_in_two_seconds(fresh: Any) -> None:
    code, seconds = fresh().end()
    assert code == 0
    assert seconds < 2
