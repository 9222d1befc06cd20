"""A WSDL 1.1 as a contract: operations, the text arguments they take, where the service is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from exchange.errors import Refused
from exchange.scaffold.contract import FILE_NAME, Contract, Operation
from exchange.scaffold.guess import context_name
from exchange.seals.safexml import Element, parse

WSDL = "{http://schemas.xmlsoap.org/wsdl/}"
SOAP = ("{http://schemas.xmlsoap.org/wsdl/soap/}", "{http://schemas.xmlsoap.org/wsdl/soap12/}")
XSD = "{http://www.w3.org/2001/XMLSchema}"
MOST_FILES, MOST_OPERATIONS = 20, 100
SECURED = (b"ws-securitypolicy", b"oasis-200401-wss-wssecurity")


def is_wsdl(root: Element) -> bool:
    """Whether a document is a WSDL."""
    return bool(root.tag == f"{WSDL}definitions")


def read_wsdl(path: Path) -> Contract:
    """The contract of a WSDL and what it imports beside it; Refused import_outside, no_operations."""
    files = dict(_files(path))
    roots = [parse(body) for body in files.values()]
    found = [one for root in roots for one in _operations(root)]
    names = list(dict.fromkeys(found))
    if not names or len(names) > MOST_OPERATIONS:
        raise Refused("no_operations", f"{len(names)} operations, 1 to {MOST_OPERATIONS} are read", path.name)
    elements = {name: one for root in roots for name, one in _elements(root)}
    return Contract(
        "wsdl",
        tuple(Operation(name, "call", {"soap": {"operation": name}}) for name in names),
        title=roots[0].get("name", ""),
        soap=_service(path.name, roots, elements, names),
        sealed="wssec" if any(sign in body for body in files.values() for sign in SECURED) else "xmldsig",
        files=files,
    )


def _files(path: Path) -> Iterator[tuple[str, bytes]]:
    """The file and its imports, by name relative to its folder."""
    home, waiting, seen = path.resolve().parent, [path.resolve()], set[Path]()
    while waiting:
        one = waiting.pop(0)
        if one in seen:
            continue
        if len(seen) >= MOST_FILES:
            raise Refused("too_many", f"more than {MOST_FILES} files", path.name)
        seen.add(one)
        body = one.read_bytes()
        yield _safe(one.relative_to(home).as_posix()), body
        waiting += [_beside(one, location, home) for location in _imports(parse(body))]


def _safe(name: str) -> str:
    if not all(FILE_NAME(part) for part in name.split("/")):
        raise Refused("bad_name", "a file name is of letters, digits, . _ and -", ascii(name[:100]))
    return name


def _imports(root: Element) -> Iterator[str]:
    for tag, name in (
        (f"{WSDL}import", "location"),
        (f"{XSD}import", "schemaLocation"),
        (f"{XSD}include", "schemaLocation"),
        (f"{XSD}redefine", "schemaLocation"),
    ):
        yield from (one.get(name) for one in root.iter(tag) if one.get(name))


def _beside(importing: Path, location: str, home: Path) -> Path:
    found = (importing.parent / location).resolve()
    if ":" in location or location.startswith(("/", "\\")) or not found.is_relative_to(home):
        raise Refused("import_outside", "an import leads out of the folder of the WSDL", location[:200])
    if not found.is_file():
        raise Refused("import_missing", "an imported file is not beside the WSDL", location[:200])
    return found


def _operations(root: Element) -> Iterator[str]:
    for port in root.iter(f"{WSDL}portType"):
        yield from (one.get("name") for one in port.iter(f"{WSDL}operation") if one.get("name"))


def _elements(root: Element) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Global elements and the names of the texts they hold."""
    types = {one.get("name"): one for one in root.iter(f"{XSD}complexType") if one.get("name")}
    for schema in root.iter(f"{XSD}schema"):
        for one in schema.findall(f"{XSD}element"):
            inline = one.find(f"{XSD}complexType")
            kind = inline if inline is not None else types.get(_local(one.get("type", "")))
            held = [] if kind is None else [child.get("name") for child in kind.iter(f"{XSD}element")]
            yield one.get("name", ""), tuple(name for name in held if name)


def _local(name: str) -> str:
    return name.rsplit(":", 1)[-1]


def _service(
    file: str, roots: list[Element], elements: Mapping[str, tuple[str, ...]], names: list[str]
) -> dict[str, Any]:
    """The manifest's [soap]: how every operation is called."""
    arguments, results = (
        _arguments(roots, elements, names[0], "input"),
        _arguments(roots, elements, names[0], "output"),
    )
    addresses = [
        one.get("location", "") for root in roots for tag in SOAP for one in root.iter(f"{tag}address")
    ]
    path = next(map(_path, addresses), "")
    return {
        "wsdl": f"contract/{file}",
        "namespace": roots[0].get("targetNamespace", ""),
        "path": path or "TODO: path of the service below the partner's address",
        "arguments": {name: _filled(name, arguments) for name in arguments},
        "result": results[0] if results else "TODO: element of the answer that holds the text",
    }


def _path(address: str) -> str:
    try:
        return urlsplit(address).path
    except ValueError:
        return ""


def _filled(name: str, among: tuple[str, ...]) -> str:
    if len(among) == 1:
        return "{document}"
    found = context_name(name)
    return f"{{{found}}}" if found else "TODO: what stands here"


def _arguments(
    roots: list[Element], elements: Mapping[str, tuple[str, ...]], operation: str, way: str
) -> tuple[str, ...]:
    """The names of what goes in or comes out of an operation."""
    for root in roots:
        for port in root.iter(f"{WSDL}portType"):
            for one in port.findall(f"{WSDL}operation"):
                said = one.find(f"{WSDL}{way}")
                if one.get("name") == operation and said is not None:
                    return _parts(roots, elements, _local(said.get("message", "")))
    return ()


def _parts(roots: list[Element], elements: Mapping[str, tuple[str, ...]], message: str) -> tuple[str, ...]:
    found: list[str] = []
    for root in roots:
        for one in root.findall(f"{WSDL}message"):
            for part in one.findall(f"{WSDL}part") if one.get("name") == message else ():
                element = _local(part.get("element", ""))
                found += elements.get(element, ()) if element else [part.get("name", "")]
    return tuple(found)
