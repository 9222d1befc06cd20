"""Steps that build on a partner's own numbers: each number is stored before the next step is taken, and after
a crash at any point a resume asks under the same id, so the partner reserves once."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from lxml import etree
from tenacity import wait_none

from exchange.adapterfolder import load_adapter
from exchange.app import cli
from exchange.app.serving import Channels
from exchange.delivery import deliver
from exchange.dispatch import Dispatcher, Dispatchers
from exchange.errors import Conflict, Refused, TryLater
from exchange.housedelivery import HouseDelivery
from exchange.registrations import Registrations, once_id
from exchange.seals.safexml import parse_text
from exchange.transports.rest import RestClient
from tests.exchange.core.partner import Call, Stub, serving
from tests.exchange.core.rig import PLAIN_ITEM, Core, Story
from tests.exchange.core.test_consuming import Box

MANIFEST = """
title = "登记系统"
system = "SYS-02"
owner = "某部门"
contract_version = "1.0"
seal = "jws"

[[outbound]]
name = "open"
rest = { path = "/cases" }
documents = [{ mapping = "open" }]
remote = [{ name = "case_ref", path = "ref" }]
outcome = { path = "code", errors = { 9 = "try_later" } }

[[outbound]]
name = "papers"
rest = { path = "/cases/{case_ref}/papers" }
documents = [{ mapping = "papers" }]
first = ["open"]
remote = [{ name = "paper_ref", path = "ref" }]
outcome = { path = "code", errors = { 9 = "try_later" } }

[[outbound]]
name = "send"
rest = { path = "/cases/{case_ref}/papers/{paper_ref}/parcels" }
documents = [{ type = "parcel.requested.v1", mapping = "send" }]
first = ["open", "papers"]
remote = [{ name = "parcel_ref", path = "ref", each = "said_request_id" }]
outcome = { path = "code", errors = { 9 = "try_later" } }
"""
ASK = """
form = "json"
direction = "say"
fields = [{ wire = "id", fill = "once_id" }, { wire = "caseNo", fill = "case_no" }]
"""
SEND = """
message = "parcel.requested.v1"
form = "json"
direction = "say"
loses = ["sender", "receiver", "requested_at"]
fields = [
  { wire = "id", to = "request_id" },
  { wire = "caseNo", to = "case_no" },
  { wire = "goods", to = "contents" },
]
"""
STEPS = ["/cases", "/cases/C-1/papers", "/cases/C-1/papers/P-1/parcels"]


class Crash(BaseException):
    """The process is gone."""


@dataclass
class Registry:
    """The partner: gives the first answer again for the same id, and counts what it reserved."""

    reserved: dict[str, tuple[str, bytes]] = field(default_factory=dict)  # id -> number and content
    counts: dict[str, int] = field(default_factory=dict)

    def __call__(self, call: Call) -> Any:
        ident, letter = call.json["id"], {1: "C", 3: "P"}.get(call.path.count("/"), "L")
        number, content = self.reserved.get(ident, ("", call.body))
        if content != call.body:
            return 200, {"code": "2"}
        if not number:
            self.counts[call.path] = self.counts.get(call.path, 0) + 1
            number = f"{letter}-{self.counts[call.path]}"
            self.reserved[ident] = (number, call.body)
        return 200, {"code": "0", "ref": number}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "registering"
    folder.mkdir()
    files = {"adapter.toml": MANIFEST, "open.mapping.toml": ASK, "papers.mapping.toml": ASK,
             "send.mapping.toml": SEND}  # fmt: skip
    for name, text in files.items():
        (folder / name).write_text(text, "utf-8")
    return folder


@dataclass
class Site:
    """One hub with the adapter, and its partner."""

    core: Core
    stub: Stub
    registry: Registry
    story: Story

    def send(self, request: str = "parcel-1", no: str | None = None) -> None:
        """The delivery, by a process of its own."""
        channel = Channels(self.core.hub, Box()).to("registry")
        assert channel is not None
        no = no or self.story.no
        facts = {"case_no": no, "message_id": "m-00000001"}
        sent = deliver(
            channel, channel.adapter.call("send"), "parcel.requested.v1", parcel(no, request), facts
        )
        assert sent.verdict == "ok", sent

    def known(self, no: str | None = None) -> dict[str, str]:
        return Registrations(self.core.hub.store, "registry").known(no or self.story.no)


def parcel(no: str, request: str) -> dict[str, Any]:
    end = {"name": "测试梅甲", "mobile": "13800138017", "region": "441402000000", "address": "某路1号"}
    return {"request_id": request, "case_no": no, "sender": end, "receiver": end, "contents": "证照",
            "requested_at": "2026-03-02T09:30:00+08:00"}  # fmt: skip


@pytest.fixture
def site(core: Core, story: Story, folder: Path) -> Iterator[Site]:
    hub = replace(core.hub, adapters={**core.hub.adapters, "registering": load_adapter(folder)})
    own = replace(core, hub=hub)
    own.clock.now = time.time()
    registry = Registry()
    with serving(Stub(hub.ec_key, answer=registry)) as stub:
        stub.key = own.party("registry", adapter="registering", address=stub.address)
        yield Site(own, stub, registry, story)


ALL = {"case_ref": "C-1", "paper_ref": "P-1", "parcel_ref/parcel-1": "L-1"}


def test_each_step_uses_what_the_one_before_was_given(site: Site) -> None:
    site.send()
    assert [call.path for call in site.stub.calls] == STEPS
    assert site.known() == ALL


def test_a_second_parcel_of_the_case_registers_nothing_again(site: Site) -> None:
    site.send()
    site.send("parcel-2")
    assert [call.path for call in site.stub.calls] == [*STEPS, STEPS[2]]
    assert site.known() == {**ALL, "parcel_ref/parcel-2": "L-2"}


def crash_before_call(patched: pytest.MonkeyPatch, step: int) -> None:
    send, seen = RestClient.send, [0]

    def dies(self: Any, *given: Any) -> Any:
        seen[0] += 1
        if seen[0] == step + 1:
            raise Crash
        return send(self, *given)

    patched.setattr(RestClient, "send", dies)


def crash_after_answer(patched: pytest.MonkeyPatch, step: int) -> None:
    send, seen = RestClient.send, [0]

    def dies(self: Any, *given: Any) -> Any:
        seen[0] += 1
        answer = send(self, *given)
        if seen[0] == step + 1:
            raise Crash
        return answer

    patched.setattr(RestClient, "send", dies)


def crash_in_commit(patched: pytest.MonkeyPatch, step: int) -> None:
    insert, seen = Registrations._insert, [0]

    def dies(self: Any, *given: Any) -> None:
        seen[0] += 1
        insert(self, *given)
        if seen[0] == step + 1:
            raise Crash

    patched.setattr(Registrations, "_insert", dies)


def crash_after_commit(patched: pytest.MonkeyPatch, step: int) -> None:
    keep, seen = Registrations.keep, [0]

    def dies(self: Any, *given: Any) -> Any:
        seen[0] += 1
        kept = keep(self, *given)
        if seen[0] == step + 1:
            raise Crash
        return kept

    patched.setattr(Registrations, "keep", dies)


@pytest.mark.parametrize("step", [0, 1, 2], ids=["open", "papers", "send"])
@pytest.mark.parametrize(
    "crash", [crash_before_call, crash_after_answer, crash_in_commit, crash_after_commit]
)
def test_a_resume_reserves_nothing_twice(
    site: Site, crash: Callable[[pytest.MonkeyPatch, int], None], step: int
) -> None:
    with pytest.MonkeyPatch.context() as patched:
        crash(patched, step)
        with pytest.raises(Crash):
            site.send()
    kept = site.known()
    assert len(kept) == step + (crash is crash_after_commit), "committed before the next step"
    site.send()
    assert site.registry.counts == dict.fromkeys(STEPS, 1)
    assert site.known() == ALL
    calls = [call.path for call in site.stub.calls]
    for done in range(len(kept)):
        again = done == 2  # the delivery itself is made again, under its own id: its answer is its message
        assert calls.count(STEPS[done]) == (2 if again else 1), "what is known is not asked for again"


def test_a_step_that_is_refused_ends_the_delivery(site: Site) -> None:
    site.stub.answer = lambda call: (
        (200, {"code": "5"}) if call.path.endswith("papers") else site.registry(call)
    )
    with pytest.raises(Refused, match="papers"):
        site.send()
    assert (site.known(), len(site.stub.calls)) == ({"case_ref": "C-1"}, 2)


@pytest.mark.parametrize(
    "answer", [{"code": "9"}, {"code": "0"}, {"code": "0", "ref": ""}, {"code": "0", "ref": None}]
)
def test_an_answer_without_the_number_is_asked_for_again(site: Site, answer: dict[str, Any]) -> None:
    site.stub.answer = lambda _: (200, answer)
    with pytest.raises(TryLater):
        site.send()
    assert site.known() == {}
    site.stub.answer = site.registry
    site.send()
    assert site.known() == ALL


def test_a_partner_that_gives_another_number_later_is_refused_and_the_first_kept(site: Site) -> None:
    site.send()
    site.stub.answer = lambda _: (200, {"code": "0", "ref": "L-99"})
    with pytest.raises(Conflict, match="registered_twice"):
        site.send()
    assert site.known() == ALL


def test_ids_differ_by_party_case_and_call_and_nothing_else(story: Story) -> None:
    ids = {once_id(p, c, n) for p in ("a", "b") for c in (story.no, "x") for n in ("open", "papers")}
    assert len(ids) == 8
    assert once_id("a", "x", "open") == once_id("a", "x", "open")


class Strict:
    """The fee system behind the client: the whole inner document is the content (its contract)."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self.answers: dict[str, tuple[str, str]] = {}
        self.documents: list[str] = []
        self.crash = ""
        self.clock = clock

    def exchange(self, operation: str, arguments: dict[str, str], **_: Any) -> Any:
        text = arguments["xml"]
        root = parse_text(text)
        self.documents.append(text)
        if self.crash == "before":
            raise Crash
        ident, case_no = root.findtext("HEAD/MSGID"), root.findtext("NOTICE/CASENO")
        number = f"{len(self.answers) + 1:020d}"
        first, given = self.answers.setdefault(ident, (text, number))
        code = "000000" if first == text else "900002"
        said = {"CODE": code, "MSGID": ident, "CASENO": case_no, "PAYNOTENO": given, "CHKNUM": "4821",
                "ALLNUM": "90210773"}  # fmt: skip
        inner = "".join(f"<{name}>{value}</{name}>" for name, value in said.items())
        if self.crash == "answer":
            raise Crash
        result = parse_text(f"<RET>{inner}</RET>")
        return SimpleNamespace(
            result=_bytes(result), sealed={"xml": text}, sealed_result="", request=b"", answer=b""
        )


def _bytes(root: Any) -> bytes:
    data: bytes = etree.tostring(root)
    return data


@pytest.mark.parametrize("crash", ["before", "answer", "commit"])
def test_a_payment_notice_is_made_once_whatever_the_second_of_the_repeat(
    core: Core,
    story: Story,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    crash: str,
) -> None:
    """fees contract: the same MSGID with the same content gets the first answer, with other content 900002;
    TIME is part of it."""
    monkeypatch.setattr("exchange.dispatch.wait_random_exponential", lambda *_: wait_none())
    core.clock.now = time.time()
    core.party("fees", adapter="fees", address="http://127.0.0.1:9", account={"account": "tongban"})
    for kind, payload in (("case.applied.v1", story.applied()), ("case.accepted.v1", story.accepted()),
                          *(("case.step.v1", story.step(n)) for n in (1, 2, 3)),
                          ("fee.requested.v1", story.fee_requested())):  # fmt: skip
        core.ok("hall", kind, payload)
    later = timedelta()
    strict = Strict(lambda: datetime.now(UTC) + later)

    class Later(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return datetime.now(tz) + later

    monkeypatch.setattr("exchange.delivery.channel.datetime", Later)

    def worker() -> Dispatcher:
        channels = Channels(core.hub, Box())
        monkeypatch.setattr(channels, "_soap", lambda *_: strict)
        house = HouseDelivery(core.hub, RestClient(2.0))
        return Dispatcher(core.hub, "fees", Dispatchers(core.hub, channels.to, house, None)._attempt, None)

    strict.crash = crash if crash != "commit" else ""
    with pytest.MonkeyPatch.context() as patched:
        if crash == "commit":
            crash_after_commit(patched, 0)
        with pytest.raises(Crash):
            worker().round()
    strict.crash, later = "", timedelta(seconds=90)
    core.hub.store.write(core.hub.outbox.release_claims)
    assert worker().round() == 1
    assert len(strict.answers) == 1
    assert len(set(strict.documents)) == 1, "the repeat is the same document"
    (row,) = core.outbox("party = 'fees'")
    assert (row["state"], row["code"]) == ("sent", "000000")
    kept = Registrations(core.hub.store, "fees").known(story.no)
    assert kept == {f"payment_notice/fee-{story.no}": f"{1:020d}"}
    monkeypatch.setenv("TONGBAN_STATE", str(core.settings.state))
    assert shown(capsys, row["message_id"]) == {f"fees payment_notice/fee-{story.no}": f"{1:020d}"}


def shown(capsys: pytest.CaptureFixture[str], ident: str) -> Any:
    """What `tongban message` says was registered for the case."""
    capsys.readouterr()
    assert cli.main(["message", ident, "--party", "fees", "--json"]) == 0
    return json.loads(capsys.readouterr().out)["registered"]


WAYBILL = {"waybillNo": "EM123456789CN", "bookTime": "20260302100000", "freight": 1200}
CERTIFICATE = {
    "certificateIdentifier": "1.2.156.3005.2.114414020072081005001.114414020072081005.0000000017.001.S",
    "certificateNumber": "粤梅2026000017",
    "status": "ISSUED",
}


@pytest.mark.parametrize("adapter", ["logistics", "certificates"])
@pytest.mark.parametrize("crash", [crash_after_answer, crash_in_commit, crash_after_commit])
def test_waybill_and_certificate_are_ordered_under_one_id(
    core: Core, story: Story, adapter: str, crash: Callable[[pytest.MonkeyPatch, int], None]
) -> None:
    core.clock.now = time.time()
    core.party("office", sends=("parcel.requested.v1",))
    ids: set[str] = set()
    with serving(Stub(core.hub.ec_key, answer=ordering(adapter, ids))) as stub:
        stub.key = core.party(
            "partner", adapter=adapter, address=stub.address, account={"account": "tongban"}
        )
        ordered(core, Story(story.no, PLAIN_ITEM), adapter)
        with pytest.MonkeyPatch.context() as patched:
            token = adapter == "certificates" and crash is crash_after_answer
            crash(patched, 1 if token else 0)
            with pytest.raises(Crash):
                a_process(core).round()
        core.hub.store.write(core.hub.outbox.release_claims)
        while a_process(core).round():
            pass
    assert len(ids) == 1, "the same request to the letter"
    wanted = {
        "logistics": ("waybill/parcel-1", WAYBILL["waybillNo"]),
        "certificates": (f"certificate/cert-{story.no}", CERTIFICATE["certificateIdentifier"]),
    }[adapter]
    assert Registrations(core.hub.store, "partner").known(story.no) == dict([wanted])
    core.verified()


def ordering(adapter: str, ids: set[str]) -> Callable[[Call], Any]:
    """A partner that writes down what it is asked for."""

    def answer(call: Call) -> Any:
        if call.path == "/auth/token":
            return 200, {"head": {"status": 0, "message": ""},
                         "data": {"accessToken": "T-1", "expires": "20991231000000"}}  # fmt: skip
        if adapter == "logistics":
            ids.add(json.dumps(call.json, sort_keys=True))
            data = {"orderId": call.json["orderId"], **WAYBILL}
            return 200, {"resultCode": "1000", "resultMsg": "", "data": data}
        ids.add(json.dumps(call.json["data"], sort_keys=True))
        data = {"requestId": call.json["data"]["requestId"], **CERTIFICATE}
        return 200, {"head": {"status": 0, "message": ""}, "data": data}

    return answer


def ordered(core: Core, plain: Story, adapter: str) -> None:
    """A case in whose name something is ordered."""
    steps = [("case.step.v1", plain.step(number)) for number in (1, 2, 3)]
    for kind, payload in (
        ("case.applied.v1", plain.applied()),
        ("case.accepted.v1", plain.accepted()),
        *steps,
    ):
        core.ok("hall", kind, payload)
    if adapter == "logistics":
        core.ok("office", "parcel.requested.v1", parcel(plain.no, "parcel-1"))
    else:
        core.ok("hall", "certificate.requested.v1", plain.certificate_requested())


def a_process(core: Core) -> Dispatcher:
    """The worker of the partner, as a new process has it."""
    channels = Channels(replace(core.hub, secrets={"partner": "s"}), Box())
    house = HouseDelivery(core.hub, RestClient(2.0))
    return Dispatcher(core.hub, "partner", Dispatchers(core.hub, channels.to, house, None)._attempt, None)
