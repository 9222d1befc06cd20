"""`tongban messages` and `message` over a store filled by the hub's own recording; samples are judged by
xmlsec1 and openssl."""

import json
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from lxml import etree
from sqlalchemy import insert, select, update

from canonical.values import complete_id_number
from exchange.app import cli, opening, table
from exchange.app.samples import MOST
from exchange.app.settings import Settings
from exchange.records import Record, keep
from exchange.registry import PartyFacts, add_party
from exchange.seals import jws, wssec, xmldsig
from exchange.seals.keys import SigningKey, key_id
from exchange.store.tables import act, document, outbox
from exchange.store.work import Store
from exchange.transports.soap_seals import DocumentSeal

Tongban = Callable[..., Any]
CASE = "441499000000202611220000001X"
ID = str(complete_id_number("44149919800101001"))
HEADER = "{urn:tongban:hub:1}Exchange"


def signed_json(body: bytes, key: SigningKey) -> dict[str, Any]:
    bound = {"method": "POST", "path": "/api/v1/messages"}
    token = jws.sign_request(body, key, now=datetime.now(UTC), nonce="n" * 20, **bound)
    return {
        "protocol": "rest",
        "body": body,
        "seal": token.encode(),
        "bound": bound,
        "media_type": "application/json",
    }


def signed_xml(text: str, key: SigningKey, reference: Any = "#Id") -> dict[str, Any]:
    root = xmldsig.sign(etree.fromstring(text), key, xmldsig.XmlDsigProfile(reference))
    return {
        "protocol": "rest",
        "body": etree.tostring(root, encoding="UTF-8"),
        "media_type": "application/xml",
    }


def gbk_xml(text: str, key: SigningKey) -> dict[str, Any]:
    """As a service in GBK is sent it: the document says so itself."""
    seal = DocumentSeal(key, lambda _: None, lambda: datetime.now(UTC), xmldsig.XmlDsigProfile(""), "gbk")
    body = seal.arguments({"document": text}, ["document"])["document"].encode("gbk")
    return {"protocol": "soap", "body": body, "media_type": "text/xml"}


def signed_soap(text: str, key: SigningKey) -> dict[str, Any]:
    envelope = etree.fromstring(
        f'<s:Envelope xmlns:s="{wssec.SOAP}"><s:Header><t:Exchange xmlns:t="urn:tongban:hub:1"><t:messageId>'
        "m</t:messageId></t:Exchange></s:Header><s:Body><t:Submit xmlns:t='urn:tongban:hub:1'><t:document>"
        f"{text}</t:document></t:Submit></s:Body></s:Envelope>"
    )
    wssec.sign(envelope, key, header=HEADER, now=datetime.now(UTC))
    return {"protocol": "soap", "body": etree.tostring(envelope), "media_type": "text/xml"}


def house_xml(message_id: str) -> str:
    return (
        f'<Message xmlns="urn:tongban:message:1" Id="m1"><message_id>{message_id}</message_id>张三</Message>'
    )


class Bench:
    """A hub's store with two parties, and a way to record as the hub does."""

    def __init__(self, settings: Settings, keys: Any) -> None:
        self.store: Store = opening.open_store(settings)
        self.hub: Any = SimpleNamespace(pseudonym_key=opening.pseudonym_key(settings))
        self.own_ec, self.own_rsa = opening.ec_key(settings), opening.rsa_key(settings)
        self.ec, self.rsa = keys.ec(), keys.rsa()
        for name, key in (("bureau-a", self.ec), ("bureau-b", self.rsa)):
            facts = PartyFacts(name)
            self.store.write(partial(add_party, hub="hub", facts=facts, pem=keys.pem(key), adapters={}))

    def keep(self, message_id: str, **more: Any) -> int:
        inward = more.get("direction", "in") == "in"
        party = more.pop("party", "bureau-a")
        ends = (party, "hub") if inward else ("hub", party)
        given: dict[str, Any] = {
            "direction": "in", "protocol": "rest", "type": "case.step.v1", "body": b"{}", "case_no": CASE,
        } | more  # fmt: skip
        record = Record("exchange.received", message_id, ends[0], ends[1], party, **given)
        entry: int = self.store.write(lambda work: keep(self.hub, work, record)).seq
        return entry


@pytest.fixture
def bench(settings: Settings, party_keys: Any) -> Bench:
    return Bench(settings, party_keys)


def fill(bench: Bench) -> dict[str, str]:
    """Every kind of seal both ways; message id -> kind."""
    body = json.dumps({"message_id": "jws-in-0001", "name": "张三"}, ensure_ascii=False).encode()
    kid = key_id(bench.ec.certificate)
    bench.keep("jws-in-0001", key_id=kid, **signed_json(body, bench.ec))
    bench.keep("jws-in-rsa1", party="bureau-b", **signed_json(b'{"a": 1}', bench.rsa))
    bench.keep(
        "jws-out-001", direction="out", state="sent", **signed_json(b"\xff\x00 any bytes", bench.own_ec)
    )
    bench.keep("xml-in-0001", **signed_xml(house_xml("xml-in-0001"), bench.ec))
    bench.keep("xml-in-0002", party="bureau-b", **signed_xml("<a><b>文</b></a>", bench.rsa, ""))
    bench.keep("xml-out-001", direction="out", **signed_xml(house_xml("xml-out-001"), bench.own_rsa))
    bench.keep("gbk-out-001", direction="out", **gbk_xml("<a>文书</a>", bench.own_rsa))
    bench.keep("wss-in-0001", party="bureau-b", **signed_soap("文书", bench.rsa))
    bench.keep("wss-in-0002", **signed_soap("文书", bench.ec))
    bench.keep("wss-out-001", direction="out", **signed_soap("文书", bench.own_rsa))
    openssl, xmlsec1 = ["jws-in-0001", "jws-in-rsa1", "jws-out-001"], ["xml-in-0001", "gbk-out-001"]
    xmlsec1 += ["xml-in-0002", "xml-out-001", "wss-in-0001", "wss-in-0002", "wss-out-001"]
    return dict.fromkeys(openssl, "openssl") | dict.fromkeys(xmlsec1, "xmlsec1")


def checked(command: Path) -> int:
    return subprocess.run(
        ["sh", command.name], cwd=command.parent, capture_output=True, check=False
    ).returncode


def test_samples_are_verified_by_the_real_tools(bench: Bench, tongban: Tongban, tmp_path: Path) -> None:
    kinds = fill(bench)
    bench.keep("unsigned-01", body=b"<a/>", media_type="application/xml")
    bench.keep("foreign-001", **signed_json(b"{}", bench.own_ec))  # not by a certificate of the party
    said = tongban("messages", "--samples", str(tmp_path / "out"))
    assert (said.code, said.err) == (0, "")
    commands = {path.stem: path for path in (tmp_path / "out").glob("*.txt")}
    assert commands.keys() == kinds.keys()
    for name, tool in kinds.items():
        text = commands[name].read_text("utf-8")
        assert text.startswith(f"{tool} ") and text.count("\n") == 1
        assert checked(commands[name]) == 0, text
        body = commands[name].with_suffix(".json" if tool == "openssl" else ".xml")
        assert body.read_bytes() == tongban_raw(bench, name)
        flip(body, commands[name])


def tongban_raw(bench: Bench, message_id: str) -> bytes:
    with bench.store.read() as connection:
        body: bytes = connection.execute(
            select(document.c.body).where(document.c.message_id == message_id)
        ).scalar_one()
        return body


def flip(body: Path, command: Path) -> None:
    """One changed letter of the signed content, and the command fails."""
    data = body.read_bytes()
    words = (b"name", b"any", b'"a"', b"01<", "文".encode(), "文书".encode("gbk"), b"25991")
    place = next(data.index(word) + 1 for word in words if word in data)
    body.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
    assert checked(command) != 0
    body.write_bytes(data)
    assert checked(command) == 0


def test_the_files_of_a_detached_jws_belong_together(bench: Bench, tongban: Tongban, tmp_path: Path) -> None:
    fill(bench)
    tongban("messages", "--samples", str(tmp_path))
    other = (tmp_path / "jws-out-001.pub").read_bytes()
    for suffix, data in ((".input", b"x"), (".sig", b"x"), (".pub", other), (".pem", b"x")):
        path = tmp_path / f"jws-in-0001{suffix}"
        before = path.read_bytes()
        path.write_bytes(data)
        assert checked(tmp_path / "jws-in-0001.txt") != 0, suffix
        path.write_bytes(before)


def test_hostile_ids_stay_in_the_folder(bench: Bench, tongban: Tongban, tmp_path: Path) -> None:
    hostile = ["../../evil", "-rf", ".hidden", "a;touch x", "$(touch x)", "..", "A.b", "a.B", "x" * 64, "文"]
    for name in hostile:
        bench.keep(name, **signed_json(b"{}", bench.ec))
    folder = tmp_path / "deep" / "out"
    assert tongban("messages", "--samples", str(folder)).code == 0
    commands = sorted(folder.glob("*.txt"))
    assert len(commands) == len(hostile)
    assert len({path.name.lower() for path in commands}) == len(hostile)
    assert [checked(path) for path in commands] == [0] * len(hostile)
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "var") == ["deep"]
    assert not list(folder.glob("x")) and len(list(folder.iterdir())) == 6 * len(hostile)


def test_samples_are_spread_and_at_most_fifty(bench: Bench, tongban: Tongban, tmp_path: Path) -> None:
    for number in range(MOST + 5):
        bench.keep(f"many-{number:04}", **signed_json(b"{}", bench.ec))
    kinds = fill(bench)
    tongban("messages", "--samples", str(tmp_path))
    names = {path.stem for path in tmp_path.glob("*.txt")}
    assert len(names) == MOST == 50
    assert names >= kinds.keys()


def test_list(bench: Bench, tongban: Tongban) -> None:
    bench.keep("first-00001", canonical={"name": "张三"}, note="张三")
    bench.keep(
        "second-0001",
        party="bureau-b",
        state="refused",
        code="bad_value",
        type="case.applied.v1",
        case_no=None,
    )
    found = json.loads(tongban("messages", "--json").out)
    assert [one["id"] for one in found] == ["second-0001", "first-00001"]
    moment = datetime.fromisoformat(found[1].pop("time"))
    assert moment.isoformat().endswith("+08:00") and abs((datetime.now(UTC) - moment).total_seconds()) < 60
    assert found[1] == {
        "id": "first-00001", "party": "bureau-a", "direction": "in", "protocol": "rest",
        "type": "case.step.v1", "case": CASE, "state": "accepted", "code": "ok",
    }  # fmt: skip
    for words, expected in (
        (["--party", "bureau-a"], ["first-00001"]),
        (["--case", CASE], ["first-00001"]),
        (["--type", "case.applied.v1"], ["second-0001"]),
        (["--state", "refused"], ["second-0001"]),
        (["--limit", "1"], ["second-0001"]),
        (["--party", "nobody"], []),
    ):
        assert [one["id"] for one in json.loads(tongban("messages", "--json", *words).out)] == expected
    text = tongban("messages").out
    assert "first-00001" in text and "张三" not in text and "\x1b" not in text


def test_what_came_from_outside_does_not_steer_the_terminal(bench: Bench, tongban: Tongban) -> None:
    bench.keep("plain-00001")
    with bench.store.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE document SET message_id = ?, code = ?", ("x\x1b[2Jx", "a\nb"))
    text = tongban("messages").out
    assert "\x1b" not in text and text.count("\n") == 2


def test_columns_line_up_with_chinese() -> None:
    assert table.plain(["a", "b"], [["文书", "1"], ["x", "2"]]) == ["a     b", "文书  1", "x     2"]


def test_raw_canonical_and_summary(bench: Bench, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    body = b"\xff\xfe\x00\r\nexact"
    content = {"collector": "张三丰", "document_no": ID, "remark": f"张三丰 {ID} 13800138000"}
    bench.keep("delivered-1", body=body, canonical=content, note=f"about {ID}")
    capfdbinary.readouterr()
    assert cli.main(["message", "delivered-1", "--raw"]) == 0
    assert capfdbinary.readouterr().out == body
    assert cli.main(["message", "delivered-1", "--canonical"]) == 0
    assert json.loads(capfdbinary.readouterr().out) == content
    for words in ([], ["--json"]):
        assert cli.main(["message", "delivered-1", *words]) == 0
        shown = capfdbinary.readouterr().out.decode()
        assert "张三丰" not in shown and ID not in shown and "13800138000" not in shown
        assert "张**" in shown and f"{ID[:6]}**********{ID[-2:]}" in shown and "138****8000" in shown


def test_a_call_about_several_people_is_read_for_a_reason_that_is_kept(
    bench: Bench, capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGNAME", "shenji")
    whole = b'{"messages":[{"mobile":"13800138000"},{"mobile":"13900139000"}]}'
    bench.keep("call-1", type="sms.requested.call", direction="out", state="sent", body=whole)
    share = {"body": b'{"mobile":"13800138000"}', "bound": {"call": "1", "at": 0}}
    bench.keep("sms-1", type="sms.requested.v1", direction="out", state="sent", **share)
    assert cli.main(["message", "sms-1", "--json"]) == 0
    assert json.loads(capfdbinary.readouterr().out)["part_of"] == "call-1"
    assert cli.main(["message", "call-1", "--raw"]) != 0
    refused = capfdbinary.readouterr()
    assert b"reason_missing" in refused.err and b"1390013" not in refused.out
    assert cli.main(["message", "call-1", "--raw", "--reason", "投诉核查"]) == 0
    assert capfdbinary.readouterr().out == whole
    with bench.store.read() as connection:
        acts = connection.execute(select(act.c.body).order_by(act.c.entry)).scalars().all()
    said = json.loads(acts[-1])
    assert (said["reason"], said["by"]) == ("投诉核查", "shenji")


def plan(bench: Bench, entry: int, **values: Any) -> None:
    row = {
        "party": "bureau-b", "message_id": "out-0000001", "document": "house", "type": "case.step.v1",
        "case_no": CASE,
        "payload": {}, "context": {}, "state": "pending", "attempts": 3, "next_at": 0.0, "created_at": 0.0,
        "code": "busy", "entry": entry,
    } | values  # fmt: skip
    bench.store.write(lambda work: work.later(insert(outbox), row))


def test_the_timeline_follows_what_a_message_caused(bench: Bench, tongban: Tongban) -> None:
    root = bench.keep("root-000001", change=("applied", "accepted"))
    plan(bench, root)
    plan(bench, root, party="bureau-c", message_id="out-0000002", state="sent", attempts=1, code="ok")
    own = json.dumps({"message_id": "own-0000001", "causation_id": "root-000001"}).encode()
    act = bench.keep("own-0000001", direction="own", protocol="hub", body=own)
    plan(bench, act, message_id="out-0000003")
    sent = bench.keep("out-0000002", direction="out", party="bureau-c", state="sent")
    reply = bench.keep("re-out-0000002", party="bureau-c")
    xml = house_xml("later-00001").replace("张三", "<causation_id>root-000001</causation_id>")
    later = bench.keep("later-00001", body=xml.encode())
    bench.keep("other-00001")  # same case, another cause
    lines = json.loads(tongban("message", "root-000001", "--timeline", "--json").out)
    assert [line["entry"] for line in lines if line["entry"] is not None] == [root, act, sent, reply, later]
    deliveries = {line["id"]: line for line in lines if line["kind"] == "delivery"}
    assert deliveries.keys() == {"out-0000001", "out-0000002", "out-0000003"}
    waiting = deliveries["out-0000001"]
    assert (waiting["state"], waiting["attempts"], waiting["code"]) == ("pending", 3, "busy")
    (first,) = [line for line in lines if line["entry"] == root]
    assert (first["kind"], first["case_state"]) == ("exchange.received", "accepted")
    assert "own-0000001" in tongban("message", "root-000001", "--timeline").out


def test_one_id_of_two_parties_must_be_told_apart(bench: Bench, tongban: Tongban) -> None:
    bench.keep("twice-00001", canonical={"a": 1})
    entry = bench.keep("twice-00001", party="bureau-b", canonical={"a": 2})
    said = tongban("message", "twice-00001", "--canonical")
    assert (said.code, said.out, said.err.count("\n")) == (1, "", 1)
    assert said.err.startswith("tongban: ambiguous: ")
    for words in (["--party", "bureau-b"], ["--entry", str(entry)]):
        assert json.loads(tongban("message", "twice-00001", "--canonical", *words).out) == {"a": 2}


def test_refusals(bench: Bench, tongban: Tongban, tmp_path: Path) -> None:
    bench.keep("dark-000001")
    (tmp_path / "file").write_text("")
    for words, code in (
        (["message", "nothing"], "unknown_message"),
        (["message", "dark-000001", "--canonical"], "not_understood"),
        (["messages", "--samples", str(tmp_path / "file")], "file_unusable"),
    ):
        said = tongban(*words)
        assert (said.code, said.out, said.err.count("\n")) == (1, "", 1)
        assert said.err.startswith(f"tongban: {code}: ")


@pytest.mark.parametrize("words", [["messages"], ["message", "x"], ["messages", "--samples", "out"]])
def test_without_a_store(tongban: Tongban, words: list[str], settings: Settings) -> None:
    said = tongban(*words)
    assert (said.code, said.out) == (1, "")
    assert said.err.startswith("tongban: no_store: ")
    assert not settings.state.exists()


@pytest.mark.parametrize(
    "words",
    [
        ["messages", "--limit", "0"], ["messages", "--limit", "x"], ["messages", "x"], ["message"],
        ["message", "x", "--raw", "--canonical"], ["message", "x", "--entry", "y"],
    ],
)  # fmt: skip
def test_wrong_calls_exit_2(tongban: Tongban, words: list[str]) -> None:
    said = tongban(*words)
    assert (said.code, said.out, said.err.count("\n")) == (2, "", 1)


def test_the_ledger_knows_the_values_of_documents(bench: Bench, tongban: Tongban) -> None:
    fill(bench)
    bench.keep("answered-01", answer=b"yes", seal=b"sig")
    said = tongban("ledger", "verify")
    assert said.code == 0, said.out
    with bench.store.engine.begin() as connection:
        mine = document.c.message_id == "answered-01"
        connection.execute(update(document).where(mine).values(answer=b"no"))
    said = tongban("ledger", "verify")
    assert said.code == 1 and "answer" in said.out
