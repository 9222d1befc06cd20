"""Where each act of staff stands in the ledger, and whose it was; what was done stays where it is kept."""

from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table

from exchange.store.tables import metadata

__all__ = ["hall_act", "metadata"]

# The ways to the newest acts of one body: all, of a kind, of a person, of both; each read from its end.
hall_act = Table(
    "hall_act", metadata,
    Column(
        "entry", Integer, ForeignKey("ledger_entry.seq", deferrable=True, initially="DEFERRED"),
        primary_key=True, autoincrement=False,
    ),
    Column("kind", String(40), nullable=False),      # of the ledger line; of a message its type
    Column("staff_no", String(40), nullable=False),
    Column("org", String(40), nullable=False),       # own code; '' of the system itself
    Index("hall_act_org", "org", "entry"),
    Index("hall_act_kind", "org", "kind", "entry"),
    Index("hall_act_staff", "org", "staff_no", "entry"),
    Index("hall_act_both", "org", "staff_no", "kind", "entry"),
)  # fmt: skip
