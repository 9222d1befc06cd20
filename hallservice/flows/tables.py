"""Tables of processes and of the cases that run through them. Times are Unix seconds.

An instance's events are the acts its ledger lines commit to (`act.body`); `hall_flow_event` only says where.
"""

from sqlalchemy import (
    JSON,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
)

from exchange.store.sealed import Sealed, SealedText
from exchange.store.tables import metadata
from hallservice.people.tables import ASCII_PATH

__all__ = ["event", "flow", "instance", "metadata", "plan", "task", "use"]


def _entry(*, primary_key: bool = False) -> Column[int]:
    """Position in the ledger; checked at commit, because the ledger writes its rows last."""
    reference = ForeignKey("ledger_entry.seq", deferrable=True, initially="DEFERRED")
    return Column("entry", Integer, reference, primary_key=primary_key, nullable=False)


flow = Table(
    "hall_flow", metadata,                           # a version of a process
    Column("owner", String(40), primary_key=True),   # organisation; 'platform': ships with the program
    Column("key", String(40), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("state", String(10), nullable=False),     # draft, published, retired
    Column("name", String(100), nullable=False),
    Column("body", Text, nullable=False),            # JSON; a draft's need not be valid yet
    Column("digest", String(64)),                    # of the linked plan; NULL: a draft
    Column("revision", Integer, nullable=False),     # of a draft, one more at each change
    Column("author", String(40), nullable=False),    # staff number
    Column("author_name", String(100), nullable=False),
    Column("changed_at", Float, nullable=False),
    Column("published_by", String(100)),
    Column("published_at", Float),
    CheckConstraint("state IN ('draft', 'published', 'retired')", name="hall_flow_state"),
)  # fmt: skip

plan = Table(
    "hall_flow_plan", metadata,                      # what instances run: never changed, never deleted
    Column("digest", String(64), primary_key=True),
    Column("definitions", Text, nullable=False),     # JSON list: the process and those it refers to
    _entry(),
)  # fmt: skip

use = Table(
    "hall_flow_use", metadata,                       # which process the cases of an item, or of a body, take
    Column("org", String(40), primary_key=True),     # own code of the body in charge
    Column("item_code", String(31), primary_key=True),  # '' = every item without a line of its own
    Column("owner", String(40), nullable=False),
    Column("key", String(40), nullable=False),
    Column("version", Integer),                      # NULL: the newest published
    Column("set_by", String(100), nullable=False),
    Column("set_at", Float, nullable=False),
)  # fmt: skip

instance = Table(
    "hall_flow_instance", metadata,
    Column("id", Integer, primary_key=True),
    Column("case_no", String(50), nullable=False, unique=True),
    Column("plan", String(64), nullable=False),      # digest
    Column("status", String(14), nullable=False),    # hallservice.approval.state.Status
    Column("number", Integer, nullable=False),       # of events so far
    # deflated JSON: a copy, its events are the truth
    Column("state", Sealed("hall_flow_instance.state"), nullable=False),
    Column("told", JSON, nullable=False),            # what the case has been told so far (telling.Told)
)  # fmt: skip

event = Table(
    "hall_flow_event", metadata,
    _entry(primary_key=True),
    Column("instance", Integer, ForeignKey("hall_flow_instance.id"), nullable=False),
    Column("number", Integer, nullable=False),       # from 1
    Index("hall_flow_event_instance", "instance", "number", unique=True),
)  # fmt: skip

task = Table(
    "hall_task", metadata,                           # what is to be done now, a row a person or post
    Column("id", Integer, primary_key=True),
    Column("case_no", String(50), nullable=False),
    Column("step", String(300), nullable=False),     # key within the process
    Column("name", String(100), nullable=False),
    Column("kind", String(12), nullable=False),      # undertake, review, approve …
    Column("wanted", String(12), nullable=False),    # hallservice.approval.todo.Wanted
    Column("level", String(8), nullable=False),      # city, county, town, village
    Column("org", String(40), nullable=False),       # whose step it is
    Column("org_path", ASCII_PATH, nullable=False),
    Column("post", String(50), nullable=False),
    Column("person", String(40), nullable=False),    # staff number; '' = whoever holds the post
    Column("person_name", String(100), nullable=False),
    Column("since", Float, nullable=False),
    Column("due", Float),                            # NULL: no limit, or the clock stands
    Column("limit_days", Integer, nullable=False),   # with extensions; 0 = none
    Column("urged", Integer, nullable=False),        # how often
    Column("urge", SealedText("hall_task.urge"), nullable=False),  # what was said last, until it is answered
    Column("urge_by", String(100), nullable=False),
    Column("urge_at", Float),                        # NULL: nothing waits for an answer
    Column("risk", Boolean, nullable=False),         # a step of integrity risk
    Column("colour", String(8), nullable=False),     # card of the supervision of time limits; '' = none
    Index("hall_task_case", "case_no"),
    Index("hall_task_person", "person"),
    Index("hall_task_post", "org", "post"),
    Index("hall_task_path", "org_path", "due"),
)  # fmt: skip
