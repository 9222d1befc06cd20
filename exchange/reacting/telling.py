"""Short messages to the applicant over the whole course (S0-17), and what comes back by SMS."""

import json
import tomllib
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from sqlalchemy import bindparam, select

from canonical.codes import code_list
from canonical.messages import (
    CaseAccepted,
    CaseEvaluated,
    CaseSpecialFinished,
    CaseSpecialStarted,
    Payload,
    SmsReplied,
    SmsReported,
    SmsRequested,
)
from exchange import references
from exchange.cases import find
from exchange.reacting.occasion import Occasion, Reaction
from exchange.records import pseudonym
from exchange.store.tables import document
from ledger.prepared import run

RATING = "evaluate"  # the text that asks for a rating
_ACCEPTED = (
    select(document.c.body)
    .where(
        document.c.case_no == bindparam("of"), document.c.type == CaseAccepted.TYPE,
        document.c.state == "accepted", document.c.protocol == "hall",
    )
    .order_by(document.c.entry.desc())
)  # fmt: skip


def tell(template: str, when: Callable[[Any], bool] = lambda _: True) -> Reaction:
    """A short message to the applicant (S0-17)."""

    def reaction(occasion: Occasion) -> Iterator[Payload]:
        case = occasion.moved.case
        if case is not None and not occasion.moved.repeated and when(occasion.message.payload):
            yield _short_message(occasion, template, case)

    return reaction


def after_special(occasion: Occasion) -> Iterator[Payload]:
    """A clock that runs again, or a limit that is longer now; of an extension that was refused the applicant
    was never told that it was asked for."""
    payload, case = occasion.message.payload, occasion.moved.case
    if not isinstance(payload, CaseSpecialFinished) or case is None or occasion.moved.repeated:
        return
    begun = occasion.said_before(payload.case_no, CaseSpecialStarted.TYPE)
    kinds = [one["kind"] for one in begun if one["number"] == payload.number]
    if kinds[-1:] != ["extension"]:
        yield _short_message(occasion, "resumed", case)
    elif payload.result == "finished":
        yield _short_message(occasion, "extended", case)


def ask_for_a_rating(occasion: Occasion) -> Iterator[Payload]:
    """After delivery; the answer will name the mobile number alone."""
    case = occasion.moved.case
    if case is None or occasion.moved.repeated:
        return
    mobile = case["application"]["contact"]["mobile"]
    references.remember(occasion.work, "rating", _key(occasion, mobile), case["case_no"])
    yield _short_message(occasion, RATING, case)


def take_reply(occasion: Occasion) -> Iterator[Payload]:
    """One digit 1 to 5 rates the case last asked about (GB/T 39046 A.8, 1 the best); anything else is kept as
    it came."""
    payload = occasion.message.payload
    if not isinstance(payload, SmsReplied) or payload.content.strip() not in {"1", "2", "3", "4", "5"}:
        return
    case_no = references.case_of(occasion.work, "rating", _key(occasion, payload.mobile))
    case = find(occasion.work, case_no) if case_no else None
    if case is not None:
        yield CaseEvaluated.model_validate(
            {
                "case_no": case["case_no"],
                "item_code": case["item_code"],
                "region": case["region"],
                "satisfaction": code_list("satisfaction").name(payload.content.strip()),
                "channel": "sms",
                "evaluated_at": payload.received_at,
                **_served_by(occasion, case),
            }
        )


def _served_by(occasion: Occasion, case: Mapping[str, Any]) -> dict[str, str]:
    """Who accepted the case and, where it was accepted in the hall, at which window (S3-50)."""
    body = run(occasion.work.connection, _ACCEPTED, {"of": case["case_no"]}).scalar()
    by = json.loads(body)["by"] if body else (case["acceptance"] or {}).get("officer", {})
    return {name: by[name] for name in ("window", "staff_no") if by.get(name)}


def remember_short_message(occasion: Occasion) -> Iterator[Payload]:
    """A delivery report may name the request only."""
    payload = occasion.message.payload
    if isinstance(payload, SmsRequested) and payload.case_no:
        references.remember(
            occasion.work, "sms", payload.request_id, payload.case_no, {"status": "requested"}
        )
    yield from ()


def note_reports(occasion: Occasion) -> Iterator[Payload]:
    """Delivery reports end a short message's story."""
    payload = occasion.message.payload
    for report in payload.reports if isinstance(payload, SmsReported) else ():
        if report.request_id and (case_no := references.case_of(occasion.work, "sms", report.request_id)):
            references.remember(occasion.work, "sms", report.request_id, case_no, {"status": report.status})
    yield from ()


def _key(occasion: Occasion, mobile: str) -> str:
    return pseudonym(occasion.hub.pseudonym_key, mobile)


def _short_message(occasion: Occasion, template: str, case: Mapping[str, Any]) -> SmsRequested:
    values = {**case, **occasion.message.payload.model_dump(mode="json", exclude_none=True)}
    content = worded(template, values)
    ident = uuid5(NAMESPACE_OID, f"{occasion.message.sender}/{occasion.message.message_id}/{template}")
    mobile = case["application"]["contact"]["mobile"]
    return SmsRequested(
        request_id=str(ident), case_no=case["case_no"], template=template, mobile=mobile, content=content
    )


def worded(template: str, values: Mapping[str, Any]) -> str:
    """A text of data/sms.toml with its values, behind the signature the gateway wants."""
    texts = _texts()
    return texts["signature"]["text"] + texts["texts"][template].format_map(_Blank(values))


class _Blank(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return "—"

    def __getitem__(self, key: str) -> Any:
        value = super().__getitem__(key)
        return "—" if value is None else value


@cache
def _texts() -> dict[str, dict[str, str]]:
    return tomllib.loads((files("exchange") / "data" / "sms.toml").read_text("utf-8"))
