"""The certificate library against adapters/certificates/contract/contract.md, as a process of its own."""

import hashlib
import json
import secrets
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from stdnum.cn import uscc
from stdnum.iso7064 import mod_37_36

from tests.mocks.jsonparty import ACCOUNT, SECRET, Program, checked_header, compact_now, until

CALLBACK_ANSWER = b'{"head":{"status":0,"message":""},"data":{}}'
FOOD = "11441499007415014L001"
ISSUER = uscc.compact("11441499" + "007415073") + uscc.calc_check_digit("11441499" + "007415073")
FIELDS = {
    "operatorName": "梅州测试食品店",
    "legalPerson": "测试人",
    "premises": "测试路1号",
    "businessForm": "食品销售经营者",
    "items": "预包装食品销售",
}


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    folder = tmp_path_factory.mktemp("certificates")
    program = Program("certificates", folder, CALLBACK_ANSWER, pending_share=0, register_delay_ms=0)
    yield program
    program.close()


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Any]:
    """Starts a library of its own with other keys."""
    programs: list[Program] = []

    def make(**own: Any) -> Program:
        programs.append(Program("certificates", tmp_path, CALLBACK_ANSWER, **{"register_delay_ms": 0, **own}))
        return programs[-1]

    yield make
    for program in programs:
        program.close()


def token_request(
    time_text: str | None = None, secret: str = SECRET, account: str = ACCOUNT
) -> dict[str, Any]:
    moment = time_text or compact_now()
    digest = hashlib.sha256((account + moment + secret).encode()).hexdigest()
    return {"head": {"accessId": account, "accessToken": "", "time": moment}, "data": {"digest": digest}}


def token_of(program: Program) -> str:
    said = program.checked(program.post("/auth/token", token_request()))
    assert said["head"] == {"status": 0, "message": ""}
    token: str = said["data"]["accessToken"]
    return token


def ask(program: Program, path: str, data: Any, token: str | None = None) -> tuple[int, Any]:
    """Head status and data of a sealed call with a valid token."""
    head = {"accessId": ACCOUNT, "accessToken": token or token_of(program), "time": compact_now()}
    answer = program.post(path, {"head": head, "data": data})
    assert answer.status_code == 200
    said = program.checked(answer)
    assert set(said) == {"head", "data"}
    assert set(said["head"]) == {"status", "message"}
    return said["head"]["status"], said["data"] if said["head"]["status"] == 0 else said["head"]["message"]


def issue_data(**other: Any) -> dict[str, Any]:
    return {
        "requestId": secrets.token_hex(8),
        "caseNo": "441499202611220001",
        "itemCode": "11441499007415014L4440131011000",
        "typeCode": FOOD,
        "certificateName": "食品经营许可证",
        "issuer": {"name": "梅州市测试局", "code": ISSUER},
        "areaCode": "441499000000",
        "holders": [{"name": "梅州测试食品店", "code": "91441499MA4TEST001", "typeCode": "001"}],
        "issueDate": "20261122",
        "validFrom": "20261122",
        "validTo": "20311121",
        "fields": FIELDS,
        "seal": True,
    } | other


def without(data: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in data.items() if name not in names}


def test_the_token_lasts_two_hours(library: Program) -> None:
    nonce = secrets.token_hex(16)
    said = library.checked(library.post("/auth/token", token_request(), nonce=nonce), nonce)
    assert set(said["data"]) == {"accessToken", "expires"}
    left = int(said["data"]["expires"]) - int(compact_now(7200))
    assert abs(left) <= 5 or abs(left) >= 40  # seconds, or the minute turned over
    assert said["data"]["expires"] <= compact_now(7200)


@pytest.mark.parametrize(
    "request_",
    [
        token_request(secret="wrong"),
        token_request(account="somebody"),
        token_request(time_text="20200101000000"),
    ],
    ids=["secret", "account", "old time"],
)
def test_a_wrong_digest_buys_no_token(library: Program, request_: dict[str, Any]) -> None:
    assert library.checked(library.post("/auth/token", request_))["head"]["status"] == 11


def test_a_wrong_token_is_11_and_another_account_100(library: Program) -> None:
    assert ask(library, "/cert/verify", {"certificateIdentifier": "x"}, token="0" * 48)[0] == 11
    head = {"accessId": "somebody", "accessToken": token_of(library), "time": compact_now()}
    said = library.checked(library.post("/cert/schema/" + FOOD, {"head": head, "data": {}}))
    assert said["head"]["status"] == 100


def data_types() -> list[str]:
    text = (
        Path(__file__)
        .resolve()
        .parents[2]
        .joinpath("mocks/partners/certificate_types.toml")
        .read_text("utf-8")
    )
    return [line.split('"')[1] for line in text.splitlines() if line.startswith("code = ")]


def test_every_type_is_named_by_a_right_credit_code_and_served(library: Program) -> None:
    token, names = token_of(library), []
    for code in data_types():
        uscc.validate(code[:18])
        assert len(code) == 21
        status, schema = ask(library, f"/cert/schema/{code}", {}, token)
        assert (status, schema["typeCode"]) == (0, code)
        assert set(schema) == {"typeCode", "typeName", "version", "fields"}
        for one in schema["fields"]:
            assert set(one) == {"name", "label", "type", "len", "required"}
            assert one["type"] in ("string", "date", "int")
        names.append(schema["typeName"])
    assert {
        "食品经营许可证",
        "建筑工程施工许可证",
        "卫生许可证",
        "特种行业许可证",
        "残疾人证",
        "不动产权证",
    } <= set(names)


def test_an_unknown_type_is_none_found(library: Program) -> None:
    assert ask(library, "/cert/schema/" + FOOD[:18] + "999", {})[0] == 10
    assert ask(library, "/cert/issue", issue_data(typeCode=FOOD[:18] + "999"))[0] == 10


def test_a_certificate_is_issued_found_and_verified(library: Program) -> None:
    data = issue_data(holders=[{"name": "测试", "code": "441499199001010015", "typeCode": "111"}])
    status, issued = ask(library, "/cert/issue", data)
    assert (status, issued["status"], issued["requestId"]) == (0, "ISSUED", data["requestId"])
    *root, kind, issuer, serial, version, check = issued["certificateIdentifier"].split(".")
    assert (root, kind, issuer, version) == (["1", "2", "156", "3005", "2"], FOOD, ISSUER, "001")
    mod_37_36.validate(kind + issuer + serial + version + check)
    assert issued["certificateNumber"].startswith("粤梅2026")
    assert len(issued["certificateNumber"]) == 12
    name = {"certificateIdentifier": issued["certificateIdentifier"]}
    assert ask(library, "/cert/verify", name) == (0, {"result": "valid"})
    status, record = ask(library, "/cert/metadata", name)
    assert {key: record[key] for key in data} == data
    assert (record["status"], record["version"]) == ("01", "001")
    query = {"holderCode": "441499199001010015", "holderTypeCode": "111", "useCause": "受理时查验证照"}
    status, found = ask(library, "/cert/search", query)
    assert found["list"] == [
        {
            "certificateIdentifier": issued["certificateIdentifier"], "name": "食品经营许可证",
            "number": issued["certificateNumber"], "holderName": "测试", "validFrom": "20261122",
            "validTo": "20311121", "status": "01",
        }
    ]  # fmt: skip
    assert ask(library, "/cert/search", query | {"certNo": "粤梅2026999999"})[0] == 10
    assert ask(library, "/cert/search", query | {"certTypeCode": FOOD})[0] == 0
    assert ask(library, "/cert/search", query | {"holderTypeCode": "888"})[0] == 103
    assert ask(library, "/cert/search", without(query, "useCause"))[0] == 104


def test_expired_ones_are_found_too(library: Program) -> None:
    holder = {"name": "测试", "code": secrets.token_hex(8), "typeCode": "999"}
    dates = {"issueDate": "20100101", "validFrom": "20100101", "validTo": "20110101"}
    assert ask(library, "/cert/issue", issue_data(holders=[holder], **dates))[0] == 0
    query = {"holderCode": holder["code"], "holderTypeCode": "999", "useCause": "核验旧证有效"}
    assert ask(library, "/cert/search", query)[1]["list"][0]["status"] == "05"


def test_verify_knows_revoked_and_unknown(library: Program) -> None:
    name = {"certificateIdentifier": ask(library, "/cert/issue", issue_data())[1]["certificateIdentifier"]}
    assert library.client.post(library.url + "/admin/revoke", json=name).status_code == 200
    assert ask(library, "/cert/verify", name) == (0, {"result": "revoked"})
    unknown = {"certificateIdentifier": "1.2.156.3005.2.x"}
    assert ask(library, "/cert/verify", unknown) == (0, {"result": "unknown"})
    assert ask(library, "/cert/metadata", unknown)[0] == 10


def test_a_request_id_is_issued_once(library: Program) -> None:
    data = issue_data()
    before = library.admin("counts")["by_kind"].get("received.issue", 0)
    answers = [ask(library, "/cert/issue", data) for _ in range(3)]
    assert answers[0] == answers[1] == answers[2]
    reordered = dict(reversed(data.items()))
    assert ask(library, "/cert/issue", reordered) == answers[0]
    assert ask(library, "/cert/issue", data | {"validTo": "20321121"})[0] == 302
    assert ask(library, "/cert/issue", data) == answers[0]
    assert library.admin("counts")["by_kind"]["received.issue"] == before + 1
    other = ask(library, "/cert/issue", issue_data())[1]
    assert other["certificateIdentifier"] != answers[0][1]["certificateIdentifier"]
    assert other["certificateNumber"] != answers[0][1]["certificateNumber"]


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "missing field": ({"fields": without(FIELDS, "items")}, "items"),
    "unknown field": ({"fields": FIELDS | {"colour": "red"}}, "colour"),
    "too long": ({"fields": FIELDS | {"legalPerson": "长" * 51}}, "legalPerson"),
    "number for text": ({"fields": FIELDS | {"legalPerson": 5}}, "legalPerson"),
    "null field": ({"fields": FIELDS | {"supervisor": None}}, "supervisor"),
    "no such day": ({"issueDate": "20260231"}, "issueDate"),
    "date with dashes": ({"validFrom": "2026-11-22"}, "validFrom"),
    "end before begin": ({"validTo": "20200101"}, "data"),
    "null end": ({"validTo": None}, "validTo"),
    "short area": ({"areaCode": "441499"}, "areaCode"),
    "area with a line end": ({"areaCode": "44149900000\n"}, "areaCode"),
    "type check character": ({"typeCode": FOOD[:17] + "M001"}, "typeCode"),
    "issuer check character": ({"issuer": {"name": "局", "code": ISSUER[:17] + "0"}}, "issuer"),
    "no holder": ({"holders": []}, "holders"),
    "unknown member": ({"extra": 1}, "extra"),
    "seal as text": ({"seal": "true"}, "seal"),
}


@pytest.mark.parametrize(("other", "named"), WRONG.values(), ids=WRONG.keys())
def test_what_does_not_follow_the_schema_is_104_and_named(
    library: Program, other: dict[str, Any], named: str
) -> None:
    data = issue_data(**other)
    status, message = ask(library, "/cert/issue", data)
    assert status == 104
    assert named in message
    rows = [row for row in library.admin("record") if row["id"] == data["requestId"]]
    assert not any(row["accepted"] for row in rows)


def test_a_bad_holder_type_is_103(library: Program) -> None:
    data = issue_data(holders=[{"name": "测试", "code": "1", "typeCode": "12345"}])
    assert ask(library, "/cert/issue", data)[0] == 103


def test_dates_and_numbers_of_a_schema_are_checked(library: Program) -> None:
    fields = {
        "builder": "测试公司", "projectName": "测试工程", "projectAddress": "测试路", "scale": "1栋",
        "contractPrice": "100", "contractStart": "20261201", "contractEnd": "20271201",
    }  # fmt: skip
    data = issue_data(typeCode="11441499007415022F001", fields=fields)
    assert ask(library, "/cert/issue", data)[0] == 0
    for wrong in (
        {"contractPrice": 100},
        {"contractPrice": "1e2"},
        {"contractPrice": "-1"},
        {"contractStart": "20261301"},
    ):
        assert (
            ask(library, "/cert/issue", issue_data(typeCode=data["typeCode"], fields=fields | wrong))[0]
            == 104
        )


def test_one_more_type_is_served_after_it_is_told(fresh: Any) -> None:
    library = fresh(pending_share=0)
    code = FOOD[:18] + "042"
    told = {"typeCode": code, "typeName": "测试新证"}
    assert library.client.post(library.url + "/admin/type", json=told).status_code == 200
    wrong = {"typeCode": "1" * 21, "typeName": "测试新证"}
    assert library.client.post(library.url + "/admin/type", json=wrong).status_code == 422
    library.end(signal.SIGKILL)
    library.start()
    status, schema = ask(library, f"/cert/schema/{code}", {})
    assert (status, schema["typeName"]) == (0, "测试新证")
    values = {"string": "测试", "date": "20261122", "int": "1"}
    fields = {one["name"]: values[one["type"]] for one in schema["fields"] if one["required"]}
    assert fields
    data = issue_data(typeCode=code, fields=fields)
    assert ask(library, "/cert/issue", data)[1]["certificateIdentifier"].split(".")[5] == code


def test_a_pending_certificate_is_called_back_until_200(fresh: Any) -> None:
    library = fresh(pending_share=1, seal_delay_ms=200, repeat_seconds=[0.1, 0.2, 0.3])
    library.stub.answers = [(500, "sealed")] * 4 + [(200, "unsealed")]
    data = issue_data()
    issued = ask(library, "/cert/issue", data)[1]
    assert issued["status"] == "PENDING_SEAL"
    name = {"certificateIdentifier": issued["certificateIdentifier"]}
    until(lambda: len(library.stub.heard) == 6)  # a fifth try after the last repeat time, then a good answer
    time.sleep(0.5)
    assert len(library.stub.heard) == 6
    heard = library.stub.heard[-1]
    header = checked_header(heard.headers["X-Gov-Signature"], heard.body, library.certificate)
    assert (heard.path, header["method"], header["path"]) == ("/cert/sealed", "POST", "/cert/sealed")
    said = heard.json()
    assert set(said["head"]) == {"accessId", "time"}
    assert said["head"]["accessId"] == ACCOUNT
    assert said["data"] == {
        "requestId": data["requestId"], "caseNo": data["caseNo"], "status": "ISSUED",
        "certificateIdentifier": issued["certificateIdentifier"],
        "certificateNumber": issued["certificateNumber"],
    }  # fmt: skip
    assert ask(library, "/cert/issue", data) == (0, issued)  # the first answer
    assert ask(library, "/cert/verify", name) == (0, {"result": "valid"})
    assert library.admin("counts")["by_kind"]["sent.sealed"] == 1


def test_before_its_seal_a_certificate_is_unknown(fresh: Any) -> None:
    library = fresh(pending_share=1, seal_delay_ms=60_000)
    holder = {"name": "测试", "code": "x1", "typeCode": "999"}
    issued = ask(library, "/cert/issue", issue_data(holders=[holder]))[1]
    name = {"certificateIdentifier": issued["certificateIdentifier"]}
    assert ask(library, "/cert/verify", name) == (0, {"result": "unknown"})
    assert ask(library, "/cert/metadata", name)[1]["status"] == "99"  # 其他
    assert (
        ask(library, "/cert/search", {"holderCode": "x1", "holderTypeCode": "999", "useCause": "受理时查验"})[
            0
        ]
        == 10
    )


def test_the_share_of_pending_ones_is_repeatable(fresh: Any) -> None:
    library = fresh(pending_share=0.5, seal_delay_ms=50)
    token = token_of(library)
    pending = [
        ask(library, "/cert/issue", issue_data(requestId=f"r{number}"), token)[1]["status"] == "PENDING_SEAL"
        for number in range(60)
    ]
    assert 15 <= sum(pending) <= 45
    library.end()
    (library.folder / "state" / "record.db").unlink()
    library.start()
    token = token_of(library)
    again = [
        ask(library, "/cert/issue", issue_data(requestId=f"r{number}"), token)[1]["status"] == "PENDING_SEAL"
        for number in range(60)
    ]
    assert again == pending


def test_a_killed_library_keeps_certificates_tokens_and_callbacks(fresh: Any) -> None:
    library = fresh(pending_share=1, seal_delay_ms=1500)
    token, data = token_of(library), issue_data()
    answer, record = ask(library, "/cert/issue", data, token), library.admin("record")
    library.end(signal.SIGKILL)
    assert library.stub.heard == []
    library.start()
    assert library.admin("record") == record
    assert ask(library, "/cert/issue", data, token) == answer
    until(lambda: library.stub.heard)
    assert library.admin("counts")["by_kind"]["received.issue"] == 1


def test_a_number_already_taken_is_301_once(fresh: Any) -> None:
    library = fresh(pending_share=0, used_numbers=["粤梅2026000001"])
    data = issue_data()
    assert ask(library, "/cert/issue", data)[0] == 301
    assert ask(library, "/cert/issue", data)[1]["certificateNumber"] == "粤梅2026000002"


def test_bad_seals_replays_and_bindings_are_refused(library: Program) -> None:
    head = {"accessId": ACCOUNT, "accessToken": token_of(library), "time": compact_now()}
    body = json.dumps({"head": head, "data": issue_data()}).encode()
    received = library.admin("counts")["received"]
    for members in (
        {"path": "/cert/verify"}, {"method": "PUT"}, {"iat": int(time.time()) - 301}, {"nonce": "short"},
        {"kid": "A" * 43},
    ):  # fmt: skip
        seal = library.hub.seal(body, **({"method": "POST", "path": "/cert/issue"} | members))
        answer = library.send("POST", "/cert/issue", body, seal=seal)
        assert (answer.status_code, answer.json()["head"]["status"]) == (401, 100)
    assert library.send("POST", "/cert/issue", body, seal=None).status_code == 401
    good = library.hub.seal(body, method="POST", path="/cert/issue")
    assert library.send("POST", "/cert/issue", body + b"\n", seal=good).status_code == 401
    assert library.admin("counts")["received"] == received
    assert library.checked(library.send("POST", "/cert/issue", body, seal=good))["head"]["status"] == 0
    assert library.send("POST", "/cert/issue", body, seal=good).status_code == 401
    assert library.admin("counts")["received"] == received + 1


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{}", b"[]", b"\xef\xbb\xbf{}", b'{"head":{},"head":{}}', b"\xff\xfe", b'{"a":' * 50_000,
        b'{"head":{"accessId":"a","accessToken":"","time":"2026"},"data":{}}',
        b'{"head":{"accessId":"a","accessToken":"","time":"20261122093000"},"data":{},"more":1}',
    ],
)  # fmt: skip
def test_an_envelope_outside_the_contract_is_104(library: Program, body: bytes) -> None:
    answer = library.send("POST", "/cert/issue", body)
    assert library.checked(answer)["head"]["status"] == 104


def test_oversize_and_other_media_are_not_read(library: Program) -> None:
    assert library.send("POST", "/cert/issue", b" " * ((4 << 20) + 1)).status_code == 413
    answer = library.send("POST", "/cert/issue", b"{}", headers={"Content-Type": "text/xml"})
    assert answer.status_code == 415


def test_faults(fresh: Any) -> None:
    library = fresh(pending_share=1, seal_delay_ms=30_000)
    token = token_of(library)
    library.arm(operation="issue", fault="callback_before_reply")
    assert ask(library, "/cert/issue", issue_data(), token)[0] == 0
    assert len(library.stub.heard) == 1
    library.arm(operation="issue", fault="rate_limit")
    data = issue_data()
    assert ask(library, "/cert/issue", data, token)[0] == 300
    library.arm(operation="issue", fault="drop_before_reply")
    with pytest.raises(httpx2.RemoteProtocolError):
        ask(library, "/cert/issue", data, token)
    assert ask(library, "/cert/issue", data, token)[0] == 0
    rows = [row for row in library.admin("record") if row["id"] == data["requestId"]]
    assert [(row["accepted"], row["repeats"]) for row in rows] == [(True, 1)]
    library.arm(operation="schema", fault="version_gap")
    assert ask(library, "/cert/schema/" + FOOD, {}, token)[1]["version"] == "3.0"
    assert ask(library, "/cert/schema/" + FOOD, {}, token)[1]["version"] == "1.0"
    library.arm(operation="schema", fault="http200_error_body")
    assert ask(library, "/cert/schema/" + FOOD, {}, token)[0] not in (0, 10, 11, 100, 103, 104, 300, 301, 302)
    assert library.arm(operation="issue", fault="version_gap").status_code == 422
