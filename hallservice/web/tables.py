"""What the pages remember between requests: first answers of acts, forms of ended sessions."""

from sqlalchemy import Column, Float, Index, Integer, LargeBinary, String, Table

from exchange.store.tables import metadata

hall_answer = Table(
    "hall_answer", metadata,                         # one row an act that was done, by the token of its form
    Column("holder", String(64), primary_key=True),  # session, or digest of an anonymous visitor's cookie
    Column("act", String(32), primary_key=True),
    Column("at", Float, nullable=False),
    Column("status", Integer),                       # NULL: done, but the answer was lost with the process
    Column("answer", LargeBinary),                   # sealed: headers and body of the first answer
    Index("hall_answer_at", "at"),
)  # fmt: skip

hall_draft = Table(
    "hall_draft", metadata,                          # values typed into a form whose session had ended
    Column("id", String(32), primary_key=True),
    Column("owner", String(43), nullable=False),     # keyed digest of the account that typed them
    Column("at", Float, nullable=False),
    Column("typed", LargeBinary, nullable=False),    # sealed
    Index("hall_draft_owner", "owner", "at"),
)  # fmt: skip
