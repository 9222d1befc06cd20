"""What a counter does next, as pure functions: how it opens a case, what a push of the hub makes due."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mocks.partners.counter_papers import File

STATES = (
    "opening", "handling", "paying", "paid", "certifying", "issued", "concluded", "delivering", "finished"
)  # fmt: skip
SENT_STATE = {
    "case.accepted.v1": "handling",
    "fee.requested.v1": "paying",
    "fee.confirmed.v1": "paid",
    "certificate.requested.v1": "certifying",
    "case.delivered.v1": "delivering",
}
HEARD_STATE = {"fee.paid.v1": "paid", "case.concluded.v1": "concluded"}


def opening(file: File) -> list[str]:
    """The steps up to the decision on acceptance, in order."""
    plan = file.plan
    steps = [] if file.adopted else ["case.applied.v1"]
    steps += ["case.attached.v1#pdf", "case.attached.v1#xml"] if plan.files else []
    steps += ["case.pre_reviewed.v1"]
    if plan.prereview_refuse:
        return steps
    steps += ["verification.requested.v1"] if plan.verify else []
    steps += ["certificate.searched.v1"] if plan.search else []
    if plan.supplement:
        steps += ["case.supplement_noticed.v1"] + ([] if file.adopted else ["case.supplemented.v1"])
    return [*steps, "case.accepted.v1"]


def after_receipt(step: str, file: File) -> str | None:
    """The next step of the opening, "end" after a refusal, None where others have the word."""
    order = opening(file)
    if step not in order or (file.adopted and step == "case.supplement_noticed.v1"):
        return None
    if step != order[-1]:
        return order[order.index(step) + 1]
    return "end" if file.plan.refuse or file.plan.prereview_refuse else None


@dataclass(frozen=True)
class Due:
    """A step a push makes due: seconds until then, and what the message says beside the facts."""

    step: str
    delay: float = 0.0
    facts: Mapping[str, str | int] = field(default_factory=dict)


@dataclass(frozen=True)
class Ways:
    """How the window goes on: the acts it was told to do."""

    acts: frozenset[str] = frozenset()
    rate_delay: float = 1.5  # seconds between conclusion and rating
    parcel_patience: float = 120.0  # seconds after which a parcel nobody booked is collected at the window


def certificate(file: File) -> list[Due]:
    """The request for a certificate, where the item gives one."""
    return [Due("certificate.requested.v1")] if file.item.certificate_type else []


def reaction(kind: str, payload: Mapping[str, object], file: File, ways: Ways) -> list[Due]:
    """The steps a push makes due; each is done once per case."""
    match kind:
        case "case.step.v1" if payload["step"] == "approve" and payload["action"] == "pass":
            return [Due("fee.requested.v1")] if file.item.fees else certificate(file)
        case "fee.paid.v1":
            again = {"payment": file.payment}
            return [Due(f"fee.confirmed.v1{_mark(file.payment)}", 0.0, again), *certificate(file)]
        case "case.concluded.v1":
            return [*_handing_over(file, ways), *_rating(file, ways)]
        case "parcel.tracked.v1":
            return _after_parcel(str(payload["status"]))
        case "case.supplemented.v1" if file.adopted and file.plan.supplement:
            return [Due("case.accepted.v1")]
        case "certificate.found.v1" if "search" in ways.acts:
            return _file_of_first(payload.get("certificates"))
        case _:
            return []


def _mark(payment: int) -> str:
    return "" if payment == 1 else f"#{payment}"


def _handing_over(file: File, ways: Ways) -> list[Due]:
    if "post" not in ways.acts or file.mode != "post":
        return [Due("case.delivered.v1")]
    return [Due("parcel.requested.v1"), Due("case.delivered.v1", ways.parcel_patience, {"mode": "window"})]


def _rating(file: File, ways: Ways) -> list[Due]:
    return [Due("case.evaluated.v1", ways.rate_delay)] if file.plan.rate else []


def _after_parcel(status: str) -> list[Due]:
    """What came back, or never arrived, is collected at the window."""
    if status == "signed":
        return [Due("case.delivered.v1")]
    return [Due("case.delivered.v1", 0.0, {"mode": "window"})] if status in ("returned", "lost") else []


def _file_of_first(found: object) -> list[Due]:
    listed = [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
    good = [str(one.get("identifier")) for one in listed if one.get("state") == "valid"]
    return [Due("certificate.file_requested.v1", 0.0, {"identifier": good[0]})] if good else []


def heard_state(kind: str, payload: Mapping[str, object]) -> str | None:
    """The state a push puts a case in, if any."""
    if kind == "certificate.issued.v1":
        return "issued" if payload["state"] == "issued" else None
    if kind == "archive.result.v1":
        return "finished" if payload["code"] == "200" else None
    return HEARD_STATE.get(kind)


def later(state: str, other: str) -> str:
    """A case never goes back: a push may overtake a receipt."""
    return max(state, other, key=STATES.index)
