"""What a partner's description says, whatever its form: documents, calls and doors, and its files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from exchange.mapping.conversions import Form
from exchange.mapping.spec import Inner
from exchange.scaffold.shape import Scope

FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", re.ASCII).fullmatch


@dataclass(frozen=True, slots=True)
class Body:
    """One kind of document: its fields, and the samples of it as they came (file name, bytes, tree)."""

    name: str
    form: Form
    root: str | None = None
    namespace: str = ""
    scope: Scope = field(default_factory=Scope)
    samples: tuple[tuple[str, bytes, Any], ...] = ()
    answer: bool = False
    inner: tuple[Inner, ...] = ()

    @property
    def known(self) -> bool:
        """Whether anything is known of its fields."""
        return bool(self.scope.size)


@dataclass(frozen=True, slots=True)
class Operation:
    """One call the hub makes, or a door the partner calls; `call` is the transport's part of the manifest."""

    name: str
    way: Literal["call", "door"]
    call: Mapping[str, Any] = field(hash=False)
    request: Body | None = None
    answer: Body | None = None


@dataclass(frozen=True, slots=True)
class Contract:
    """A description read: `files` by relative name as received; `skipped` is what cannot be attached."""

    kind: Literal["wsdl", "openapi", "samples"]
    operations: tuple[Operation, ...] = ()
    title: str = ""
    version: str = ""
    soap: Mapping[str, Any] | None = field(default=None, hash=False)
    sealed: str = "jws"
    files: Mapping[str, bytes] = field(default_factory=dict, hash=False)
    skipped: tuple[str, ...] = ()


def snake(name: str) -> str:
    """A name of ours from one of theirs: `CreateNotice` is create_notice; empty when nothing is left."""
    parted = re.sub(r"([a-z0-9])([A-Z])|([A-Z])([A-Z][a-z])", r"\1\3_\2\4", name)
    found = re.sub(r"[^a-z0-9]+", "_", parted.lower()).strip("_")
    return re.sub(r"^[0-9_]+", "", found)[:60]
