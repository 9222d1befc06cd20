"""XML as a plain tree: element -> dict of children and `@attributes`, repeated element -> list, text -> str.

An element that has both attributes and text keeps its text under `#`. The root's enveloped signature is no
content.
"""

from typing import Any

from lxml import etree

from exchange.errors import Refused
from exchange.seals.safexml import Element, Limits, parse, parse_text

# A document inside a string came in an envelope that was bounded and sealed; a page of 200 items has 20,000
# elements and more.
INNER = Limits(elements=100_000, markup=200_000)
SIGNATURE = "{http://www.w3.org/2000/09/xmldsig#}Signature"


def read(document: bytes | str | Element, root: str, namespace: str = "", charset: str | None = None) -> Any:
    """The tree below the root; str is a document inside a string. Refused when root or structure is wrong."""
    element = _element(document, charset)
    if element.tag != _tag(root, namespace):
        raise Refused("bad_request", f"the root element is not {root}", root)
    unsigned = [child for child in element if child.tag != SIGNATURE]
    return _tree(element, unsigned, f"{{{namespace}}}" if namespace else "", root)


def build(root: str, tree: Any, namespace: str = "") -> Element:
    """The element of a tree; Refused bad_value for text XML cannot hold."""
    return _build(_tag(root, namespace), tree, namespace)


def text_of(element: Element, declaration: str | None = None) -> str:
    """The document as text; `declaration` is the encoding it claims (for a document inside a string)."""
    body = etree.tostring(element, encoding="unicode")
    return f'<?xml version="1.0" encoding="{declaration}"?>{body}' if declaration else str(body)


def _element(document: bytes | str | Element, charset: str | None) -> Element:
    if isinstance(document, bytes):
        return parse(document, charset=charset)
    return parse_text(document, limits=INNER) if isinstance(document, str) else document


def _tag(name: str, namespace: str) -> str:
    return f"{{{namespace}}}{name}" if namespace else name


def _tree(element: Element, children: list[Element], prefix: str, path: str) -> Any:
    node: dict[str, Any] = {f"@{name}": value for name, value in element.attrib.items()}
    if not children:
        return _leaf(element, node)
    for child in children:
        name = child.tag.removeprefix(prefix)
        _add(node, name, _tree(child, list(child), prefix, f"{path}/{name}"))
    _no_stray_text(element, path)
    return node


def _leaf(element: Element, node: dict[str, Any]) -> Any:
    text = element.text or ""
    if node and text.strip():
        node["#"] = text
    return node or text


def _add(node: dict[str, Any], name: str, value: Any) -> None:
    if name not in node:
        node[name] = value
    elif isinstance(node[name], list):
        node[name].append(value)
    else:
        node[name] = [node[name], value]


def _no_stray_text(element: Element, path: str) -> None:
    if (element.text or "").strip() or any((child.tail or "").strip() for child in element):
        raise Refused("bad_request", "text between elements", path)


def _build(tag: str, tree: Any, namespace: str) -> Element:
    try:
        element = etree.Element(tag, nsmap={None: namespace} if namespace else None)
        _fill(element, tree, namespace)
    except ValueError as fault:
        raise Refused("bad_value", "a character XML cannot hold", tag) from fault
    return element


def _fill(element: Element, tree: Any, namespace: str) -> None:
    if not isinstance(tree, dict):
        element.text = str(tree)
        return
    for name, value in tree.items():
        if name.startswith("@"):
            element.set(name[1:], str(value))
        elif name == "#":
            element.text = str(value)
        else:
            _append(element, _tag(name, namespace), value, namespace)


def _append(element: Element, tag: str, value: Any, namespace: str) -> None:
    for one in value if isinstance(value, list) else (value,):
        _fill(etree.SubElement(element, tag), one, namespace)
