"""What the body faults do to JSON bytes before they are sealed: the seal of a distorted body is good."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from mocks.partners.common.faults import Faults
from mocks.partners.common.strictjson import write

STAMP = re.compile(r"(\d{4})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})", re.ASCII)
DASHED = re.compile(r"(\d{4})-(\d{2})-(\d{2})( \d{2}:\d{2}:\d{2})", re.ASCII)
DAY = re.compile(r"(\d{4})(\d{2})(\d{2})", re.ASCII)


def _each_text(value: object, change: Callable[[str], str]) -> object:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [_each_text(item, change) for item in value]
    if isinstance(value, dict):
        return {name: _each_text(item, change) for name, item in value.items()}
    return value


def _other_date(text: str) -> str:
    """yyyyMMddHHmmss with dashes, dashes and yyyyMMdd with slashes; anything else unchanged."""
    if match := STAMP.fullmatch(text):
        return "{}-{}-{} {}:{}:{}".format(*match.groups())
    if match := DAY.fullmatch(text):
        return "{}/{}/{}".format(*match.groups())
    if match := DASHED.fullmatch(text):
        return "{}/{}/{}{}".format(*match.groups())
    return text


def null_text(body: bytes) -> bytes:
    """Every text of the JSON becomes the word null."""
    return write(_each_text(json.loads(body), lambda _: "null"))


def bad_dates(body: bytes) -> bytes:
    """Every date of the JSON takes another pattern."""
    return write(_each_text(json.loads(body), _other_date))


def new_field(body: bytes, name: str = "newField") -> bytes:
    """A member nobody knows, in the object (or in each object of the list) of the JSON."""
    value, more = json.loads(body), {name: "新增字段"}
    if isinstance(value, list):
        return write([one | more if isinstance(one, dict) else one for one in value])
    return write(value | more) if isinstance(value, dict) else body


def distorted(body: bytes, content_type: str, faults: Faults, operation: str) -> tuple[bytes, str]:
    """Body and content type after the armed body faults of an operation."""
    if body and faults.take(operation, "null_text"):
        body = null_text(body)
    if body and faults.take(operation, "bad_date_pattern"):
        body = bad_dates(body)
    if body and (fault := faults.take(operation, "schema_new_field")):
        body = new_field(body, fault.text("newField"))
    if faults.take(operation, "gbk_body"):
        body = body.decode().encode("gb18030")
    if faults.take(operation, "truncate_800b"):
        body = body[:800]
    if faults.take(operation, "bom"):
        body = b"\xef\xbb\xbf" + body
    if faults.take(operation, "wrong_charset_label"):
        content_type = "application/json; charset=GBK"
    return body, content_type
