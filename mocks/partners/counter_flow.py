"""What a counter does next, as pure functions: how it opens a case, what a push of the hub makes due."""

from __future__ import annotations

from collections.abc import Mapping

from mocks.partners.counter_papers import File, Plan

STATES = (
    "opening", "handling", "paying", "paid", "certifying", "issued", "concluded", "delivering", "finished"
)  # fmt: skip
NEEDED: Mapping[str, tuple[str, ...]] = {  # texts without which a push means nothing here
    "case.step.v1": ("case_no", "step", "action"),
    "fee.noticed.v1": ("case_no", "notice_no"),
    "fee.paid.v1": ("notice_no",),
    "certificate.issued.v1": ("request_id", "state"),
    "case.concluded.v1": ("case_no", "result"),
    "archive.result.v1": ("case_no", "code"),
    "case.special_started.v1": ("case_no",),
    "case.special_finished.v1": ("case_no",),
}
SENT_STATE = {
    "case.accepted.v1": "handling",
    "fee.requested.v1": "paying",
    "fee.confirmed.v1": "paid",
    "certificate.requested.v1": "certifying",
    "case.delivered.v1": "delivering",
}
HEARD_STATE = {"fee.paid.v1": "paid", "case.concluded.v1": "concluded"}


def opening(plan: Plan) -> list[str]:
    """The messages up to the decision on acceptance, in order."""
    first = ["case.applied.v1", "case.pre_reviewed.v1"]
    if plan.prereview_refuse:
        return first
    more = ["case.supplement_noticed.v1", "case.supplemented.v1"] if plan.supplement else []
    return [*first, *more, "case.accepted.v1"]


def after_receipt(kind: str, plan: Plan) -> str | None:
    """The next message of the opening, "end" after a refusal, None where the hub has the word."""
    order = opening(plan)
    if kind not in order:
        return None
    if kind != order[-1]:
        return order[order.index(kind) + 1]
    return "end" if plan.refuse or plan.prereview_refuse else None


def certificate(file: File) -> list[str]:
    """The request for a certificate, where the item gives one."""
    return ["certificate.requested.v1"] if file.item.certificate_type else []


def reaction(kind: str, payload: Mapping[str, object], file: File) -> list[str]:
    """The messages a push makes due; each is sent once per case."""
    if kind == "case.step.v1":
        if payload["step"] != "approve" or payload["action"] != "pass":
            return []
        return ["fee.requested.v1"] if file.item.fees else certificate(file)
    if kind == "fee.paid.v1":
        return ["fee.confirmed.v1", *certificate(file)]
    return ["case.delivered.v1"] if kind == "case.concluded.v1" else []


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
