"""What has arrived: the first answer to each message, and which nonces were used."""

from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from exchange.envelope import Heard, Sealed
from exchange.errors import Conflict, Refused
from exchange.receipts import Receipt
from exchange.store.tables import inbox, nonce
from exchange.store.work import Work
from ledger.prepared import run

NONCE_LIFE = (
    4500.0  # seconds: a seal may be valid for an hour (WS-Security), plus twice the allowed skew, plus slack
)
HELD_FOR = 24 * 3600.0  # seconds a message waits for its predecessor

_ANSWERED = select(inbox.c.id, inbox.c.digest, inbox.c.state, inbox.c.code, inbox.c.receipt)
_BY_ID = _ANSWERED.where(inbox.c.party == bindparam("of"), inbox.c.message_id == bindparam("ident"))
_BY_SEAL = _ANSWERED.where(inbox.c.seal == bindparam("of"))
_USED = select(nonce.c.message_id).where(
    nonce.c.party == bindparam("of"), nonce.c.nonce == bindparam("value")
)
_INSERT, _INSERT_NONCE = insert(inbox), insert(nonce)
_KEEP_RECEIPT = (
    update(inbox)
    .where(inbox.c.party == bindparam("of"), inbox.c.message_id == bindparam("ident"))
    .values(receipt=bindparam("bytes"))
)
_HELD = (
    select(inbox.c.id, inbox.c.message)
    .where(inbox.c.state == "held", inbox.c.case_no == bindparam("no"))
    .order_by(inbox.c.id)
)


@dataclass(frozen=True)
class Earlier:
    """A message of this party and id that was answered before."""

    digest: str
    receipt: Receipt


def earlier(work: Work, sealed: Sealed, message_id: str) -> Earlier | None:
    """The first answer given to this party's message of this id."""
    in_this_commit: Earlier | None = work.group.answers.get((sealed.party.name, message_id))
    if in_this_commit is not None:
        return in_this_commit
    row = run(work.connection, _BY_ID, {"of": sealed.party.name, "ident": message_id}).first()
    return Earlier(row.digest, Receipt(row.state, row.code, body=row.receipt, again=True)) if row else None


def answered(connection: Connection, party: str, message_id: str) -> Earlier | None:
    """The first answer to this party's message of this id, outside any commit."""
    row = run(connection, _BY_ID, {"of": party, "ident": message_id}).first()
    return Earlier(row.digest, Receipt(row.state, row.code, body=row.receipt, again=True)) if row else None


def same_bytes(work: Work, seal: str) -> Receipt | None:
    """The first answer to exactly these bytes, whatever their seal's time."""
    in_this_commit: Receipt | None = work.group.answers.get(("bytes", seal))
    if in_this_commit is not None:
        return in_this_commit
    row = run(work.connection, _BY_SEAL, {"of": seal}).first()
    return Receipt(row.state, row.code, body=row.receipt, again=True) if row and row.receipt else None


def expect_fresh(work: Work, sealed: Sealed, message_id: str, found: Earlier | None, digest: str) -> None:
    """Conflict when the id was used for other content, `replay` when the nonce was used under another id."""
    if found is not None and found.digest != digest:
        raise Conflict("conflict", "this message id was used for other content", "message_id")
    key = ("nonce", sealed.party.name, sealed.nonce)
    used = (
        work.group.answers.get(key) or run(work.connection, _USED, {"of": key[1], "value": key[2]}).scalar()
    )
    if used is None:
        work.group.answers[key] = message_id
        row = {
            "party": sealed.party.name,
            "nonce": sealed.nonce,
            "message_id": message_id,
            "expires": work.now + NONCE_LIFE,
        }
        work.later(_INSERT_NONCE, row)
    elif used != message_id:
        raise Refused("replay", "this nonce was used under another message id", "nonce")


def close(
    work: Work,
    sealed: Sealed,
    seal: str,
    entry: int,
    message_id: str,
    receipt: Receipt,
    *,
    digest: str,
    held: Heard | None = None,
    case_no: str | None = None,
) -> None:
    """Remember the answer; it is stored once its bytes, which hold the checkpoint, are known."""
    row = {
        "party": sealed.party.name,
        "message_id": message_id,
        "digest": digest,
        "seal": seal,
        "state": receipt.status,
        "code": receipt.code,
        "received_at": work.now,
        "entry": entry,
        "case_no": case_no or receipt.facts.get("case_no"),
        "message": held.message.model_dump(mode="json", exclude_none=True) if held else None,
        "held_until": work.now + HELD_FOR if held else None,
    }
    work.group.answers[(sealed.party.name, message_id)] = Earlier(digest, receipt)
    work.group.answers[("bytes", seal)] = receipt
    if held is None:
        work.at_checkpoint(lambda _: work.later(_INSERT, {**row, "receipt": receipt.body}))
        return
    # Not later: its predecessor may come in this very commit and has to find it.
    work.connection.execute(_INSERT, {**row, "receipt": None})
    work.at_checkpoint(lambda _: _keep_receipt(work, sealed.party.name, message_id, receipt.body))


def _keep_receipt(work: Work, party: str, message_id: str, body: bytes) -> None:
    work.connection.execute(_KEEP_RECEIPT, {"of": party, "ident": message_id, "bytes": body})


def waiting(work: Work, case_no: str) -> list[tuple[int, dict[str, object]]]:
    """Held messages of a case, in the order they came."""
    return [(row.id, row.message) for row in run(work.connection, _HELD, {"no": case_no})]


def still_held(work: Work, row: int) -> bool:
    """Whether nobody has taken it up."""
    return work.connection.execute(select(inbox.c.state).where(inbox.c.id == row)).scalar() == "held"


def overdue(work: Work) -> list[tuple[int, dict[str, object]]]:
    """Held messages whose time is up."""
    query = select(inbox.c.id, inbox.c.message).where(inbox.c.state == "held", inbox.c.held_until <= work.now)
    return [(row.id, row.message) for row in work.connection.execute(query)]


def released(work: Work, row: int, state: str, code: str) -> None:
    """A held message has been decided; its first receipt stays what it was."""
    work.connection.execute(
        update(inbox).where(inbox.c.id == row).values(state=state, code=code, message=None, held_until=None)
    )


def forget_nonces(work: Work) -> int:
    """Drop nonces no valid seal can carry any more; how many."""
    return work.connection.execute(delete(nonce).where(nonce.c.expires < work.now)).rowcount
