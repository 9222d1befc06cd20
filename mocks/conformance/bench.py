"""Where a run stands: the adapter, whose keys, where the partner is, and the line to it."""

from __future__ import annotations

import hashlib
import random
import secrets
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Protocol

from cryptography.x509 import Certificate

from canonical.amounts import BEIJING
from exchange.adapterfolder import Adapter
from exchange.errors import Misconfigured
from exchange.seals.keys import fingerprint, key_id
from mocks.conformance.facts import Facts, Take
from mocks.conformance.identity import Keys
from mocks.conformance.listener import Listener
from mocks.conformance.pace import Pacer
from mocks.conformance.reply import Reply
from mocks.conformance.specimen import Specimen, Specimens


@dataclass(frozen=True)
class Partner:
    """What the engineer says about the system under test."""

    url: str
    certificate: Certificate
    secret: str
    account: str
    org: str | None = None
    values: Mapping[str, str] = field(default_factory=dict)  # further account values
    queue: Path | None = None
    amqp: str | None = None
    cipher: bytes | None = None  # the key agreed for encrypted bodies
    scale: float = 1.0  # its repeat times are the contract's multiplied by this
    slack: float = 1.2  # seconds a repeat may be late beside its contract time
    clock: str | None = None  # where its clock can be set

    def by_kid(self, kid: str) -> Certificate | None:
        """Keyring of a JWS: the registered certificate alone."""
        return self.certificate if kid == key_id(self.certificate) else None

    def by_digest(self, digest: bytes) -> Certificate | None:
        """Keyring of an XML signature."""
        return self.certificate if digest == fingerprint(self.certificate) else None


@dataclass(frozen=True)
class Shot:
    """One thing to send: a specimen, with what departs from the good way of sending it."""

    specimen: Specimen
    tree: Any = None  # another document
    raw: bytes | None = None  # other bytes (of the inner document where there is one)
    seal: Any = None  # a Recipe of the line's seal; None: good
    content_type: str | None = None
    method: str | None = None
    path: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    nonce: str | None = None
    forged: Any = None  # a seal made before, sent as it is
    timeout: float | None = None
    note: str = ""

    @property
    def wire(self) -> Any:
        """The document's tree."""
        return self.specimen.tree if self.tree is None else self.tree


class Line(Protocol):
    """How one call reaches the partner."""

    kind: str

    def send(self, shot: Shot) -> Reply:
        """Sends it and reads the answer; never raises for what the partner does."""

    def close(self) -> None:
        """Lets go of connections."""


@dataclass
class Bench:
    """Everything a check needs."""

    adapter: Adapter
    facts: Facts
    keys: Keys
    partner: Partner
    specimens: Specimens
    random: random.Random
    listener: Listener | None = None
    lines: dict[str, Line] = field(default_factory=dict)
    memory: dict[str, Any] = field(default_factory=dict)  # what several checks look at, observed once
    _token: tuple[str, float] | None = None

    @cached_property
    def pacer(self) -> Pacer:
        """Keeps to the pace of the contract."""
        return Pacer(self.facts.pace.calls if self.facts.pace else 0)

    @cached_property
    def main(self) -> str:
        """The document probes are made of."""
        name = self.specimens.main()
        if name is None:
            raise Misconfigured(
                "no_sample", "the adapter has no outbound sample to probe with", self.adapter.name
            )
        return name

    def specimen(self, name: str | None = None, case_no: str | None = None, **context: Any) -> Specimen:
        """A fresh document, with a token where one is needed."""
        name = name or self.main
        changed = dict(self.facts.context.get(name, {})) | context
        base = self.context(**changed) | self._with_token(name) | changed
        return self.specimens.fresh(name, base, case_no)

    def context(self, **changed: Any) -> dict[str, Any]:
        """What templates are filled with, as the hub fills them; digests follow what is changed."""
        partner = self.partner
        now = datetime.now(BEIJING).strftime("%Y%m%d%H%M%S")
        base: dict[str, Any] = {
            "secret": partner.secret, "account": partner.account, "time14": now, "region6": "441400",
            "token": "", "since": "0", **self.adapter.parameters, **partner.values,
        }  # fmt: skip
        if partner.org:
            base["org"] = partner.org
        base |= changed
        for rule in self.adapter.digests:
            text = rule.text.format_map(base).encode()
            base[rule.name] = hashlib.new(rule.algorithm, text, usedforsecurity=False).hexdigest()
        return base

    def line(self, shot: Shot) -> Line:
        """The line of the shot's transport."""
        call = shot.specimen.call
        kind = "rest" if call.rest else "soap" if call.soap else "amqp" if call.amqp else "table"
        if kind not in self.lines:
            raise Misconfigured("no_line", f"nothing leads to the partner over {kind}", call.name)
        return self.lines[kind]

    def send(self, shot: Shot, *, hasty: bool = False) -> Reply:
        """Over the line it belongs to, at the contract's pace or (`hasty`) beyond it."""
        with self.pacer.turn(hasty=hasty):
            reply = self.line(shot).send(shot)
        return replace(reply, turned_down=self.facts.refused.get(shot.specimen.document.mapping, {}))

    def good(self, name: str | None = None, case_no: str | None = None, **context: Any) -> Reply:
        """A correct call."""
        return self.send(Shot(self.specimen(name, case_no, **context)))

    def ready(self, name: str | None = None, *, wrong: bool = False, **context: Any) -> Specimen:
        """A specimen whose predecessors were sent; `wrong` ones share them: they must change nothing."""
        name = name or self.main
        rule = self.facts.take.get(name)
        case_no = None
        if rule is not None:
            taken, case_no = self._shared(name, rule) if wrong else self._taken(rule)
            context = taken | context
        opened = self.memory.get(f"opened {name}") if wrong else None
        specimen = self.specimen(name, case_no or opened, **context)
        for before in () if opened else self.facts.after.get(name, ()):
            self.good(before, case_no=specimen.context["case_no"])
            self.memory[f"opened {name}"] = specimen.context["case_no"] if wrong else None
        return specimen

    def baseline(self, name: str | None = None) -> Reply:
        """The answer to a correct document, asked for once: what a refusal of a wrong one is measured by."""
        key = f"baseline {name or self.main}"
        if key not in self.memory:
            specimen = self.ready(name)
            self.memory[f"said {name or self.main}"] = specimen
            self.memory[key] = self.send(Shot(specimen))
        found: Reply = self.memory[key]
        return found

    def said(self, name: str) -> Specimen:
        """The specimen the baseline was asked with."""
        self.baseline(name)
        found: Specimen = self.memory[f"said {name}"]
        return found

    def _shared(self, name: str, rule: Take) -> tuple[dict[str, Any], str]:
        key = f"taken {name}"
        if key not in self.memory:
            self.memory[key] = self._taken(rule)
        found: tuple[dict[str, Any], str] = self.memory[key]
        return found

    def _taken(self, rule: Take) -> tuple[dict[str, Any], str]:
        """What the answer of the call before gives, and the case it was made for."""
        before = self.ready(rule.after)
        reply = self.send(Shot(before))
        time.sleep(rule.wait)
        found = {name: reply.value(path) for name, path in rule.values.items()}
        found |= {name: getattr(before.payload, field, None) for name, field in rule.said.items()}
        return {name: value for name, value in found.items() if value}, str(before.context["case_no"])

    def _with_token(self, name: str) -> dict[str, str]:
        procedure = self.adapter.token
        if procedure is None or name in {one.mapping for one in procedure.call.documents}:
            return {}
        return {"token": self.token()}

    def token(self, *, renew: bool = False) -> str:
        """The account's token, fetched once."""
        procedure = self.adapter.token
        if procedure is None:
            return ""
        if renew or self._token is None or self._token[1] < time.monotonic():
            reply = self.send(Shot(self.specimens.of_call(procedure.call, self.context())))
            lives = min(procedure.lifetime / 2, 600)
            self._token = (reply.value(procedure.value) or "", time.monotonic() + lives)
        return self._token[0]

    def close(self) -> None:
        """Lets go of the lines; the listener is its owner's."""
        for line in self.lines.values():
            line.close()


@cache
def authorities() -> ssl.SSLContext:
    """Those the machine trusts, read once."""
    return ssl.create_default_context()


def new_nonce() -> str:
    """32 characters of 192 random bits."""
    return secrets.token_urlsafe(24)
