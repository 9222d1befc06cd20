"""Values that are agreed rather than mapped: what is filled or digested is compared when heard, texts fit a
pattern as a whole."""

import hashlib
from typing import Any

import pytest

from exchange.errors import Misconfigured
from exchange.mapping.compile import compile_mapping
from exchange.mapping.refusal import DocumentRefused

ENVELOPE = """
form = "json"
fields = [
  { wire = "head/app", fill = "account", heard = true },
  { wire = "head/time", fill = "time14", heard = true, within = 300 },
  { wire = "no", fill = "number", required = false },
  { wire = "head/sign", heard = true, digest = { algorithm = "sha256", of = ["head/app","no","{secret}"] } },
]
"""
CONTEXT = {"account": "tongban", "time14": "20261120080000", "secret": "s", "number": "7"}
SIGN = hashlib.sha256(b"tongban7s").hexdigest()
GOOD = {"head": {"app": "tongban", "time": "20261120080000", "sign": SIGN}, "no": "7"}


def complaints(tree: Any, context: dict[str, Any] = CONTEXT) -> list[tuple[str, str]]:
    try:
        compile_mapping("t", ENVELOPE).hear_values(tree, context)
    except DocumentRefused as refused:
        return [(error.code, error.path) for error in refused.errors]
    return []


def with_head(**members: Any) -> dict[str, Any]:
    return {**GOOD, "head": {**GOOD["head"], **members}}


def test_what_is_said_is_heard() -> None:
    said = compile_mapping("t", ENVELOPE).say(None, CONTEXT)
    assert said == GOOD
    assert complaints(said) == []


@pytest.mark.parametrize("time", ["20261120075500", "20261120080500"])
def test_a_time_at_the_edge_is_near_enough(time: str) -> None:
    assert complaints(with_head(time=time)) == []


@pytest.mark.parametrize(
    ("head", "found"),
    [
        ({"app": "other"}, ("not_allowed", "head/app")),
        ({"app": {}}, ("not_allowed", "head/app")),
        ({"time": "20261120075459"}, ("bad_value", "head/time")),
        ({"time": "20261120080501"}, ("bad_value", "head/time")),
        ({"time": "2026-11-20 08:00:00"}, ("bad_value", "head/time")),
        ({"time": 20261120080000}, ("bad_value", "head/time")),
        ({"sign": SIGN.upper()}, ("seal_invalid", "head/sign")),
        ({"sign": [SIGN]}, ("seal_invalid", "head/sign")),
    ],
)
def test_what_differs_from_what_is_agreed_is_refused(head: dict[str, Any], found: tuple[str, str]) -> None:
    assert complaints(with_head(**head)) == [found]


@pytest.mark.parametrize("name", ["app", "time", "sign"])
def test_what_is_agreed_must_be_there(name: str) -> None:
    head = {key: value for key, value in GOOD["head"].items() if key != name}
    assert complaints({**GOOD, "head": head}) == [("missing_field", f"head/{name}")]


def test_what_the_context_does_not_know_is_not_compared() -> None:
    assert complaints(with_head(app="other", time="20000101000000", sign="0"), {}) == []
    assert complaints(with_head(app="other"), {}) == []
    assert complaints(with_head(app=""), {**CONTEXT, "account": None}) == [("seal_invalid", "head/sign")]


PARCEL = """
message = "parcel.tracked.v1"
form = "json"
loses = ["place", "signed_by"]
fields = [
  { wire = "no", to = "waybill_no", prefix = "W:", pattern = "[A-Z]{2}[0-9]{3}" },
  { wire = "code", to = "status", codes = { 10 = "collected" } },
  { wire = "time", to = "occurred_at", as = "datetime14" },
]
"""


@pytest.mark.parametrize("no", ["W:AB12", "W:AB1234", "W:AB123\n", "AB123", "W:ab123", "W:AB１２３"])
def test_a_text_fits_its_pattern_as_a_whole(no: str) -> None:
    mapping = compile_mapping("t", PARCEL)
    whole = {"no": "W:AB123", "code": "10", "time": "20261120080000"}
    payload = mapping.hear(whole)
    assert (payload.model_dump()["waybill_no"], mapping.say(payload)) == ("AB123", whole)
    with pytest.raises(DocumentRefused) as refused:
        mapping.hear({**whole, "no": no})
    assert [(one.code, one.path) for one in refused.value.errors] == [("bad_value", "no")]
    with pytest.raises(DocumentRefused) as unsaid:
        mapping.say(payload.model_copy(update={"waybill_no": no.removeprefix("W:") + "!"}))
    assert [(one.code, one.path) for one in unsaid.value.errors] == [("bad_value", "no")]


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ('pattern = "[A-Z]{2}[0-9]{3}"', 'pattern = "["', "bad_pattern"),
        ('pattern = "[A-Z]{2}[0-9]{3}"', "heard = true", "bad_key"),
        ('pattern = "[A-Z]{2}[0-9]{3}"', "within = 5", "bad_key"),
    ],
)
def test_a_rule_that_cannot_hold_stops_at_start_up(old: str, new: str, code: str) -> None:
    with pytest.raises(Misconfigured) as fault:
        compile_mapping("t", PARCEL.replace(old, new))
    assert fault.value.code == code
