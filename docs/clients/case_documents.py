"""An invented case for a department to work on: case_documents.py BASE_URL SENDER [ORG]; writes applied.json
and accepted.json for the first published item of the body ORG (without: of any), to be sent in this order.
"""

import json
import secrets
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import httpx2
from house import expect

BEIJING = timezone(timedelta(hours=8))


def check_character(text):
    """ISO 7064 MOD 37,36, as case numbers end with."""
    alphabet, p = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", 36
    for one in text:
        p = (p + alphabet.index(one)) % 36 or 36
        p = p * 2 % 37
    return alphabet[(37 - p) % 36]


def items(base_url):
    after = ""
    while True:
        url = f"{base_url}/api/v1/publication/items?limit=200&after={after}"
        said = httpx2.get(url, timeout=60).raise_for_status().json()
        yield from said["items"]
        if not (after := said.get("next", "")):
            return


def documents(item, now):
    """Type and payload of both."""
    head = f"{item['region']}{now:%Y%m%d}2{secrets.randbelow(500_000):06d}"
    case = {"case_no": head + check_character(head), "item_code": item["code"], "region": item["region"]}
    at, person = now.isoformat(timespec="seconds"), {"name": "测试甲", "document_no": "441499199003070011"}
    applied = {
        "item_name": item["name"][:200],
        "applicant": person | {"kind": "natural_person", "document_type": "resident_id_card"},
        "contact": {"name": person["name"], "mobile": "13800138017"},
        "summary": "申请办理",
        "materials": [{"name": "申请书", "count": 1, "received_as": "paper"}],
        "channel": "window",
        "applied_at": at,
    }
    body = {"organisation": item["organisation"], "organisation_code": item["organisation_code"]}
    limits = {name: item[name] for name in ("statutory_limit", "promised_limit")}
    accepted = limits | {
        "officer": body | {"name": "测试乙", "staff_no": "S001"},
        "result": "accepted",
        "decided_at": at,
        "query_password": "402817",
    }
    return {"applied": case | applied, "accepted": case | accepted}


def main(base_url, sender, org=""):
    item = next((one for one in items(base_url) if org in ("", one["organisation_code"])), None)
    expect(item is not None, f"no published item of {org or 'anybody'}")
    for name, payload in documents(item, datetime.now(BEIJING)).items():
        document = {"type": f"case.{name}.v1", "sender": sender, "payload": payload}
        Path(f"{name}.json").write_text(json.dumps(document, ensure_ascii=False, indent=1), "utf-8")
    print(payload["case_no"], item["code"], item["name"])


if __name__ == "__main__":
    main(*sys.argv[1:])
