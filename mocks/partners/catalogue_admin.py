"""Changes to the catalogue by the loopback admin API: each one is a new version."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from mocks.partners.catalogue_items import COLUMNS, Item
from mocks.partners.catalogue_report import GROUPS
from mocks.partners.catalogue_store import Catalogue, Change
from mocks.partners.common import strictjson
from mocks.partners.common.record import Record

KEYS = frozenset({"ROW_GUID", "TASK_CODE", "TASK_VERSION"})
NEEDED = frozenset({"ROW_GUID", "TASK_CODE", "TASK_VERSION", "TASK_NAME", "REGION_CODE"})


class BadChange(Exception):
    """The change asked for cannot be made; the text says why."""


def mount(app: FastAPI, record: Record, store: Catalogue) -> None:
    """Adds GET and POST /admin/change."""

    def current() -> JSONResponse:
        return JSONResponse({"version": store.version()})

    async def change(request: Request) -> JSONResponse:
        try:
            asked = strictjson.read_object(await request.body())
            with record.work():
                made = planned(asked, store)
                version = store.append([made])
        except (BadChange, strictjson.BadJson) as error:
            return JSONResponse({"detail": str(error)}, 422)
        return JSONResponse({"version": version, "task_code": made.item["TASK_CODE"]})

    app.add_api_route("/admin/change", current, methods=["GET"])
    app.add_api_route("/admin/change", change, methods=["POST"])


def planned(asked: Mapping[str, Any], store: Catalogue) -> Change:
    """The change, or `BadChange`."""
    if not asked.keys() <= {"op", "task_code", "fields", "item"} or asked.get("op") not in ("I", "U", "D"):
        raise BadChange("members: op (I, U or D), task_code, fields or item")
    if asked["op"] == "I" and "item" in asked:
        return _new(asked["item"], store)
    last = store.latest(str(asked.get("task_code")))
    if last is None:
        raise BadChange("task_code: unknown")
    if (last.op == "D") != (asked["op"] == "I"):
        raise BadChange("the item is cancelled" if last.op == "D" else "the item is in force")
    version = int(last.item["TASK_VERSION"]) + (0 if asked["op"] == "D" else 1)
    fields = _columns(asked.get("fields", {}), KEYS)
    return Change(asked["op"], {**last.item, **fields, "TASK_VERSION": str(version)})


def _new(item: object, store: Catalogue) -> Change:
    fields = _columns(item, frozenset())
    if missing := sorted(NEEDED - fields.keys()):
        raise BadChange(f"missing: {', '.join(missing)}")
    if store.latest(fields["TASK_CODE"]) is not None or not fields["TASK_VERSION"].isdecimal():
        raise BadChange("TASK_CODE known already, or TASK_VERSION not a number")
    return Change("I", fields)


def _columns(fields: object, closed: frozenset[str]) -> Item:
    if not isinstance(fields, dict):
        raise BadChange("fields: an object of column names and texts is needed")
    for name, value in fields.items():
        if name in closed or name not in (*COLUMNS, *GROUPS):
            raise BadChange(f"{name}: not a column that can be set")
        if not (isinstance(value, str) if name in COLUMNS else _lines(value, GROUPS[name][1])):
            raise BadChange(f"{name}: a text, or a list of objects of texts")
    return fields


def _lines(value: object, columns: tuple[str, ...]) -> bool:
    return isinstance(value, list) and all(
        isinstance(line, dict)
        and line.keys() <= set(columns)
        and all(isinstance(text, str) for text in line.values())
        for line in value
    )
