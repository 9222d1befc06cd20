"""The tables of the hub's database; the ledger's own tables join the same metadata and the same
transactions."""

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from ledger.tables import metadata

__all__ = [
    "act", "calendar_year", "case_record", "document", "finding", "inbox", "item", "metadata", "nonce",
    "outbox", "package", "party", "party_certificate", "reference", "stream",
]  # fmt: skip


def _entry(*, primary_key: bool = False) -> Column[int]:
    """Position in the ledger; checked at commit, because the ledger writes its rows last."""
    reference_ = ForeignKey("ledger_entry.seq", deferrable=True, initially="DEFERRED")
    return Column("entry", Integer, reference_, primary_key=primary_key, nullable=False)


party = Table(
    "party", metadata,
    Column("name", String(40), primary_key=True),
    Column("adapter", String(40), nullable=False),
    Column("org", String(18)),                       # unified social credit code
    Column("address", Text),                         # base URL, or inbox of a house party
    # how the hub names itself there (appId …); secrets come from files
    Column("account", JSON, nullable=False),       
    Column("sends", JSON, nullable=False),           # message types it may send; empty: those of its adapter
    Column("takes", JSON, nullable=False),           # message types a house party is sent
    Column("active", Boolean, nullable=False),
)  # fmt: skip

party_certificate = Table(
    "party_certificate", metadata,
    Column("key_id", String(43), primary_key=True),  # base64url SHA-256 of the DER bytes (RFC 7515 x5t#S256)
    Column("party", String(40), ForeignKey("party.name"), nullable=False),
    Column("pem", Text, nullable=False),
    Column("active", Boolean, nullable=False),
)  # fmt: skip

inbox = Table(
    "inbox", metadata,
    Column("id", Integer, primary_key=True),
    Column("party", String(40), nullable=False),
    Column("message_id", String(64), nullable=False),
    Column("digest", String(64), nullable=False),    # of the canonical content (what a retry must repeat)
    Column("seal", String(64), nullable=False),      # digest of the signature
    Column("state", String(10), nullable=False),     # accepted, held, refused
    Column("code", String(40), nullable=False),
    Column("receipt", LargeBinary),
    Column("received_at", Float, nullable=False),
    Column("message", JSON),                         # of a held message, until it is released
    Column("case_no", String(50)),
    Column("held_until", Float),
    _entry(),
    UniqueConstraint("party", "message_id"),
    Index("inbox_seal", "seal"),
    Index("inbox_held", "state", "case_no"),
)  # fmt: skip

nonce = Table(
    "nonce", metadata,
    Column("party", String(40), primary_key=True),
    Column("nonce", String(64), primary_key=True),
    Column("message_id", String(64), nullable=False),
    Column("expires", Float, nullable=False),
    Index("nonce_expires", "expires"),
)  # fmt: skip

document = Table(
    "document", metadata,
    _entry(primary_key=True),
    Column("message_id", String(64), nullable=False),
    Column("at", Float, nullable=False),
    Column("party", String(40), nullable=False),
    Column("direction", String(3), nullable=False),  # in, out, own
    Column("protocol", String(8), nullable=False),   # rest, soap, amqp, hub
    Column("type", String(40), nullable=False),
    Column("case_no", String(50)),
    Column("state", String(10), nullable=False),     # accepted, held, refused, sent, failed
    Column("code", String(40), nullable=False),
    Column("media_type", String(80)),
    Column("body", LargeBinary, nullable=False),     # the bytes as they went over the wire
    Column("seal", LargeBinary),                     # detached signature, when it is not inside the body
    Column("bound", JSON),                           # what a detached signature is bound to
    Column("key_id", String(43)),
    Column("answer", LargeBinary),                   # what the other side answered (out), or the receipt (in)
    Column("canonical", JSON),
    Column("note", Text),
    Index("document_message", "message_id"),
    Index("document_case", "case_no"),
)  # fmt: skip

case_record = Table(
    "case_record", metadata,
    Column("case_no", String(50), primary_key=True),
    Column("state", String(24), nullable=False),
    Column("facts", JSON, nullable=False),
    Column("item_code", String(31), nullable=False),
    Column("item_version", Integer, nullable=False),
    Column("org", String(18), nullable=False),
    Column("region", String(12), nullable=False),
    Column("has_fee", Boolean, nullable=False),
    Column("origin", String(40), nullable=False),    # the party that opened it
    Column("application", JSON, nullable=False),     # payload of case.applied
    Column("acceptance", JSON),                      # payload of case.accepted
    Column("query_password", String(6)),
    Column("clock", JSON),                           # suspensions, extension
    Column("statutory_due", String(10)),
    Column("promised_due", String(10)),
    Column("provisional", Boolean, nullable=False, default=False),
    Column("opened_at", Float, nullable=False),
    Column("changed_at", Float, nullable=False),
    Index("case_provisional", "provisional"),
)  # fmt: skip

reference = Table(
    "reference", metadata,                           # a partner's number for something of a case
    Column("kind", String(20), primary_key=True),
    Column("value", String(128), primary_key=True),
    Column("case_no", String(50), nullable=False),
    Column("data", JSON),
)  # fmt: skip

finding = Table(
    "finding", metadata,
    Column("id", Integer, primary_key=True),
    Column("case_no", String(50)),
    Column("category", String(12), nullable=False),  # logic, time, procedure …
    Column("code", String(40), nullable=False),
    Column("detail", Text, nullable=False),
    Column("at", Float, nullable=False),
    _entry(),
)  # fmt: skip

outbox = Table(
    "outbox", metadata,
    Column("id", Integer, primary_key=True),
    Column("party", String(40), nullable=False),
    Column("message_id", String(64), nullable=False),
    Column("document", String(60), nullable=False),  # which outbound document of the adapter
    Column("type", String(40), nullable=False),
    Column("case_no", String(50)),
    Column("payload", JSON, nullable=False),
    Column("context", JSON, nullable=False),
    Column("state", String(10), nullable=False),     # pending, claimed, sent, refused, dead
    Column("attempts", Integer, nullable=False, default=0),
    Column("next_at", Float, nullable=False),
    Column("claimed_until", Float),
    Column("code", String(40)),
    Column("receipt_code", String(10)),              # business receipt of the receiver, when one is promised
    Column("created_at", Float, nullable=False),
    Column("sent_at", Float),
    _entry(),
    UniqueConstraint("party", "message_id"),
    Index("outbox_ready", "party", "state", "next_at"),
    Index("outbox_case", "party", "case_no", "state"),
)  # fmt: skip

package = Table(
    "package", metadata,
    Column("token", String(64), primary_key=True),
    Column("case_no", String(50), nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("expires", Float, nullable=False),
)  # fmt: skip

item = Table(
    "item", metadata,
    Column("code", String(31), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("state", String(12), nullable=False),
    Column("row_id", String(64), nullable=False),
    Column("org", String(18)),
    Column("name", Text),
    Column("has_fee", Boolean, nullable=False, default=False),
    Column("data", JSON, nullable=False),
    Column("current", Boolean, nullable=False),
    Column("loaded", Integer, nullable=False, default=0),  # catalogue version of the load that last held it
    Column("effective_on", String(10)),
    Column("cancelled_on", String(10)),
    Index("item_current", "code", "current"),
)  # fmt: skip

stream = Table(
    "stream", metadata,                              # how far a numbered stream of a party has been read
    Column("party", String(40), primary_key=True),
    Column("name", String(40), primary_key=True),
    Column("position", Integer, nullable=False),
)  # fmt: skip

calendar_year = Table(
    "calendar_year", metadata,
    Column("year", Integer, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("text", Text, nullable=False),
    Column("source", Text, nullable=False),
    _entry(),
)  # fmt: skip

act = Table(
    "act", metadata,                                 # what an act that is no document committed to
    _entry(primary_key=True),
    Column("body", LargeBinary, nullable=False),
)  # fmt: skip
