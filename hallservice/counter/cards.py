"""The reader of resident identity cards at a window: the port a driver is attached to (S3-28)."""

from dataclasses import dataclass
from datetime import date
from typing import Protocol, runtime_checkable

from hallservice.people.clerk import Clerk
from hallservice.refusals import HallRefused

EXTRA = "card_reader"
"""Under which name a site hands its driver to the pages (`build_pages(extras=…)`)."""


@dataclass(frozen=True, slots=True)
class IdCard:
    """What a resident's ID card says of its holder."""

    name: str
    document_no: str
    address: str = ""
    valid_to: date | None = None  # None: for life

    def fields(self) -> dict[str, str]:
        """The applicant's fields of the forms, as if typed."""
        return {
            "kind": "natural_person",
            "name": self.name,
            "document_type": "resident_id_card",
            "document_no": self.document_no,
            "address": self.address,
            "identified": "card",
        }


class ReaderAway(Exception):
    """The reader of a window does not answer. A driver raises it within a few seconds, and nothing else."""


@runtime_checkable
class CardReader(Protocol):
    """The readers of a site, by the window they stand at."""

    def serves(self, window: str) -> bool:
        """Whether this window has one; asked for every form, so that it waits for nothing."""

    def read(self, window: str) -> IdCard | None:
        """The card that lies on it, None where none does; ReaderAway."""


def at_window(found: object, clerk: Clerk) -> CardReader | None:
    """The driver a site wired in, where the clerk's window has a reader; else everything is typed."""
    if not isinstance(found, CardReader) or clerk.window is None:
        return None
    return found if found.serves(clerk.window) else None


def read(reader: CardReader, clerk: Clerk, today: date) -> IdCard:
    """The card at the clerk's window; HallRefused no_reader, no_card, card_expired."""
    try:
        card = reader.read(clerk.window or "")
    except ReaderAway:
        raise HallRefused("no_reader", "读卡器没有应答，请检查连接，或者手工录入") from None
    if card is None:
        raise HallRefused("no_card", "没有读到身份证，请把证件平放在读卡器上再试，或者手工录入")
    if card.valid_to is not None and card.valid_to < today:
        raise HallRefused("card_expired", f"身份证已于 {card.valid_to.isoformat()} 过期，请核对其他有效证件")
    return card


def confirm(card: IdCard, document_no: str) -> None:
    """It is the applicant's; HallRefused other_person."""
    if card.document_no.upper() != document_no.upper():
        raise HallRefused("other_person", "身份证号码与申请人的不一致，请核对来的是本人还是代办人")
