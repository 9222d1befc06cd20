"""The language of `adapter.toml`: everything the hub needs to know of a partner, as frozen values.

Templates (`{name}`) are filled from the call context. Names every caller supplies when they are known:
account, secret, token, time14 (yyyyMMddHHmmss), call_id (UUID), message_id, org (credit code of the body),
item_type (2 digits), region6, object, version, case_no, item_code, region, the adapter's own
`parameters`, and the results of its `digests`. Facts (true or false): has_fee, decision_refused.
`exchange.contextnames` lists every name; the offline check refuses any other.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, field_validator, model_validator

Verdict = Literal["ok", "refused", "try_later", "token", "poison"]
"""What to do with a partner's code: done; the content is refused (tell the case); send the same again
later; get a new token
and send again; never send again and tell a person (signature, account, conflict: our own side is wrong)."""
SealName = Literal["jws", "xmldsig", "wssec", "none"]
Body = dict[str, JsonValue]


class Section(BaseModel):
    """Frozen, and an unknown key is refused: a misspelt setting never goes unnoticed."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Limits(Section):
    """What the contract allows; sizes in bytes, times in seconds."""

    max_bytes: int = 4 * 1024 * 1024
    timeout: float = 10.0
    per_call: int = 1
    unknown_after: int | None = None


class DigestRule(Section):
    """A shared-secret digest the contract asks for: `text` is a template, the result is a context value
    named `name`."""

    name: str
    algorithm: Literal["sha256", "md5"]
    text: str


class Document(Section):
    """One kind of body: its mapping, the message type it carries (None: a call without a message) and when
    it is sent."""

    mapping: str
    type: str | None = None
    object: str | None = None
    when: dict[str, tuple[str, ...]] = {}

    def wants(self, payload: Any) -> bool:
        """Whether every condition holds: payload field -> allowed values."""
        return all(str(getattr(payload, name, None)) in values for name, values in self.when.items())


class Wrap(Section):
    """The document travels as text in one `member` of a JSON body; with `cipher` as base64 of a random
    16-byte IV and the SM4-CBC ciphertext (PKCS#7) under the party's key of keys/secrets.toml [ciphers]
    (hex)."""

    member: str
    cipher: Literal["sm4-cbc"] | None = None


class RestCall(Section):
    """An HTTP request; `path`, `query` and `headers` are templates. A GET has no body. The answer's
    `result_header` (name) is judged as if the body's object had it under `@header`; the reply mapping does
    not see it."""

    method: Literal["GET", "POST"] = "POST"
    path: str
    query: dict[str, str] = {}
    headers: dict[str, str] = {}
    wrap: Wrap | None = None
    result_header: str | None = None


class SoapCall(Section):
    """One operation of the adapter's `soap` service; `arguments` where they are not those of all
    operations."""

    operation: str
    arguments: dict[str, str] | None = None


class AmqpCall(Section):
    """A publication; all values are templates. Always persistent, mandatory and confirmed."""

    exchange: str
    routing_key: str
    correlation_id: str = "{case_no}"
    headers: dict[str, str] = {}


class TableCall(Section):
    """Rows written into the partner's front-end database [database]: the document's members are its tables
    (an object is one row, a list several), their members columns, the key among them; signed is what the
    contract signs, in its order. A row that is there and says something else is updated in place, with the
    version one higher; then also `set` columns get their values and `clear` columns become NULL."""

    set: dict[str, str | int] = {}
    clear: tuple[str, ...] = ()


class SoapService(Section):
    """How every operation of the partner's SOAP service is called, at `path` below the party's address.

    `arguments` are templates ({document} is the inner document as text); `result` names the answer's string
    element.
    `charset` is the HTTP body's; `declaration` the encoding the inner document claims. `call_header` is
    (element, child) of the signed business header that carries {call_id} and must come back in the answer.
    """

    wsdl: str
    namespace: str
    path: str
    arguments: dict[str, str]
    result: str
    charset: Literal["utf-8", "gbk"] = "utf-8"
    declaration: str | None = None
    call_header: tuple[str, str] | None = None


class Outcome(Section):
    """How an answer says yes or no: the wire path of the code (None: `code` of a heard receipt) and its
    meanings.

    Keys of `errors` may use `?` for any one character. `text` is the wire path of the explanation. `same`:
    wire paths of the answer that must say the same value; one that differs says nothing, so ask again.
    """

    path: str | None = None
    ok: tuple[str, ...] = ("0",)
    text: str | None = None
    errors: dict[str, Verdict] = {}
    otherwise: Verdict = "refused"
    same: dict[str, str] = {}

    def judge(self, code: str) -> Verdict:
        """The meaning of the partner's code."""
        if code in self.ok:
            return "ok"
        return next((verdict for key, verdict in self.errors.items() if _like(key, code)), self.otherwise)

    def differing(self, value: Callable[[str], str | None]) -> str | None:
        """The first path of `same` that says something else than its counterpart; `value` reads a path."""
        return next((one for one, other in self.same.items() if value(one) != value(other)), None)


class Remote(Section):
    """An identifier the partner gives once and the hub keeps before anything else is done: `name` in the
    call context of every later call for the same case, `path` where the answer holds it. Where a case may
    have several, `each` is the context value (said_request_id) that tells them apart."""

    name: str = Field(max_length=40)
    path: str
    each: str | None = None


class Reply(Section):
    """What a synchronous answer is read with: a message of `type`, or single `values` by wire path, or
    both."""

    mapping: str | None = None
    type: str | None = None
    values: dict[str, str] = {}


class Call(Section):
    """One thing the hub asks of the partner; exactly one of `rest`, `soap`, `amqp`, `table`.

    `answered_by` names the inbound document that brings the answer later (AMQP receipts). `first` names
    calls that must have given their `remote` identifiers for the case before this one is made: they are
    made when they have not, under an id that never changes ({once_id}), each identifier committed before
    the next call, so a resume never registers twice.
    """

    name: str
    seal: SealName | None = None
    rest: RestCall | None = None
    soap: SoapCall | None = None
    amqp: AmqpCall | None = None
    table: TableCall | None = None
    documents: tuple[Document, ...] = ()
    outcome: Outcome = Outcome()
    reply: Reply | None = None
    answered_by: str | None = None
    first: tuple[str, ...] = ()
    remote: tuple[Remote, ...] = ()

    @model_validator(mode="after")
    def _one_transport(self) -> Call:
        if sum(part is not None for part in (self.rest, self.soap, self.amqp, self.table)) != 1:
            raise ValueError("exactly one of rest, soap, amqp, table is needed")
        return self

    def document_for(self, type_: str, payload: Any) -> Document | None:
        """The document this call sends for a message, or None when it does not concern the partner."""
        return next((doc for doc in self.documents if doc.type == type_ and doc.wants(payload)), None)


class Token(Section):
    """How the account's token is got: a call, where its answer keeps token and expiry (yyyyMMddHHmmss),
    life in seconds."""

    call: Call
    value: str
    expires: str | None = None
    lifetime: int


class RestDoor(Section):
    """The hub's path this partner calls; always POST."""

    path: str
    wrap: Wrap | None = None


class Account(Section):
    """What the sealed document says at wire path `path` must be `value`, a template over the adapter's
    parameters and the party's account."""

    path: str
    value: str


class SoapServed(Section):
    """The SOAP service the hub serves to this partner at `path`, described by `wsdl` (in the folder). A
    document under another `account` is not looked at, as one with a wrong seal."""

    wsdl: str
    namespace: str
    path: str
    charset: Literal["utf-8", "gbk"] = "utf-8"
    result: str
    account: Account | None = None
    max_bytes: int = 4 * 1024 * 1024


class SoapDoor(Section):
    """One operation of the served service: the string argument that holds the sealed document, and the one
    that holds a file as base64 (its SHA-256, hex, stands in the document at `file_digest`)."""

    operation: str
    argument: str
    file: str | None = None
    file_digest: str | None = None


class WrittenRows(Section):
    """What the reader of our own rows in `tables` says of them in column `flag`, with why in `reason`:
    `refused` needs a correction, which is a finding; `unknown_case` is set back to `waiting` once the row of
    table `opens` with the same `case` is `taken`. `clear` are then NULL again. Looked at every `every`
    seconds."""

    tables: tuple[str, ...]
    flag: str
    waiting: int = 0
    taken: int = 1
    refused: int = 3
    unknown_case: int = 9
    reason: str
    case: str
    opens: str
    clear: tuple[str, ...] = ()
    every: float = 5.0


class Database(Section):
    """The partner's front-end database at the party's address, its password in keys/secrets.toml.

    `create` (a file of the folder) makes its tables, which whoever comes first does; its columns but `key`,
    `sign`, `written` and `unsigned`, in its order, are a row's signed text, `version` among them. The seal is
    bound to `table` and `row` (key:version).
    """

    create: str
    key: str = "row_key"
    version: str = "dataver"
    sign: str = "row_sign"
    written: str = "written_at"
    unsigned: tuple[str, ...] = ()
    ours: WrittenRows | None = None


class TableDoor(Section):
    """A table of [database] the hub polls: rows where all of `where` hold, at most `limit` at once, in
    `order`, every `every` seconds. After its commit each row gets the columns of `ok`, `refused` or (the case
    is not known) `unknown_case`, texts being templates over {now}, and in `reason` what was wrong
    (`column: text`, at most 500 characters): only if version and seal are still those that were read."""

    table: str
    where: dict[str, str | int]
    order: tuple[str, ...]
    limit: int = 50
    every: float = 5.0
    ok: dict[str, str | int]
    refused: dict[str, str | int]
    unknown_case: dict[str, str | int] = {}
    reason: str | None = None


class SumRule(Section):
    """The total the `head` names, in yuan: `columns` of every row added up, rows that have all values of
    `minus` counting less."""

    head: str
    columns: tuple[str, ...]
    minus: dict[str, str] = {}


class FileDoor(Section):
    """Files the partner drops into the folder of the party's account value `drop_folder`. `pattern` is a
    regular expression of the name whose named groups are values; a file is read once its `flag` file (name
    + suffix) is there, which holds the detached JWS bound to `file` (the name). The text is lines of
    `separator`-separated columns: the first line `head`, the others `columns`; heard as
    {"HEAD": {…}, "ROWS": [{…}]}. `count` is the head's number of rows, `sum` its total: a file that says
    something else is refused. So is one without its flag after `flag_within` seconds, and one whose seal is
    more than `oldest` seconds old. What was read goes to the folder `done` or `refused` below."""

    pattern: str
    flag: str = ".ok"
    charset: Literal["utf-8", "gbk"] = "gbk"
    separator: str = "|"
    head: tuple[str, ...]
    columns: tuple[str, ...]
    count: str | None = None
    sum: SumRule | None = None
    flag_within: float = 3600.0
    oldest: float = 7 * 86400.0
    max_bytes: int = 16 * 1024 * 1024
    every: float = 5.0


class PullRest(Section):
    """The message only names its document: `pattern` (regular expression, named groups go into the
    context) of the JSON string that is the whole body, `call` the outbound REST call whose answer is the
    document. `expect`: group -> wire path in the document that must say the same."""

    pattern: str
    call: str
    expect: dict[str, str] = {}


class AmqpDoor(Section):
    """The hub's queue; `routing_key` is a pattern whose {org} and {object} are read from the key of each
    message.

    `headers` are templates over the key's and the heard message's values; a header that differs is refused.
    """

    exchange: str
    queue: str
    routing_key: str
    headers: dict[str, str] = {}


class MessageIdRule(Section):
    """Where a message's identity comes from: an AMQP property, a wire field (several: joined by -) behind a
    prefix, or the body's SHA-256; a table's row is table, key and version. `pattern`: what each part must be
    as a whole."""

    by: Literal["property", "field", "digest", "row"]
    path: str | tuple[str, ...] | None = None
    prefix: str = ""
    longest: int = 64  # characters
    pattern: str | None = None

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str | None) -> str | None:
        try:
            re.compile(pattern or "")
        except re.error as fault:
            raise ValueError(f"no regular expression: {fault}") from None
        return pattern


class Answer(Section):
    """The contract's answer; bodies are templates over {message_id}, {code}, {hub_code}, {path} (what was
    wrong, in the partner's words; empty when it is no member) and {detail} ({code} keeps its type). To a SOAP
    operation it is an XML document: the body's one member is its root.

    `codes` turns the hub's error codes into the partner's (`*`: any other). `status` is the HTTP status of a
    refusal (None: the hub's own), `headers` are on every HTTP answer, `refused_headers` in their place on a
    refusal. `exchange`/`routing_key` say where an AMQP answer goes.
    """

    ok: Body
    refused: Body
    headers: dict[str, str] = {}
    refused_headers: dict[str, str] = {}
    codes: dict[str, str | int] = {}
    status: int | None = None
    exchange: str | None = None
    routing_key: str | None = None


class Inbound(Section):
    """One kind of thing the partner sends; exactly one of `rest`, `amqp`, `soap`, `table`, `file`.

    Several documents are told apart by {object}: of the routing key, or the wire value at `object_path`.
    """

    name: str
    seal: SealName | None = None
    rest: RestDoor | None = None
    amqp: AmqpDoor | None = None
    soap: SoapDoor | None = None
    table: TableDoor | None = None
    file: FileDoor | None = None
    object_path: str | None = None
    pull: PullRest | None = None
    documents: tuple[Document, ...] = Field(min_length=1)
    message_id: MessageIdRule
    answer: Answer | None = None

    @model_validator(mode="after")
    def _one_transport(self) -> Inbound:
        if sum(part is not None for part in (self.rest, self.amqp, self.soap, self.table, self.file)) != 1:
            raise ValueError("exactly one of rest, amqp, soap, table, file is needed")
        return self

    def document_for(self, object_: str | None) -> Document | None:
        """The document of this object selector; with one document only, that one."""
        only = self.documents[0] if len(self.documents) == 1 else None
        return only or next((doc for doc in self.documents if doc.object == object_), None)


class Poll(Section):
    """A call without a message made again and again: `every` seconds, at once while the answer names a
    `cursor` (wire path). `position` is the wire path of what the next round begins from ({since}); after a
    code of `start_over` it begins from 0."""

    call: str
    every: float
    cursor: str | None = None
    position: str | None = None
    start_over: tuple[str, ...] = ()


class Queue(Section):
    """A queue declared at deployment; `name` and `routing_key` are templates over {org}."""

    name: str
    exchange: str
    routing_key: str
    dead_letter: str | None = None


class Manifest(Section):
    """`adapter.toml` as written.

    `stable_time`: the partner knows a repeat by its whole document, so time14 is when the delivery was
    planned, not when it is tried.
    """

    title: str
    system: str
    owner: str
    contract_version: str
    seal: SealName
    parameters: dict[str, str] = {}
    stable_time: bool = False
    required_parameters: tuple[str, ...] = ()
    limits: Limits = Limits()
    digests: tuple[DigestRule, ...] = ()
    soap: SoapService | None = None
    served: SoapServed | None = None
    database: Database | None = None
    token: Token | None = None
    inbound: tuple[Inbound, ...] = ()
    outbound: tuple[Call, ...] = ()
    polls: tuple[Poll, ...] = ()
    queues: tuple[Queue, ...] = ()


def _like(key: str, code: str) -> bool:
    return len(key) == len(code) and all(a in ("?", b) for a, b in zip(key, code, strict=True))
