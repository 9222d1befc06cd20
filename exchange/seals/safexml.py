"""The only way XML from outside becomes a tree: bounded, without DOCTYPE, entities or instructions."""

import re
from dataclasses import dataclass
from typing import Any

from lxml import etree

from exchange.errors import Refused

Element = Any  # lxml ships no types: an lxml.etree._Element

CHARSETS = {
    "": "", "utf-8": "utf-8", "utf8": "utf-8",
    "gbk": "gb18030", "gb2312": "gb18030", "gb18030": "gb18030",
}  # fmt: skip
# The byte order marks of UTF-16 (UTF-32 LE begins with one of them) and GB18030.
MARKS = (b"\xff\xfe", b"\xfe\xff", b"\x84\x31\x95\x33")
UTF8_MARK = b"\xef\xbb\xbf"
DECLARATION = re.compile(
    r"<\?xml\s+version\s*=\s*(?:\"1\.0\"|'1\.0')(?:\s+encoding\s*=\s*(?:\"([\w.-]+)\"|'([\w.-]+)'))?"
    r"(?:\s+standalone\s*=\s*(?:\"(?:yes|no)\"|'(?:yes|no)'))?\s*\?>",
    re.ASCII,
)
PROLOG = re.compile(rb"(?:[ \t\r\n]|<!--.*?-->)*+", re.DOTALL)
OVER_LIMIT = (110, 114)  # libxml2 XML_ERR_NAME_TOO_LONG, XML_ERR_RESOURCE_LIMIT


@dataclass(frozen=True, slots=True)
class Limits:
    """What a document may cost before it is read."""

    size: int = 4 * 1024 * 1024  # bytes
    depth: int = 64
    elements: int = 20_000
    attributes: int = 32  # of one element
    namespaces: int = 1_000  # declarations in the document
    markup: int = 100_000  # characters `<`, which bounds the tree before it is built
    huge: bool = False  # one text may be longer than 10 million characters


LIMITS = Limits()


def parse(body: bytes, *, charset: str | None = None, limits: Limits = LIMITS) -> Element:
    """The root, comments left out; `charset` is the transport's label. Refused bad_request, too_large or
    bad_media_type."""
    if not body:
        raise Refused("bad_request", "the body is empty")
    if len(body) > limits.size:
        raise Refused("too_large", f"more than {limits.size} bytes")
    return _tree(decode(body, charset=charset).encode(), limits)


def parse_text(text: str, *, limits: Limits = LIMITS) -> Element:
    """As parse, for a document that is a string inside another: its encoding declaration says nothing."""
    try:
        body = _after_declaration(text)[0].encode()
    except UnicodeEncodeError as fault:
        raise Refused("bad_request", "a character is half of a pair") from fault
    if len(body) > limits.size:
        raise Refused("too_large", f"more than {limits.size} bytes")
    return _tree(body, limits)


def again(canonical: bytes) -> Element:
    """A tree from the canonical bytes of a part of a document that was parsed here."""
    return etree.fromstring(canonical, _parser())


def decode(body: bytes, *, charset: str | None = None) -> str:
    """The document without its XML declaration; the GBK family is read as GB18030, two labels must agree."""
    label = codec(charset)
    marked = body.startswith(UTF8_MARK)
    if body.startswith(MARKS) or b"\0" in body or (marked and label == "gb18030"):
        raise Refused("bad_request", "the byte order mark or a NUL byte does not fit the character set")
    declared = _declared(body[len(UTF8_MARK) :] if marked else body)
    if len({found for found in (label, declared, "utf-8" if marked else "") if found}) > 1:
        raise Refused("bad_request", "the declared character sets contradict each other", "charset")
    try:
        text = body.decode(label or declared or "utf-8")
    except UnicodeDecodeError as fault:
        raise Refused("bad_request", "the bytes are not of the declared character set", "charset") from fault
    return _after_declaration(text.removeprefix("\ufeff"))[0]


def codec(charset: str | None) -> str:
    """The Python codec of a label, "" for none; Refused bad_media_type for any other label."""
    found = CHARSETS.get((charset or "").strip().lower())
    if found is None:
        raise Refused("bad_media_type", "the character set must be UTF-8, GBK, GB2312 or GB18030", "charset")
    return found


def _declared(body: bytes) -> str:
    """The codec the XML declaration names; it is ASCII in every accepted character set."""
    return codec(_after_declaration(body[:200].decode("ascii", "replace"))[1])


def _after_declaration(text: str) -> tuple[str, str]:
    """(the rest, the declared encoding or ""); Refused bad_request for a malformed declaration."""
    found = DECLARATION.match(text)
    if found:
        return text[found.end() :], found[1] or found[2] or ""
    if text.startswith("<?xml") and not text.startswith("<?xml-"):
        raise Refused("bad_request", "the XML declaration is malformed")
    return text, ""


def _tree(body: bytes, limits: Limits) -> Element:
    if body.count(b"<") > limits.markup or body.count(b"xmlns") > limits.namespaces:
        raise Refused("too_large", "too many elements or namespace declarations")
    start = PROLOG.match(body)
    if body.startswith((b"<!D", b"<?"), start.end() if start else 0):
        raise Refused("bad_request", "DOCTYPE and processing instructions are not accepted")
    try:
        root = etree.fromstring(body, _parser(limits.huge))
    except etree.XMLSyntaxError as fault:
        code = "too_large" if fault.code in OVER_LIMIT else "bad_request"
        raise Refused(code, f"not well-formed XML, line {fault.lineno}") from fault
    if root.getroottree().docinfo.doctype:
        raise Refused("bad_request", "DOCTYPE is not accepted")
    _check_limits(root, limits)
    return root


def _parser(huge: bool = False) -> Any:
    return etree.XMLParser(
        encoding="utf-8", resolve_entities=False, load_dtd=False, dtd_validation=False, no_network=True,
        attribute_defaults=False, huge_tree=huge, remove_comments=True, remove_pis=False,
    )  # fmt: skip


def _check_limits(root: Element, limits: Limits) -> None:
    depth, level, last = 1, [root], 0
    while level:
        if depth > limits.depth or last > limits.elements:
            raise Refused("too_large", "too deep or too many elements")
        last += len(level)
        for element in level:
            _check_element(element, limits)
        level = [child for element in level for child in element]
        depth += 1
    if last > limits.elements:
        raise Refused("too_large", "too many elements")
    if root.getnext() is not None:
        raise Refused("bad_request", "processing instructions are not accepted")


def _check_element(element: Element, limits: Limits) -> None:
    if not isinstance(element.tag, str):
        raise Refused("bad_request", "processing instructions and entity references are not accepted")
    if len(element.attrib) > limits.attributes:
        raise Refused("too_large", f"more than {limits.attributes} attributes", element.tag[:100])
