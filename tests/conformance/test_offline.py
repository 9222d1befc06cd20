"""The folder alone: whole adapters conform; each planted fault of a folder is named by its check."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from exchange.app.commands.check import folder_of
from exchange.cases import context
from exchange.contextnames import ALWAYS, FACTS
from mocks.conformance.model import Report
from mocks.conformance.offline import offline_checks
from mocks.conformance.run import chosen, run
from tests.conformance.partners import ROOT, alarms

WHOLE = sorted(path.parent.name for path in (ROOT / "adapters").glob("*/adapter.toml"))


def examined(folder: Path, documents: int = 20) -> Report:
    return run(offline_checks(folder, documents, 7), (folder.name, folder.name, "1.0"), "")


@pytest.mark.parametrize("name", WHOLE)
def test_shipped_adapter_conforms(name: str) -> None:
    report = examined(ROOT / "adapters" / name)
    assert alarms(report) == []
    assert report.conforming
    assert len(report.findings) >= 35


def copied(tmp_path: Path, name: str = "sms") -> Path:
    shutil.copytree(ROOT / "adapters" / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / name


def replaced(file: str, old: str, new: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        text = (folder / file).read_text("utf-8")
        assert old in text
        (folder / file).write_text(text.replace(old, new, 1), "utf-8")

    return change


def removed(file: str) -> Callable[[Path], None]:
    return lambda folder: (folder / file).unlink()


def written(file: str, text: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / file).parent.mkdir(exist_ok=True)
        (folder / file).write_text(text, "utf-8")

    return change


def test_what_the_context_of_a_sample_lacks_is_named(tmp_path: Path) -> None:
    folder = copied(tmp_path, "logistics")
    replaced("fixtures/accepted/order.canonical.json", '"account"', '"acount"')(folder)
    ((check, why),) = alarms(run(chosen(offline_checks(folder, 5, 7), ["SMP-order-said"]), ("", "", ""), ""))
    assert check == "SMP-order-said"
    assert why.endswith("context of order.canonical.json lacks account")


BESIDE = '.{object}", headers = { x-obj = "{object}"'
MISSPELT = '.{object}", headers = { x-obj = "{objekt}"'
FAULTS = [
    ("sms", replaced("adapter.toml", 'title = ', "titel = "), "MAN-loads"),
    ("sms", replaced("submit.mapping.toml", 'to = "mobile"', 'to = "phone"'), "MAN-loads"),
    ("sms", replaced("adapter.toml", 'mapping = "submit" }', 'mapping = "nothing" }'), "MAN-loads"),
    ("sms", replaced("submit.mapping.toml", 'to = "mobile"', 'to = "content"'), "MAN-loads"),
    ("sms", removed("fixtures/accepted/submit.json"), "MAP-submit-sampled"),
    ("sms", replaced("fixtures/accepted/submit.json", "13800138000", "13800138001"), "SMP-submit-said"),
    ("sms", replaced("fixtures/accepted/report.canonical.json", "delivered", "expired"), "SMP-report-means"),
    ("sms", written("fixtures/refused/report--empty_list.code", "unknown_field /"), "REF-report--empty_list"),
    ("sms", written("fixtures/refused/report--fine.json", "[]"), "OPEN-missing_sample"),
    ("sms", written("contract/contract.md", ""), "CTR-contract.md"),
    ("sms", replaced("submit.mapping.toml", 'fill = "ext_code"', 'fill = "ext_cod"'), "MAN-filled"),
    ("department_a", replaced("adapter.toml", "{item_type}", "{itemtype}"), "MAN-filled"),
    ("department_b", replaced("adapter.toml", "{said_material}", "{said_materiel}"), "MAN-filled"),
    ("department_a", replaced("adapter.toml", BESIDE, MISSPELT), "MAN-filled"),
    ("department_a", replaced("adapter.toml", "case.receipt.{org}", "case.receipt.{organ}"), "MAN-filled"),
    ("department_b", replaced("adapter.toml", '"{hub_code}:{detail}"', '"{hub_code}:{why}"'), "MAN-filled"),
    ("department_b", replaced("adapter.toml", '"{own_account}"', '"{their_account}"'), "MAN-filled"),
    ("department_d", replaced("adapter.toml", '9, sync_at = "{now}"', '9, sync_at = "{time}"'), "MAN-filled"),
    ("sms", replaced("adapter.toml", "timeout = 10.0", "timeout = 100.0"), "MAN-timeout"),
    ("fees", replaced("contract/fees.wsdl", "</", "<"), "CTR-fees.wsdl"),
    ("fees", replaced("adapter.toml", 'operation = "QueryNotice"', 'operation = "Ask"'), "MAN-operations"),
    ("fees", written("contract/extra.xsd", "<schema/>"), "CTR-extra.xsd"),
    ("fees", written("contract/openapi.json", '{"openapi": "2.0"}'), "CTR-openapi.json"),
    ("fees", replaced("create_notice.mapping.toml", 'to = "unit_name"', 'to = "payer"'), "MAN-loads"),
    ("department_a", replaced("common.fragment.toml", '2 = "window"', '2 = "online"'), "MAN-loads"),
    ("department_a", replaced("step.mapping.toml", "form", 'ignore = ["WZZD"]\nform'), "SMP-step-unknown"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "change", "check"), FAULTS, ids=[f"{n}-{c}-{i}" for i, (n, _, c) in enumerate(FAULTS)]
)
def test_planted_fault_is_named(
    tmp_path: Path, name: str, change: Callable[[Path], None], check: str
) -> None:
    folder = copied(tmp_path, name)
    change(folder)
    found = chosen(offline_checks(folder, 3, 7), [check])
    assert [name for name, _ in alarms(run(found, (name, name, "1.0"), ""))] == [check]


def test_swapped_fields_change_what_a_sample_means(tmp_path: Path) -> None:
    folder = copied(tmp_path, "department_a")
    file = folder / "applied.mapping.toml"
    text = file.read_text("utf-8")
    swapped = text.replace('to = "contact.name"', 'to = "@"').replace(
        'to = "applicant.name"', 'to = "contact.name"'
    )
    file.write_text(swapped.replace('to = "@"', 'to = "applicant.name"'), "utf-8")
    found = {name for name, _ in alarms(examined(folder, 3))}
    assert {"SMP-applied-means", "SMP-applied-said"} <= found


def test_undeclared_loss_is_found_by_generated_documents(tmp_path: Path) -> None:
    """A form that forgets a part of a value: nothing in the samples shows it, many documents do."""
    folder = copied(tmp_path, "department_a")
    for file in (
        "fixtures/accepted/applied.canonical.json",
        "fixtures/accepted/applied--least.canonical.json",
    ):
        held = json.loads((folder / file).read_text("utf-8"))
        assert held["payload"]["region"].endswith("000000")
    report = examined(folder, 60)
    said = {one.check.id: one.verdict.received for one in report.findings if one.check.group == "generated"}
    assert report.conforming
    assert all("往返不变" in text or text == "" for text in said.values())


def test_misspelt_name_is_told_with_the_names_there_are(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    replaced("submit.mapping.toml", 'fill = "ext_code"', 'fill = "ext_cod"')(folder)
    (why,) = [why for id_, why in alarms(examined(folder, 3)) if id_ == "MAN-filled"]
    wrong, _, known = why.partition("known: ")
    assert "submit.mapping.toml: ext_cod;" in wrong
    assert {"ext_code", "ap_id", "case_no", "has_fee", "call_id", "said_content"} <= set(known.split(", "))


def test_what_the_hub_gives_of_a_case_is_known() -> None:
    names = ("case_no", "item_code", "region", "org", "has_fee", "gives_certificate")
    case = dict.fromkeys(names, "x") | {"facts": {}}
    given = context(case, SimpleNamespace(payload=None), None)
    assert names[0] in given
    assert given.keys() <= ALWAYS | FACTS


def test_hooks_are_counted_and_shown(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    (folder / "hooks.py").write_text("def said(tree):\n    return tree\n", "utf-8")
    (found,) = [one for one in examined(folder, 3).findings if one.check.id == "HOK-count"]
    assert "1 hooks of 2 lines" in found.check.en
    assert "def said" in found.verdict.received


def test_adapter_is_found_by_name_or_folder() -> None:
    assert folder_of("sms") == ROOT / "adapters" / "sms"
    assert folder_of(str(ROOT / "adapters" / "sms")) == ROOT / "adapters" / "sms"
    assert folder_of("no-such-adapter") is None
    assert folder_of(None) is None
