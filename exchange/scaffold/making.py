"""A new adapter's folder, all files at once or none."""

from __future__ import annotations

import hashlib
import json as pretty
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from canonical.messages import PAYLOADS
from exchange.errors import Refused
from exchange.mapping.compile import parse_toml
from exchange.mapping.hearing import Hearing
from exchange.mapping.spec import FieldSpec, MappingSpec
from exchange.scaffold import writing
from exchange.scaffold.comparing import plain
from exchange.scaffold.contract import Body, Contract
from exchange.scaffold.coverage import lenient
from exchange.scaffold.drafting import mapping_text, message_of
from exchange.scaffold.manifesting import answer_of, manifest_text, request_of
from exchange.scaffold.sampled import ACCEPTED, REFUSED

NAME = re.compile(r"[a-z][a-z0-9_]{1,39}", re.ASCII).fullmatch
GUESSED = "guessed by the scaffold: compare every value with the contract, then take this line out"
FOUND = "The files as received, and what was found in them:"


def make(into: Path, name: str, contract: Contract, asked: Mapping[str, str]) -> Path:
    """The folder `into/name`; `asked` are message types by document (`*`: any). Refused bad_name,
    exists_already, unknown_message."""
    if not NAME(name):
        raise Refused(
            "bad_name", "an adapter is called by a-z, 0-9 and _, beginning with a letter", name[:100]
        )
    _check_asked(contract, asked)
    folder = into / name
    files = dict(_files(name, contract, asked))
    into.mkdir(parents=True, exist_ok=True)
    try:
        folder.mkdir()
    except FileExistsError:
        raise Refused("exists_already", "there is such a folder; nothing was written", name) from None
    for path, body in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(body)
    return folder


def _check_asked(contract: Contract, asked: Mapping[str, str]) -> None:
    known = {body.name for body in bodies(contract)}
    for document, kind in asked.items():
        if kind not in PAYLOADS:
            raise Refused("unknown_message", "no message is called that: see tongban schemas", kind[:100])
        if document not in known | {"*"}:
            raise Refused(
                "unknown_document", f"the documents are {', '.join(sorted(known))[:300]}", document[:100]
            )


def bodies(contract: Contract) -> tuple[Body, ...]:
    """Every document of the contract once, by its mapping's name."""
    found: dict[str, Body] = {}
    for one in contract.operations:
        both = (one.request,) if one.way == "door" else (request_of(one), answer_of(one))
        found |= {body.name: body for body in both if body is not None}
    return tuple(found.values())


def _files(name: str, contract: Contract, asked: Mapping[str, str]) -> Iterator[tuple[str, bytes]]:
    known = {body.name: _message(body, asked) for body in bodies(contract)}
    yield "adapter.toml", manifest_text(name, contract, known).encode()
    for file, body in contract.files.items():
        yield f"contract/{file}", body
    yield "contract/contract.md", _contract_page(name, contract).encode()
    yield "notes.md", _notes(name, contract).encode()
    for one in bodies(contract):
        text = mapping_text(one, known[one.name], _what(one), _asked(one, asked) is None)
        yield f"{one.name}.mapping.toml", text.encode()
        yield from _samples(one, text)


def _message(body: Body, asked: Mapping[str, str]) -> str | None:
    return message_of(body, _asked(body, asked))


def _asked(body: Body, asked: Mapping[str, str]) -> str | None:
    return asked.get(body.name) or (None if body.answer else asked.get("*"))


def _what(body: Body) -> str:
    return f"{body.name}, {'an answer' if body.answer else 'a document'}; drafted, see notes.md"


def _samples(body: Body, text: str) -> Iterator[tuple[str, bytes]]:
    for file, document, tree in body.samples if "wire =" in text else ():
        yield f"{ACCEPTED}/{file}", document
        stem = file.rsplit(".", 1)[0]
        yield f"{ACCEPTED}/{stem}.canonical.json", _expected(text, tree).encode()
    if body.samples and "wire =" in text:
        document = body.samples[0][1]
        yield f"{REFUSED}/{body.name}--cut_off.{body.form}", document[: len(document) // 2]
        yield f"{REFUSED}/{body.name}--cut_off.code", b"bad_request -\n"


def _expected(text: str, tree: Any) -> str:
    """The canonical value the guesses give, for a person to compare with the contract."""
    spec = parse_toml(MappingSpec, text)
    model = PAYLOADS.get(spec.message or "")
    payload: Any = None
    if model is not None:
        built, _ = lenient(spec, model)
        run, heard = Hearing({}), dict[str, Any]()
        built.handler(tree, heard, run, "")
        payload = plain(model, heard)
    context = {one.fill: value for one in spec.fields if one.fill and (value := _at(tree, one)) is not None}
    whole = {"todo": GUESSED} | ({"context": context} if context else {}) | {"payload": payload}
    return pretty.dumps(whole, ensure_ascii=False, indent=1) + "\n"


def _at(tree: Any, field: FieldSpec) -> Any:
    for step in (field.wire or "").replace("[]", "").split("/"):
        tree = tree[0] if isinstance(tree, list) and len(tree) == 1 else tree
        tree = tree.get(step) if isinstance(tree, dict) else None
    return tree


def _contract_page(name: str, contract: Contract) -> str:
    lines = [
        f"# {name}: the contract",
        "",
        "TODO: whose contract this is, its version, from whom and when",
        "",
    ]
    lines += [FOUND, "", "| file | sha256 | bytes |", "|---|---|---|"]
    for file, body in contract.files.items():
        lines.append(f"| {file} | {hashlib.sha256(body).hexdigest()} | {len(body)} |")
    lines += ["", "| call or door | way | document |", "|---|---|---|"]
    for one in contract.operations:
        document = one.request.name if one.request else "–"
        lines.append(
            f"| {one.name} | {'hub to partner' if one.way == 'call' else 'partner to hub'} | {document} |"
        )
    lines += ["", *(f"- not attached: {writing.comment(one)[2:]}" for one in contract.skipped)]
    return "\n".join(lines).rstrip() + "\n"


def _notes(name: str, contract: Contract) -> str:
    source = ", ".join(contract.files)
    return (
        f"# {name}: quirks\n\n"
        f"- Drafted from {source}. `tongban check` names what is still open, line by line.\n"
        "- TODO: what the contract does not say and one has to know (dates, limits, odd names)\n"
    )
