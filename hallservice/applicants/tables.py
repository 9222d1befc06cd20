"""Tables of the register of applicants: no number of a document stands in them, but a keyed hash of it."""

from sqlalchemy import Column, Float, ForeignKey, Index, Integer, String, Table

from exchange.store.sealed import SealedJSON
from exchange.store.tables import metadata
from hallservice.people.tables import ASCII_PATH

hall_applicant = Table(
    "hall_applicant", metadata,                      # one row a document: a person, a body
    Column("id", String(24), primary_key=True),      # keyed, of type and number: keeping.identity
    Column("kind", String(26), nullable=False),      # code list applicant_type, as told last
    Column("document_type", String(40), nullable=False),
    Column("document_masked", String(40), nullable=False),
)  # fmt: skip

hall_applicant_case = Table(
    "hall_applicant_case", metadata,                 # whom a case names: its applicant, the agent who came
    Column("case_no", String(50), primary_key=True),
    Column("role", String(10), primary_key=True),    # applicant, agent
    Column("applicant", String(24), ForeignKey("hall_applicant.id"), nullable=False),
    Column("opened_at", Float, nullable=False),      # of the case
    Column("name_hash", String(40), nullable=False),  # keyed, of the name however it is written
    Column("name_masked", String(200), nullable=False),
    Column("contact_hash", String(40)),              # keyed, of the contact's name with the number called
    Column("relation", String(20)),                  # of the agent to the applicant
    Index("hall_applicant_case_of", "applicant", "opened_at", "case_no", "name_hash"),
    Index("hall_applicant_case_opened", "opened_at", "case_no"),
    Index("hall_applicant_case_name", "name_hash", "applicant"),
)  # fmt: skip

hall_applicant_contact = Table(
    "hall_applicant_contact", metadata,              # corrections of contact data; never changed
    Column("id", String(36), primary_key=True),
    Column("applicant", String(24), ForeignKey("hall_applicant.id"), nullable=False),
    Column("entry", Integer, nullable=False),        # position in the ledger
    Column("at", Float, nullable=False),
    Column("staff_no", String(40), nullable=False),
    Column("clerk", String(100), nullable=False),
    Column("org_name", String(200), nullable=False),
    Column("site_path", ASCII_PATH, nullable=False),
    Column("told", SealedJSON("hall_applicant_contact.told"), nullable=False),  # what, and why
    Index("hall_applicant_contact_of", "applicant", "at"),
)  # fmt: skip
