"""Correct business content for probes: the adapter's own accepted samples, under ids nobody used before."""

from __future__ import annotations

import base64
import hashlib
import json
import random
import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from canonical.amounts import BEIJING
from canonical.messages import PAYLOADS, Payload
from canonical.values import RegionCode, make_case_number
from exchange.adapterfolder import Adapter
from exchange.cases import item_type
from exchange.manifest import Call, Document
from exchange.mapping.run import WireMapping
from mocks.conformance.facts import Facts

FRESH = frozenset({"request_id", "message_id"})
"""Payload fields that identify a document whatever the partner."""
OWN = frozenset({"account", "secret", "token", "time14"})
"""Context of a sample that the run itself knows better."""


DAY = re.compile(r"\{today([+-][0-9]{1,4})?\}")


@dataclass(frozen=True)
class Specimen:
    """One document ready to be said; `serial` names it in the report."""

    call: Call
    document: Document
    mapping: WireMapping
    payload: Payload | None
    context: dict[str, Any]

    @property
    def tree(self) -> Any:
        """The wire tree of the document."""
        return self.mapping.say(self.payload, self.context)

    def written(self, tree: Any) -> bytes:
        """Any tree in the form of this document, also one the mapping would never say."""
        return self.mapping.write(tree)


@dataclass
class Specimens:
    """The adapter's samples by mapping name."""

    adapter: Adapter
    facts: Facts
    random: random.Random

    def documents(self) -> Iterator[tuple[Call, Document]]:
        """Every outbound document, the token's call first."""
        calls = (*((self.adapter.token.call,) if self.adapter.token else ()), *self.adapter.outbound)
        for call in calls:
            for document in call.documents:
                yield call, document

    def main(self) -> str | None:
        """The document probes are made of: what the facts name, else the first that carries a message."""
        found = [document for _, document in self.documents() if self.sample(document.mapping)]
        carrying = [one.mapping for one in found if one.type]
        return self.facts.specimen or next(iter([*carrying, *(one.mapping for one in found)]), None)

    def sample(self, name: str) -> Path | None:
        """The canonical sample of a mapping, the plain one before its variants."""
        files = sorted((self.adapter.folder / "fixtures" / "accepted").glob(f"{name}*.canonical.json"))
        mine = [one for one in files if one.name.split(".")[0].split("--")[0] == name]
        return next((one for one in mine if one.name == f"{name}.canonical.json"), next(iter(mine), None))

    def fresh(self, name: str, base: Mapping[str, Any], case_no: str | None = None) -> Specimen:
        """A specimen under new ids; KeyError when the adapter has no such outbound document or sample."""
        call, document = next(pair for pair in self.documents() if pair[1].mapping == name)
        file = self.sample(name)
        held: dict[str, Any] = json.loads(file.read_text("utf-8")) if file else {"payload": None}
        content, case = held.get("payload"), case_no or self.case_number(held.get("payload"))
        if content is not None:
            own_data = {
                key: dated(one, self._today()) for key, one in self.facts.payload.get(name, {}).items()
            }
            taken = {key: base[key] for key in (*self._taken(name), *own_data) if key in base}
            content = self._renewed({**content, **own_data, **taken}, case)
        payload = None if document.type is None else PAYLOADS[document.type].model_validate(content)
        given = {key: value for key, value in held.get("context", {}).items() if key not in OWN}
        own = {"message_id": str(uuid.UUID(int=self.random.getrandbits(128), version=4))}
        own["call_id"] = str(uuid.UUID(int=self.random.getrandbits(128), version=4))
        own |= _said(content or {})
        told = _told({**given, **(content or {})}, document)
        context = given | own | told | {"case_no": case} | dict(base)
        return Specimen(call, document, self.adapter.mappings[name], payload, context)

    def of_call(self, call: Call, base: Mapping[str, Any]) -> Specimen:
        """The first document of a call; of a call without one, what fills its path and query."""
        if call.documents:
            return self.fresh(call.documents[0].mapping, base)
        unused = next(iter(self.adapter.mappings.values()))
        return Specimen(call, Document(mapping=""), unused, None, {"message_id": "", "call_id": "", **base})

    def _taken(self, name: str) -> tuple[str, ...]:
        rule = self.facts.take.get(name)
        return tuple(rule.values) if rule else ()

    @staticmethod
    def _today() -> date:
        return datetime.now(BEIJING).date()

    def case_number(self, content: Mapping[str, Any] | None) -> str:
        """A new case number of the sample's region."""
        region = RegionCode((content or {}).get("region") or "441402000000")
        serial = self.random.randrange(1_000_000)
        return make_case_number(region, datetime.now(BEIJING).date(), "2", serial)

    def _renewed(self, content: dict[str, Any], case: str) -> dict[str, Any]:
        names = FRESH | set(self.facts.fresh)
        renewed = {name: self.identity() if name in names else value for name, value in content.items()}
        return renewed | ({"case_no": case} if "case_no" in content else {})

    def identity(self) -> str:
        """24 characters nobody used."""
        return f"kit-{self.random.getrandbits(80):020x}"


def dated(value: Any, today: date) -> Any:
    """`{today}`, `{today-30}` or `{today+1}` as that day; anything else as it is."""
    found = DAY.fullmatch(value) if isinstance(value, str) else None
    return (today + timedelta(days=int(found[1] or 0))).isoformat() if found else value


def _said(content: Mapping[str, Any]) -> dict[str, Any]:
    """Single values of the message, lengths of its lists, and what older systems ask of a file."""
    said = {f"said_{key}": value for key, value in content.items() if isinstance(value, str | int)}
    said |= {f"said_{key}_count": len(value) for key, value in content.items() if isinstance(value, list)}
    if isinstance(file := content.get("content"), str) and "digest" in content:
        said["file_md5"] = hashlib.md5(base64.b64decode(file), usedforsecurity=False).hexdigest()
    return said


def _told(content: Mapping[str, Any], document: Document) -> dict[str, Any]:
    """What routing keys and headers are filled with."""
    facts = {name: content[name] for name in ("item_code", "region", "version") if name in content}
    code = content.get("item_code")
    types = {"item_type": item_type(code)} if isinstance(code, str) else {}
    return {"object": document.object, "version": 1, **facts, **types}
