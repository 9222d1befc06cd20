"""Tables of the counter: the projection lists are read from, and what a case has beside its messages."""

from sqlalchemy import JSON, Boolean, Column, Float, Index, Integer, String, Table, UniqueConstraint

from exchange.store.sealed import SealedJSON, SealedText
from exchange.store.tables import metadata
from hallservice.people.tables import ASCII_PATH

hall_case = Table(
    "hall_case", metadata,                           # made from case_record, hall_receipt and counter.ends
    Column("case_no", String(50), primary_key=True),
    Column("version", Integer, nullable=False),      # ledger entry of what was done last
    Column("org", String(18), nullable=False),
    Column("org_path", ASCII_PATH, nullable=False),   # department in charge; '' if unknown
    Column("site_path", ASCII_PATH, nullable=False),  # where it was received
    Column("region", String(12), nullable=False),
    Column("item_code", String(31), nullable=False),
    Column("item_name", String(200), nullable=False),
    Column("applicant_masked", String(200), nullable=False),
    Column("document_masked", String(40), nullable=False),
    Column("name_hash", String(40), nullable=False),   # keyed: a guess cannot be confirmed
    Column("document_hash", String(40), nullable=False),
    Column("channel", String(10), nullable=False),
    Column("opened_at", Float, nullable=False),
    Column("received_at", Float),
    Column("state", String(24), nullable=False),
    Column("stage", String(12), nullable=False),
    Column("promised_due", String(10)),
    Column("statutory_due", String(10)),
    Column("updated_at", Float, nullable=False),
    Column("window", String(40)),
    Column("clerk", String(100)),
    Column("staff_no", String(20)),                  # of that clerk
    Column("accepted_on", String(10)),               # by law too; NULL: not, or not yet
    Column("ended_on", String(10)),                  # 办结, whatever the result
    Column("rating", Integer),                       # 1 the best to 5: GB/T 39046 annex A.8
    Index("hall_case_stage", "stage", "opened_at", "case_no"),
    Index("hall_case_place", "stage", "org_path", "site_path"),  # counting reads nothing else
    Index("hall_case_due", "stage", "promised_due", "state", "org_path", "site_path"),
    Index("hall_case_opened", "opened_at", "case_no"),
    Index("hall_case_name", "name_hash"),
    Index("hall_case_document", "document_hash"),
)  # fmt: skip

hall_receipt = Table(
    "hall_receipt", metadata,                        # 接件: by whom, where, through which agent
    Column("case_no", String(50), primary_key=True),
    Column("entry", Integer, nullable=False),        # position in the ledger
    Column("at", Float, nullable=False),
    Column("staff_no", String(20), nullable=False),
    Column("clerk", String(100), nullable=False),
    Column("org_name", String(200), nullable=False),
    Column("site_path", ASCII_PATH, nullable=False),
    Column("window", String(40)),
    Column("identified", String(10), nullable=False),  # card, seen (looked at), none
    Column("agent", SealedJSON("hall_receipt.agent")),  # name, relation, masked number; 代办人
    # to the questions of the item, by their names
    Column("answers", SealedJSON("hall_receipt.answers"), nullable=False),
    Column("situations", JSON, nullable=False),      # names of those the answers meet
    Column("address", SealedText("hall_receipt.address")),  # of the applicant, typed or from the card
    Column("query_password", SealedText("hall_receipt.query_password"), nullable=False),
    Column("once", String(64)),                      # of the form: the same again opens no second case
    UniqueConstraint("once", name="hall_receipt_once"),
)  # fmt: skip

hall_handled = Table(
    "hall_handled", metadata,                        # who did what last on which case
    Column("staff_no", String(20), primary_key=True),
    Column("case_no", String(50), primary_key=True),
    Column("act", String(40), nullable=False),
    Column("at", Float, nullable=False),
    Index("hall_handled_at", "staff_no", "at", "case_no"),
)  # fmt: skip

hall_claim = Table(
    "hall_claim", metadata,                          # 签收: somebody has taken it in hand
    Column("case_no", String(50), primary_key=True),
    Column("staff_no", String(20), nullable=False),
    Column("clerk", String(100), nullable=False),
    Column("at", Float, nullable=False),
)  # fmt: skip

hall_serial = Table(
    "hall_serial", metadata,                         # the number given last in each series
    Column("series", String(80), primary_key=True),
    Column("last", Integer, nullable=False),
)  # fmt: skip

hall_material = Table(
    "hall_material", metadata,
    Column("case_no", String(50), primary_key=True),
    Column("no", Integer, primary_key=True),         # from 1, in the order of the item
    Column("name", String(200), nullable=False),
    Column("necessity", String(12), nullable=False),  # code list material_necessity
    Column("source", String(12), nullable=False),    # code list material_source
    Column("copies", Integer, nullable=False),
    Column("points", JSON, nullable=False),          # review points as they stood in the item's version
    Column("checked", JSON, nullable=False),         # numbers of the points that were looked at
    Column("received_as", String(24), nullable=False),  # code list material_received_as
    Column("status", String(10), nullable=False),    # awaited, received, deferred, wanted
    Column("count", Integer, nullable=False),
    Column("problem", SealedText("hall_material.problem")),  # what was asked for in the supplement notice
    Column("certificate", String(128)),              # its identifier in the library
    Column("certificate_name", String(200)),
)  # fmt: skip

hall_file = Table(
    "hall_file", metadata,                           # a version each; the bytes lie sealed by their digest
    Column("id", String(36), primary_key=True),
    Column("case_no", String(50), nullable=False),
    Column("material", String(200), nullable=False),
    Column("name", SealedText("hall_file.name"), nullable=False),
    Column("name_hash", String(40), nullable=False),  # keyed
    Column("version", Integer, nullable=False),
    Column("media_type", String(80), nullable=False),
    Column("size", Integer, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("by", String(100), nullable=False),
    Column("at", Float, nullable=False),
    UniqueConstraint("case_no", "material", "name_hash", "version", name="hall_file_version"),
)  # fmt: skip

hall_notice = Table(
    "hall_notice", metadata,
    Column("doc_no", String(60), primary_key=True),
    Column("kind", String(20), nullable=False),
    Column("case_no", String(50), nullable=False),
    Column("data", SealedJSON("hall_notice.data"), nullable=False),  # a paper of hallservice.papers.kinds
    Column("digest", String(64), nullable=False),    # SHA-256 of the canonical bytes of the data
    Column("pdf_sha256", String(64)),                # of the copy made first
    Column("copies", Integer, nullable=False),       # how often it was printed
    Column("issued_at", Float, nullable=False),
    Column("issued_by", String(100), nullable=False),
    Column("served_at", Float),
    Index("hall_notice_case", "case_no", "issued_at"),
)  # fmt: skip

hall_fee = Table(
    "hall_fee", metadata,
    Column("request_id", String(64), primary_key=True),
    Column("case_no", String(50), nullable=False),
    Column("lines", JSON, nullable=False),
    Column("reduction", String(20), nullable=False),  # yuan
    Column("reduction_basis", SealedText("hall_fee.reduction_basis")),
    Column("total", String(20), nullable=False),     # yuan
    # requested, noticed, paid, confirmed, reversed, exempt, refused
    Column("state", String(12), nullable=False),
    Column("reason", SealedText("hall_fee.reason")),  # why the fee system refused
    Column("verified_by", String(100), nullable=False),
    Column("verified_at", Float, nullable=False),
    Column("due_on", String(10), nullable=False),
    Column("notice_no", String(64)),
    Column("check_no", String(64)),
    Column("serial", String(64)),                    # of the bank
    Column("doc_no", String(60)),                    # of the payment slip
    Column("confirmed_by", String(100)),
    Column("confirmed_at", Float),
    Index("hall_fee_case", "case_no"),
    Index("hall_fee_notice", "notice_no"),
)  # fmt: skip

hall_certificate = Table(
    "hall_certificate", metadata,                    # asked of the certificate library for a case
    Column("request_id", String(64), primary_key=True),
    Column("case_no", String(50), nullable=False),
    Column("name", String(200), nullable=False),
    Column("state", String(16), nullable=False),     # requested, pending_seal, issued, refused
    Column("reason", SealedText("hall_certificate.reason")),  # why the library refused
    Column("valid_from", String(10), nullable=False),
    Column("valid_to", String(10)),
    Column("identifier", String(128)),
    Column("number", SealedText("hall_certificate.number")),
    Column("asked_at", Float, nullable=False),
    Column("again_at", Float),                       # asked for again, with the same request
    Column("later", Boolean, nullable=False),        # the case was concluded without waiting for it
    Index("hall_certificate_case", "case_no"),
)  # fmt: skip

hall_certificate_file = Table(
    "hall_certificate_file", metadata,               # the file of a certificate, to be printed
    Column("request_id", String(64), primary_key=True),
    Column("case_no", String(50), nullable=False),
    Column("identifier", String(128), nullable=False),
    Column("state", String(12), nullable=False),     # requested, offered, kept, refused
    Column("reason", SealedText("hall_certificate_file.reason")),  # why the library refused
    Column("asked_at", Float, nullable=False),
    Column("url", SealedText("hall_certificate_file.url")),  # where it can be fetched until it expires
    Column("expires_at", Float),
    Column("digest", String(64)),                    # SHA-256 of the file, under which it lies once kept
    Column("copies", Integer, nullable=False),       # how often it was printed
    Index("hall_certificate_file_case", "case_no"),
)  # fmt: skip

hall_certificate_type = Table(
    "hall_certificate_type", metadata,               # field standards of the certificate library
    Column("type_code", String(21), primary_key=True),
    Column("version", String(20), nullable=False),
    Column("fields", JSON(none_as_null=True)),       # null: asked, not answered yet
    Column("asked_at", Float, nullable=False),
)  # fmt: skip

hall_parcel = Table(
    "hall_parcel", metadata,
    Column("request_id", String(64), primary_key=True),
    Column("case_no", String(50), nullable=False),
    Column("waybill_no", String(64)),
    # requested, booked, then code list parcel_status; refused
    Column("status", String(20), nullable=False),
    Column("reason", SealedText("hall_parcel.reason")),  # why the courier refused
    Column("place", SealedText("hall_parcel.place")),
    Column("changed_at", Float, nullable=False),
    Index("hall_parcel_case", "case_no"),
    Index("hall_parcel_waybill", "waybill_no"),
)  # fmt: skip

hall_found = Table(
    "hall_found", metadata,                          # certificates the library found for a case
    Column("case_no", String(50), primary_key=True),
    Column("identifier", String(128), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("number_masked", String(128), nullable=False),
    Column("state", String(20), nullable=False),
    Column("valid_to", String(10)),
    Column("held_by", String(200)),
    Column("at", Float, nullable=False),
)  # fmt: skip

hall_slot_rule = Table(
    "hall_slot_rule", metadata,                      # when an item may be booked at a site (S3-24)
    Column("id", String(36), primary_key=True),
    Column("site_path", ASCII_PATH, nullable=False),
    Column("site_name", String(200), nullable=False),
    Column("item_code", String(31), nullable=False),  # '' = any item
    Column("weekdays", String(7), nullable=False),   # digits 1 (Monday) to 7
    Column("begins", String(5), nullable=False),     # 09:00
    Column("ends", String(5), nullable=False),
    Column("minutes", Integer, nullable=False),      # length of a slot
    Column("capacity", Integer, nullable=False),     # people a slot
    Column("ahead_days", Integer, nullable=False),
    Column("active", Boolean, nullable=False),
    Index("hall_slot_rule_site", "site_path", "item_code"),
)  # fmt: skip

hall_appointment = Table(
    "hall_appointment", metadata,
    Column("id", String(36), primary_key=True),
    Column("code", String(8), nullable=False),       # what the person shows
    Column("rule", String(36), nullable=False),
    Column("site_path", ASCII_PATH, nullable=False),
    Column("item_code", String(31), nullable=False),
    Column("item_name", String(200), nullable=False),
    Column("day", String(10), nullable=False),
    Column("begins", String(5), nullable=False),
    Column("ends", String(5), nullable=False),
    Column("name_masked", String(100), nullable=False),
    Column("document_hash", String(40), nullable=False),
    Column("mobile_masked", String(11), nullable=False),
    Column("state", String(10), nullable=False),     # booked, checked_in, missed, cancelled
    Column("booked_at", Float, nullable=False),
    Column("changed_at", Float, nullable=False),
    UniqueConstraint("code", "day", name="hall_appointment_code"),
    Index("hall_appointment_slot", "rule", "day", "begins", "state"),
    Index("hall_appointment_site", "site_path", "day"),
    Index("hall_appointment_person", "document_hash", "day"),
)  # fmt: skip

hall_query_attempt = Table(
    "hall_query_attempt", metadata,                  # failed queries with a password, by case and by client
    Column("subject", String(60), primary_key=True),
    Column("since", Float, nullable=False),
    Column("failures", Integer, nullable=False),
)  # fmt: skip
