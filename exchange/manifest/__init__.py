"""The language of `adapter.toml`: everything the hub needs to know of a partner, as frozen values.

Templates (`{name}`) are filled from the call context. Names every caller supplies when they are known:
account, secret, token, time14 (yyyyMMddHHmmss), call_id (UUID), message_id, org (credit code of the body),
item_type (2 digits), region6, object, version, case_no, item_code, region, the adapter's own
`parameters`, and the results of its `digests`. Facts (true or false): has_fee, decision_refused.
`exchange.contextnames` lists every name; the offline check refuses any other.
"""

from exchange.manifest.calls import (
    AmqpCall,
    Batch,
    Call,
    Outcome,
    Remote,
    Reply,
    RestCall,
    SoapCall,
    SoapService,
    Token,
)
from exchange.manifest.doors import (
    Account,
    AmqpDoor,
    Answer,
    Inbound,
    MessageIdRule,
    PullRest,
    RestDoor,
    SoapDoor,
    SoapServed,
)
from exchange.manifest.files import FileDoor, SumRule
from exchange.manifest.tables import Database, TableCall, TableDoor, WrittenRows
from exchange.manifest.terms import (
    Body,
    DigestRule,
    Document,
    Limits,
    SealName,
    Section,
    SignatureName,
    Verdict,
    Wrap,
)
from exchange.manifest.whole import Manifest, Poll, Queue

__all__ = [
    "Account",
    "AmqpCall",
    "AmqpDoor",
    "Answer",
    "Batch",
    "Body",
    "Call",
    "Database",
    "DigestRule",
    "Document",
    "FileDoor",
    "Inbound",
    "Limits",
    "Manifest",
    "MessageIdRule",
    "Outcome",
    "Poll",
    "PullRest",
    "Queue",
    "Remote",
    "Reply",
    "RestCall",
    "RestDoor",
    "SealName",
    "Section",
    "SignatureName",
    "SoapCall",
    "SoapDoor",
    "SoapServed",
    "SoapService",
    "SumRule",
    "TableCall",
    "TableDoor",
    "Token",
    "Verdict",
    "Wrap",
    "WrittenRows",
]
