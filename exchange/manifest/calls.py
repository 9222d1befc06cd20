"""What the hub asks of a partner: `[[outbound]]`, the service it calls, the token it needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

from pydantic import Field, model_validator

from exchange.manifest.tables import TableCall
from exchange.manifest.terms import Document, SealName, Section, Verdict, Wrap


class RestCall(Section):
    """An HTTP request; `path`, `query` and `headers` are templates. A GET has no body. The answer's
    `result_header` (name) is judged as if the body's object had it under `@header`; the reply mapping does
    not see it."""

    method: Literal["GET", "POST"] = "POST"
    path: str
    query: Mapping[str, str] = {}
    headers: Mapping[str, str] = {}
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
    headers: Mapping[str, str] = {}


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
    errors: Mapping[str, Verdict] = {}
    otherwise: Verdict = "refused"
    same: Mapping[str, str] = {}

    def judge(self, code: str) -> Verdict:
        """The meaning of the partner's code."""
        if code in self.ok:
            return "ok"
        return next((verdict for key, verdict in self.errors.items() if _like(key, code)), self.otherwise)

    def names(self, code: str) -> bool:
        """Whether the contract has this code."""
        return code in self.ok or any(_like(key, code) for key in self.errors)

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
    values: Mapping[str, str] = {}


class Batch(Section):
    """Several messages in one REST call, at most `limits.per_call`: `wire` is the list of the document that
    holds one entry of each, everything else of their documents is the same. No two of a call say the same
    `differ` (canonical field). Of the answer each gets what concerns it: of the list `apart` the entries with
    its own `by`, and 1 as `counted` where there is none, which must add up."""

    wire: str
    differ: str
    by: str
    apart: str
    counted: str


class Call(Section):
    """One thing the hub asks of the partner; exactly one of `rest`, `soap`, `amqp`, `table`.

    `answered_by` names the inbound document that brings the answer later (AMQP receipts). `first` names
    calls that must have given their `remote` identifiers for the case before this one is made: they are
    made when they have not, under an id that never changes ({once_id}), each identifier committed before
    the next call, so a resume never registers twice. `asks`: what whoever makes a call without a message may
    give it.
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
    asks: tuple[str, ...] = ()
    batch: Batch | None = None
    remote: tuple[Remote, ...] = ()

    @model_validator(mode="after")
    def _one_transport(self) -> Call:
        if sum(part is not None for part in (self.rest, self.soap, self.amqp, self.table)) != 1:
            raise ValueError("exactly one of rest, soap, amqp, table is needed")
        if self.batch is not None and (self.rest is None or self.first or self.remote or self.answered_by):
            raise ValueError("batch is for REST calls that register nothing and are answered at once")
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


def _like(key: str, code: str) -> bool:
    return len(key) == len(code) and all(a in ("?", b) for a, b in zip(key, code, strict=True))
