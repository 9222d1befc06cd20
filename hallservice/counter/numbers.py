"""Numbers the counter gives: cases by the canonical rule, documents by county and year, query passwords."""

import secrets

from sqlalchemy import bindparam, insert, select, update

from canonical.codes import code_list
from canonical.values import CaseNumber, RegionCode, make_case_number
from exchange.cases import find
from exchange.clocks import today
from exchange.store.work import Work
from hallservice.counter.tables import hall_serial
from hallservice.refusals import HallRefused
from ledger.prepared import run

_LAST = select(hall_serial.c.last).where(hall_serial.c.series == bindparam("of"))
_NEXT = update(hall_serial).where(hall_serial.c.series == bindparam("of"))
MOST_CASES = 999_999  # of one region, day and channel
SIGNS = {
    "receiving": "收", "acceptance": "受", "supplement": "补", "refusal": "不受", "payment": "缴",
    "special": "特", "extension": "延", "decision": "决", "conclusion": "结", "collection": "领",
    "delivery_receipt": "送",
}  # fmt: skip
"""The character of a document's number that says its kind."""


def next_of(work: Work, series: str) -> int:
    """From 1, without a gap: what fails takes its number back."""
    last = run(work.connection, _LAST, {"of": series}).scalar()
    if last is None:
        work.connection.execute(insert(hall_serial), {"series": series, "last": 1})
        return 1
    run(work.connection, _NEXT, {"last": last + 1, "of": series})
    return int(last) + 1


def case_number(work: Work, region: RegionCode, channel: str) -> CaseNumber:
    """The next free number of today; numbers that came from elsewhere are stepped over."""
    day, digit = today(work.now), _digit(channel)
    series = f"case:{region}:{day:%Y%m%d}:{digit}"
    while (serial := next_of(work, series)) <= MOST_CASES:
        number = make_case_number(region, day, digit, serial)
        if find(work, number) is None:
            return number
    raise HallRefused("too_many_cases", "今天本地区的办件编号已经用完，请联系管理员")


def document_number(work: Work, kind: str, region: str) -> str:
    """（441402）受字〔2026〕000001号: kind, county and year in the number, no two alike."""
    year, county = today(work.now).year, region[:6]
    serial = next_of(work, f"doc:{kind}:{county}:{year}")
    return f"（{county}）{SIGNS[kind]}字〔{year}〕{serial:06d}号"


def query_password() -> str:
    """Six digits nobody can predict."""
    return f"{secrets.randbelow(1_000_000):06d}"


def _digit(channel: str) -> str:
    entries = code_list("apply_channel").entries
    return next(entry.code for entry in entries if entry.name == channel)
