"""Tables of the item lists kept here: `directory` (目录清单) and `implementation` (实施清单); what is
published of the second is in exchange.store.tables.item too, under the origin `hall`."""

from sqlalchemy import JSON, Boolean, Column, Float, Index, Integer, String, Table, Text

from exchange.store.tables import metadata
from hallservice.people.tables import ASCII_PATH

hall_item = Table(
    "hall_item", metadata,                            # every published version, for ever
    Column("list", String(16), primary_key=True),
    Column("code", String(31), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("state", String(12), nullable=False),      # codes item_state
    Column("current", Boolean, nullable=False),
    Column("name", Text, nullable=False),
    Column("kind", String(24), nullable=False),       # codes item_type
    Column("org", String(40), nullable=False),        # the department or body that keeps it
    Column("org_path", ASCII_PATH, nullable=False),
    Column("region", String(12), nullable=False),
    Column("category", String(24), nullable=False, default=""),
    Column("above", String(12), nullable=False, default=""),  # main item, or entry of the directory
    Column("content", JSON, nullable=False),          # what was typed: the next change begins with it
    Column("setup", JSON, nullable=False),            # situations and formulas, as the counter needs them
    Column("effective_on", String(10)),
    Column("cancelled_on", String(10)),
    # codes it was split or merged into; of an implementation item those of the directory
    Column("successors", JSON, nullable=False),
    # the directory entry whose suspension suspended it; '' where it was suspended itself
    Column("held_by", String(12), nullable=False, default=""),
    Column("change", String(36), nullable=False),     # by which change it was published
    Column("published_at", Float, nullable=False),
    Index("hall_item_current", "list", "current", "above"),
    Index("hall_item_org", "list", "org_path"),
    Index("hall_item_name", "list", "name"),
    Index("hall_item_held", "held_by", "current"),
)  # fmt: skip

hall_item_change = Table(
    "hall_item_change", metadata,                     # a change of a list on its way: 草稿 … 发布
    Column("id", String(36), primary_key=True),
    Column("list", String(16), nullable=False),
    Column("act", String(12), nullable=False),        # add, change, split, merge …
    # draft, returned, org_review, legal_review, published, dropped
    Column("state", String(14), nullable=False),
    Column("title", String(200), nullable=False),
    Column("org", String(40), nullable=False),
    Column("org_path", ASCII_PATH, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("reason", Text),                           # why it was returned
    Column("made_by", String(36), nullable=False),
    Column("made_name", String(50), nullable=False),
    Column("made_at", Float, nullable=False),
    Column("changed_at", Float, nullable=False),
    Index("hall_item_change_state", "state", "org_path", "changed_at"),
)  # fmt: skip

hall_item_line = Table(
    "hall_item_line", metadata,
    Column("change", String(36), primary_key=True),
    Column("no", Integer, primary_key=True),
    Column("op", String(8), nullable=False),          # put, cancel, suspend, resume
    Column("list", String(16), nullable=False),
    Column("code", String(31), nullable=False),       # '' until a new item is published
    Column("base", Integer, nullable=False),          # the version it changes; 0 for a new item
    Column("content", JSON, nullable=False),
    Column("faults", Integer, nullable=False, default=0),
    Index("hall_item_line_code", "list", "code"),
)  # fmt: skip

hall_item_step = Table(
    "hall_item_step", metadata,                       # who did what with a change
    Column("change", String(36), primary_key=True),
    Column("no", Integer, primary_key=True),          # revision of the change it was done to
    Column("act", String(10), nullable=False),        # submit, pass, return, recall, drop
    Column("stage", String(14), nullable=False),      # in which state
    Column("user", String(36), nullable=False),
    Column("name", String(50), nullable=False),
    Column("org_name", String(100), nullable=False),
    Column("words", Text, nullable=False),
    Column("at", Float, nullable=False),
)  # fmt: skip

hall_item_category = Table(
    "hall_item_category", metadata,                   # a locality's own adjustment of the eleven
    Column("region", String(12), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("entries", JSON, nullable=False),
    Column("by_name", String(50), nullable=False),
    Column("at", Float, nullable=False),
)  # fmt: skip

hall_item_import = Table(
    "hall_item_import", metadata,                     # a spreadsheet that was read and checked, not applied
    Column("id", String(36), primary_key=True),
    Column("list", String(16), nullable=False),
    Column("org", String(40), nullable=False),
    Column("org_path", ASCII_PATH, nullable=False),
    Column("file_name", String(100), nullable=False),
    Column("digest", String(64), nullable=False),     # SHA-256 of the file
    Column("state", String(10), nullable=False),      # staged, applied, dropped
    Column("sheets", JSON, nullable=False),           # rows as read
    Column("faults", JSON, nullable=False),           # sheet, row, column, words
    Column("lines", JSON, nullable=False),            # what the lines of the change would be
    Column("made_by", String(36), nullable=False),
    Column("made_name", String(50), nullable=False),
    Column("at", Float, nullable=False),
    Column("change", String(36)),
)  # fmt: skip
