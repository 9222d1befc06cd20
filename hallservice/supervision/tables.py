"""Tables of supervision: running clocks, what was told of them, whom it was told to, and the thresholds.

Days are ISO dates of Asia/Shanghai, times Unix seconds.
"""

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from exchange.store.sealed import SealedText
from exchange.store.tables import metadata

__all__ = ["call", "card", "clock", "default", "looked", "metadata", "threshold", "urge"]


def _entry() -> Column[int]:
    reference = ForeignKey("ledger_entry.seq", deferrable=True, initially="DEFERRED")
    return Column("entry", Integer, reference, nullable=False)


# Ranges of paths are compared byte by byte (PostgreSQL: any locale).
_PATH = String(255).with_variant(String(255, collation="C"), "postgresql")

clock = Table(
    "hall_clock", metadata,
    Column("case_no", String(50), primary_key=True),
    # statutory, promised, supplement_notice, service, special_procedure/<number>, step/<key>
    Column("clock", String(340), primary_key=True),
    Column("region", String(12), nullable=False),
    Column("since", String(10), nullable=False),     # day 0
    Column("count", Integer, nullable=False),
    Column("unit", String(12), nullable=False),
    Column("suspensions", JSON, nullable=False),     # [[first day, day of resumption or null]]
    Column("extension", Integer, nullable=False, default=0),
    Column("extended_on", String(10)),               # the day the extension was approved
    Column("concluded", String(10)),
    Column("due", String(10)),                       # as counted last; NULL: suspended
    Column("provisional", Boolean, nullable=False, default=False),
    Column("next_day", String(10)),                  # when something will be owed; NULL: never, as things are
    Column("looked", String(10), nullable=False),    # the day it was looked at last
    Index("hall_clock_next", "next_day"),
    Index("hall_clock_open", "concluded", "clock"),
)  # fmt: skip

card = Table(
    "hall_card", metadata,                           # one signal of one clock for one due date; never deleted
    Column("id", String(36), primary_key=True),
    Column("case_no", String(50), nullable=False),
    Column("clock", String(340), nullable=False),
    Column("due", String(10), nullable=False),
    Column("signal", String(12), nullable=False),    # canonical.signals.Signal
    Column("colour", String(8), nullable=False),     # red, yellow, warning, due; none: a finding, no card
    Column("day", String(10), nullable=False),       # on which it was owed
    Column("raised_at", Float, nullable=False),
    Column("region", String(12), nullable=False),
    Column("org", String(18), nullable=False),       # unified social credit code of the department in charge
    Column("org_path", _PATH, nullable=False),
    Column("item_code", String(31), nullable=False),
    Column("item_name", Text, nullable=False),
    _entry(),
    UniqueConstraint("case_no", "clock", "due", "signal"),
    Index("hall_card_path", "org_path", "colour"),
    Index("hall_card_raised", "colour", "raised_at"),
)  # fmt: skip

call = Table(
    "hall_card_call", metadata,                      # one card told to one person in one role
    Column("id", String(36), primary_key=True),
    Column("card", String(36), ForeignKey("hall_card.id"), nullable=False),
    Column("role", String(20), nullable=False),      # 承办人 …
    Column("user", String(36)),                      # hall_user.id; NULL: nobody holds the role
    # waiting, sent, delivered, failed, given_up, acknowledged, missing, moot
    Column("state", String(12), nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("next_at", Float),                        # when to send (again); NULL: not again
    Column("request", String(64)),                   # of the short message sent last
    Column("sent_at", Float),
    Column("delivered_at", Float),
    Column("acknowledged_at", Float),
    Index("hall_card_call_card", "card"),
    Index("hall_card_call_next", "next_at"),
    Index("hall_card_call_request", "request"),
    Index("hall_card_call_user", "user", "state"),
)  # fmt: skip

urge = Table(
    "hall_urge", metadata,                           # one person told by short message that a step is urged
    Column("id", String(36), primary_key=True),
    Column("case_no", String(50), nullable=False),
    Column("step", String(300), nullable=False),
    Column("user", String(36)),                      # hall_user.id; NULL: nobody is there to be told
    Column("by_name", String(100), nullable=False),  # who urged
    Column("said", SealedText("hall_urge.said"), nullable=False),
    Column("at", Float, nullable=False),
    # waiting, sent, delivered, failed, given_up, missing, moot
    Column("state", String(12), nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("next_at", Float),                        # when to send (again); NULL: not again
    Column("request", String(64)),                   # of the short message sent last
    Column("delivered_at", Float),
    _entry(),                                        # of the urging
    Index("hall_urge_case", "case_no"),
    Index("hall_urge_next", "next_at"),
    Index("hall_urge_request", "request"),
)  # fmt: skip

threshold = Table(
    "hall_threshold", metadata,                      # what a region set; newest in force, inherited below
    Column("id", String(36), primary_key=True),
    Column("region", String(12), nullable=False),
    Column("inherits", Boolean, nullable=False),     # nothing of its own any more
    Column("warning", Integer, nullable=False),
    Column("prompt", Integer, nullable=False),
    Column("yellow", Integer, nullable=False),
    Column("red", Integer, nullable=False),
    Column("strict_red", Boolean, nullable=False),
    Column("promise_cards", Boolean, nullable=False),
    Column("deem_accepted", Boolean, nullable=False),
    Column("set_by", String(50), nullable=False),    # name of the person
    Column("set_at", Float, nullable=False),
    _entry(),
    Index("hall_threshold_region", "region", "entry"),
)  # fmt: skip

default = Table(
    "hall_lawful_default", metadata,                 # what the passing of time did by law
    Column("case_no", String(50), primary_key=True),
    Column("about", String(340), primary_key=True),  # acceptance, or the step
    Column("policy", String(20), nullable=False),    # DEEM_ACCEPTED, DEEM_RENEWED, DEEM_NO_OPINION
    Column("basis", Text, nullable=False),
    Column("day", String(10), nullable=False),       # on which it took effect
    Column("at", Float, nullable=False),
    _entry(),
)  # fmt: skip

looked = Table(
    "hall_scan", metadata,                           # one row: what the last whole scan was made with
    Column("one", Integer, primary_key=True, autoincrement=False),
    Column("day", String(10), nullable=False),
    Column("calendar", String(64), nullable=False),  # digest of the years known
)  # fmt: skip
