"""The head statuses of the certificate library, and how it words answers and refusals."""

from __future__ import annotations

from typing import Final

from mocks.partners.common.endpoint import Answer, Manners

NONE: Final = 10
TOKEN: Final = 11
PERMISSION: Final = 100
HOLDER: Final = 103
FIELD: Final = 104
SEAL: Final = 300
USED: Final = 301
OTHER: Final = 302
AWAY: Final = 310
STATE: Final = 311
WORDS: Final = {
    NONE: "none found", TOKEN: "token wrong or expired", PERMISSION: "no permission",
    HOLDER: "bad holder type", SEAL: "seal service unavailable", USED: "number already used",
    OTHER: "same request id with other content", AWAY: "the system that holds it cannot be reached",
    STATE: "not possible in its present status",
}  # fmt: skip


def said(status: int, message: str = "", http: int = 200, wait: float = 0.0) -> Answer:
    """A refusal; without a message in the words of its status."""
    head = {"status": status, "message": message or WORDS.get(status, "")}
    return Answer({"head": head, "data": {}}, http, wait=wait)


def good(data: object, jobs: tuple[int, ...] = (), wait: float = 0.0) -> Answer:
    """Status 0."""
    return Answer({"head": {"status": 0, "message": ""}, "data": data}, jobs=jobs, wait=wait)


def status_of(answer: Answer) -> int:
    """The head status of an answer."""
    head = answer.value["head"] if isinstance(answer.value, dict) else {}
    return int(head["status"])


REFUSALS: Final = {
    "seal": said(PERMISSION, "signature", 401),
    "media_type": said(FIELD, "content type", 415),
    "too_large": said(FIELD, "too large", 413),
    "busy": said(SEAL),
}
MANNERS: Final = Manners(REFUSALS.__getitem__, {"head": {"status": 999, "message": "系统异常"}, "data": {}})


class Refused(Exception):
    """A head status other than 0."""

    def __init__(self, status: int, message: str = "") -> None:
        super().__init__(message)
        self.answer = said(status, message)
        self.status = status
