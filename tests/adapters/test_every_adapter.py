"""What holds for every partner because its folder exists: samples, round trips, omissions, additions,
swaps, hostile bytes."""

import copy
import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from canonical.messages import PAYLOADS
from exchange.errors import HubError, Misconfigured, Refused
from exchange.mapping.compile import compile_spec, parse_toml, read_mapping
from exchange.mapping.refusal import DocumentRefused, FieldError
from exchange.mapping.run import WireMapping
from exchange.mapping.spec import EachSpec, MappingSpec
from tests.adapters import samples
from tests.adapters.samples import ACCEPTED, FOLDERS, MAPPINGS, REFUSED, Expected, shown
from tests.adapters.strategies import payloads

CONTEXT = {
    "account": "tongban",
    "secret": "not-a-secret",
    "token": "T-1",
    "time14": "20261120080000",
    "digest": "00ff",
    "ap_id": "a",
    "ext_code": "01",
    "since": 0,
    "region": "441402000000",
    "case_no": "4414020000002026112020000177",
    "version": 1,
    "item_code": "1144140200720810054440125105000",
    "certificate_name": "食品经营许可证",
    "certificate_valid_to": "2031-11-23",
    "has_fee": False,
    "gives_certificate": True,
    "message_id": "m-00000001",
    "said_request_id": "r-00000001",
    "region6": "441400",
    "day": "20261123",
    "said_batch_id": "batch-1",
    "said_items_count": 1,
    "to_version": 0,
    "total": 1,
}
MEANT = {**CONTEXT, "region6": "441400000000", "day": "2026-11-23"}  # as messages hold them
SEVEN = (
    "provincial_catalogue",
    "department_a",
    "sms",
    "certificates",
    "fees",
    "archives",
    "provincial_reporting",
)


def plain(mapping: WireMapping, values: dict[str, Any]) -> dict[str, Any]:
    """Heard values in the JSON form of the message type, for a document that is no whole message."""
    assert mapping.model is not None
    return mapping.model.model_construct(**values).model_dump(mode="json", exclude_none=True, warnings=False)


def heard(mapping: WireMapping, tree: Any, context: dict[str, Any]) -> dict[str, Any]:
    """What a document says, in the JSON form of its message."""
    if mapping.direction == "say":
        return plain(mapping, mapping.hear_values(tree, context))
    content = mapping.hear(tree, context).model_dump(mode="json", exclude_none=True)
    assert isinstance(content, dict)
    return {name: value for name, value in content.items() if name not in mapping.loses}


def test_there_are_seven_partners() -> None:
    names = {folder.name for folder in FOLDERS}
    assert names >= set(SEVEN)


@pytest.mark.parametrize("folder", FOLDERS, ids=shown)
def test_folder_is_whole(folder: Path) -> None:
    adapter = samples.adapter(folder)
    covered = {
        path.name.split(".")[0].split("--")[0] for path in ACCEPTED if samples.folder_of(path) == folder
    }
    meaningful = {path for path in MAPPINGS if path.parent == folder and "wire" in path.read_text("utf-8")}
    assert covered == {path.name.split(".")[0] for path in meaningful}
    assert (folder / "contract" / "contract.md").is_file()
    assert (folder / "notes.md").is_file()
    assert not list(folder.glob("*.py"))
    assert adapter.name == folder.name


@pytest.mark.parametrize("path", ACCEPTED, ids=shown)
def test_sample_is_what_the_contract_says(path: Path) -> None:
    mapping, expected = samples.mapping_of(path), samples.expected_of(path)
    tree = mapping.read(path.read_bytes())
    if mapping.message is None:
        assert mapping.hear_values(tree) == {}
        return
    content = samples.lost(expected.content, mapping.loses)
    if mapping.direction != "say":
        assert content == expected.content
    assert heard(mapping, tree, expected.context) == content


@pytest.mark.parametrize("path", ACCEPTED, ids=shown)
def test_sample_is_said(path: Path) -> None:
    mapping, expected = samples.mapping_of(path), samples.expected_of(path)
    said = mapping.say(expected.payload(mapping), expected.context)
    assert mapping.read(mapping.write(said)) == _as_read(mapping, said)
    if mapping.name in {
        doc.mapping for call in samples.adapter(samples.folder_of(path)).outbound for doc in call.documents
    }:
        assert mapping.read(mapping.write(said)) == mapping.read(path.read_bytes())
    elif mapping.message is not None:
        assert heard(mapping, said, expected.context) == samples.lost(expected.content, mapping.loses)


def _as_read(mapping: WireMapping, tree: Any) -> Any:
    """XML does not tell a list of one from an element: as the reader returns it."""
    if mapping.form == "json":
        return tree
    if isinstance(tree, list):
        return [_as_read(mapping, one) for one in tree] if len(tree) > 1 else _as_read(mapping, tree[0])
    return (
        {name: _as_read(mapping, one) for name, one in tree.items()} if isinstance(tree, dict) else str(tree)
    )


@pytest.mark.parametrize("path", ACCEPTED, ids=shown)
def test_each_field_left_out_is_noticed(path: Path) -> None:
    mapping, expected = samples.mapping_of(path), samples.expected_of(path)
    if mapping.message is None:
        pytest.skip("a call without a message is only said")
    declared = samples.folder_of(path) / f"{mapping.name}.mapping.toml"
    unheard, in_lists = samples.unheard(declared), samples.unheard_in_lists(declared)
    tree = mapping.read(path.read_bytes())
    whole = heard(mapping, tree, expected.context)
    for place in samples.places(tree):
        shorter, name = samples.without(tree, place), samples.written(place)
        try:
            assert (
                heard(mapping, shorter, expected.context) != whole
                or name in unheard
                or tuple(re.split(r"\[\d+\]/", name)) in in_lists
                or _empty(tree, place, unheard)
            ), name
        except DocumentRefused as refused:
            assert any(_concerns(error, _bare(name)) for error in refused.errors), (name, refused.errors)


def _concerns(error: FieldError, name: str) -> bool:
    path, name = _bare(error.path).strip("/"), name.strip("/")
    return path.startswith(name) or name.startswith(path) or error.detail.endswith("here")


def _empty(tree: Any, place: tuple[Any, ...], unheard: set[str]) -> bool:
    """A list without entries or a part that holds only what is not heard says nothing."""
    part = samples.reach(tree, place)
    below = [samples.written((*place, *one)) for one in samples.places(part)]
    return part in ("", [], {}) or (bool(below) and set(below) <= unheard) or _only_empty(part)


def _only_empty(part: Any) -> bool:
    return isinstance(part, dict) and all(one in ("", [], {}) for one in part.values())


@pytest.mark.parametrize("path", ACCEPTED, ids=shown)
def test_each_unknown_field_is_refused_by_its_path(path: Path) -> None:
    mapping, expected = samples.mapping_of(path), samples.expected_of(path)
    tree = mapping.read(path.read_bytes())
    free = {
        one["wire"]
        for one in samples.declared(samples.folder_of(path) / f"{mapping.name}.mapping.toml").get("each", [])
        if "key" in one
    }
    for place in [(), *samples.places(tree)]:
        if isinstance(samples.reach(tree, place), dict) and samples.written(place) not in free:
            more = _with(tree, place)
            with pytest.raises(DocumentRefused) as refused:
                mapping.hear_values(more, expected.context)
            at = _bare(samples.written((*place, "WZZD")))
            assert (at, "unknown_field") in [
                (_bare(error.path), error.code) for error in refused.value.errors
            ]


def _bare(path: str) -> str:
    """Without the index of a first entry: one entry alone is written with or without it."""
    return path.replace("[0]", "")


def _with(tree: Any, place: tuple[Any, ...]) -> Any:
    changed = copy.deepcopy(tree)
    samples.reach(changed, place)["WZZD"] = "?"
    return changed


@pytest.mark.parametrize("path", REFUSED, ids=shown)
def test_refused_sample_has_its_code(path: Path) -> None:
    mapping = samples.mapping_of(path)
    code, where = path.with_suffix(".code").read_text("utf-8").split()
    with pytest.raises(Refused) as refused:
        mapping.hear(mapping.read(path.read_bytes()), CONTEXT)
    if where == "-":
        assert refused.value.code == code
    else:
        assert isinstance(refused.value, DocumentRefused)
        assert [(error.code, error.path) for error in refused.value.errors] == [(code, where)]


@pytest.mark.parametrize("path", [one for one in MAPPINGS if samples.declared(one).get("message")], ids=shown)
@settings(
    max_examples=8, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow], deadline=None
)
@given(data=st.data())
def test_what_is_said_is_heard(path: Path, data: st.DataObject) -> None:
    """Few strange texts each: test_ten_thousand sends many ordinary ones through every mapping."""
    mapping = samples.mapping_of(path)
    assert mapping.model is not None
    payload = _formed(data, path, data.draw(payloads(mapping.model)))
    try:
        wire = mapping.write(mapping.say(payload, CONTEXT))
    except DocumentRefused as refused:
        assert {error.code for error in refused.errors} <= {"unknown_code", "bad_value", "missing_field"}
        assume(False)
    content = payload.model_dump(mode="json", exclude_none=True)
    given_here = {
        one["to"]: MEANT[one["given"]]
        for one in samples.declared(path).get("fields", [])
        if "wire" not in one
    }
    expected = samples.blurred(samples.lost({**content, **given_here}, mapping.loses), mapping.blurs)
    assert heard(mapping, mapping.read(wire), CONTEXT) == expected


def _formed(data: st.DataObject, path: Path, payload: Any) -> Any:
    """With texts of the form the partner asks for, where it asks for one of a field of its own."""
    wanted = {
        one["to"]: st.from_regex(re.compile(one["pattern"], re.ASCII), fullmatch=True)
        for one in samples.declared(path).get("fields", [])
        if "pattern" in one and "as" not in one and "split" not in one
    }
    return payload.model_copy(update={name: data.draw(text) for name, text in wanted.items()})


@pytest.mark.parametrize("path", [one for one in MAPPINGS if samples.declared(one).get("message")], ids=shown)
def test_two_fields_swapped_are_caught_by_a_sample(path: Path) -> None:
    text, name = path.read_text("utf-8"), path.name.split(".")[0]
    own = parse_toml(MappingSpec, text)
    whole = read_mapping(text, lambda part: (path.parent / part).read_text("utf-8"))
    shared = whole.fields[: len(whole.fields) - len(own.fields)]
    known = [(one.read_bytes(), samples.expected_of(one)) for one in samples.of_mapping(path.parent, name)]
    targets = list(_targets(own))
    for one, other in itertools.combinations(range(len(targets)), 2):
        if targets[one] == targets[other]:
            continue
        swapped = [*targets[:one], targets[other], *targets[one + 1 :]]
        swapped[other] = targets[one]
        changed = _aimed(own, iter(swapped))
        spec = whole.model_copy(update={"fields": shared + changed.fields, "each": changed.each})
        assert _caught(name, spec, known), f"{targets[one]} and {targets[other]}"


def _targets(scope: MappingSpec | EachSpec) -> Iterator[str]:
    """Every `to` of a mapping file, in the order `_aimed` takes them."""
    yield from (one.to for one in scope.fields if one.to)
    for below in scope.each:
        yield below.to
        yield from _targets(below)


Scope = TypeVar("Scope", MappingSpec, EachSpec)


def _aimed(scope: Scope, targets: Iterator[str]) -> Scope:
    """The same with other targets."""
    fields = tuple(one.model_copy(update={"to": next(targets)}) if one.to else one for one in scope.fields)
    each = [_aimed(one.model_copy(update={"to": next(targets)}), targets) for one in scope.each]
    return scope.model_copy(update={"fields": fields, "each": tuple(each)})


def _caught(name: str, spec: MappingSpec, known: list[tuple[bytes, Expected]]) -> bool:
    try:
        mapping = compile_spec(name, spec)
    except Misconfigured:
        return True
    return any(_differs(mapping, body, expected) for body, expected in known)


def _differs(mapping: WireMapping, body: bytes, expected: Expected) -> bool:
    try:
        said = heard(mapping, mapping.read(body), expected.context)
    except DocumentRefused:
        return True
    return bool(said != samples.lost(expected.content, mapping.loses))


@pytest.mark.parametrize("path", ACCEPTED, ids=shown)
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_hostile_bytes_end_in_our_own_refusal(path: Path, data: st.DataObject) -> None:
    mapping, whole = samples.mapping_of(path), path.read_bytes()
    at = data.draw(st.integers(0, len(whole)))
    body = data.draw(
        st.sampled_from(
            [whole[:at], whole[:at] + b"\x00" + whole[at:], whole[at:], whole[:at] + b"\xff" + whole[at:]]
        )
        | st.binary(max_size=40).map(lambda noise: whole[:at] + noise + whole[at + len(noise) :])
        | st.binary(max_size=60)
    )
    try:
        tree = mapping.read(body)
        if mapping.message is None or mapping.direction == "say":
            mapping.hear_values(tree, CONTEXT)
        else:
            mapping.hear(tree, CONTEXT)
    except HubError as fault:
        assert isinstance(fault, Refused)


@pytest.mark.parametrize("path", [one for one in ACCEPTED if one.suffix == ".xml"], ids=shown)
def test_gbk_document_reads_as_the_same(path: Path) -> None:
    mapping = samples.mapping_of(path)
    text = re.sub(r"^<\?xml[^>]*\?>", "", path.read_text("utf-8"))
    tree = mapping.read(path.read_bytes())
    declared = f'<?xml version="1.0" encoding="GBK"?>{text}'
    assert mapping.read(declared.encode("gb18030")) == tree
    assert mapping.read(declared) == tree
    assert mapping.read(text.encode("gb18030"), charset="GBK") == tree


def test_every_message_type_has_a_partner_or_is_the_hubs_own() -> None:
    spoken = {samples.declared(path).get("message") for path in MAPPINGS}
    assert set(PAYLOADS) - spoken == {"catalogue.changed.v1"}  # the hub's published stream
