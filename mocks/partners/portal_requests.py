"""What the portal says to the hub (contract, part 1), written from the facts of an application."""

from __future__ import annotations

import base64
import hashlib
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from mocks.partners.common.clock import BEIJING
from mocks.partners.counter_files import pdf
from mocks.partners.counter_papers import Item
from mocks.partners.counter_people import case_check, case_number, people

Json = dict[str, object]
ONLINE = "1"
FIRST_SERIAL, LAST_SERIAL = 500_001, 999_999
USER_TYPES = {"natural_person": "1", "enterprise": "2"}
ID_TYPES = {"resident_id_card": "ID_CARD", "unified_social_credit_code": "USCC"}
SCORES = ("10", "10", "10", "8", "8", "6", "4", "2")
TAGS = ("T01", "T02", "T03")


@dataclass(frozen=True)
class Plan:
    """What the applicant of a case will do besides applying."""

    attach: bool = False
    evaluate: bool = False
    complain: bool = False
    ask: bool = False


@dataclass(frozen=True)
class Application:
    """The facts of one online application."""

    apply_no: str
    item_code: str
    item_name: str
    organisation_code: str
    materials: tuple[str, ...]
    user: Mapping[str, str]
    contact: Mapping[str, str]
    plan: Plan
    score: str
    terminal: str  # PC, APP or QR


def new_application(n: int, item: Item, plan: Plan, seed: int, serial: int, now: float) -> Application:
    """The n-th application; people and rating are drawn from the seed."""
    draw = random.Random(f"portal/{seed}/{n}")  # noqa: S311  # repeatable behaviour, not a secret
    applicant, contact = people(draw)
    number = case_number(item.region, datetime.fromtimestamp(now, BEIJING).date(), ONLINE, serial)
    user = {
        "userType": USER_TYPES[applicant["kind"]], "name": applicant["name"],
        "idType": ID_TYPES[applicant["document_type"]], "idNo": applicant["document_no"],
    }  # fmt: skip
    who = {"name": contact["name"], "mobile": contact["mobile"], "idType": "ID_CARD"}
    return Application(
        number, item.code, item.name, item.organisation_code, item.materials, user,
        who | {"idNo": contact["document_no"]}, plan, draw.choice(SCORES), draw.choice(("PC", "APP", "QR")),
    )  # fmt: skip


def millis(now: float) -> int:
    """Milliseconds since 1970."""
    return int(now * 1000)


def area(apply_no: str) -> str:
    """The nine digits of the division a case number begins with."""
    return apply_no[:9]


def _case(one: Application) -> Json:
    return {"applyNo": one.apply_no, "itemCode": one.item_code, "areaCode": area(one.apply_no)}


def _materials(names: Sequence[str]) -> list[Json]:
    return [{"name": name, "copies": 1, "form": "E"} for name in names]


def apply(one: Application, now: float) -> Json:
    """申办."""
    return _case(one) | {
        "itemName": one.item_name, "applyType": ONLINE, "user": dict(one.user), "contact": dict(one.contact),
        "subject": f"网上申请办理{one.item_name}", "materials": _materials(one.materials),
        "applyTime": millis(now),
    }  # fmt: skip


def supplement(one: Application, now: float, asked: Sequence[Mapping[str, object]]) -> Json:
    """补交: what was asked for, uploaded."""
    names = [str(material["name"]) for material in asked]
    return _case(one) | {
        "receiver": one.contact["name"], "materials": _materials(names), "supplyTime": millis(now)
    }  # fmt: skip


def attach(one: Application, now: float) -> Json:
    """One uploaded file, for the first material."""
    material = one.materials[0] if one.materials else "补充说明"
    content = pdf(f"{material} {one.apply_no}")
    return _case(one) | {
        "material": material, "fileName": f"{material[:100]}.pdf", "mediaType": "application/pdf",
        "sha256": hashlib.sha256(content).hexdigest(), "content": base64.b64encode(content).decode(),
        "uploadTime": millis(now),
    }  # fmt: skip


def evaluate(one: Application, now: float, *, score: str = "") -> Json:
    """好差评 of the first service of the case."""
    said: Json = {"serviceNo": 1, "score": score or one.score, "terminal": one.terminal}
    said |= {"tags": ";".join(TAGS[:2])} if one.terminal == "APP" else {}
    said |= {"comment": "办理过程等待较久"} if said["score"] in ("4", "2") else {}
    return _case(one) | said | {"rateTime": millis(now)}


def complain(one: Application, now: float) -> Json:
    """投诉 about the case."""
    return {
        "complaintNo": f"TS-{one.apply_no}", "applyNo": one.apply_no, "areaCode": area(one.apply_no),
        "orgCode": one.organisation_code, "title": "咨询电话长时间无人接听", "name": one.contact["name"],
        "content": f"就{one.item_name}多次拨打咨询电话均无人接听，希望改进。"[:4000],
        "mobile": one.contact["mobile"], "source": "APP" if one.terminal == "APP" else "WEB",
        "submitTime": millis(now),
    }  # fmt: skip


def ask(one: Application, query_code: str) -> Json:
    """进度查询."""
    return {"applyNo": one.apply_no, "queryCode": query_code}


def unknown_number(apply_no: str) -> str:
    """A case number of the right form that nobody was given: its day is long past."""
    first = f"{apply_no[:12]}19990101{apply_no[20:27]}"
    return first + case_check(first)
