"""What the tests of the plain JSON partners share: their contracts' schemas, synthetic people and cases."""

import json
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import httpx2
from jsonschema import Draft202012Validator
from stdnum.cn import ric, uscc

from tests.mocks.jsonparty import BEIJING, ROOT, Program, checked_header

CASE = "441402000000202611221000001X"
ITEM = "11441400XX0031309Q" + "0" + "440131010001"
GOOD_SEAL = {"alg", "b64", "crit", "kid", "iat", "nonce", "method", "path"}


@cache
def _schemas(party: str) -> dict[str, Any]:
    text = (ROOT / "adapters" / party / "contract" / "openapi.json").read_text("utf-8")
    schemas: dict[str, Any] = json.loads(text)["components"]["schemas"]
    return schemas


def conforms(party: str, name: str, value: Any) -> None:
    """Fails unless a document keeps to the schema of the partner's own OpenAPI file."""
    Draft202012Validator(_schemas(party)[name]).validate(value)


def citizen(serial: int, born: str = "19900307") -> str:
    first = f"441499{born}{serial:03d}"
    return first + str(ric.calc_check_digit(first + "0"))


def company(serial: int) -> str:
    first = f"91441499MA{serial:07d}"
    return first + str(uscc.calc_check_digit(first))


def fresh_id() -> str:
    return "t-" + secrets.token_hex(8)


def beijing(pattern: str, **shift: float) -> str:
    return (datetime.now(BEIJING) + timedelta(**shift)).strftime(pattern)


def without(value: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: one for name, one in value.items() if name not in names}


@contextmanager
def programs(module: str, answer: bytes, base: dict[str, Any]) -> Iterator[Callable[..., Program]]:
    """Starts partners of one kind, and ends them."""
    running: list[Program] = []

    def make(folder: Path, **own: Any) -> Program:
        running.append(Program(module, folder, answer, **{**base, **own}))
        return running[-1]

    try:
        yield make
    finally:
        for program in running:
            program.close()


def said(program: Program, path: str, value: Any) -> Any:
    """The sealed JSON of HTTP 200, bound to the nonce asked with."""
    nonce = secrets.token_hex(16)
    answer = program.post(path, value, nonce=nonce)
    assert answer.status_code == 200
    return program.checked(answer, nonce)


def lines(program: Program, **wanted: Any) -> list[dict[str, Any]]:
    """The lines of the record with these members."""
    rows: list[dict[str, Any]] = program.admin("record")
    return [row for row in rows if all(row[name] == value for name, value in wanted.items())]


def refused_without_seal(program: Program, path: str, value: Any) -> list[Any]:
    """The answers to an unsealed, a wrongly bound, a stale, a repeated and a changed call."""
    body = json.dumps(value).encode()
    bound = {"method": "POST", "path": path}
    used = program.hub.seal(body, **bound)
    assert program.send("POST", path, body, seal=used).status_code == 200
    seals = [
        None,
        program.hub.seal(body, **(bound | {"path": path + "x"})),
        program.hub.seal(body, **bound, iat=1),
        used,
        program.hub.seal(body + b" ", **bound),
    ]
    answers = [program.send("POST", path, body, seal=seal) for seal in seals]
    header = checked_header(answers[0].headers["X-Gov-Signature"], answers[0].content, program.certificate)
    assert header["req"] == ""
    assert {answer.status_code for answer in answers} == {200}
    return [program.checked(answer) for answer in answers]


def pushed(program: Program, path: str) -> list[Any]:
    """What the partner sent to a path of the hub so far, each seal checked."""
    found = []
    for heard in list(program.stub.heard):
        if heard.path != path:
            continue
        header = checked_header(heard.headers["X-Gov-Signature"], heard.body, program.certificate)
        assert set(header) == GOOD_SEAL
        assert (header["method"], header["path"]) == ("POST", path)
        found.append(heard.json())
    return found


def unsealed(answer: httpx2.Response, status: int) -> None:
    assert answer.status_code == status
    assert "X-Gov-Signature" not in answer.headers
