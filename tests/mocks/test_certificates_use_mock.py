"""Standards, use, changes and foreign certificates of the library, on the wire of its contract."""

import base64
import hashlib
import io
import secrets
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree

import httpx2
import pytest
from stdnum.iso7064 import mod_37_36

from tests.mocks.jsonparty import Program
from tests.mocks.test_certificates_mock import (
    CALLBACK_ANSWER,
    FIELDS,
    FOOD,
    ask,
    issue_data,
    token_of,
    without,
)  # fmt: skip

MARRIAGE, LICENCE = "11441499007415073P001", "11441499007415081J001"  # types of other systems
PURPOSE = "受理食品经营许可时核验"
RULE = {"name": "a", "label": "甲", "type": "string", "len": 10, "required": True}
CHANGES = ("change", "annual-inspection", "suspend", "cancel")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    folder = tmp_path_factory.mktemp("certificates")
    program = Program("certificates", folder, CALLBACK_ANSWER, pending_share=0, register_delay_ms=0)
    yield program
    program.close()


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[Program]:
    program = Program("certificates", tmp_path, CALLBACK_ANSWER, pending_share=1, seal_delay_ms=60_000)
    yield program
    program.close()


def admin(program: Program, path: str, value: Any) -> httpx2.Response:
    return program.client.post(f"{program.url}/admin/{path}", json=value)


def publish(program: Program, code: str, version: str, *fields: dict[str, Any]) -> int:
    told = {"typeCode": code, "typeName": "测试证", "version": version, "fields": list(fields)}
    return admin(program, "type", told).status_code


def holder(**other: str) -> dict[str, str]:
    return {"name": "测试甲", "code": secrets.token_hex(8), "typeCode": "999"} | other


def found(program: Program, who: dict[str, str], **more: str) -> list[dict[str, str]]:
    query = {"holderCode": who["code"], "holderTypeCode": who["typeCode"], "useCause": PURPOSE} | more
    status, data = ask(program, "/cert/search", query)
    assert status in (0, 10)
    return data["list"] if status == 0 else []


def issued(program: Program, **other: Any) -> str:
    status, data = ask(program, "/cert/issue", issue_data(**other))
    assert status == 0
    return str(data["certificateIdentifier"])


def changed(program: Program, operation: str, name: str, **other: Any) -> tuple[int, Any]:
    data = {
        "requestId": secrets.token_hex(8), "caseNo": "441499202611220002", "certificateIdentifier": name,
        "reason": "依申请办理",
    }  # fmt: skip
    value = {key: one for key, one in (data | other).items() if one is not None}
    return ask(program, f"/cert/{operation}", value)


def asked_file(program: Program, name: str, form: str = "pdf", **other: Any) -> tuple[int, Any]:
    data = {"certificateIdentifier": name, "format": form, "useCause": PURPOSE} | other
    return ask(program, "/cert/file", data)


def get(program: Program, url: str, **headers: str) -> httpx2.Response:
    """Plain, without a seal."""
    return program.client.get(url, headers=headers)


# Schema registry


def test_a_new_version_of_a_standard_is_served_at_once_and_old_certificates_keep_theirs(
    library: Program,
) -> None:
    code = FOOD[:18] + "101"
    assert publish(library, code, "1.0", RULE) == 200
    name = issued(library, typeCode=code, fields={"a": "一"})
    assert publish(library, code, "2.0", {**RULE, "name": "b"}) == 200
    assert ask(library, f"/cert/schema/{code}", {})[1] == {
        "typeCode": code, "typeName": "测试证", "version": "2.0", "fields": [{**RULE, "name": "b"}]
    }  # fmt: skip
    assert ask(library, "/cert/issue", issue_data(typeCode=code, fields={"a": "一"}))[0] == 104
    issued(library, typeCode=code, fields={"b": "二"})
    assert ask(library, "/cert/metadata", {"certificateIdentifier": name})[1]["fields"] == {"a": "一"}
    assert changed(library, "change", name, fields={"b": "二"})[0] == 104
    assert changed(library, "change", name, fields={"a": "三"})[0] == 0


def test_a_minor_version_adds_optional_fields_only(library: Program) -> None:
    code, more = FOOD[:18] + "102", {**RULE, "name": "b", "required": False}
    assert publish(library, code, "1.0", RULE) == 200
    assert publish(library, code, "1.0", RULE) == 200  # the same once more
    for fields in (
        [more],
        [{**RULE, "len": 11}],
        [RULE, {**more, "required": True}],
        [{**RULE, "type": "int"}],
    ):
        assert publish(library, code, "1.1", *fields) == 422
    assert publish(library, code, "1.0", RULE, more) == 422
    assert publish(library, code, "1.1", RULE, more) == 200
    assert publish(library, code, "1.0", RULE) == 422
    for version in ("1", "v1.2", "1.2.3"):
        assert publish(library, code, version, RULE) == 422
    for length in (0, 1001):
        assert publish(library, FOOD[:18] + "103", "1.0", {**RULE, "len": length}) == 422
    assert publish(library, FOOD[:18] + "103", "1.0", {**RULE, "len": 1000}) == 200


# Use


@pytest.mark.parametrize("purpose", [None, "", "核验证照", "长" * 201])
def test_without_a_purpose_of_5_to_200_characters_it_is_104(library: Program, purpose: str | None) -> None:
    name = issued(library)
    more = {} if purpose is None else {"useCause": purpose}
    query = {"holderCode": "1", "holderTypeCode": "999"} | more
    assert ask(library, "/cert/search", query) == (104, "data.useCause")
    data = {"certificateIdentifier": name, "format": "pdf"} | more
    assert ask(library, "/cert/file", data) == (104, "data.useCause")
    assert not [row for row in library.admin("usage") if row["subject"] == name]


def test_search_metadata_and_file_are_recorded_with_account_case_and_purpose(library: Program) -> None:
    who = holder()
    name = issued(library, holders=[who])
    found(library, who, caseNo="441499202611220009")
    ask(library, "/cert/metadata", {"certificateIdentifier": name})
    asked_file(library, name, caseNo="441499202611220008")
    rows = [row for row in library.admin("usage") if row["subject"] in (name, who["code"])]
    assert [(row["operation"], row["account"], row["case_no"], row["purpose"]) for row in rows] == [
        ("search", "tongban-hub", "441499202611220009", PURPOSE),
        ("metadata", "tongban-hub", "", ""),
        ("file", "tongban-hub", "441499202611220008", PURPOSE),
    ]


def test_two_valid_ones_of_a_type_an_expired_one_and_every_status_are_found(library: Program) -> None:
    who = holder()
    names = {issued(library, holders=[who]), issued(library, holders=[who])}
    assert {line["certificateIdentifier"] for line in found(library, who)} == names
    assert {line["status"] for line in found(library, who, certTypeCode=FOOD)} == {"01"}
    past = {"issueDate": "20200101", "validFrom": "20200101", "validTo": "20210101"}
    assert admin(library, "certificate", {"typeCode": FOOD, "holders": [who], **past}).status_code == 200
    for status in ("02", "03", "04", "06", "07", "99"):
        told = {"typeCode": FOOD, "holders": [who], "status": status}
        assert admin(library, "certificate", told).status_code == 200
    listed = [line["status"] for line in found(library, who)]
    assert listed == ["01", "01", "05", "02", "03", "04", "06", "07", "99"]


def test_the_name_of_a_holder_may_come_in_another_width(library: Program) -> None:
    who = holder(name="阿依·Ａ1公司(测试)")
    name = issued(library, holders=[who])
    assert found(library, who)[0]["holderName"] == "阿依·Ａ1公司(测试)"
    library.arm(operation="search", fault="name_width")
    assert found(library, who)[0]["holderName"] == "阿依•A１公司（测试）"
    library.arm(operation="metadata", fault="name_width")
    record = ask(library, "/cert/metadata", {"certificateIdentifier": name})[1]
    assert record["holders"][0]["name"] == "阿依•A１公司（测试）"


# Files


def test_a_file_is_behind_its_address_for_ten_minutes(library: Program) -> None:
    name = issued(library)
    status, data = asked_file(library, name)
    assert (status, data["format"], data["certificateIdentifier"]) == (0, "pdf", name)
    assert set(data) == {"certificateIdentifier", "format", "url", "expires", "digest", "watermark"}
    assert len(urlsplit(data["url"]).path.rsplit("/", 1)[1]) >= 32
    left = time.mktime(time.strptime(data["expires"], "%Y%m%d%H%M%S")) - time.mktime(
        time.gmtime(time.time() + 28800)
    )
    assert 590 <= left <= 600
    for _ in range(2):  # any number of times
        answer = get(library, data["url"])
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/pdf")
        assert answer.content.startswith(b"%PDF-")
        assert base64.b64encode(hashlib.sha256(answer.content).digest()).decode() == data["digest"]
    assert data["watermark"] == PURPOSE
    assert PURPOSE[:20].encode("utf-16-be").hex().encode() in answer.content
    admin(library, "clock", {"offset_s": 590, "seals": False})
    assert get(library, data["url"]).status_code == 200
    admin(library, "clock", {"offset_s": 601, "seals": False})
    assert get(library, data["url"]).status_code == 410
    admin(library, "clock", {"offset_s": 0})
    assert get(library, data["url"] + "x").status_code == 404
    assert asked_file(library, name)[1]["url"] != data["url"]


def test_a_file_is_fetched_by_parts(library: Program) -> None:
    url = asked_file(library, issued(library))[1]["url"]
    whole = get(library, url).content
    for asked, first, last in (
        ("0-9", 0, 9),
        ("100-", 100, len(whole) - 1),
        ("-7", len(whole) - 7, len(whole) - 1),
    ):
        part = get(library, url, Range=f"bytes={asked}")
        assert part.status_code == 206
        assert part.headers["content-range"] == f"bytes {first}-{last}/{len(whole)}"
        assert part.content == whole[first : last + 1]
    beyond = get(library, url, Range=f"bytes={len(whole)}-")
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{len(whole)}")
    for strange in ("bytes=9-2", "lines=1-2", "bytes=-", "bytes=a-b"):
        assert get(library, url, Range=strange).status_code == 200


def test_an_ofd_shows_purpose_and_fields_on_its_pages(library: Program) -> None:
    name = issued(library, fields=FIELDS | {"items": "项" * 500, "premises": "<&路>"})
    status, data = asked_file(library, name, "ofd")
    answer = get(library, data["url"])
    assert (status, answer.headers["content-type"]) == (0, "application/ofd")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as package:
        space = {"o": "http://www.ofdspec.org/2016"}
        root = ElementTree.fromstring(package.read("OFD.xml")).find("o:DocBody/o:DocRoot", space)
        assert root is not None and root.text is not None
        document = ElementTree.fromstring(package.read(root.text))
        pages = [page.get("BaseLoc") for page in document.findall("o:Pages/o:Page", space)]
        assert pages
        for page in pages:
            content = ElementTree.fromstring(package.read(f"Doc_0/{page}"))
            texts = [one.text or "" for one in content.iter("{http://www.ofdspec.org/2016}TextCode")]
            assert PURPOSE[:20] in texts
    assert any("<&路>" in text for text in texts)


def test_a_file_there_is_not(library: Program, slow: Program) -> None:
    assert asked_file(library, "1.2.156.3005.2.x")[0] == 10
    assert asked_file(library, issued(library), "doc")[0] == 104
    told = {"typeCode": FOOD[:18] + "104", "typeName": "测试", "formats": ["ofd"], "fields": [RULE]}
    assert admin(library, "type", told).status_code == 200
    only_ofd = issued(library, typeCode=told["typeCode"], fields={"a": "1"})
    assert asked_file(library, only_ofd)[0] == 104
    assert asked_file(library, only_ofd, "ofd")[0] == 0
    pending = issued(slow)
    assert asked_file(slow, pending)[0] == 311
    assert changed(slow, "suspend", pending)[0] == 311


def test_faults_of_files(library: Program) -> None:
    name = issued(library)
    library.arm(operation="file", fault="missing_attachment")
    assert get(library, asked_file(library, name)[1]["url"]).status_code == 404
    data = asked_file(library, name)[1]
    for fault, status in (("http500", 500), ("maintenance", 503), ("rate_limit", 429)):
        assert library.arm(operation="download", fault=fault).status_code == 200
        assert get(library, data["url"]).status_code == status
    library.arm(operation="download", fault="truncate_800b")
    assert len(get(library, data["url"]).content) == 800
    library.arm(operation="download", fault="drop_before_reply")
    with pytest.raises(httpx2.RemoteProtocolError):
        get(library, data["url"])
    library.arm(operation="download", fault="http200_error_body")
    assert get(library, data["url"]).headers["content-type"].startswith("text/html")
    assert library.arm(operation="download", fault="sig_bad").status_code == 422
    library.arm(operation="file", fault="token_expired")
    assert asked_file(library, name)[0] == 11


# Changes and versions


@pytest.mark.req("S3-101")
def test_a_change_makes_a_new_version_and_the_earlier_one_is_99(library: Program) -> None:
    who = holder()
    name = issued(library, holders=[who])
    number = found(library, who)[0]["number"]
    fields = FIELDS | {"premises": "测试路2号"}
    status, data = changed(library, "change", name, fields=fields, validTo="20321231", requestId="q1")
    assert (status, data["requestId"], data["version"], data["status"]) == (0, "q1", "002", "01")
    new = data["certificateIdentifier"]
    *root, kind, issuer, serial, version, check = new.split(".")
    assert [*root, kind, issuer, serial] == name.split(".")[:-2]
    assert version == "002"
    mod_37_36.validate(kind + issuer + serial + version + check)
    lines = [(line["certificateIdentifier"], line["number"], line["status"]) for line in found(library, who)]
    assert lines == [(name, number, "99"), (new, number, "01")]
    assert ask(library, "/cert/verify", {"certificateIdentifier": name}) == (0, {"result": "revoked"})
    assert ask(library, "/cert/verify", {"certificateIdentifier": new}) == (0, {"result": "valid"})
    old_record = ask(library, "/cert/metadata", {"certificateIdentifier": name})[1]
    record = ask(library, "/cert/metadata", {"certificateIdentifier": new})[1]
    assert [(one["version"], one["status"], one["caseNo"]) for one in (old_record, record)] == [
        ("001", "99", "441499202611220001"), ("002", "01", "441499202611220002")
    ]  # fmt: skip
    assert (old_record["fields"], record["fields"], record["validTo"]) == (FIELDS, fields, "20321231")
    for operation in CHANGES:
        more = {"fields": FIELDS} if operation == "change" else {}
        assert changed(library, operation, name, **more)[0] == 311  # not the newest any more
    assert changed(library, "change", "1.2.156.3005.2.x", fields=FIELDS)[0] == 10


@pytest.mark.req("S3-101")
def test_from_suspended_back_to_valid_and_from_cancelled_nowhere(library: Program) -> None:
    name, versions = issued(library), []
    for operation, more in (
        ("suspend", {}), ("annual-inspection", {"validTo": "20350101"}), ("suspend", {}), ("cancel", {}),
    ):  # fmt: skip
        status, data = changed(library, operation, name, **more)
        assert status == 0
        name = data["certificateIdentifier"]
        versions.append((data["version"], data["status"]))
        assert ask(library, "/cert/metadata", {"certificateIdentifier": name})[1]["status"] == data["status"]
    assert versions == [("002", "02"), ("003", "01"), ("004", "02"), ("005", "04")]
    assert changed(library, "annual-inspection", name)[0] == 311
    for status, ends in (("05", "20210101"), ("06", "20991231"), ("07", "20991231")):
        ended = issued(library, validTo=ends, validFrom="20200101")
        if status != "05":
            admin(library, "revoke", {"certificateIdentifier": ended, "status": status})
        record = ask(library, "/cert/metadata", {"certificateIdentifier": ended})[1]
        more = {"change": {"fields": FIELDS}}
        codes = {changed(library, one, ended, **more.get(one, {}))[0] for one in CHANGES}
        assert (record["status"], codes) == (status, {311})


def test_each_operation_takes_its_members_alone(library: Program) -> None:
    name = issued(library)
    for operation, other, where in (
        ("suspend", {"validTo": "20300101"}, "validTo"), ("cancel", {"fields": FIELDS}, "fields"),
        ("annual-inspection", {"fields": FIELDS}, "fields"), ("change", {}, "fields"),
        ("change", {"fields": without(FIELDS, "items")}, "fields.items"),
        ("change", {"fields": FIELDS | {"x": "1"}}, "fields.x"),
        ("change", {"validTo": "20100101"}, "validTo"),
        ("suspend", {"reason": "长" * 501}, "reason"), ("suspend", {"reason": None}, "reason"),
        ("suspend", {"caseNo": None}, "caseNo"), ("suspend", {"more": 1}, "more"),
        ("annual-inspection", {"validTo": "2030-01-01"}, "validTo"),
    ):  # fmt: skip
        assert changed(library, operation, name, **other) == (104, f"data.{where}")
    assert changed(library, "suspend", name, reason="长" * 500)[0] == 0


def test_a_request_id_is_shared_with_issue(library: Program) -> None:
    data = issue_data()
    name = ask(library, "/cert/issue", data)[1]["certificateIdentifier"]
    assert changed(library, "cancel", name, requestId=data["requestId"])[0] == 302
    first = changed(library, "suspend", name, requestId="r-1")
    assert first == changed(library, "suspend", name, requestId="r-1")
    assert first[0] == 0
    assert changed(library, "suspend", name, requestId="r-1", reason="别的")[0] == 302
    assert changed(library, "cancel", name, requestId="r-1")[0] == 302
    rows = [row for row in library.admin("record") if row["id"] == "r-1" and row["accepted"]]
    assert [(row["kind"], row["case"], row["repeats"]) for row in rows] == [
        ("suspend", "441499202611220002", 1)
    ]
    library.arm(operation="suspend", fault="drop_before_reply")
    other = issued(library)
    with pytest.raises(httpx2.RemoteProtocolError):
        changed(library, "suspend", other, requestId="r-2")
    assert changed(library, "suspend", other, requestId="r-2")[1]["version"] == "002"
    library.arm(operation="cancel", fault="version_gap")
    gap = changed(library, "cancel", issued(library))[1]
    assert (gap["version"], gap["certificateIdentifier"].split(".")[8]) == ("003", "003")


# Certificates held elsewhere


@pytest.mark.req("S3-100")
def test_foreign_certificates_are_found_shown_and_never_changed(library: Program) -> None:
    who = holder()
    told = admin(library, "certificate", {"typeCode": MARRIAGE, "holders": [who]}).json()
    name = told["certificateIdentifier"]
    assert name.split(".")[5] == MARRIAGE
    own = issued(library, holders=[who])
    lines = {line["certificateIdentifier"]: line for line in found(library, who)}
    assert lines[name]["heldBy"] == "省婚姻登记信息系统"
    assert "heldBy" not in lines[own]
    assert [line["certificateIdentifier"] for line in found(library, who, certTypeCode=MARRIAGE)] == [name]
    assert ask(library, "/cert/metadata", {"certificateIdentifier": name})[1]["holders"] == [who]
    assert ask(library, "/cert/verify", {"certificateIdentifier": name}) == (0, {"result": "valid"})
    data = asked_file(library, name)[1]
    assert data["watermark"] == ""
    assert get(library, data["url"]).content.startswith(b"%PDF-")
    fields = {"holderName": "甲", "spouseName": "乙", "registeredOn": "20200101"}
    assert ask(library, "/cert/issue", issue_data(typeCode=MARRIAGE, fields=fields))[0] == 100
    for operation in CHANGES:
        more = {"fields": fields} if operation == "change" else {}
        assert changed(library, operation, name, **more)[0] == 100


def test_other_systems_are_away_unless_an_own_type_is_asked_for(library: Program) -> None:
    who = holder()
    name = admin(library, "certificate", {"typeCode": LICENCE, "holders": [who]}).json()[
        "certificateIdentifier"
    ]
    own = issued(library, holders=[who])
    library.arm(operation="register", fault="maintenance", probability=1)
    query = {"holderCode": who["code"], "holderTypeCode": "999", "useCause": PURPOSE}
    assert ask(library, "/cert/search", query)[0] == 310
    assert ask(library, "/cert/search", query | {"certTypeCode": LICENCE})[0] == 310
    assert [line["certificateIdentifier"] for line in found(library, who, certTypeCode=FOOD)] == [own]
    for path in ("metadata", "verify"):
        assert ask(library, f"/cert/{path}", {"certificateIdentifier": name})[0] == 310
        assert ask(library, f"/cert/{path}", {"certificateIdentifier": own})[0] == 0
    assert asked_file(library, name)[0] == 310
    assert asked_file(library, own)[0] == 0
    library.client.delete(library.url + "/admin/faults")
    assert asked_file(library, name)[0] == 0


def test_other_systems_are_slower_and_hold_nobody_up(slow: Program) -> None:
    token, who = token_of(slow), holder()
    query = {"holderCode": who["code"], "holderTypeCode": "999", "useCause": PURPOSE}

    def seconds(**more: str) -> float:
        began = time.monotonic()
        assert ask(slow, "/cert/search", query | more, token)[0] == 10
        return time.monotonic() - began

    assert seconds(certTypeCode=FOOD) < 0.45
    assert seconds() >= 0.5
    slow.arm(operation="register", fault="delay_ms", value=300)
    assert seconds() >= 0.8
