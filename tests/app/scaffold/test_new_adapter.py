"""`tongban new adapter`: from a WSDL, an OpenAPI document and samples to a folder the hub loads."""

import hashlib
import shutil
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from exchange.adapterfolder import load_adapter, load_adapters
from exchange.app.opening import open_store
from exchange.app.serving import Channels, build_hub, open_queues
from exchange.app.settings import Settings, load_settings
from exchange.errors import Misconfigured
from exchange.mapping.refusal import DocumentRefused
from exchange.scaffold.analyse import analyse
from exchange.scaffold.contract import snake
from tests.adapters.samples import ADAPTERS
from tests.adapters.strategies import payloads
from tests.app.scaffold.steps import (
    beside,
    by_hand,
    heard,
    know_the_facts,
    shipped,
    take_suggestions,
)

HERE = Path(__file__).parent
DEPARTMENT = ADAPTERS / "department_a/fixtures/accepted"
Command = Callable[..., Any]
ACCEPTANCE = {
    "case_no": "4414020000002026112020000177",
    "item_code": "1144140200720810054440125105000",
    "region": "441402000000",
    "version": 1,
    "officer": {
        "organisation": "梅江区市场监督管理局",
        "organisation_code": "114414020072081005",
        "name": "测试丁",
        "staff_no": "W0102",
    },
    "result": "accepted",
    "decided_at": "2026-11-20T09:31:07+08:00",
    "promised_limit": {"count": 3, "unit": "working_day"},
    "materials": [{"name": "营业执照复印件", "count": 1, "received_as": "paper"}],
}
SPECIAL = {
    "case_no": "4414020000002026112020000177",
    "item_code": "1144140200720810054440125105000",
    "region": "441402000000",
    "version": 2,
    "number": 1,
    "kind": "other",
    "name": "听证",
    "started_at": "2026-11-21T09:00:00+08:00",
    "approver": "测试己",
    "reason": "申请人要求听证",
    "limit": {"count": 10, "unit": "working_day"},
}


@pytest.fixture
def new(tongban: Command, tmp_path: Path) -> Iterator[Command]:
    """Drafts the adapter `desk` and returns its folder."""

    def call(*words: str) -> Path:
        answer = tongban("new", "adapter", "desk", "--into", str(tmp_path / "own"), *words)
        assert answer.code == 0, answer.err
        return tmp_path / "own" / "desk"

    yield call


def copied(tmp_path: Path, source: Path, name: str) -> str:
    return str(shutil.copy(source, tmp_path / name))


def assert_whole(folder: Path) -> None:
    """What the tests of the shipped adapters ask of every folder."""
    assert analyse(folder).summary == "nothing is open"
    adapter = load_adapter(folder)
    for name, mapping in adapter.mappings.items():
        for path in (folder / "fixtures/accepted").glob(f"{name}.{mapping.form}"):
            held = beside(folder, name)
            tree = mapping.read(path.read_bytes())
            payload = mapping.model.model_validate(held["payload"]) if mapping.model else None
            again = mapping.read(mapping.write(mapping.say(payload, held.get("context", {}))))
            if name in {doc.mapping for call in adapter.outbound for doc in call.documents}:
                assert again == tree
    assert_round_trip(adapter)


def assert_round_trip(adapter: Any) -> None:
    """What is said of any message is heard as the same, but for what the mapping loses."""
    for mapping in adapter.mappings.values():
        if mapping.model is not None and mapping.direction == "both":
            check_round_trip(mapping)


def check_round_trip(mapping: Any) -> None:
    @settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
    @given(data=st.data())
    def check(data: st.DataObject) -> None:
        payload = data.draw(payloads(mapping.model))
        context = {"desk_no": "D-07"}
        try:
            wire = mapping.write(mapping.say(payload, context))
        except DocumentRefused:
            assume(False)
        content = payload.model_dump(mode="json", exclude_none=True)
        back = mapping.hear(mapping.read(wire), context).model_dump(mode="json", exclude_none=True)
        for name in mapping.loses:
            drop(content, name.split("."))
            drop(back, name.split("."))
        assert back == content

    check()


def drop(content: Any, path: list[str]) -> None:
    if isinstance(content, list):
        for one in content:
            drop(one, path)
    elif len(path) == 1:
        content.pop(path[0], None)
    elif path[0] in content:
        drop(content[path[0]], path[1:])


def test_a_wsdl_with_a_sample_of_one_call(new: Command, tmp_path: Path) -> None:
    fees = ADAPTERS / "fees"
    request = copied(tmp_path, fees / "fixtures/accepted/create_notice.xml", "create_notice.xml")
    answer = copied(tmp_path, fees / "fixtures/accepted/noticed.xml", "create_notice_answer.xml")
    folder = new("--from", str(fees / "contract/fees.wsdl"), request, answer)
    assert (folder / "contract/fees.wsdl").read_bytes() == (fees / "contract/fees.wsdl").read_bytes()
    assert len(analyse(folder).of("missing_sample")) == 6  # five more calls and their answer
    with pytest.raises(Misconfigured, match="unfinished"):
        load_adapter(folder)
    know_the_facts(folder)
    leave_out(folder, "CancelNotice", "QueryNotice", "ConfirmPayment", "QueryFeeBasis", "CreateRefund")
    _, left = take_suggestions(folder)
    assert [(point.kind, point.path) for point in left.points] == [("sample_differs", "verified_by")]
    file = "fixtures/accepted/create_notice.canonical.json"
    by_hand(folder, file, {r'"due_on": "2026-12-04"': '"due_on": "2026-12-04", "verified_by": "测试庚"'})
    assert_whole(folder)
    assert beside(folder, "create_notice")["payload"] == shipped("fees", "create_notice")["payload"]
    assert heard(folder, "create_notice_answer", "xml") == shipped("fees", "noticed")["payload"]
    adapter = load_adapter(folder)
    assert adapter.soap is not None and adapter.soap.arguments == {"xml": "{document}"}
    assert (adapter.soap.path, adapter.soap.result) == ("/FeeService", "result")
    assert adapter.seal == "xmldsig" and (adapter.folder / adapter.soap.wsdl).is_file()


def leave_out(folder: Path, *calls: str) -> None:
    """The calls this city does not use."""
    for name in calls:
        by_hand(folder, "adapter.toml", {rf'\[\[outbound\]\]\nname = "{name}"\n(?:.+\n)+\n?': ""})
    for name in (*map(snake, calls), "answer"):
        (folder / f"{name}.mapping.toml").unlink()


def test_a_sample_that_comes_later(new: Command, tmp_path: Path) -> None:
    folder = new("--from", str(ADAPTERS / "fees/contract/fees.wsdl"))
    know_the_facts(folder)
    accepted = folder / "fixtures/accepted"
    accepted.mkdir(parents=True)
    shutil.copy(ADAPTERS / "fees/fixtures/accepted/cancel.xml", accepted / "cancel_notice.xml")
    (accepted / "cancel_notice.canonical.json").write_text(
        (ADAPTERS / "fees/fixtures/accepted/cancel.canonical.json").read_text("utf-8")
    )
    by_hand(folder, "cancel_notice.mapping.toml", {r"todo = .*\n": ""})
    take_suggestions(folder)
    left = [point for point in analyse(folder).points if "cancel_notice" in point.file]
    assert [(point.kind, point.path) for point in left] == [("unread", "CANCEL/REASON")]
    by_hand(
        folder, "cancel_notice.mapping.toml",
        {r"fields = \[\n": 'fields = [\n  { wire = "CANCEL/REASON", fill = "reason" },\n'},
    )  # fmt: skip
    assert [point for point in analyse(folder).points if "cancel_notice" in point.file] == []


def test_an_openapi_document(new: Command) -> None:
    folder = new("--from", str(HERE / "tickets.openapi.json"))
    calls = (folder / "adapter.toml").read_text("utf-8").count("[[outbound]]")
    guessed = [point for point in analyse(folder).of("unconfirmed") if point.file == "adapter.toml"]
    assert len([one for one in guessed if "who calls" in one.detail]) == calls
    assert {one.path for one in guessed} >= {"outcome"}, "who calls, and what an answer means, is a guess"
    know_the_facts(folder)
    by_hand(folder, "push_acceptance.mapping.toml", {r'(?<="deskNo", )todo = "[^"]*"': 'fill = "desk_no"'})
    by_hand(folder, "adapter.toml", {r"(?m)^(?=seal = )": 'parameters = { desk_no = "D-07" }\n'})
    context = {r'(?m)^ "payload"': ' "context": {"desk_no": "D-07"},\n "payload"'}
    by_hand(folder, "fixtures/accepted/push_acceptance.canonical.json", context)
    taken, left = take_suggestions(folder)
    assert (left.summary, taken > 3) == ("nothing is open", True)
    assert_whole(folder)
    assert heard(folder, "push_acceptance", "json") == ACCEPTANCE
    assert_speaks_as_the_document_says(load_adapter(folder))
    assert "DELETE /cases/{project_no}/acceptance" in (folder / "contract/contract.md").read_text("utf-8")


def assert_speaks_as_the_document_says(adapter: Any) -> None:
    push, state = adapter.call("push_acceptance"), adapter.call("desk_state")
    assert push.rest.path == "/case/v2/cases/{case_no}/acceptance"
    assert (push.outcome.path, push.outcome.text, push.outcome.ok) == ("code", "msg", ("0",))
    assert (state.rest.method, state.rest.query) == ("GET", {"appid": "{account}"})
    assert adapter.heard("case_concluded").rest.path == "/desk/case_concluded"


def test_samples_of_the_ten_objects_as_json(new: Command) -> None:
    folder = new("--from", str(DEPARTMENT / "accepted.json"), str(DEPARTMENT / "step.json"))
    know_the_facts(folder)
    reason = {r'  { wire = "BZ"': '  { wire = "BSLYY", to = "reason" },\n  { wire = "BZ"'}
    by_hand(folder, "accepted.mapping.toml", reason)  # no sample shows it, the contract does
    take_suggestions(folder)
    assert_whole(folder)
    for name in ("accepted", "step"):
        payload = beside(folder, name)["payload"]
        assert payload == shipped("department_a", name)["payload"]
        assert heard(folder, name, "json") == payload


def test_a_sample_as_xml(new: Command) -> None:
    sample = str(HERE / "special_started.xml")
    folder = new("--from", sample, "--takes", "--message", "case.special_started.v1")
    know_the_facts(folder)
    by_hand(folder, "adapter.toml", {r"TODO: path of the partner's service": "/special"})
    take_suggestions(folder)
    assert_whole(folder)
    assert heard(folder, "special_started", "xml") == SPECIAL


def places(inner: list[dict[str, str]]) -> dict[str, str | None]:
    return {one["wire"]: one.get("root") for one in inner}


def test_documents_written_as_text_inside_a_document(new: Command) -> None:
    """The XML in a string of department B, the JSON in a column of department D."""
    for adapter, file in (("department_b", "applied.xml"), ("department_d", "applied.json")):
        name = ADAPTERS / adapter
        folder = new("--from", str(name / "fixtures/accepted" / file), "--message", "case.applied.v1")
        truth = tomllib.loads((name / "applied.mapping.toml").read_text("utf-8"))["inner"]
        found = tomllib.loads((folder / "applied.mapping.toml").read_text("utf-8"))["inner"]
        assert places(found) == places(truth)
        assert analyse(folder).of("broken") == ()
        shutil.rmtree(folder)


def test_nothing_is_overwritten_and_nothing_left_half(tongban: Command, tmp_path: Path) -> None:
    into, sample = str(tmp_path / "own"), str(DEPARTMENT / "step.json")
    words = ("new", "adapter", "desk", "--into", into, "--from", sample)
    assert tongban(*words).code == 0
    before = {path: path.read_bytes() for path in (tmp_path / "own").rglob("*") if path.is_file()}
    again = tongban(*words)
    assert (again.code, again.err.count("\n")) == (1, 1)
    assert "exists_already" in again.err
    assert before == {path: path.read_bytes() for path in (tmp_path / "own").rglob("*") if path.is_file()}


def test_the_contract_page_names_its_files_and_no_place_of_this_machine(new: Command, tmp_path: Path) -> None:
    folder = new("--from", str(DEPARTMENT / "step.json"))
    texts = [path.read_text("utf-8") for path in folder.rglob("*") if path.is_file()]
    assert not any(str(tmp_path) in text or str(ADAPTERS) in text for text in texts)
    page = (folder / "contract/contract.md").read_text("utf-8")
    assert hashlib.sha256((DEPARTMENT / "step.json").read_bytes()).hexdigest() in page


def test_the_summary_is_what_one_reads(tongban: Command, tmp_path: Path) -> None:
    sample = tmp_path / "notice.json"
    sample.write_text('{"foo": "1", "bar": "x", "baz": "y", "JKTZSH": "44140226000000000017"}', "utf-8")
    words = ("--into", str(tmp_path / "own"), "--from", str(sample), "--message", "fee.noticed.v1")
    answer = tongban("new", "adapter", "desk", *words)
    assert answer.out.splitlines()[1].startswith("3 fields unread, 4 canonical fields unfilled")
    assert "notice.mapping.toml:5: foo: nothing reads it, for example '1'" in answer.out


def test_a_site_keeps_adapters_of_its_own(new: Command, tmp_path: Path) -> None:
    folder = new("--from", str(DEPARTMENT / "accepted.json"), str(DEPARTMENT / "step.json"))
    with pytest.raises(Misconfigured, match="unfinished"):
        load_adapters(folder.parent)
    know_the_facts(folder)
    take_suggestions(folder)
    found = load_adapters(folder.parent)
    assert found["desk"].folder == folder
    assert set(found) - set(load_adapters()) == {"desk"}
    folder.rename(folder.with_name("sms"))
    with pytest.raises(Misconfigured, match="adapter_twice"):
        load_adapters(folder.parent)
    with pytest.raises(Misconfigured, match="no_adapters"):
        load_adapters(tmp_path / "absent")


def test_a_hub_serves_the_adapters_of_its_site(
    new: Command, tongban: Command, settings: Settings, party_keys: Any
) -> None:
    """`adapters` in tongban.toml: a party can be registered with it, and its calls go by its own files."""
    folder = new("--from", str(ADAPTERS / "fees/contract/fees.wsdl"))
    know_the_facts(folder)
    leave_out(folder, "CancelNotice", "QueryNotice", "ConfirmPayment", "QueryFeeBasis")
    for kind, source in (("create_refund", "refund"), ("create_notice", "create_notice")):
        shutil.copy(ADAPTERS / f"fees/{source}.mapping.toml", folder / f"{kind}.mapping.toml")
    shutil.copy(ADAPTERS / "fees/head.fragment.toml", folder)
    shutil.copy(ADAPTERS / "fees/answer.mapping.toml", folder)
    by_hand(folder, "adapter.toml", {"TODO: where the answer says yes or no": "CODE"})
    by_hand(folder, "adapter.toml", {r'documents = \[\{ mapping = "create_notice" \}\]':
            'documents = [{ type = "fee.requested.v1", mapping = "create_notice" }]',
            r'(?m)^(?=documents = .*"create_refund")':
            'asks = ["notice_no", "amount", "reason"]\n'})  # fmt: skip
    settings.state.mkdir(parents=True)
    (settings.state / "tongban.toml").write_text(f'adapters = "{folder.parent}"\n', "utf-8")
    key = party_keys.rsa()
    words = ("--adapter", "desk", "--address", "http://127.0.0.1:1", "--certificate", party_keys.file(key))
    assert tongban("party", "add", "desk", *words).code == 0
    own = load_settings()
    hub = build_hub(own, open_store(own))
    channel = Channels(hub, open_queues(own)).to("desk")
    assert channel is not None
    client = channel.soap()
    assert client is not None and channel.adapter.folder == folder
