"""Complaints by their number: the first to register one keeps it, and is told its result (S3-81)."""

from canonical.form import canonical_bytes
from canonical.messages import ComplaintRegistered
from exchange import references
from exchange.errors import Conflict
from exchange.records import pseudonym
from exchange.store.work import Work

KIND = "complaint"


def remember(work: Work, key: bytes, said: ComplaintRegistered, sender: str) -> None:
    """The number is this party's. Said again it is the same complaint, whenever it was said; Conflict where
    the number stands for another one. `key`: that of pseudonyms."""
    told = said.model_dump(mode="json", exclude={"registered_at"}, exclude_none=True)
    mark = {"party": sender, "digest": pseudonym(key, canonical_bytes(told).decode())}
    known = references.data_of(work, KIND, said.complaint_no)
    if known is None:
        references.remember(work, KIND, said.complaint_no, said.case_no or "", mark)
    elif known != mark:
        raise Conflict("conflict", "the number was used for another complaint", "complaint_no")


def registered_by(work: Work, number: str) -> str | None:
    """The party a complaint came from; None for a number nobody registered."""
    known = references.data_of(work, KIND, number)
    return str(known["party"]) if known else None
