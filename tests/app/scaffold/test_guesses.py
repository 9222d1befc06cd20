"""How many wire fields the synonym table puts where a person put them, over the shipped adapters."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from canonical.messages import PAYLOADS
from exchange.mapping.fields import leaves
from exchange.mapping.run import WireMapping
from exchange.scaffold.forms import entry_for
from exchange.scaffold.guess import Drafted, candidates, context_name, draft, likely, table
from exchange.scaffold.shape import Leaf, Scope, shape
from tests.adapters import samples
from tests.adapters.samples import ACCEPTED, ADAPTERS, MAPPINGS

ADAPTED = ("department_a", "provincial_reporting", "fees", "sms", "certificates", "archives")
WITH_SAMPLES = [
    path
    for path in MAPPINGS
    if path.parent.name in ADAPTED
    and samples.declared(path).get("message")
    and (path.parent / "fixtures/accepted").is_dir()
]


def seen(path: Path) -> tuple[WireMapping, Scope]:
    mapping = samples.mapping_of(path)
    own = [one for one in ACCEPTED if one.parents[2] == path.parent and samples.mapping_of(one) is mapping]
    return mapping, shape(mapping.read(one.read_bytes()) for one in own)


def written(spec: Mapping[str, Any], above: str = "") -> dict[str, str]:
    """Wire path -> canonical field as the mapping file says."""
    found = {
        above + one["wire"]: one["to"] for one in spec.get("fields", ()) if "wire" in one and "to" in one
    }
    for each in spec.get("each", ()):
        found |= {above + each["wire"]: each["to"]} | written(each, f"{above}{each['wire']}/")
    return {wire.strip("/").replace("[]", ""): to for wire, to in found.items()}


def guessed(drafted: Drafted, above: str = "") -> dict[str, str]:
    found = {above + one.wire: one.to for one in drafted.guesses.values()}
    for wire, (to, below) in drafted.lists.items():
        found |= {above + wire: to} | guessed(below, f"{above}{wire}/")
    return {wire.strip("/").replace("[]", ""): to for wire, to in found.items()}


def paths(scope: Scope, above: str = "") -> set[str]:
    found = {above + leaf.path for leaf in scope.leaves} | {above + wire for wire in scope.lists}
    for wire, below in scope.lists.items():
        found |= paths(below, f"{above}{wire}/")
    return {path.strip("/") for path in found}


def compared(path: Path) -> tuple[int, int, int]:
    """Fields of the samples that are right, all of them, and those that are wrong."""
    mapping, scope = seen(path)
    truth, found = written(samples.declared(path)), guessed(draft(scope, str(mapping.message), mapping.form))
    shown = paths(scope)
    want = {wire: to for wire, to in truth.items() if wire in shown}
    right = sum(found.get(wire) == to for wire, to in want.items())
    return right, len(want), sum(truth.get(wire) != to for wire, to in found.items())


@pytest.mark.parametrize("name", ["accepted", "step"])
def test_objects_2_and_3_of_department_a(name: str) -> None:
    right, all_, wrong = compared(ADAPTERS / "department_a" / f"{name}.mapping.toml")
    assert all_ >= 15
    assert right / all_ >= 0.8
    assert wrong == 0


def test_most_fields_of_all_partners_and_hardly_a_wrong_one() -> None:
    figures = [compared(path) for path in WITH_SAMPLES]
    right, all_, wrong = (sum(one[at] for one in figures) for at in range(3))
    assert all_ > 300
    assert right / all_ >= 0.85
    assert wrong / all_ <= 0.02


@pytest.mark.parametrize(
    "name", ["accepted", "step", "applied", "pre_reviewed", "special_started", "delivered"]
)
def test_the_message_of_a_process_object_is_known_by_its_fields(name: str) -> None:
    mapping, scope = seen(ADAPTERS / "department_a" / f"{name}.mapping.toml")
    assert likely(scope, mapping.form)[0][0] == mapping.message


def test_every_listed_field_exists() -> None:
    """A synonym of a field that no message has would never be found."""
    known = {to for model in PAYLOADS.values() for to in every_field(model)}
    listed = set(table()["fields"]) | {to for held in table()["messages"].values() for to in held}
    assert listed - known == set()
    assert set(table()["messages"]) <= set(PAYLOADS)


def every_field(model: Any, above: str = "") -> set[str]:
    found = set()
    for path, canon in leaves(model).items():
        to = above + ".".join(path)
        found.add(to)
        if canon.model is not None:
            found |= every_field(canon.model, f"{to}.")
    return found


def field(leaf: Leaf, type_: str, to: str) -> Mapping[str, Any]:
    found = candidates(leaf, type_, PAYLOADS[type_], "", "xml")
    return next(one.entry for one in found if one.to == to)


@pytest.mark.parametrize(
    ("name", "value", "type_", "to", "entry"),
    [
        ("SLSJ", "2026-11-20 09:31:07", "case.accepted.v1", "decided_at", {"as": "datetime_space"}),
        ("SLSJ", "20261120093107", "case.accepted.v1", "decided_at", {"as": "datetime14"}),
        ("SLSJ", "20261120T093107", "case.accepted.v1", "decided_at", {"as": "datetime_t"}),
        ("SLSJ", "1795138267000", "case.accepted.v1", "decided_at", {"as": "epoch_ms"}),
        ("ZJYXQX", "2031-11-23", "case.concluded.v1", "certificate_valid_to", {"as": "date_dash"}),
        ("ZJYXQX", "20311123", "case.concluded.v1", "certificate_valid_to", {"as": "date8"}),
        ("SFJE", "105.00", "case.concluded.v1", "fee_amount", {"as": "yuan2"}),
        ("XZQHDM", "441402", "case.concluded.v1", "region", {"as": "region6"}),
        ("XZQHDM", "441402004000", "case.concluded.v1", "region", {}),
    ],
)
def test_the_form_follows_the_sample(
    name: str, value: str, type_: str, to: str, entry: dict[str, str]
) -> None:
    held = dict(field(Leaf(name, (value,)), type_, to))
    assert {key: one for key, one in held.items() if key != "todo"} == entry


def test_what_two_forms_fit_is_left_to_a_person() -> None:
    """105 may be yuan or fen: both are read, so neither is taken without being asked."""
    held = field(Leaf("SFJE", ("105",)), "case.concluded.v1", "fee_amount")
    assert "yuan_int or fen" in held["todo"]


def test_a_value_that_cannot_be_it_is_no_guess() -> None:
    found = candidates(
        Leaf("SLSJ", ("yesterday",)), "case.accepted.v1", PAYLOADS["case.accepted.v1"], "", "xml"
    )
    assert [one.to for one in found if one.score >= 60] == []


def test_codes_by_the_words_of_the_contract_need_no_confirmation() -> None:
    leaf = Leaf("TJFS", ("B",), codes={"A": "网上", "B": "窗口"})
    assert field(leaf, "case.applied.v1", "channel") == {"codes": {"A": "online", "B": "window"}}


def test_a_code_nobody_knows_stays_a_question() -> None:
    held = field(Leaf("TJFS", ("X",)), "case.applied.v1", "channel")
    assert held["codes"] == {"X": "?"}
    assert "confirm" in held["todo"]


def test_names_of_the_call_context() -> None:
    assert [context_name(name) for name in ("APPID", "accessToken", "TIME", "requestXml", "zzz")] == [
        "account", "token", "time14", "document", None,
    ]  # fmt: skip


def test_a_list_in_one_text() -> None:
    canon = leaves(PAYLOADS["case.applied.v1"])[("materials",)]
    assert entry_for(Leaf("SBCLQD", ("营业执照*1;申请书*2",)), canon, "json") == {"as": "name_count"}


def test_a_case_number_behind_a_province() -> None:
    leaf = Leaf("projid", ("444414020000002026112020000177",))
    assert field(leaf, "case.applied.v1", "case_no") == {"prefix": "44"}


def test_a_value_known_by_its_form_alone_is_to_be_confirmed() -> None:
    scope = shape([{"wo": "2026-11-20 09:31:07", "ba": "1144140200720810054440125105000", "zz": "x"}])
    found = draft(scope, "case.accepted.v1", "json").guesses
    assert {wire: one.to for wire, one in found.items()} == {"wo": "decided_at", "ba": "item_code"}
    assert all(one.entry["todo"].startswith("confirm") for one in found.values())
