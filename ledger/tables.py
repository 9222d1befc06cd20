"""The tables of the log, for any database of SQLAlchemy; the caller runs `metadata.create_all`."""

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, MetaData, String, Table, Text

metadata = MetaData()

_LONG = BigInteger().with_variant(Integer, "sqlite")

entry = Table(
    "ledger_entry",
    metadata,
    Column("seq", _LONG, primary_key=True, autoincrement=False),
    Column("leaf", LargeBinary, nullable=False),
    Column("leaf_hash", LargeBinary, nullable=False),
)
head = Table(
    "ledger_head",
    metadata,
    Column("log", String(255), primary_key=True),
    Column("size", _LONG, nullable=False),
    Column("frontier", LargeBinary, nullable=False),
    Column("root", LargeBinary, nullable=False),
    Column("ts", _LONG, nullable=False, comment="ms"),
)
checkpoint = Table(
    "ledger_checkpoint",
    metadata,
    Column("size", _LONG, primary_key=True, autoincrement=False),
    Column("note", Text, nullable=False),
)
counter = Table(
    "ledger_counter",
    metadata,
    Column("kind", String(8), primary_key=True, comment="chan or case"),
    Column("key", String(512), primary_key=True),
    Column("n", _LONG, nullable=False),
    Column("last_seq", _LONG, nullable=False),
    sqlite_with_rowid=False,
)
disclosure = Table(
    "ledger_disclosure",
    metadata,
    Column("seq", _LONG, primary_key=True, autoincrement=False),
    Column("name", String(64), primary_key=True),
    Column("salt", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

CHANNEL, CASE = "chan", "case"


def channel_key(sender: str, receiver: str) -> str:
    """Counter key of a channel; a tab cannot occur in a name."""
    return f"{sender}\t{receiver}"
