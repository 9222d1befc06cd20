"""Contracts and samples that are wrong or hostile end in a code of ours, one line, and nothing written."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.errors import HubError
from exchange.scaffold.analyse import analyse
from exchange.scaffold.making import make
from exchange.scaffold.sources import read_sources
from tests.adapters.samples import ADAPTERS

Command = Callable[..., Any]
WSDL = "http://schemas.xmlsoap.org/wsdl/"
XSD = "http://www.w3.org/2001/XMLSchema"
SAMPLE = ADAPTERS / "department_a/fixtures/accepted/step.json"


def openapi(**more: Any) -> str:
    return json.dumps({"openapi": "3.0.0", "info": {"title": "t", "version": "1"}, **more})


def posting(schema: Any, **more: Any) -> str:
    body = {"content": {"application/json": {"schema": schema}}}
    paths = {"/x": {"post": {"operationId": "push", "requestBody": body, "responses": {}}}}
    return openapi(paths=paths, **more)


def wsdl(inside: str) -> str:
    return f'<w:definitions xmlns:w="{WSDL}" xmlns:x="{XSD}">{inside}</w:definitions>'


FAN = {f"p{at}": {"$ref": "#/components/schemas/B"} for at in range(10)}
BACK = {f"p{at}": {"$ref": "#/components/schemas/C"} for at in range(10)}
CHAIN = {
    f"S{at}": {"properties": {f"q{n}": {"$ref": f"#/components/schemas/S{at + 1}"} for n in range(9)}}
    for at in range(12)
}
CHAINED = {"schemas": {**CHAIN, "S12": {"type": "string"}}}
BAD = [
    ("a.yaml", "openapi: 3.0.0", "yaml_not_read"),
    ("a.json", '{"swagger": "2.0", "paths": {}}', "unsupported_contract"),
    ("a.json", '{"openapi": 3}', "unsupported_contract"),
    ("a.json", openapi(paths={}), "no_operations"),
    ("a.json", openapi(paths=[]), "no_operations"),
    ("a.json", '{"a": 1, "a": 2}', "bad_request"),
    ("a.json", "[" * 5000, "too_large"),
    ("a.json", posting({"$ref": "other.json#/X"}), "import_outside"),
    ("a.json", posting({"$ref": "http://example.gov.cn/x.json"}), "import_outside"),
    ("a.json", posting({"$ref": "#/components/schemas/absent"}), "bad_reference"),
    (
        "a.json",
        posting({"$ref": "#/components/schemas/S0"}, components=CHAINED),
        "too_many",
    ),
    ("a.xml", "", "bad_request"),
    ("a.xml", "no xml", "bad_request"),
    ("a.xml", '<!DOCTYPE a [<!ENTITY e "x">]><a>&e;</a>', "bad_request"),
    ("a.wsdl", wsdl(""), "no_operations"),
    ("a.wsdl", wsdl('<w:import namespace="n" location="http://example.gov.cn/b.wsdl"/>'), "import_outside"),
    ("a.wsdl", wsdl('<w:import namespace="n" location="../b.wsdl"/>'), "import_outside"),
    ("a.wsdl", wsdl('<w:import namespace="n" location="/etc/hostname"/>'), "import_outside"),
    ("a.wsdl", wsdl('<w:import namespace="n" location="file:b.wsdl"/>'), "import_outside"),
    ("a.wsdl", wsdl('<w:import namespace="n" location="http://[b"/>'), "import_outside"),
    ("a.wsdl", wsdl('<x:schema><x:include schemaLocation="b.xsd"/></x:schema>'), "import_missing"),
    ("1.json", "{}", "bad_name"),
    ("a b.json", "{}", "bad_name"),
    ("contract.md", "{}", "bad_name"),
    ("x_answer.json", '{"code": "0"}', "answer_alone"),
]


@pytest.mark.parametrize(
    ("name", "text", "code"), BAD, ids=[f"{one[0]}-{one[2]}-{at}" for at, one in enumerate(BAD)]
)
def test_a_bad_source_is_refused_by_code(
    tongban: Command, tmp_path: Path, name: str, text: str, code: str
) -> None:
    (tmp_path / name).write_text(text, "utf-8")
    into = tmp_path / "own"
    answer = tongban("new", "adapter", "desk", "--into", str(into), "--from", str(tmp_path / name))
    assert (answer.code, answer.err.count("\n")) == (1, 1)
    assert code in answer.err
    assert not into.exists()


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("Desk",), "bad_name"),
        (("../desk",), "bad_name"),
        (("d",), "bad_name"),
        (("desk", "--message", "case.step.v9"), "unknown_message"),
        (("desk", "--message", "other=case.step.v1"), "unknown_document"),
        (("desk", "--from", "absent.json"), "file_unusable"),
    ],
)
def test_a_bad_wish_is_refused_by_code(
    tongban: Command, tmp_path: Path, words: tuple[str, ...], code: str
) -> None:
    name, *more = words
    answer = tongban("new", "adapter", name, "--into", str(tmp_path / "own"), "--from", str(SAMPLE), *more)
    assert (answer.code, answer.err.count("\n")) == (1, 1)
    assert code in answer.err
    assert not (tmp_path / "own").exists()


def test_a_wrong_call_is_exit_2(tongban: Command) -> None:
    assert tongban("new", "adapter", "desk").code == 2
    assert tongban("new").code == 2


def test_schemas_within_themselves_end(tmp_path: Path) -> None:
    schemas = {"B": {"properties": BACK}, "C": {"properties": {**FAN, "SBLSH": {"type": "string"}}}}
    path = tmp_path / "a.json"
    path.write_text(posting({"$ref": "#/components/schemas/C"}, components={"schemas": schemas}), "utf-8")
    body = read_sources([path]).operations[0].request
    assert body is not None
    assert [leaf.path for leaf in body.scope.leaves] == ["SBLSH"]


def test_imports_beside_the_wsdl_are_kept(tmp_path: Path) -> None:
    (tmp_path / "types").mkdir()
    schema = f'<x:schema xmlns:x="{XSD}"><x:include schemaLocation="../a.wsdl"/></x:schema>'
    (tmp_path / "types/b.xsd").write_text(schema)
    operation = '<w:portType name="P"><w:operation name="Push"/></w:portType>'
    (tmp_path / "a.wsdl").write_text(
        wsdl(f'<x:schema><x:include schemaLocation="types/b.xsd"/></x:schema>{operation}')
    )
    folder = make(tmp_path / "own", "desk", read_sources([tmp_path / "a.wsdl"]), {})
    assert (folder / "contract/types/b.xsd").read_text() == schema


def test_names_of_the_contract_stay_text(tmp_path: Path) -> None:
    """Whatever a contract calls things, the files that are written stay TOML and nothing else."""
    odd = 'a"]\n[soap]\nx = "'
    path = tmp_path / "a.json"
    schema = {"properties": {odd: {"type": "string"}, "TODO": {"type": "string"}}}
    text = posting(schema).replace('"t"', json.dumps(odd)).replace('"/x"', json.dumps(f"/x/{odd}"))
    path.write_text(text, "utf-8")
    walk = analyse(make(tmp_path / "own", "desk", read_sources([path]), {"*": "case.step.v1"}))
    assert {odd, "TODO"} <= {point.path for point in walk.of("unread")}
    assert walk.of("broken") == ()


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_bytes_end_in_our_own_refusal(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    sources = [ADAPTERS / "fees/contract/fees.wsdl", Path(__file__).parent / "tickets.openapi.json", SAMPLE]
    source = data.draw(st.sampled_from(sources))
    whole = source.read_bytes()
    at = data.draw(st.integers(0, len(whole)))
    noise = data.draw(st.binary(max_size=20))
    folder = tmp_path_factory.mktemp("hostile")
    path = folder / source.name
    path.write_bytes(
        data.draw(st.sampled_from([whole[:at] + noise, whole[:at] + noise + whole[at + len(noise) :]]))
    )
    try:
        made = make(folder / "own", "desk", read_sources([path]), {})
    except HubError:
        assert not (folder / "own").exists()
    else:
        assert analyse(made).points
