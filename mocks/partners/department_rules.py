"""What department A's contract makes of what the hub pushes, and what the department knows of its items."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from mocks.partners.common import strictjson
from mocks.partners.common.bus import Delivery
from mocks.partners.common.clock import BEIJING
from mocks.partners.common.processobjects import KINDS, Dialect, form, is_text, moment, pick, whole
from mocks.partners.department_steps import FEE, Objects

CODES = frozenset("02FC")
MATERIAL = {"CLMC": is_text, "CLSL": whole(0), "SQFS": pick("1", "2", "3")}


def _materials(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(_material(one) for one in value)


def _material(value: object) -> bool:
    if not isinstance(value, dict) or value.keys() != MATERIAL.keys():
        return False
    return all(check(value[name]) for name, check in MATERIAL.items())


DIALECT = Dialect({
    **KINDS,
    "region": form("[0-9]{6}"),
    "time": moment("%Y-%m-%d %H:%M:%S", "[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}"),
    "day": moment("%Y-%m-%d", "[0-9]{4}-[0-9]{2}-[0-9]{2}"),
    "applicant": pick("1", "2", "3", "4", "5", "6", "9"),
    "channel": pick("1", "2", "3"),
    "materials": _materials,
    "fee": whole(0),
    "conclusion": pick("0", "1", "2", "3", "4", "5", "6"),
})  # fmt: skip


@dataclass(frozen=True)
class Items:
    """Which items end without a certificate; an item nobody told of ends with one."""

    without: frozenset[str]
    path: Path | None

    def certificate(self, code: str) -> bool:
        """Whether the item of an implementation code gives a certificate."""
        if code in self.without:
            return False
        kind = self._told().get(code, "certificate")
        return kind == "certificate"

    def _told(self) -> Mapping[str, str]:
        if self.path is None or not self.path.exists():
            return {}
        return _kinds(self.path, self.path.stat().st_mtime_ns)


@lru_cache(maxsize=2)
def _kinds(path: Path, changed: int) -> Mapping[str, str]:
    """result_kind by implementation code; nothing of a file that is not written yet."""
    try:
        return {str(item["code"]): str(item["result_kind"]) for item in json.loads(path.read_text("utf-8"))}
    except (ValueError, KeyError, TypeError):
        return {}


def contradiction(number: str, sent: Mapping[str, object], objects: Objects, certificate: bool) -> str:
    """Why a good object may not come now; empty if it may."""
    before = objects.get("0")
    if number != "0" and before is None:
        return "SBLSH: object 0 is missing"
    if before is not None and sent["SXBM"] != before["SXBM"]:
        return "SXBM: differs from object 0"
    if number in "02":
        return ""
    if objects.get("2", {}).get("SLZTDM") != "1":
        return "SBLSH: object 2 is missing"
    if number == "F" and objects["2"].get("BZ") != FEE:
        return "SBLSH: the case has no fee"
    return "" if number == "F" or certificate else "SBLSH: the item gives no certificate"


def spaced(seconds: float) -> str:
    """yyyy-MM-dd HH:mm:ss in Beijing time."""
    return datetime.fromtimestamp(seconds, BEIJING).strftime("%Y-%m-%d %H:%M:%S")


def receipt_of(delivery: Delivery, code: str, msg: str = "") -> bytes:
    """The business receipt for a message."""
    return strictjson.write({"message_id": delivery.message_id, "code": code, "msg": msg})
