"""What was published stays as it was until a new version says otherwise."""

import json
import re
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from exchange.adapterfolder import Adapter
from exchange.app.commands.contracts import ROOT, shipped
from exchange.errors import Misconfigured
from exchange.publishing.contracts import Contract, lock_of
from exchange.publishing.locking import Repository, breaking, locked
from exchange.publishing.versions import Change, Declared, declared, parse_declared, parse_lock, unversioned

NAME = "schemas/case.step.v1.json"
AGAIN = "run `tongban contracts --lock` after adding a version line to exchange/data/contracts.toml"
Published = dict[str, Contract]


@pytest.fixture(scope="module")
def here(adapters: dict[str, Adapter]) -> Published:
    """What this source tree publishes."""
    return shipped(adapters)


def test_nothing_published_changed_without_a_version(here: Published) -> None:
    recorded = Repository(ROOT).lock()
    assert unversioned(recorded, lock_of(here, declared())) == [], AGAIN
    assert recorded == lock_of(here, declared()), AGAIN


def test_todays_schemas_are_compatible_with_what_was_published(here: Published) -> None:
    baseline = Repository(ROOT).schemas()
    assert {name for name in here if name.startswith("schemas/")} == set(baseline), AGAIN
    assert breaking(baseline, here) == []


def test_every_change_has_a_version_a_date_and_a_note() -> None:
    for change in declared().changes:
        assert re.fullmatch(r"\d+\.\d+", change.version)
        assert date.fromisoformat(change.date)
        assert len(change.note) > 10


@pytest.fixture
def tree(tmp_path: Path, here: Published) -> Repository:
    """A source tree in which everything was published."""
    (tmp_path / "exchange" / "data").mkdir(parents=True)
    (tmp_path / "docs").mkdir()
    repository = Repository(tmp_path)
    assert locked(repository, here, declared()) == len(here) - 1
    return repository


def with_schema(here: Published, change: Any) -> Published:
    schema = json.loads(here[NAME].body)
    change(schema)
    return {**here, NAME: replace(here[NAME], body=json.dumps(schema).encode())}


def newer(version: str = "1.1") -> Declared:
    known = declared()
    return Declared(known.rules, (*known.changes, Change(NAME, version, "2026-12-01", "A member more.")))


def grow(schema: Any) -> None:
    schema["properties"]["new"] = {"type": "string"}


def test_locking_again_changes_nothing(tree: Repository, here: Published) -> None:
    before = tree.lock_file.read_bytes()
    assert locked(tree, here, declared()) == 0
    assert tree.lock_file.read_bytes() == before
    assert tree.lock() == lock_of(here, declared())


def test_a_change_needs_a_version_line(tree: Repository, here: Published) -> None:
    grown = with_schema(here, grow)
    with pytest.raises(Misconfigured, match=re.escape(NAME)) as refused:
        locked(tree, grown, declared())
    assert refused.value.code == "no_version"
    assert locked(tree, grown, newer()) == 1
    assert tree.lock()[NAME][0] == "1.1"
    assert breaking(tree.schemas(), grown) == []
    assert breaking(tree.schemas(), here) == [f"{NAME}/new: removed"]


def test_a_breaking_change_is_refused_whatever_its_version(tree: Repository, here: Published) -> None:
    broken = with_schema(here, lambda schema: schema["required"].append("remark"))
    with pytest.raises(Misconfigured, match="remark: newly required") as refused:
        locked(tree, broken, newer("2.0"))
    assert refused.value.code == "breaking_change"


def test_a_type_cannot_go_and_a_new_one_is_an_addition(tree: Repository, here: Published) -> None:
    less = {name: one for name, one in here.items() if name != NAME}
    assert breaking(tree.schemas(), less) == [f"{NAME}: removed"]
    more = {**here, "schemas/case.step.v2.json": replace(here[NAME], name="schemas/case.step.v2.json")}
    assert locked(tree, more, declared()) == 1
    assert "schemas/case.step.v2.json" in tree.schemas()


def test_the_envelope_grows_with_the_types_and_in_nothing_else(tree: Repository, here: Published) -> None:
    name = "schemas/message.v1.json"
    envelope = json.loads(here[name].body)
    envelope["properties"]["type"]["enum"].append("case.new.v1")
    envelope["allOf"].append({"if": {}, "then": {}})
    grown = {**here, name: replace(here[name], body=json.dumps(envelope).encode())}
    assert breaking(tree.schemas(), grown) == []
    envelope["required"].append("causation_id")
    broken = {**here, name: replace(here[name], body=json.dumps(envelope).encode())}
    assert breaking(tree.schemas(), broken) == [f"{name}/causation_id: newly required"]


def test_versions_come_from_the_most_advanced_line_that_fits() -> None:
    text = "".join(
        f'[[change]]\ncontract = "{name}"\nversion = "{version}"\ndate = 2026-11-22\nnote = "-"\n'
        for name, version in (("*", "1.0"), ("schemas/*", "1.2"), (NAME, "1.10"), ("codes/*", "1.1"))
    )
    found = parse_declared(text)
    assert found.version(NAME) == "1.10"
    assert found.version("schemas/other.json") == "1.2"
    assert found.version("openapi.json") == "1.0"
    assert [change.version for change in found.notes(NAME)] == ["1.10", "1.2", "1.0"]


@pytest.mark.parametrize(
    "text",
    ["[", '[[change]]\nversion = "1.0"', '[[change]]\ncontract="*"\nversion="one"\ndate=2026-11-22\nnote="x"',
     '[[change]]\ncontract="*"\nversion="1.0.0"\ndate=2026-11-22\nnote="x"', "[[rule]]\n"],
)  # fmt: skip
def test_a_broken_data_file_is_told(text: str) -> None:
    with pytest.raises(Misconfigured) as refused:
        parse_declared(text)
    assert refused.value.code == "bad_contracts"


def test_a_broken_lock_is_told() -> None:
    for text in ("[", '"a" = 1', '"a" = { version = "1.0" }'):
        with pytest.raises(Misconfigured) as refused:
            parse_lock(text)
        assert refused.value.code == "bad_lock"


def test_a_contract_without_a_line_has_no_version() -> None:
    with pytest.raises(Misconfigured) as refused:
        Declared((), ()).version("openapi.json")
    assert refused.value.code == "no_version"
