"""The encapsulated package of one case (电子文件封装包, DA/T 48-2009; contents by GB/T 42727-2023): eep.xml
with an XML signature over 被签名对象, and the files it names, as one zip."""

import base64
import hashlib
import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lxml import etree

from exchange.errors import Refused
from exchange.receipts import BEIJING
from exchange.seals import dsig
from exchange.seals.keys import SigningKey, der
from exchange.seals.safexml import Element

NAMESPACE = "http://www.saac.gov.cn/standards/ERM/encapsulation"
FORMAT = "本封装包根据中华人民共和国档案行业标准DA/T 48-2009《基于XML的电子文件封装规范》生成"
VERSION = "2009"
ENCODING = "本封装包中“编码数据”元素存储的是计算机文件的SHA-256摘要，文件随包存放"
KEYWORD = "sha256-base64Binary"
RULE = "XML-DSig;exc-c14n;RSA-SHA256"
SIGNED = "signed-object"  # Id of 被签名对象
ORIGINAL, MODIFIED = "原始型", "修改型"
MARKS: Mapping[str, tuple[bytes, ...]] = {  # format -> how its files begin
    "PDF": (b"%PDF-",), "TIFF": (b"II*\0", b"MM\0*"), "XML": (b"<",), "OFD": (b"PK\x03\x04",),
}  # fmt: skip
_STAMP = (2000, 1, 1, 0, 0, 0)  # of zip entries: the same content is the same bytes
Tree = Sequence[tuple[str, Any]]


@dataclass(frozen=True)
class Paper:
    """One document of the package; `format` is PDF, OFD, TIFF or XML."""

    name: str  # file name in the package
    title: str
    format: str
    body: bytes


@dataclass(frozen=True)
class Act:
    """One act of the case (业务实体): what was done, when, by whom (number in `people`)."""

    what: str
    at: datetime
    by: int
    description: str = ""


@dataclass(frozen=True)
class Agent:
    """机构人员实体: 单位 with its credit code, or 个人 with the post."""

    kind: str
    name: str
    code: str = ""
    post: str = ""


@dataclass(frozen=True)
class Package:
    """Everything eep.xml says; `kind` 原始型 or 修改型, `retention` 永久, 30年 or 10年."""

    file_no: str
    kind: str
    fonds: str
    library: str
    year: int
    retention: str
    title: str
    responsible: str
    concluded: datetime
    creator: str
    system: str
    papers: Sequence[Paper]
    acts: Sequence[Act]
    people: Sequence[Agent]


def format_of(body: bytes) -> str | None:
    """The format the archives take, by how the bytes begin; None for any other, an office file among them."""
    found = next((name for name, marks in MARKS.items() if body.startswith(marks)), None)
    return None if found == "OFD" and not _is_ofd(body) else found


def _is_ofd(body: bytes) -> bool:
    """Of zips only those with OFD.xml (GB/T 33190)."""
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            return "OFD.xml" in archive.namelist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError, EOFError, LookupError):
        return False


def zipped(package: Package, key: SigningKey, now: datetime) -> bytes:
    """The whole package; the same input gives the same bytes."""
    stream = io.BytesIO()
    files = {"eep.xml": description(package, key, now), **{one.name: one.body for one in package.papers}}
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in files.items():
            archive.writestr(zipfile.ZipInfo(f"{package.file_no}/{name}", _STAMP), body)
    return stream.getvalue()


def description(package: Package, key: SigningKey, now: datetime) -> bytes:
    """eep.xml, signed; Refused bad_value for text XML cannot hold."""
    root = etree.Element(f"{{{NAMESPACE}}}电子文件封装包", nsmap={None: NAMESPACE})
    _fill(root, [("封装包格式描述", FORMAT), ("版本", VERSION), ("被签名对象", _object(package, now))])
    signed = root[-1]
    signed.set("eep版本", VERSION)
    signed.set("Id", SIGNED)
    _sign(root, signed, package, key, now)
    text: bytes = etree.tostring(root, encoding="UTF-8", xml_declaration=True)
    return text


def _object(package: Package, now: datetime) -> Tree:
    return [
        ("封装包类型", package.kind),
        ("封装包类型描述", "按归档要求形成" if package.kind == ORIGINAL else "更正后重新提交"),
        ("封装包创建时间", _time(now)),
        ("封装包创建单位", package.creator),
        ("封装内容", [
            ("文件实体块", [("文件实体", _file(package))]),
            ("业务实体块", [
                ("业务实体", _act(package, number, one)) for number, one in enumerate(package.acts, 1)
            ]),
            ("机构人员实体块", [
                ("机构人员实体", _agent(number, one)) for number, one in enumerate(package.people, 1)
            ]),
        ]),
    ]  # fmt: skip


def _file(package: Package) -> Tree:
    return [
        ("聚合层次", "文件"),
        ("来源", [("立档单位名称", package.creator)]),
        ("电子文件号", package.file_no),
        ("档号", [
            ("全宗号", package.fonds), ("年度", str(package.year)), ("保管期限", package.retention),
            ("机构或问题", package.library),
        ]),
        ("内容描述", [
            ("题名", package.title), ("文件编号", package.file_no), ("责任者", package.responsible),
            ("日期", package.concluded.astimezone(BEIJING).strftime("%Y%m%d")), ("密级", "内部"),
        ]),
        ("形式特征", [
            ("文件组合类型", "组合文件"), ("件数", str(len(package.papers))), ("语种", "汉语"),
        ]),
        ("存储位置", [("当前位置", "在线")]),
        ("权限管理", [("授权", "归档后由档案部门管理")]),
        ("信息系统描述", package.system),
        ("文件数据", [("文档", _paper(n, one)) for n, one in enumerate(package.papers, 1)]),
    ]  # fmt: skip


def _paper(number: int, paper: Paper) -> Tree:
    digest = base64.b64encode(hashlib.sha256(paper.body).digest()).decode()
    encoding = [
        ("电子属性", [
            ("格式信息", paper.format), ("计算机文件名", paper.name),
            ("计算机文件大小", str(len(paper.body))),
        ]),
        ("编码描述", ENCODING), ("反编码关键字", KEYWORD), ("编码数据", digest),
    ]  # fmt: skip
    return [
        ("文档标识符", f"doc-{number}"),
        ("文档序号", str(number)),
        ("文档主从声明", "主文档" if number == 1 else "附属文档"),
        ("题名", paper.title),
        (
            "文档数据",
            [("@文档数据ID", f"data-{number}"), ("编码", [("@编码ID", f"code-{number}"), *encoding])],
        ),
    ]


def _act(package: Package, number: int, act: Act) -> Tree:
    told = [("行为描述", act.description)] if act.description else []
    return [
        ("业务标识符", f"act-{number}"),
        ("机构人员标识符", f"agent-{act.by}"),
        ("文件标识符", package.file_no),
        ("业务状态", "历史行为"),
        ("业务行为", act.what),
        ("行为时间", _time(act.at)),
        *told,
    ]


def _agent(number: int, agent: Agent) -> Tree:
    known = [("组织机构代码", agent.code), ("职位名称", agent.post)]
    return [
        ("机构人员标识符", f"agent-{number}"),
        ("机构人员类型", agent.kind),
        ("机构人员名称", agent.name),
        *((name, text) for name, text in known if text),
    ]


def _sign(root: Element, signed: Element, package: Package, key: SigningKey, now: datetime) -> None:
    certificate = der(key.certificate)
    part = dsig.reference(f"#{SIGNED}", signed)
    info = f"<ds:X509Data><ds:X509Certificate>{certificate}</ds:X509Certificate></ds:X509Data>"
    signature = dsig.sign([part], key.private, info)
    block: Tree = [
        ("签名标识符", "signature-1"), ("签名规则", RULE), ("签名时间", _time(now)),
        ("签名人", package.creator),
        ("签名结果", ""), ("证书块", [("证书", certificate)]),
    ]  # fmt: skip
    _fill(root, [("电子签名块", [("电子签名", block)])])
    result = root[-1][0][4]
    result.text = None
    result.append(signature)


def _fill(element: Element, tree: Tree) -> None:
    for name, value in tree:
        if name.startswith("@"):
            element.set(name[1:], value)
            continue
        child = etree.SubElement(element, f"{{{NAMESPACE}}}{name}")
        if not isinstance(value, str):
            _fill(child, value)
            continue
        try:
            child.text = value
        except ValueError as fault:
            raise Refused("bad_value", "a character XML cannot hold", name) from fault


def _time(at: datetime) -> str:
    return at.astimezone(BEIJING).isoformat(timespec="seconds")
