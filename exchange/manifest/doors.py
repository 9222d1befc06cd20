"""What a partner sends the hub: `[[inbound]]`, and how it is answered."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

from pydantic import Field, field_validator, model_validator

from exchange.manifest.files import FileDoor
from exchange.manifest.tables import TableDoor
from exchange.manifest.terms import Body, Document, SealName, Section, Wrap


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


class PullRest(Section):
    """The message only names its document: `pattern` (regular expression, named groups go into the
    context) of the JSON string that is the whole body, `call` the outbound REST call whose answer is the
    document. `expect`: group -> wire path in the document that must say the same."""

    pattern: str
    call: str
    expect: Mapping[str, str] = {}


class AmqpDoor(Section):
    """The hub's queue; `routing_key` is a pattern whose {org} and {object} are read from the key of each
    message.

    `headers` are templates over the key's and the heard message's values; a header that differs is refused.
    """

    exchange: str
    queue: str
    routing_key: str
    headers: Mapping[str, str] = {}


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
    headers: Mapping[str, str] = {}
    refused_headers: Mapping[str, str] = {}
    codes: Mapping[str, str | int] = {}
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
        if self.soap is not None and self.answer is None:
            raise ValueError("a SOAP operation needs an answer")
        return self

    def document_for(self, object_: str | None) -> Document | None:
        """The document of this object selector; with one document only, that one."""
        only = self.documents[0] if len(self.documents) == 1 else None
        return only or next((doc for doc in self.documents if doc.object == object_), None)
