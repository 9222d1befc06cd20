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

from exchange.store.sealed import Sealed, SealedJSON, SealedText
from ledger.tables import metadata

__all__ = [
    "act", "attachment", "calendar_year", "case_record", "catalogue_change", "catalogue_load",
    "catalogue_report", "catalogue_row", "data_key", "directory_entry", "document", "finding", "inbox",
    "item", "item_content", "metadata", "nonce", "notice", "outbox", "package", "party", "party_certificate",
    "reference", "registration", "stream",
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
    Column("receipt", Sealed("inbox.receipt")),
    Column("received_at", Float, nullable=False),
    Column("message", SealedJSON("inbox.message")),  # of a held message, until it is released
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

notice = Table(
    "notice", metadata,                              # a message that only names its document, not yet pulled
    Column("party", String(40), primary_key=True),
    Column("message_id", String(64), primary_key=True),
    Column("entry_name", String(40), nullable=False),
    Column("digest", String(64), nullable=False),    # of the notice: the same id may not name something else
    Column("delivery", SealedJSON("notice.delivery"), nullable=False),
    Column("sealed", JSON, nullable=False),          # what the seal proved when it was fresh
    Column("since", Float, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_at", Float, nullable=False),
    Index("notice_due", "next_at"),
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
    Column("body", Sealed("document.body"), nullable=False),  # the bytes as they went over the wire
    Column("seal", Sealed("document.seal")),         # detached signature, when it is not inside the body
    Column("bound", SealedJSON("document.bound")),   # what a detached signature is bound to
    Column("key_id", String(43)),
    Column("answer", Sealed("document.answer")),     # what the other side answered (out), or the receipt (in)
    Column("canonical", SealedJSON("document.canonical")),
    Column("note", SealedText("document.note")),
    Index("document_message", "message_id"),
    Index("document_case", "case_no"),
)  # fmt: skip

attachment = Table(
    "attachment", metadata,                          # a file that travelled beside a document
    _entry(primary_key=True),
    Column("case_no", String(50)),
    Column("body", Sealed("attachment.body"), nullable=False),
    Index("attachment_case", "case_no"),
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
    Column("gives_certificate", Boolean, nullable=False, default=False),
    Column("origin", String(40), nullable=False),    # the party that opened it
    Column("application", SealedJSON("case_record.application"), nullable=False),  # payload of case.applied
    Column("acceptance", SealedJSON("case_record.acceptance")),  # payload of case.accepted
    Column("query_password", SealedText("case_record.query_password")),
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

registration = Table(
    "registration", metadata,                        # an identifier a partner gave for a case, once
    Column("party", String(40), primary_key=True),
    Column("case_no", String(50), primary_key=True),
    Column("name", String(120), primary_key=True),   # of what; for one of several behind / its request
    Column("value", String(128), nullable=False),
    Column("at", Float, nullable=False),
)  # fmt: skip

finding = Table(
    "finding", metadata,
    Column("id", Integer, primary_key=True),
    Column("case_no", String(50)),
    Column("category", String(12), nullable=False),  # logic, time, procedure …
    Column("code", String(40), nullable=False),
    Column("detail", SealedText("finding.detail"), nullable=False),
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
    Column("payload", SealedJSON("outbox.payload"), nullable=False),
    Column("context", SealedJSON("outbox.context"), nullable=False),
    Column("awaits", Boolean, nullable=False, default=False),  # the receiver answers by a receipt of its own
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
    Column("body", Sealed("package.body"), nullable=False),
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
    Column("digest", LargeBinary),                   # SHA-256 of the content
    Column("content", Integer),                      # item_content.id
    Column("current", Boolean, nullable=False),
    Column("effective_on", String(10)),
    Column("cancelled_on", String(10)),
    Column("origin", String(40), nullable=False, default="", server_default=""),  # '' the province, or hall
    Index("item_current", "code", "current"),
)  # fmt: skip

stream = Table(
    "stream", metadata,                              # how far a numbered stream of a party has been read
    Column("party", String(40), primary_key=True),
    Column("name", String(40), primary_key=True),
    Column("position", Integer, nullable=False),
)  # fmt: skip

directory_entry = Table(
    "directory_entry", metadata,                     # organisations and staff, as told last
    Column("party", String(40), primary_key=True),
    Column("kind", String(12), primary_key=True),    # organisation, staff
    Column("id", String(64), primary_key=True),
    Column("active", Boolean, nullable=False),
    Column("data", JSON, nullable=False),
)  # fmt: skip

data_key = Table(
    "data_key", metadata,                            # whose keys sealed columns of this database need
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("since", Float, nullable=False),
    Column("proof", LargeBinary, nullable=False),    # only that key can have made it
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
    Column("kind", String(40), nullable=False),      # as its ledger line says it
    Column("body", Sealed("act.body"), nullable=False),
    Index("act_kind", "kind"),
)  # fmt: skip

item_content = Table(
    "item_content", metadata,                        # one version of an item as it was told, kept for ever
    Column("id", Integer, primary_key=True),
    Column("data", LargeBinary, nullable=False),     # canonical bytes (RFC 8785) of the ServiceItem
)  # fmt: skip

catalogue_load = Table(
    "catalogue_load", metadata,                      # a list of the province: collected, then in force
    Column("id", Integer, primary_key=True),
    Column("party", String(40), nullable=False),
    # loading, held, applied, failed (started again), discarded
    Column("state", String(10), nullable=False),
    Column("since", Integer, nullable=False),        # 0: everything
    Column("to_version", Integer, nullable=False),
    Column("total", Integer, nullable=False),
    Column("cursor", String(200)),                   # of the page to ask for next; NULL: the last has come
    Column("pages", Integer, nullable=False),
    Column("reason", Text),                          # why it is held or failed
    Column("difference", JSON),                      # effect -> how many
    Column("started_at", Float, nullable=False),
    Column("changed_at", Float, nullable=False),
    Column("entry", Integer, ForeignKey("ledger_entry.seq", deferrable=True, initially="DEFERRED")),
    Index("catalogue_load_state", "party", "state"),
)  # fmt: skip

catalogue_row = Table(
    "catalogue_row", metadata,                       # the staging area: rows not in force yet
    Column("id", Integer, primary_key=True),
    Column("load", Integer, ForeignKey("catalogue_load.id"), nullable=False),
    Column("page", Integer, nullable=False),
    Column("op", String(4), nullable=False),         # put, gone, bad
    Column("code", String(31)),
    Column("version", Integer),
    Column("row_id", String(64)),
    Column("digest", LargeBinary, nullable=False),   # of the content; of a bad row, of what came
    Column("content", Integer),                      # item_content.id
    Column("fresh", Boolean, nullable=False),        # nothing else holds this content yet
    Column("state", String(12)),
    Column("org", String(18)),
    Column("name", Text),
    Column("has_fee", Boolean),
    Column("effective_on", String(10)),
    Column("cancelled_on", String(10)),
    Column("effect", String(12)),                    # what it does to the items in force, once compared
    Column("path", Text),                            # of a bad row: where, which code and why
    Column("error", String(40)),
    Column("detail", Text),
    Index("catalogue_row_code", "load", "code"),
    Index("catalogue_row_effect", "load", "effect"),
)  # fmt: skip

catalogue_change = Table(
    "catalogue_change", metadata,                    # the stream given to subscribers: numbered, hash-linked
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("operation", String(10), nullable=False),
    Column("code", String(31), nullable=False),
    Column("version", Integer, nullable=False),
    Column("content", Integer),                      # item_content.id; NULL: withdrawn
    Column("changed_at", String(25), nullable=False),
    Column("hash", LargeBinary, nullable=False),     # SHA-256(hash before || canonical bytes of the change)
    Column("load", Integer, ForeignKey("catalogue_load.id"), nullable=False),
    Column("effect", String(12), nullable=False),
    Index("catalogue_change_load", "load"),
)  # fmt: skip

catalogue_report = Table(
    "catalogue_report", metadata,                    # town and village items reported upward, row by row
    Column("party", String(40), primary_key=True),
    Column("batch_id", String(64), primary_key=True),
    Column("row_id", String(64), primary_key=True),
    Column("code", String(31), nullable=False),
    Column("name", Text, nullable=False),
    # sent, done, refused, abnormal (by the overnight audit)
    Column("state", String(10), nullable=False),
    Column("told", String(64)),                      # the province's code or error type
    Column("message", Text),
    Column("changed_at", Float, nullable=False),
    Column("audit_at", Float),                       # when to ask for the audit's result; NULL: it is known
    Index("catalogue_report_audit", "audit_at"),
)  # fmt: skip
