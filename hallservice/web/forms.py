"""Reading what a browser sends: forms and files within bounds, as text that is safe to keep."""

import re
import zlib
from collections.abc import AsyncGenerator, Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO
from urllib.parse import parse_qsl

import anyio
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from exchange.bodies import Held
from hallservice.refusals import HallRefused
from hallservice.web.registry import FORM_FIELDS, Page

VALUE = 64 * 1024  # bytes of one field
NAME = 200  # characters of a field's or a file's name
SLOW = 30.0  # seconds a browser may take for a form
SLOWEST = 300.0  # and for files, over a village's line
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufeff]")


@dataclass(frozen=True, slots=True)
class Upload:
    """A file as sent: its name is only a word, its media type only a claim."""

    name: str
    claimed: str
    size: int
    file: BinaryIO

    def read(self) -> bytes:
        """All of it; the size is bounded by the page."""
        self.file.seek(0)
        return self.file.read()


class Form(Mapping[str, list[str]]):
    """Fields and files of one submission."""

    def __init__(
        self, fields: Mapping[str, list[str]] | None = None, files: Mapping[str, list[Upload]] | None = None
    ) -> None:
        self._fields = dict(fields or {})
        self.files: Mapping[str, list[Upload]] = dict(files or {})

    def __getitem__(self, name: str) -> list[str]:
        return self._fields[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def one(self, name: str, default: str = "") -> str:
        """The first value without blanks at its ends."""
        found = self._fields.get(name)
        return found[0].strip() if found else default

    def all(self, name: str) -> list[str]:
        """Every value of the name, blanks at the ends and empty ones left out."""
        return [value.strip() for value in self._fields.get(name, []) if value.strip()]

    def upload(self, name: str) -> Upload | None:
        """The one file of that name, None where none was chosen."""
        found = self.files.get(name)
        return found[0] if found else None


def bad(said: str = "请求内容无法识别，请返回重试") -> HallRefused:
    return HallRefused("bad_request", said)


def too_large() -> HallRefused:
    return HallRefused("too_large", "提交的内容太大")


def whole(said: str, most: int = 9) -> int | None:
    """A number of at most so many digits; None for any other text."""
    return int(said) if said.isascii() and said.isdecimal() and len(said) <= most else None


def is_text(text: str) -> bool:
    """Whether it holds no control character; no address of ours does, and not every database takes one."""
    return _CONTROL.search(text) is None and "\n" not in text and "\r" not in text


def tidy(text: str) -> str:
    """Line ends as \\n, no control characters."""
    return _CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def parse_query(raw: str | bytes, most: int = 200) -> dict[str, list[str]]:
    """Fields of a query or an urlencoded body; HallRefused bad_request."""
    text = raw.decode("ascii", "replace") if isinstance(raw, bytes) else raw
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=most, errors="strict")
    except ValueError as fault:
        raise bad() from fault
    return _gathered(pairs)


def _gathered(pairs: list[tuple[str, str]]) -> dict[str, list[str]]:
    fields: dict[str, list[str]] = {}
    for name, value in pairs:
        if len(name) > NAME:
            raise bad()
        fields.setdefault(name, []).append(tidy(value))
    return fields


async def read_form(request: Request, page: Page, held: Held) -> Form:
    """The body of a POST; HallRefused bad_request, too_large, too_slow, busy."""
    kind = request.headers.get("content-type", "").split(";", 1)[0].strip().lower()
    declared = request.headers.get("content-length", "0")
    if not declared.isdigit() or int(declared) > page.largest:
        raise too_large()
    with anyio.move_on_after(SLOWEST if page.files else SLOW) as scope:
        if kind == "multipart/form-data" and page.files:
            return await _multipart(request, page, held)
        if kind in ("application/x-www-form-urlencoded", ""):
            body = b"".join([part async for part in _bounded(request, page.largest, held)])
            return Form(parse_query(body, FORM_FIELDS))
        raise bad()
    if scope.cancelled_caught:
        raise HallRefused("too_slow", "网络太慢，内容没有收全，请重试")
    raise bad()


async def _bounded(request: Request, largest: int, held: Held) -> AsyncGenerator[bytes, None]:
    size = 0
    try:
        async for part in request.stream():
            size += len(part)
            if not held.take(len(part)):
                raise HallRefused("busy", "系统繁忙，请稍候再试")
            if size > largest:
                raise too_large()
            yield part
    finally:
        held.give(size)


async def _multipart(request: Request, page: Page, held: Held) -> Form:
    head = request.headers["content-type"]
    if parse_options_header(head)[1].get(b"charset", b"utf-8").lower() != b"utf-8":
        raise bad()  # the parser would take any coding of Python's, among them some that make no text
    parser = MultiPartParser(
        request.headers,
        _closing(_bounded(request, page.largest, held)),
        max_files=page.files,
        max_fields=FORM_FIELDS,
        max_part_size=VALUE,
    )
    try:
        parsed = await parser.parse()
    except _Ended as ended:
        raise ended.refusal from ended
    except (MultiPartException, FormParserError, UnicodeDecodeError, KeyError) as fault:
        raise bad() from fault
    pairs = [(name, value) for name, value in parsed.multi_items() if isinstance(value, str)]
    files: dict[str, list[Upload]] = {}
    for name, value in parsed.multi_items():
        if isinstance(value, UploadFile) and (value.filename or value.size):
            files.setdefault(name[:NAME], []).append(_upload(value))
        elif isinstance(value, UploadFile):  # a field in which no file was chosen
            value.file.close()
    return Form(_gathered(pairs), files)


class _Ended(MultiPartException):
    """The stream ended early; the parser closes its files for errors of this class only."""

    def __init__(self, refusal: HallRefused) -> None:
        super().__init__(refusal.code)
        self.refusal = refusal


async def _closing(stream: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    try:
        async for part in stream:
            yield part
    except HallRefused as refusal:
        raise _Ended(refusal) from refusal
    except ClientDisconnect as cut:
        raise _Ended(bad()) from cut


def _upload(sent: UploadFile) -> Upload:
    name = re.split(r"[\\/]", tidy(sent.filename or ""))[-1][-NAME:]
    return Upload(name, (sent.content_type or "")[:80], sent.size or 0, sent.file)


def deflate(body: bytes, level: int = 1) -> bytes:
    """As gzip for a browser: quickly, or with level 9 well."""
    return zlib.compress(body, level, 31)
