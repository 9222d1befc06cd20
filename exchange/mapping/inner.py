"""Documents written as text inside a document: opened before hearing, closed after saying."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from exchange.errors import Misconfigured, Refused
from exchange.mapping import json, xml
from exchange.mapping.conversions import Form
from exchange.mapping.refusal import DocumentRefused, FieldError
from exchange.mapping.spec import Inner


@dataclass(frozen=True, slots=True)
class InnerDocument:
    """Where the text stands, and what it is: XML with this root, or JSON."""

    way: tuple[str, ...]
    root: str | None

    def opened(self, tree: Any) -> Any:
        """The tree with the text replaced by its content; DocumentRefused names the place."""
        return _changed(tree, self.way, self._open)

    def closed(self, tree: Any) -> Any:
        """The tree with the content written as text."""
        return _changed(tree, self.way, self._close)

    def _open(self, text: Any) -> Any:
        if not isinstance(text, str) or not text:
            return _wrong(self.way, "must be one text") if text != "" else text
        try:
            return json.loads(text) if self.root is None else xml.read(text, self.root)
        except Refused as fault:
            return _wrong(self.way, f"the text is no document: {fault.detail}")

    def _close(self, tree: Any) -> str:
        return json.dumps(tree).decode() if self.root is None else xml.text_of(xml.build(self.root, tree))


def inner_documents(specs: Sequence[Inner], form: Form) -> tuple[InnerDocument, ...]:
    """The inner documents of a mapping, outer ones first; Misconfigured."""
    for spec in specs:
        if (form == "xml") != (spec.root is not None):
            raise Misconfigured("bad_root", "text that is XML needs a root, JSON has none", spec.wire)
    return tuple(InnerDocument(tuple(spec.wire.split("/")), spec.root) for spec in specs)


def _changed(tree: Any, way: tuple[str, ...], change: Any) -> Any:
    """A copy of the tree with the value at the end of the way changed; nothing there is left alone."""
    if not way:
        return change(tree)
    if not isinstance(tree, dict) or way[0] not in tree:
        return tree
    return {**tree, way[0]: _changed(tree[way[0]], way[1:], change)}


def _wrong(way: tuple[str, ...], detail: str) -> Any:
    raise DocumentRefused([FieldError("/".join(way), "bad_value", detail)])
