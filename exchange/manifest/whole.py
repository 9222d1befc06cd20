"""`adapter.toml` as a whole."""

from __future__ import annotations

from collections.abc import Mapping

from exchange.manifest.calls import Call, SoapService, Token
from exchange.manifest.doors import Inbound, SoapServed
from exchange.manifest.tables import Database
from exchange.manifest.terms import DigestRule, Limits, SealName, Section, SignatureName


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
    planned, not when it is tried. `signatures`: the algorithms their contract allows in XML seals.
    """

    title: str
    system: str
    owner: str
    contract_version: str
    seal: SealName
    signatures: tuple[SignatureName, ...] = ("rsa-sha256",)
    parameters: Mapping[str, str] = {}
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
