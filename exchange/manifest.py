"""The language of `adapter.toml`: everything the hub needs to know of a partner, as frozen values.

Templates (`{name}`) are filled from the call context. Names every caller supplies when they are known:
account, secret, token, time14 (yyyyMMddHHmmss), call_id (UUID), message_id, org (credit code of the body),
item_type (2 digits), region6, object, version, case_no, item_code, region, the adapter's own
`parameters`, and the results of its `digests`. Facts (true or false): has_fee, decision_refused.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

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


class RestCall(Section):
    """An HTTP request; `path`, `query` and `headers` are templates. A GET has no body."""

    method: Literal["GET", "POST"] = "POST"
    path: str
    query: dict[str, str] = {}
    headers: dict[str, str] = {}


class SoapCall(Section):
    """One operation of the adapter's `soap` service."""

    operation: str


class AmqpCall(Section):
    """A publication; all values are templates. Always persistent, mandatory and confirmed."""

    exchange: str
    routing_key: str
    correlation_id: str = "{case_no}"
    headers: dict[str, str] = {}


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

    Keys of `errors` may use `?` for any one character. `text` is the wire path of the explanation.
    """

    path: str | None = None
    ok: tuple[str, ...] = ("0",)
    text: str | None = None
    errors: dict[str, Verdict] = {}
    otherwise: Verdict = "refused"

    def judge(self, code: str) -> Verdict:
        """The meaning of the partner's code."""
        if code in self.ok:
            return "ok"
        return next((verdict for key, verdict in self.errors.items() if _like(key, code)), self.otherwise)


class Reply(Section):
    """What a synchronous answer is read with: a message of `type`, or single `values` by wire path, or
    both."""

    mapping: str | None = None
    type: str | None = None
    values: dict[str, str] = {}


class Call(Section):
    """One thing the hub asks of the partner; exactly one of `rest`, `soap`, `amqp`.

    `answered_by` names the inbound document that brings the answer later (AMQP receipts).
    """

    name: str
    seal: SealName | None = None
    rest: RestCall | None = None
    soap: SoapCall | None = None
    amqp: AmqpCall | None = None
    documents: tuple[Document, ...] = ()
    outcome: Outcome = Outcome()
    reply: Reply | None = None
    answered_by: str | None = None

    @model_validator(mode="after")
    def _one_transport(self) -> Call:
        if sum(part is not None for part in (self.rest, self.soap, self.amqp)) != 1:
            raise ValueError("exactly one of rest, soap, amqp is needed")
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
    """Where a message's identity comes from: an AMQP property, a wire field behind a prefix, or the body's
    SHA-256."""

    by: Literal["property", "field", "digest"]
    path: str | None = None
    prefix: str = ""


class Answer(Section):
    """The contract's answer; bodies are templates over {message_id}, {code}, {detail} ({code} keeps its
    type).

    `codes` turns the hub's error codes into the partner's (`*`: any other). `status` is the HTTP status of a
    refusal (None: the hub's own). `exchange`/`routing_key` say where an AMQP answer goes.
    """

    ok: Body
    refused: Body
    codes: dict[str, str | int] = {}
    status: int | None = None
    exchange: str | None = None
    routing_key: str | None = None


class Inbound(Section):
    """One kind of thing the partner sends; exactly one of `rest`, `amqp`. Several documents are told apart
    by {object}."""

    name: str
    seal: SealName | None = None
    rest: RestDoor | None = None
    amqp: AmqpDoor | None = None
    documents: tuple[Document, ...] = Field(min_length=1)
    message_id: MessageIdRule
    answer: Answer | None = None

    @model_validator(mode="after")
    def _one_transport(self) -> Inbound:
        if (self.rest is None) == (self.amqp is None):
            raise ValueError("exactly one of rest, amqp is needed")
        return self

    def document_for(self, object_: str | None) -> Document | None:
        """The document of this object selector; with one document only, that one."""
        only = self.documents[0] if len(self.documents) == 1 else None
        return only or next((doc for doc in self.documents if doc.object == object_), None)


class Queue(Section):
    """A queue declared at deployment; `name` and `routing_key` are templates over {org}."""

    name: str
    exchange: str
    routing_key: str
    dead_letter: str | None = None


class Manifest(Section):
    """`adapter.toml` as written."""

    title: str
    system: str
    owner: str
    contract_version: str
    seal: SealName
    parameters: dict[str, str] = {}
    required_parameters: tuple[str, ...] = ()
    limits: Limits = Limits()
    digests: tuple[DigestRule, ...] = ()
    soap: SoapService | None = None
    token: Token | None = None
    inbound: tuple[Inbound, ...] = ()
    outbound: tuple[Call, ...] = ()
    queues: tuple[Queue, ...] = ()


def _like(key: str, code: str) -> bool:
    return len(key) == len(code) and all(a in ("?", b) for a, b in zip(key, code, strict=True))
