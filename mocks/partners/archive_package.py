"""The detection of a package (contract §4): every check that can be made without asking what is held."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography import x509

from mocks.partners import archive_finding as item
from mocks.partners import archive_form as form
from mocks.partners.archive_finding import Closed, Finding
from mocks.partners.archive_form import path, tag, text_of
from mocks.partners.archive_zip import INDEX, ZIP_ERRORS, Entries, Seen, is_inside, is_program, read_entries
from mocks.partners.common import xmlsig
from mocks.partners.common.xmlsig import DS, Element, SealError, XmlError

MOST_ELEMENTS: Final = 1_000_000
_FILE: Final = ("被签名对象", "封装内容", "文件实体块", "文件实体")
_ACTS: Final = ("被签名对象", "封装内容", "业务实体块", "业务实体")
_PERSONS: Final = ("被签名对象", "封装内容", "机构人员实体块", "机构人员实体")


@dataclass(frozen=True)
class Announced:
    """What the request (or the line of the hand-over sheet) says of the package."""

    fileno: str
    unitcode: str
    libcode: str
    title: str
    retention: str
    year: int
    size: int
    aipdigest: str

    @staticmethod
    def of(request: Mapping[str, object]) -> Announced:
        """From the members of addFile."""
        text = {name: str(value) for name, value in request.items()}
        return Announced(
            text["fileno"], text["unitcode"], text["libcode"], text["title"], text["retention"],
            int(text["year"]), int(text["size"]), text["aipdigest"],
        )  # fmt: skip


@dataclass(frozen=True)
class Report:
    """Every failed check, and 封装包类型 (empty if it was not seen)."""

    findings: tuple[Finding, ...]
    kind: str = ""


def examine(
    file: Path, announced: Announced, trusted: Sequence[x509.Certificate], now: datetime
) -> Report:  # fmt: skip
    """A package that is not the one announced, or no zip, is not opened."""
    if file.stat().st_size != announced.size:
        return Report((Finding(item.SIZE, "size differs from that announced"),))
    if _digest_of(file) != announced.aipdigest:
        return Report((Finding(item.DIGEST, "aipdigest differs"),))
    try:
        with zipfile.ZipFile(file) as package:
            return _opened(read_entries(package, announced.fileno), announced, trusted, now)
    except Closed as closed:
        return Report((closed.finding,))
    except ZIP_ERRORS:
        return Report((Finding(item.FORMAT, "not a readable zip"),))


def _digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return base64.b64encode(hashlib.file_digest(file, "sha256").digest()).decode()


def _opened(
    entries: Entries, announced: Announced, trusted: Sequence[x509.Certificate], now: datetime
) -> Report:  # fmt: skip
    seen = {name: entries.look(name) for name in entries.infos}
    findings = [*entries.findings, *_dangers(entries, seen)]
    try:
        root = read_index(entries.index())
    except Closed as closed:
        return Report((*findings, closed.finding))
    findings += [Finding(item.ELEMENTS, text) for text in (*form.breaches(root), *_sequence(root))]
    findings += [Finding(item.SIGNATURE, text) for text in _seal(root, trusted, now)]
    findings += [Finding(item.METADATA, text) for text in _disagreements(root, announced)]
    findings += [Finding(item.PERSONS, text) for text in _acts(root)]
    findings += _files(root, entries, seen)
    return Report(tuple(findings), text_of(root, "被签名对象", "封装包类型"))


def _dangers(entries: Entries, seen: Mapping[str, Seen | None]) -> Iterator[Finding]:
    for name, one in seen.items():
        if one is not None and is_program(one.head):
            yield Finding(item.SECURITY, f"{name} is a program or a script")
        elif one is None and name not in entries.closed:
            yield Finding(item.FORMAT, f"{name} cannot be read")


def read_index(data: bytes) -> Element:
    """eep.xml as a tree; `Closed` (3-1-1) if it is not well-formed UTF-8 without DOCTYPE."""
    try:
        data.decode("utf-8")
        root = xmlsig.parse(data, MOST_ELEMENTS)
    except (UnicodeDecodeError, XmlError) as error:
        raise Closed(item.FORMAT, f"{INDEX} is not well-formed: {error}"[:200]) from error
    if (root.getroottree().docinfo.encoding or "UTF-8").upper() != "UTF-8":
        raise Closed(item.FORMAT, f"{INDEX} is not UTF-8")
    return root


def _documents(root: Element) -> list[Element]:
    return list(root.findall(path(*_FILE, "文件数据", "文档")))


def _sequence(root: Element) -> Iterator[str]:
    """Rules over several 文档: numbers without a gap, one main document, names used once."""
    documents = _documents(root)
    numbers = [text_of(one, "文档序号") for one in documents]
    if numbers != [str(number) for number in range(1, len(numbers) + 1)]:
        yield "文档序号: not from 1 without a gap"
    if [text_of(one, "文档主从声明") == "主文档" for one in documents] != [
        place == 0 for place in range(len(documents))
    ]:
        yield "文档主从声明: the first is the main document"
    names = {
        "文档标识符": [text_of(one, "文档标识符") for one in documents],
        "文档数据ID": [one.get("文档数据ID") for one in root.iter(tag("文档数据"))],
        "编码ID": [one.get("编码ID") for one in root.iter(tag("编码"))],
    }
    yield from (f"{what}: used twice" for what, used in names.items() if len(set(used)) != len(used))


def _seal(root: Element, trusted: Sequence[x509.Certificate], now: datetime) -> Iterator[str]:
    try:
        verify(root, trusted, now)
    except SealError as error:
        yield f"signature: {error}"


def verify(root: Element, trusted: Sequence[x509.Certificate], now: datetime) -> None:
    """The one signature, by the registered certificate, over 被签名对象; SealError otherwise."""
    signed, sealed = xmlsig.child(root, tag("被签名对象")), xmlsig.child(root, path("电子签名块", "电子签名"))
    _require_one_name(root, signed)
    node = xmlsig.child(sealed, f"{tag('签名结果')}/{{{DS}}}Signature")
    if len(root.findall(f".//{{{DS}}}Signature")) != 1:
        raise SealError("more than one Signature")
    info, value, key_info = xmlsig.signature_parts(node)
    data = xmlsig.require_children(key_info, [f"{{{DS}}}X509Data"])[0]
    shown = xmlsig.decode_base64(xmlsig.require_children(data, [f"{{{DS}}}X509Certificate"])[0].text)
    if shown != xmlsig.decode_base64(text_of(sealed, "证书块", "证书")):
        raise SealError("证书 is another one")
    certificate = xmlsig.trusted_certificate(shown, trusted, now)
    digests = xmlsig.read_references(info, [xmlsig.EXC_C14N])
    if digests.keys() != {f"#{signed.get('Id')}"}:
        raise SealError("Reference")
    xmlsig.check_digest(xmlsig.canonical(signed), digests[f"#{signed.get('Id')}"], "被签名对象")
    xmlsig.check_value(info, value, certificate)
    _require_time(signed, sealed, now)


def _require_one_name(root: Element, signed: Element) -> None:
    if not signed.get("Id"):
        raise SealError("被签名对象 has no Id")
    for node in root.iter():
        wrong = [name for name in node.attrib if name.rpartition("}")[2].lower() == "id"]
        if wrong and (node is not signed or wrong != ["Id"]):
            raise SealError("another attribute spelt Id")


def _require_time(signed: Element, sealed: Element, now: datetime) -> None:
    """签名时间 lies between 封装包创建时间 and the download."""
    made, at = text_of(signed, "封装包创建时间"), text_of(sealed, "签名时间")
    if not (form.is_moment(made) and form.is_moment(at)):
        raise SealError("签名时间 or 封装包创建时间 is no time")
    if not datetime.fromisoformat(made) <= datetime.fromisoformat(at) <= now:
        raise SealError("签名时间")


def _disagreements(root: Element, announced: Announced) -> Iterator[str]:
    wanted = {
        ("电子文件号",): announced.fileno, ("档号", "全宗号"): announced.unitcode,
        ("档号", "年度"): str(announced.year), ("档号", "保管期限"): form.TERMS[announced.retention],
        ("档号", "机构或问题"): announced.libcode, ("内容描述", "题名"): announced.title,
        ("内容描述", "文件编号"): announced.fileno,
    }  # fmt: skip
    for names, value in wanted.items():
        if text_of(root, *_FILE, *names) != value:
            yield f"{names[-1]} differs from the request"
    if any(text_of(act, "文件标识符") != announced.fileno for act in root.iterfind(path(*_ACTS))):
        yield "文件标识符 differs from the request"


def _acts(root: Element) -> Iterator[str]:
    known = {text_of(one, "机构人员标识符") for one in root.iterfind(path(*_PERSONS))}
    acts = list(root.iterfind(path(*_ACTS)))
    if any(text_of(act, "机构人员标识符") not in known for act in acts):
        yield "an act by somebody who is not declared"
    times = [text_of(act, "行为时间") for act in acts]  # one zone and one width: texts sort as times
    if times != sorted(times):
        yield "acts out of the order of time"


def _files(root: Element, entries: Entries, seen: Mapping[str, Seen | None]) -> Iterator[Finding]:
    """2-1-2, 2-2-1, 3-1-1 and 4-1-1 over what 文档 name."""
    documents = _documents(root)
    if text_of(root, *_FILE, "形式特征", "件数") != str(len(documents)):
        yield Finding(item.FILES, "件数 is not the number of 文档")
    codes = [one.find(path("文档数据", "编码")) for one in documents]
    named = Counter(text_of(code, "电子属性", "计算机文件名") for code in codes if code is not None)
    for name, times in named.items():
        if not is_inside(name):
            yield Finding(item.SECURITY, "计算机文件名 leads outside the folder")
        elif name not in entries.infos or name == INDEX or times > 1:
            yield Finding(item.FILES, f"{name} is missing, or named more than once")
    for name in entries.infos.keys() - named.keys() - {INDEX}:
        yield Finding(item.FILES, f"{name} is named by no 文档")
    for code in codes:
        yield from [] if code is None else _one_file(code, entries, seen)


def _one_file(code: Element, entries: Entries, seen: Mapping[str, Seen | None]) -> Iterator[Finding]:
    name = text_of(code, "电子属性", "计算机文件名")
    one = seen.get(name)
    if one is None:
        return
    if text_of(code, "电子属性", "计算机文件大小") != str(one.size):
        yield Finding(item.DIGEST, f"{name}: size differs")
    if text_of(code, "编码数据") != one.sha256:
        yield Finding(item.DIGEST, f"{name}: digest differs")
    if not entries.is_of(name, one, text_of(code, "电子属性", "格式信息")):
        yield Finding(item.FORMAT, f"{name}: format not taken, or its first bytes do not agree")
