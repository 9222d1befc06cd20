"""The table of complaints: what lists need; what was said in full stands in the messages alone."""

from sqlalchemy import Column, Float, Index, Integer, String, Table, UniqueConstraint

from exchange.store.tables import metadata

hall_complaint = Table(
    "hall_complaint", metadata,
    Column("id", String(36), primary_key=True),
    Column("number", String(64), nullable=False),    # ours, or the portal's
    Column("source", String(10), nullable=False),    # code list complaint_source
    Column("party", String(40), nullable=False),     # who told it; the hall itself for what it took down
    Column("entry", Integer, nullable=False),        # position in the ledger
    Column("case_no", String(50)),
    Column("region", String(12), nullable=False),
    Column("uscc", String(18)),                      # of the body complained of, where it is known
    Column("about", String(40), nullable=False),     # code of that body, else of the division; '' without
    Column("title", String(200), nullable=False),
    Column("complainant_masked", String(100), nullable=False),
    Column("mobile_masked", String(11), nullable=False),
    Column("contact_hash", String(40), nullable=False),  # keyed, of the name with the number
    Column("registered_at", Float, nullable=False),
    Column("clerk", String(100)),                    # who took it down, at which window
    Column("staff_no", String(40)),
    Column("window", String(40)),
    Column("once", String(64)),                      # of the form: the same again is no second complaint
    Column("state", String(10), nullable=False),     # registered, resolved
    Column("result", String(24)),                    # code list complaint_result
    Column("resolved_at", Float),
    Column("resolved_by", String(100)),
    Column("resolved_entry", Integer),
    UniqueConstraint("number", name="hall_complaint_number"),
    UniqueConstraint("once", name="hall_complaint_once"),
    Index("hall_complaint_waiting", "state", "registered_at"),
    Index("hall_complaint_taken_by", "staff_no"),
    Index("hall_complaint_contact", "contact_hash"),
    Index("hall_complaint_case", "case_no"),
)  # fmt: skip
