"""The encapsulated package by its contract, examined as the archives would: unzip, hash, xmlsec1, order."""

import base64
import hashlib
import io
import json
import re
import secrets
import subprocess
import time
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from lxml import etree

from exchange import faces
from exchange.consuming import PartnerQueue
from exchange.filing import download, eep
from exchange.seals import jws
from exchange.transports.queues import Delivery
from mocks.partners.archive_package import Announced, examine
from tests.exchange.core.rig import NAME, OFFICER, PLAIN_ITEM, START, Core, Story, case_number, iso

WEEK = 7 * 24 * 3600
NS = "http://www.saac.gov.cn/standards/ERM/encapsulation"
# adapters/archives/contract/contract.md section 3: children in order, ? not required, * repeated
ORDER = {
    "电子文件封装包": "封装包格式描述 版本 被签名对象 电子签名块",
    "被签名对象": "封装包类型 封装包类型描述 封装包创建时间 封装包创建单位 封装内容",
    "封装内容": "文件实体块 业务实体块 机构人员实体块",
    "文件实体块": "文件实体",
    "文件实体": ("聚合层次 来源 电子文件号 档号 内容描述 形式特征 存储位置 权限管理 信息系统描述 文件数据"),
    "来源": "立档单位名称",
    "档号": "全宗号 年度 保管期限 机构或问题",
    "内容描述": "题名 文件编号 责任者 日期 密级",
    "形式特征": "文件组合类型 件数 语种",
    "存储位置": "当前位置",
    "权限管理": "授权",
    "文件数据": "文档*",
    "文档": "文档标识符 文档序号 文档主从声明 题名 文档数据",
    "文档数据": "编码",
    "编码": "电子属性 数字化属性? 编码描述 反编码关键字 编码数据",
    "电子属性": "格式信息 计算机文件名 计算机文件大小",
    "业务实体块": "业务实体*",
    "业务实体": ("业务标识符 机构人员标识符 文件标识符 业务状态 业务行为 行为时间 行为依据? 行为描述?"),
    "机构人员实体块": "机构人员实体*",
    "机构人员实体": "机构人员标识符 机构人员类型 机构人员名称 组织机构代码? 职位名称?",
    "电子签名块": "电子签名",
    "电子签名": "签名标识符 签名规则 签名时间 签名人 签名结果 证书块",
    "签名结果": "Signature",
    "证书块": "证书 证书引证?",
}


def finished(core: Core, number: int = 1, *, action: str = "pass", files: tuple[bytes, ...] = ()) -> Story:
    """A case told to its end, one refused message on the way."""
    story = Story(case_number(number), PLAIN_ITEM)
    said = [
        ("case.applied.v1", story.applied()),
        *(("case.attached.v1", attached(story, body)) for body in files),
        ("case.accepted.v1", story.accepted()),
        *(("case.step.v1", story.step(n, action if n == 3 else "pass")) for n in (1, 2, 3)),
        ("case.concluded.v1", story.concluded("concluded")),
    ]
    for type_, payload in said:
        core.ok("hall", type_, payload)
    assert core.send("hall", "case.step.v1", story.step(1, "return")).status == "refused"
    core.ok("hall", "case.delivered.v1", story.delivered())
    return story


def attached(story: Story, body: bytes) -> dict[str, Any]:
    return {
        **story.head, "material": "平面图", "file_name": "plan.bin", "media_type": "application/pdf",
        "digest": hashlib.sha256(body).hexdigest(), "content": base64.b64encode(body).decode(),
        "attached_at": iso(START),
    }  # fmt: skip


@pytest.fixture
def archives(core: Core) -> Core:
    """A hub with the archives attached, its clock at the true time."""
    core.clock.now = time.time()
    core.party("archive", adapter="archives", address="http://127.0.0.1:1", account={"account": "tongban"})
    return core


@pytest.fixture
def story(archives: Core) -> Story:
    return finished(archives)


def offers(core: Core, story: Story) -> list[dict[str, Any]]:
    rows = core.outbox("party = 'archive' AND case_no = :no", no=story.no)
    assert {row["type"] for row in rows} <= {"archive.submitted.v1"}
    return [json.loads(row["payload"]) for row in rows]


def fetched(core: Core, offer: dict[str, Any]) -> bytes | None:
    with core.hub.store.read() as connection:
        return download.fetch(connection, offer["url"].rpartition("/")[2], core.clock.now)


def unzipped(core: Core, offer: dict[str, Any]) -> dict[str, bytes]:
    """The files of a package by their name below its folder."""
    with zipfile.ZipFile(io.BytesIO(fetched(core, offer) or b"")) as archive:
        assert archive.testzip() is None
        assert all(name.startswith(f"{offer['case_no']}/") for name in archive.namelist())
        return {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}


def described(core: Core, offer: dict[str, Any]) -> Any:
    return etree.fromstring(unzipped(core, offer)["eep.xml"])


def texts(root: Any, name: str) -> list[str]:
    return [node.text or "" for node in root.iter(f"{{{NS}}}{name}")]


def result(core: Core, story: Story, code: str, item: str = "") -> None:
    """What the archives say of the newest offer, by their queue."""
    failed = [{"item": item, "msg": "digest"}] if item else []
    number = {"archiveNo": "J441400-ZWFW·2026-D30-000017"} if code == "200" else {}
    said = {
        "reqid": offers(core, story)[-1]["request_id"], "unitcode": "J441400", "fileno": story.no,
        "retcode": code, "retdesc": "x", **number,
        "detectionResult": {"authenticity": [], "integrity": failed, "usability": [], "security": []},
    }  # fmt: skip
    body, at = json.dumps(said).encode(), {"exchange": "gov.archive", "routing_key": "result.J441400"}
    now = datetime.fromtimestamp(core.clock.now, UTC)
    seal = jws.sign_amqp(body, core.keys["archive"], now=now, nonce=secrets.token_urlsafe(24), **at)
    adapter = core.hub.adapters["archives"]
    queue = PartnerQueue(core.hub, None, faces.Door(adapter, adapter.heard("result")))  # type: ignore[arg-type] # nothing is published
    ident, headers = secrets.token_hex(8), {jws.HEADER_NAME: seal}
    queue(Delivery(*at.values(), body, ident, story.no, "application/json", None, headers))


def findings(core: Core, story: Story) -> list[tuple[str, str]]:
    """All but that of the message refused on the way."""
    return [one for one in core.findings(story.no) if one != ("logic", "state_forbids")]


def test_the_offer_names_size_and_digest_of_what_can_be_fetched(archives: Core, story: Story) -> None:
    (offer,) = offers(archives, story)
    body = fetched(archives, offer)
    assert body is not None
    assert (offer["size"], offer["digest"]) == (len(body), hashlib.sha256(body).hexdigest())
    assert offer["case_no"] == story.no
    assert re.fullmatch(rf"{story.no}@20\d{{12}}", offer["request_id"])
    assert offer["url"].startswith(archives.settings.public_url)
    assert offer["retention"] == "thirty_years"


def test_every_element_is_there_in_the_order_of_the_contract(archives: Core, story: Story) -> None:
    root = described(archives, offers(archives, story)[0])
    assert root.tag == f"{{{NS}}}电子文件封装包"
    met = set()
    for node in root.iter(f"{{{NS}}}*"):
        name = etree.QName(node).localname
        children = "".join(f"{etree.QName(child).localname} " for child in node)
        pattern = "".join(
            f"({word.rstrip('?*')} ){'+' if word[-1] == '*' else word[-1] if word[-1] == '?' else ''}"
            for word in ORDER.get(name, "").split()
        )
        assert re.fullmatch(pattern, children), name
        assert name in ORDER or (node.text or "").strip(), name
        met.add(name)
    assert met >= ORDER.keys()
    assert {name: node.get(name) for node in root.iter() for name in node.attrib if name.lower() == "id"} == {
        "Id": "signed-object"
    }


def test_the_package_holds_what_it_names_with_sizes_and_digests(archives: Core, story: Story) -> None:
    files = unzipped(archives, offers(archives, story)[0])
    root = etree.fromstring(files.pop("eep.xml"))
    named = zip(
        texts(root, "计算机文件名"), texts(root, "计算机文件大小"), texts(root, "编码数据"), strict=True
    )
    assert {name: (size, digest) for name, size, digest in named} == {
        name: (str(len(body)), base64.b64encode(hashlib.sha256(body).digest()).decode())
        for name, body in files.items()
    }
    assert texts(root, "件数") == [str(len(files))]
    assert texts(root, "文档序号") == [str(number) for number in range(1, len(files) + 1)]
    assert texts(root, "文档主从声明") == ["主文档", *["附属文档"] * (len(files) - 1)]
    assert set(texts(root, "格式信息")) == {"XML"}
    kinds = [etree.fromstring(body).findtext("{*}type") for _, body in sorted(files.items())]
    assert kinds == [
        "case.applied.v1", "case.accepted.v1", "case.step.v1", "case.step.v1", "case.step.v1",
        "case.concluded.v1", "case.delivered.v1",
    ]  # fmt: skip
    assert NAME.encode() in files[sorted(files)[0]], "the application with its applicant"


def test_what_the_package_says_agrees_with_the_offer(archives: Core, story: Story) -> None:
    (offer,) = offers(archives, story)
    root = described(archives, offer)
    assert texts(root, "封装包类型") == ["原始型"]
    assert (
        texts(root, "电子文件号") == texts(root, "文件编号") == [story.no] == [*{*texts(root, "文件标识符")}]
    )
    assert texts(root, "全宗号") == [offer["fonds"]]
    assert texts(root, "机构或问题") == [offer["library"]]
    assert texts(root, "年度") == [str(offer["year"])]
    assert texts(root, "保管期限") == ["30年"]
    assert texts(root.find(f".//{{{NS}}}内容描述"), "题名") == [offer["title"]]
    assert texts(root, "日期") == [START.strftime("%Y%m%d")]
    assert texts(root, "业务行为") == ["受理", "承办", "审核", "批准", "办结"]
    assert texts(root, "行为时间") == sorted(texts(root, "行为时间"))
    persons = dict(zip(texts(root, "机构人员名称"), texts(root, "机构人员类型"), strict=True))
    assert persons == {OFFICER["organisation"]: "单位", OFFICER["name"]: "个人"}
    assert texts(root, "组织机构代码") == [OFFICER["organisation_code"]]


def test_the_description_is_sealed_by_the_hubs_rsa_certificate(
    archives: Core, story: Story, tmp_path: Path
) -> None:
    xml = unzipped(archives, offers(archives, story)[0])["eep.xml"]
    certificate = archives.settings.rsa_certificate

    def verify(data: bytes) -> int:
        (tmp_path / "eep.xml").write_bytes(data)
        command = [
            "xmlsec1", "--verify", "--enabled-key-data", "x509", "--pubkey-cert-pem", str(certificate),
            "--id-attr:Id", f"{NS}:被签名对象", str(tmp_path / "eep.xml"),
        ]  # fmt: skip
        return subprocess.run(command, capture_output=True, check=False).returncode

    assert verify(xml) == 0
    assert verify(xml.replace("办结".encode(), "受理".encode(), 1)) != 0
    shown = base64.b64decode(texts(etree.fromstring(xml), "证书")[0])
    assert x509.load_der_x509_certificate(shown) == x509.load_pem_x509_certificate(certificate.read_bytes())


@pytest.mark.req("S3-51")
def test_the_archives_find_nothing_wrong(archives: Core, tmp_path: Path) -> None:
    files = (b"%PDF-1.7 plan", ofd(), b"II*\0" + bytes(5000))
    story = finished(archives, 2, files=files)
    (offer,) = offers(archives, story)
    path = tmp_path / "package.zip"
    path.write_bytes(fetched(archives, offer) or b"")
    term = {"thirty_years": "D30", "ten_years": "D10"}[offer["retention"]]
    digest = base64.b64encode(bytes.fromhex(offer["digest"])).decode()
    announced = Announced(
        story.no, offer["fonds"], offer["library"], offer["title"], term, offer["year"], offer["size"], digest
    )
    trusted = [x509.load_pem_x509_certificate(archives.settings.rsa_certificate.read_bytes())]
    now = datetime.fromtimestamp(archives.clock.now, UTC)
    assert examine(path, announced, trusted, now).findings == ()
    assert sorted(texts(described(archives, offer), "格式信息")) == ["OFD", "PDF", "TIFF", *["XML"] * 10]


def ofd() -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as inner:
        inner.writestr("OFD.xml", "<ofd/>")
    return target.getvalue()


def office_file() -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as inner:
        inner.writestr("word/document.xml", "<w/>")
    return target.getvalue()


@pytest.mark.parametrize("body", [b"\xff\xd8\xff\xe0 JFIF", office_file(), b"MZ\x90\0"])
def test_a_file_the_archives_do_not_take_is_a_finding_and_not_packed(archives: Core, body: bytes) -> None:
    story = finished(archives, 2, files=(b"%PDF-1.7", body))
    files = unzipped(archives, offers(archives, story)[0])
    assert b"%PDF-1.7" in files.values()
    assert body not in files.values()
    assert findings(archives, story) == [("content", "archive_format")]
    assert set(texts(etree.fromstring(files["eep.xml"]), "格式信息")) == {"PDF", "XML"}


def test_a_refused_decision_is_kept_ten_years(archives: Core) -> None:
    story = finished(archives, 2, action="refuse")
    (offer,) = offers(archives, story)
    assert offer["retention"] == "ten_years"
    assert texts(described(archives, offer), "保管期限") == ["10年"]


def test_the_address_runs_out(archives: Core, story: Story) -> None:
    (offer,) = offers(archives, story)
    archives.clock.on(WEEK - 1)
    assert fetched(archives, offer) is not None
    archives.clock.on(1)
    assert fetched(archives, offer) is None
    with archives.hub.store.read() as connection:
        assert download.fetch(connection, "no-such-token", archives.clock.now) is None


def test_the_address_cannot_be_guessed(archives: Core, story: Story) -> None:
    token = offers(archives, story)[0]["url"].rpartition("/")[2]
    assert len(token) >= 40
    assert story.no not in token


BODY = bytes(range(256)) * 40
TAG = download.part(BODY, None, None).headers["ETag"]


def test_a_download_without_range_is_whole() -> None:
    whole = download.part(BODY, None, None)
    assert (whole.status, whole.body, whole.headers["Accept-Ranges"]) == (200, BODY, "bytes")
    assert re.fullmatch(r'"[^"]+"', TAG), "a strong validator (RFC 9110 section 8.8.3)"
    assert download.part(BODY + b"x", None, None).headers["ETag"] != TAG


@pytest.mark.parametrize("if_range", [None, TAG])
def test_a_range_resumes(if_range: str | None) -> None:
    for first in (1, 5000, len(BODY) - 1):
        given = download.part(BODY, f"bytes={first}-", if_range)
        assert (given.status, given.body) == (206, BODY[first:])
        assert given.headers["Content-Range"] == f"bytes {first}-{len(BODY) - 1}/{len(BODY)}"
        assert given.headers["ETag"] == TAG
    given = download.part(BODY, "bytes=10-19", if_range)
    assert (given.status, given.body) == (206, BODY[10:20])
    assert download.part(BODY, "bytes=10-99999999", if_range).body == BODY[10:]


@pytest.mark.parametrize("first", [len(BODY), len(BODY) + 7])
def test_a_range_beyond_the_end_is_416(first: int) -> None:
    given = download.part(BODY, f"bytes={first}-", TAG)
    assert (given.status, given.body) == (416, b"")
    assert given.headers["Content-Range"] == f"bytes */{len(BODY)}"


@pytest.mark.parametrize("if_range", ['"other"', f"W/{TAG}", "Wed, 04 Mar 2026 10:00:00 GMT"])
def test_another_validator_gets_the_whole(if_range: str) -> None:
    given = download.part(BODY, "bytes=5-", if_range)
    assert (given.status, given.body) == (200, BODY)
    assert "Content-Range" not in given.headers


@pytest.mark.parametrize("wanted", ["bytes=", "bytes=9-5", "lines=1-2", "bytes=1-2,4-5", "bytes=x-", "5-"])
def test_a_range_of_another_form_is_passed_over(wanted: str) -> None:
    assert download.part(BODY, wanted, None).status == 200


def test_a_delivery_told_twice_offers_one_package(archives: Core, story: Story) -> None:
    archives.ok("hall", "case.delivered.v1", story.delivered())
    assert len(offers(archives, story)) == 1
    assert archives.value("SELECT count(*) FROM package") == 1


@pytest.mark.parametrize("code", ["408", "410"])
def test_what_was_not_fetched_is_offered_again_three_times_in_all(
    archives: Core, story: Story, code: str
) -> None:
    result(archives, story, code)
    result(archives, story, code)  # within one second: a request id is used once
    three = offers(archives, story)
    assert [texts(described(archives, offer), "封装包类型") for offer in three] == [
        ["原始型"], ["修改型"], ["修改型"],
    ]  # fmt: skip
    assert len({offer["request_id"] for offer in three}) == 3
    assert all(re.fullmatch(rf"{story.no}@20\d{{12}}", offer["request_id"]) for offer in three)
    assert len({offer["url"] for offer in three}) == 3
    assert findings(archives, story) == []
    result(archives, story, code)
    assert len(offers(archives, story)) == 3
    assert findings(archives, story) == [("procedure", "archive_failed")]
    assert archives.state(story.no) == "delivered"


def test_a_failed_check_is_a_finding_and_no_new_offer(archives: Core, story: Story) -> None:
    result(archives, story, "400", "2-2-1")
    assert len(offers(archives, story)) == 1
    assert findings(archives, story) == [("procedure", "archive_failed")]
    assert "2-2-1 digest" in archives.value("SELECT detail FROM finding WHERE code = 'archive_failed'")
    assert archives.state(story.no) == "delivered"
    archives.verified()


def test_the_good_result_by_queue_ends_the_case(archives: Core, story: Story) -> None:
    result(archives, story, "410")
    result(archives, story, "200")
    assert archives.state(story.no) == "archived"
    assert findings(archives, story) == []
    archives.verified()


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"%PDF-1.4", "PDF"), (b"II*\0", "TIFF"), (b"MM\0*", "TIFF"), (b"<?xml?>", "XML"), (ofd(), "OFD"),
        (office_file(), None), (b"PK\x03\x04", None), (b"", None), (b"%PDF", None), (b"GIF89a", None),
    ],
)  # fmt: skip
def test_formats_are_known_by_their_first_bytes(body: bytes, expected: str | None) -> None:
    check: Callable[[bytes], str | None] = eep.format_of
    assert check(body) == expected
