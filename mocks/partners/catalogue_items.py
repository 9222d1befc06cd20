"""The provincial catalogue's items for Meizhou, made from the data files; one seed gives one catalogue."""

from __future__ import annotations

import random
import tomllib
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

DATA = Path(__file__).parent / "data"
CREDIT_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"  # GB 32100-2015, table 1
ORGANISATION_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)  # GB 11714-1997
CITY, COUNTY, TOWN, VILLAGE = 3, 4, 5, 6  # A.2
Item = dict[str, Any]
"""National column name -> text; MATERIALS and FEES -> lists of such."""


class BadCode(ValueError):
    """A code whose check characters do not hold."""


@dataclass(frozen=True)
class Body:
    """An implementing body in a region."""

    name: str
    credit_code: str
    kind: str  # A.3
    level: int
    region: str  # 12 digits
    region_name: str
    town: str = ""
    village: str = ""


def organisation_check(code: str) -> str:
    """The ninth character of GB 11714."""
    total = sum(weight * int(char, 36) for weight, char in zip(ORGANISATION_WEIGHTS, code, strict=True))
    return "0123456789X0"[11 - total % 11]


def credit_check(code: str) -> str:
    """The 18th character of GB 32100."""
    total = sum(CREDIT_ALPHABET.index(char) * pow(3, place, 31) for place, char in enumerate(code))
    return CREDIT_ALPHABET[-total % 31]


def credit_code(prefix: str, division: str, organisation: str) -> str:
    """Registering department and category (2), division (6), organisation (8) with both check characters."""
    base = prefix + division + organisation + organisation_check(organisation)
    return base + credit_check(base)


def require_credit_code(code: str) -> str:
    """`code` itself; `BadCode` if its form or check character is wrong."""
    if len(code) != 18 or not set(code) <= set(CREDIT_ALPHABET) or credit_check(code[:17]) != code[17]:
        raise BadCode(code)
    return code


DEFINER = credit_code("11", "441499", "XX990120")
"""The invented body that defines every certificate type here."""


def read(name: str) -> dict[str, Any]:
    """One of the data files."""
    return tomllib.loads((DATA / name).read_text("utf-8"))


def catalogue(seed: int, department_uscc: str = "") -> list[Item]:
    """Every item in force at the first version; `department_uscc` is the city's market bureau."""
    places = read("catalogue/places.toml")
    bases = {base["code"]: base for base in read("fees/basis.toml")["basis"]}
    given = {"market": require_credit_code(department_uscc)} if department_uscc else {}
    return [
        _item(template, places["department"][template["department"]]["number"], body, bases, seed)
        for template in _templates()
        for level in template["levels"]
        for body in _bodies(places, template["department"], level, given)
    ]


def _templates() -> Iterator[dict[str, Any]]:
    for path in sorted((DATA / "catalogue").glob("items_*.toml")):
        yield from tomllib.loads(path.read_text("utf-8"))["item"]


def _bodies(
    places: Mapping[str, Any], department: str, level: int, given: Mapping[str, str]
) -> Iterator[Body]:
    if level == CITY:
        yield _bureau(places, places["city"], department, CITY, given)
    for county in places["county"] if level != CITY else ():
        if level == COUNTY:
            yield _bureau(places, county, department, COUNTY, {})
        else:
            yield _town(county) if level == TOWN else _village(county)


def _bureau(
    places: Mapping[str, Any],
    region: Mapping[str, str],
    department: str,
    level: int,
    given: Mapping[str, str],
) -> Body:
    about = places["department"][department]
    kind = about.get("type", "1")
    organisation = f"XX{region['code'][4:6]}{about['number']}{level}0"
    code = given.get(department) or credit_code(
        "11" if kind == "1" else "13", region["code"][:6], organisation
    )
    return Body(region["name"] + about["name"], code, kind, level, region["code"], region["name"])


def _town(county: Mapping[str, Any]) -> Body:
    town = county["town"]
    name = county["name"] + town["name"] + ("办事处" if town["name"].endswith("街道") else "人民政府")
    code = credit_code("11", county["code"][:6], f"XX{county['code'][4:6]}{town['code'][6:9]}5")
    return Body(name, code, "1", TOWN, town["code"], town["name"], town["code"])


def _village(county: Mapping[str, Any]) -> Body:
    town, village = county["town"], county["village"]
    code = credit_code("54", county["code"][:6], f"XX{county['code'][4:6]}{village['code'][9:12]}6")
    name = county["name"] + town["name"] + village["name"]
    return Body(name, code, "3", VILLAGE, village["code"], village["name"], town["code"], village["code"])


def _item(template: Mapping[str, Any], number: str, body: Body, bases: Mapping[str, Any], seed: int) -> Item:
    basic = f"44{template['type']}{number}{template['main']}{template.get('sub', '000')}"
    code = f"{body.credit_code}{body.level}{basic}"
    draw = random.Random(f"{seed}:{code}")  # noqa: S311  # repeatable variety, not a secret
    item = {
        "ROW_GUID": uuid.uuid5(uuid.NAMESPACE_URL, f"catalogue:{code}").hex,
        "CATALOG_CODE": basic,
        "TASK_CODE": code,
        "TASK_NAME": template["name"],
        "TASK_TYPE": template["type"],
        "TASK_VERSION": "1",
        "TASK_STATE": "1",
        "BY_LAW": template["law"],
        **_body_columns(body),
        **_limits(template, body, draw),
        **_service(template, body, draw),
        **_fee(template, bases),
        **_result(template),
        "PLAN_EFFECTIVE_DATE": "20260101",
        "CD_TIME": f"2026-10-{draw.randint(10, 31)} 02:{draw.randint(10, 59)}:00",
        "MATERIALS": [_material(line, place) for place, line in enumerate(template["materials"], 1)],
    }
    return {name: value for name, value in item.items() if value not in ("", [])}


def _body_columns(body: Body) -> Item:
    return {
        "USE_LEVEL": str(body.level),
        "REGION_CODE": body.region,
        "DEPT_NAME": body.name,
        "DEPT_CODE": body.credit_code,
        "DEPT_TYPE": body.kind,
        "TOWN_CODE": body.town,
        "VILLAGE_CODE": body.village,
    }


def _limits(template: Mapping[str, Any], body: Body, draw: random.Random) -> Item:
    """Statutory and promised days in one unit; a county or town may promise a day less than the city."""
    statutory, promised = template["days"]
    instant = template.get("instant", False)
    unit = str(template.get("unit", 1))
    less = 0 if instant or body.level == CITY or promised < 3 else draw.randint(0, 1)
    return {
        "PROJECT_TYPE": "1" if instant else "2",
        "ANTICIPATE_DAY": str(statutory),
        "ANTICIPATE_TYPE": unit,
        "PROMISE_DAY": str(promised - less),
        "PROMISE_TYPE": unit,
    }


SITES = {CITY: "政务服务中心", COUNTY: "政务服务中心", TOWN: "便民服务中心", VILLAGE: "便民服务站"}


def _service(template: Mapping[str, Any], body: Body, draw: random.Random) -> Item:
    online = body.level != VILLAGE and template["department"] != "police"
    return {
        "SERVER_TYPE": "^".join(template["servers"]),
        "ACCEPT_CONDITION": template["condition"],
        "HANDLE_FLOW": "申请→受理→办结" if template.get("instant") else "申请→受理→审查→决定→办结",
        "HANDLE_TYPE": "1^2^3" if online else "1",
        "LIMIT_SCENE_NUM": str(0 if online and draw.random() < 0.5 else 1),
        "TRANSACT_ADDR": f"{body.region_name}{SITES[body.level]}{draw.randint(1, 20)}号窗口",
        "TRANSACT_TIME": "工作日上午8:30—12:00，下午2:30—5:30",
        "LINK_WAY": f"0753-000{draw.randint(0, 9999):04d}",
        "SUPERVISE_WAY": "0753-0012345",
        "IS_ONLINE": str(int(online)),
        "IS_SCHEDULE": str(int(body.level <= COUNTY)),
    }


def _fee(template: Mapping[str, Any], bases: Mapping[str, Any]) -> Item:
    if "fee" not in template:
        return {"IS_FEE": "0"}
    base = bases[template["fee"]]
    line = {
        "FEE_CODE": base["code"],
        "FEE_NAME": base["name"],
        "FEE_STAND": base["standard"],
        "AMOUNT": f"{Decimal(base['amount']):.2f}",
        "BY_LAW": base["law"],
        "IS_DESC": "0",
    }
    return {"IS_FEE": "1", "FEE_BASIS": base["law"], "FEES": [line]}


def _result(template: Mapping[str, Any]) -> Item:
    if "certificate" in template:
        kind = DEFINER + template["certificate"]
        return {"RESULT_TYPE": "10", "RESULT_NAME": template["result"], "CERT_TYPE_CODE": kind}
    return {"RESULT_TYPE": template.get("result_type", "99"), "RESULT_NAME": template.get("result", "")}


def _material(line: Mapping[str, Any], place: int) -> Item:
    return {
        "MATERIAL_NAME": line["name"],
        "IS_NEED": str(line.get("need", 1)),
        "MATERIAL_TYPE": str(line.get("type", 1)),
        "MATERIAL_FORMAT": str(line.get("form", 3)),
        "PAGE_NUM": str(line.get("pages", 1)),
        "SOURCE_TYPE": str(line.get("source", 10)),
        "ACCEPT_STAND": line["stand"],
        "ORDER_NUM": str(place),
    }


COLUMNS: Sequence[str] = (
    "ROW_GUID", "CATALOG_CODE", "TASK_CODE", "TASK_NAME", "TASK_TYPE", "TASK_VERSION", "TASK_STATE", "BY_LAW",
    "USE_LEVEL", "REGION_CODE", "DEPT_NAME", "DEPT_CODE", "DEPT_TYPE", "PROJECT_TYPE", "ANTICIPATE_DAY",
    "ANTICIPATE_TYPE", "PROMISE_DAY", "PROMISE_TYPE", "SERVER_TYPE", "ACCEPT_CONDITION", "HANDLE_FLOW",
    "HANDLE_TYPE", "LIMIT_SCENE_NUM", "IS_FEE", "FEE_BASIS", "TRANSACT_ADDR", "TRANSACT_TIME", "LINK_WAY",
    "SUPERVISE_WAY", "IS_ONLINE", "IS_SCHEDULE", "RESULT_TYPE", "RESULT_NAME", "CERT_TYPE_CODE", "TOWN_CODE",
    "VILLAGE_CODE", "PLAN_EFFECTIVE_DATE", "PLAN_CANCEL_DATE", "CD_TIME",
)  # fmt: skip
"""The order of the contract."""
