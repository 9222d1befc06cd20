"""What a hall reports at the end of a run: its efficiency, and town items for the province."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence

from mocks.partners.counter_acts import WINDOW
from mocks.partners.counter_papers import File, Json, day, moment

TOWN_LEVEL = "5"  # A.2 of an implementation code
TOWN = "100"  # the first town of a county, GB/T 10114
MOST_ITEMS = 2
NEEDED = ("row_id", "catalog_code", "code", "legal_basis", "organisation_nature", "served", "online")
INDICATORS = (("J01", "办结率"), ("J02", "受理量"))


def _score(done: int, all_of_them: int) -> str:
    hundredths = done * 10_000 // max(1, all_of_them)
    return f"{hundredths // 100}.{hundredths % 100:02d}"


def _rows(kind: str, code: str, name: str, done: int, number: int) -> list[Json]:
    subject = {
        "subject_kind": kind,
        "subject_code": code,
        "subject_name": name,
        "cases": min(number, 100_000),
    }
    scores = (_score(done, number), str(min(number, 999_999)))
    return [
        {**subject, "indicator": indicator, "indicator_name": label, "score": score}
        for (indicator, label), score in zip(INDICATORS, scores, strict=True)
    ]


def performance(report_id: str, files: Sequence[tuple[File, bool]], now: float) -> Json:
    """效能数据 of departments, the window and its clerks; `files`: each case and whether it is finished."""
    rows: list[Json] = []
    for kind, code_of in (("department", _department), ("window", _window), ("person", _clerk)):
        for code, name in sorted({code_of(file) for file, _ in files}):
            of = [done for file, done in files if code_of(file)[0] == code]
            rows += _rows(kind, code, name, sum(of), len(of))
    region = files[0][0].item.region[:4].ljust(12, "0")
    return {
        "report_id": report_id, "region": region, "period_from": day(now), "period_to": day(now),
        "rows": rows[:500], "reported_at": moment(now),
    }  # fmt: skip


def _department(file: File) -> tuple[str, str]:
    return file.item.organisation_code, file.item.organisation


def _window(file: File) -> tuple[str, str]:
    return WINDOW, "综合窗口"


def _clerk(file: File) -> tuple[str, str]:
    return "P-" + file.clerk.encode("utf-8").hex(), file.clerk


def _town_item(raw: Mapping[str, object], number: int, batch_id: str, now: float) -> Json:
    """The item as a town handles it: own row id, level, region and code."""
    code, region = str(raw["code"]), str(raw["region"])
    county = region[:6] if region[4:6] != "00" else f"{region[:4]}03"
    town = f"{county}{TOWN}000"
    row_id = hashlib.sha256(f"{batch_id}-{number}".encode()).hexdigest()[:32]
    item = {
        **raw, "row_id": row_id, "code": f"{code[:18]}{TOWN_LEVEL}{code[19:]}",
        "level": "town", "region": town, "town": town, "changed_at": moment(now),
    }  # fmt: skip
    known = {name: value for name, value in item.items() if value is not None}
    return {"local_code": f"{batch_id}-L{number}", "category": "city_management", "item": known}


def catalogue(batch_id: str, raw: Iterable[Mapping[str, object]], now: float) -> Json | None:
    """Two town items; None if the list says too little of its items to make any."""
    whole = [one for one in raw if all(name in one for name in NEEDED)][:MOST_ITEMS]
    items = [_town_item(one, number, batch_id, now) for number, one in enumerate(whole, start=1)]
    return {"batch_id": batch_id, "items": items} if items else None
