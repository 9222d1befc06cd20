"""Files that people upload: what they are is told by their content, and none may be larger once opened."""

import io
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from hallservice.refusals import FieldFault, FormRefused

LARGEST = 20 * 1024 * 1024  # bytes of one file
PIXELS = 60_000_000  # A3 at 600 dpi in one colour plane; more is a bomb
SIDE = 20_000
INFLATED = 200 * 1024 * 1024  # bytes of everything in an archive
ENTRIES = 10_000
RATIO = 200  # inflated to packed, of what is large at all
NAME = 100  # characters
SEGMENTS = 10_000  # looked through for the size of a picture

_ODD = re.compile(r'[\x00-\x1f\x7f<>:"|?*\\/\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]')


@dataclass(frozen=True, slots=True)
class Kind:
    """A type of file: its name for people, endings and media type."""

    code: str
    label: str
    endings: tuple[str, ...]
    media_type: str


_OFFICE = "application/vnd.openxmlformats-officedocument."
KINDS: Mapping[str, Kind] = {
    kind.code: kind
    for kind in (
        Kind("pdf", "PDF", (".pdf",), "application/pdf"),
        Kind("jpeg", "JPEG 图片", (".jpg", ".jpeg"), "image/jpeg"),
        Kind("png", "PNG 图片", (".png",), "image/png"),
        Kind("ofd", "OFD", (".ofd",), "application/ofd"),
        Kind("xlsx", "Excel 表格", (".xlsx",), _OFFICE + "spreadsheetml.sheet"),
        Kind("docx", "Word 文档", (".docx",), _OFFICE + "wordprocessingml.document"),
        Kind("zip", "ZIP", (".zip",), "application/zip"),
    )
}
PAPERS = ("pdf", "jpeg", "png", "ofd")  # what a material of a case may be
SHEETS = ("xlsx",)


@dataclass(frozen=True, slots=True)
class Checked:
    """A file that was looked at: its name is safe to show and to save under."""

    kind: Kind
    name: str
    body: bytes


def megabytes(size: int) -> str:
    """Bytes as file managers say them, a tenth of a megabyte rounded down."""
    return f"{size * 10 // (1024 * 1024) / 10:g}"


def check(
    field: str, name: str, body: bytes, kinds: Collection[str] = PAPERS, largest: int = LARGEST
) -> Checked:
    """FormRefused empty, too_large, unknown_type, other_type, bomb or broken, at the field."""
    if not body:
        raise refused(field, "empty", "文件是空的，请重新选择")
    if len(body) > largest:
        said = f"文件有 {megabytes(len(body))} MB，不能超过 {megabytes(largest)} MB，请降低扫描精度后再传"
        raise refused(field, "too_large", said)
    kind = _kind_of(field, body)
    if kind is None or kind.code not in kinds:
        allowed = "、".join(KINDS[code].label for code in kinds)
        raise refused(field, "unknown_type", f"只能上传 {allowed} 文件（按内容识别）")
    return Checked(kind, _name(field, name, kind), body)


def refused(field: str, code: str, said: str) -> FormRefused:
    return FormRefused([FieldFault(field, code, said)])


def _kind_of(field: str, body: bytes) -> Kind | None:
    for magic, look in _MAGIC:
        if body.startswith(magic):
            return KINDS[look(field, body)]
    return None


def _name(field: str, name: str, kind: Kind) -> str:
    """Without folders, control and direction characters; an ending of another type is refused."""
    plain = _ODD.sub("", re.split(r"[\\/]", name)[-1]).strip(" .")
    stem, dot, ending = plain.rpartition(".")
    if dot and any(f".{ending.lower()}" in other.endings for other in KINDS.values()):
        if f".{ending.lower()}" not in kind.endings:
            said = f"文件内容是 {kind.label}，与扩展名 .{ending} 不符"
            raise refused(field, "other_type", said)
        plain = stem
    return (plain[: NAME - 5].strip(" .") or "file") + kind.endings[0]


def _pdf(_field: str, _body: bytes) -> str:
    return "pdf"


def _png(field: str, body: bytes) -> str:
    if len(body) < 33 or body[12:16] != b"IHDR":
        raise refused(field, "broken", "图片已损坏，请重新扫描或拍照")
    _bounded(field, *struct.unpack(">II", body[16:24]))
    return "png"


def _jpeg(field: str, body: bytes) -> str:
    """The size stands in the frame header (ITU-T T.81 B.2.2), after segments that say their length."""
    at = 2
    for _ in range(SEGMENTS):
        if at + 9 >= len(body) or body[at] != 0xFF:
            break
        marker = body[at + 1]
        if marker == 0xFF:  # fill
            at += 1
            continue
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", body[at + 5 : at + 9])
            _bounded(field, width, height)
            return "jpeg"
        if marker in (0xD9, 0xDA):
            break
        at += 2 + int.from_bytes(body[at + 2 : at + 4], "big")
    raise refused(field, "broken", "图片已损坏，请重新扫描或拍照")


def _bounded(field: str, width: int, height: int) -> None:
    if not (0 < width <= SIDE and 0 < height <= SIDE and width * height <= PIXELS):
        raise refused(field, "bomb", "图片的像素太多，请降低分辨率后重试")


def _zip(field: str, body: bytes) -> str:
    """An archive's directory says how large it becomes; what it holds says what it is."""
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, zlib.error, ValueError, NotImplementedError, struct.error) as fault:
        raise refused(field, "broken", "文件已损坏，无法打开") from fault
    size = sum(entry.file_size for entry in entries)
    if len(entries) > ENTRIES or size > INFLATED or size > max(len(body) * RATIO, 1024 * 1024):
        raise refused(field, "bomb", "压缩内容展开后太大，不能上传")
    names = {entry.filename for entry in entries}
    return next((code for part, code in _PARTS.items() if part in names), "zip")


_PARTS = {"OFD.xml": "ofd", "xl/workbook.xml": "xlsx", "word/document.xml": "docx"}
_MAGIC: tuple[tuple[bytes, Callable[[str, bytes], str]], ...] = (
    (b"%PDF-", _pdf),
    (b"\x89PNG\r\n\x1a\n", _png),
    (b"\xff\xd8\xff", _jpeg),
    (b"PK\x03\x04", _zip),
)
