"""Packages of the contract of the archives (section 3) by hand: a plain tree, signed by xmlsec1."""

import base64
import hashlib
import io
import subprocess
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from lxml import etree

NS = "http://www.saac.gov.cn/standards/ERM/encapsulation"
DS = "http://www.w3.org/2000/09/xmldsig#"
ZONE = timezone(timedelta(hours=8))
Files = dict[str, bytes]
Key = tuple[rsa.RSAPrivateKey, x509.Certificate]


def digest(data: bytes) -> str:
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


def moment(seconds: int = 0) -> str:
    return (datetime.now(ZONE) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S+08:00")


def ofd() -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as inner:
        inner.writestr("OFD.xml", "<ofd/>")
    return target.getvalue()


FILES: Files = {
    "form.pdf": b"%PDF-1.7 form",
    "materials/licence.ofd": ofd(),
    "materials/scan.tif": b"II*\0" + bytes(range(256)),
    "record.xml": b"<record/>",
}
MADE_BY = "本封装包根据中华人民共和国档案行业标准DA/T 48-2009《基于XML的电子文件封装规范》生成"
FORMS = {"pdf": "PDF", "ofd": "OFD", "tif": "TIFF", "xml": "XML", "exe": "PDF"}


@dataclass
class Case:
    """What request and package say alike; `files` are those that 文档 name."""

    fileno: str
    files: Files = field(default_factory=lambda: dict(FILES))
    kind: str = "原始型"
    unitcode: str = "0123"
    libcode: str = "WS"
    title: str = "食品经营许可"
    retention: str = "D30"
    year: int = 2026


def document(number: int, name: str, data: bytes) -> str:
    form = FORMS.get(name.rpartition(".")[2], "JPEG")
    scan = (
        "<数字化属性><数字化对象形态>纸质</数字化对象形态><扫描分辨率>300dpi</扫描分辨率>"
        "<扫描色彩模式>彩色</扫描色彩模式><图像压缩方案>无</图像压缩方案></数字化属性>"
    )
    return (
        f"<文档><文档标识符>wd{number}</文档标识符><文档序号>{number}</文档序号>"
        f"<文档主从声明>{'主文档' if number == 1 else '附属文档'}</文档主从声明><题名>材料{number}</题名>"
        f'<文档数据 文档数据ID="sj{number}"><编码 编码ID="bm{number}"><电子属性><格式信息>{form}</格式信息>'
        f"<计算机文件名>{name}</计算机文件名><计算机文件大小>{len(data)}</计算机文件大小></电子属性>"
        f"{scan if form == 'TIFF' else ''}"
        "<编码描述>本封装包中“编码数据”元素存储的是计算机文件的SHA-256摘要，文件随包存放</编码描述>"
        f"<反编码关键字>sha256-base64Binary</反编码关键字><编码数据>{digest(data)}</编码数据></编码></文档数据></文档>"
    )


def act(number: int, who: str, what: str, at: str, case: Case) -> str:
    return (
        f"<业务实体><业务标识符>yw{number}</业务标识符><机构人员标识符>{who}</机构人员标识符>"
        f"<文件标识符>{case.fileno}</文件标识符><业务状态>历史行为</业务状态><业务行为>{what}</业务行为>"
        f"<行为时间>{at}</行为时间><行为描述>{what}</行为描述></业务实体>"
    )


def tree(case: Case, certificate: x509.Certificate) -> Any:
    """eep.xml with an empty signature, as xmlsec1 takes it for a template."""
    der = base64.b64encode(certificate.public_bytes(serialization.Encoding.DER)).decode()
    term = {"Y": "永久", "D30": "30年", "D10": "10年"}[case.retention]
    documents = "".join(document(at, *one) for at, one in enumerate(case.files.items(), 1))
    acts = act(1, "jg1", "受理", moment(-900), case) + act(2, "ry1", "办结", moment(-600), case)
    text = f"""<电子文件封装包 xmlns="{NS}"><封装包格式描述>{MADE_BY}</封装包格式描述>
<版本>2009</版本><被签名对象 eep版本="2009" Id="signed-1"><封装包类型>{case.kind}</封装包类型>
<封装包类型描述>电子文件封装包</封装包类型描述><封装包创建时间>{moment(-60)}</封装包创建时间>
<封装包创建单位>梅州市政务服务数据管理局</封装包创建单位><封装内容><文件实体块><文件实体><聚合层次>文件</聚合层次>
<来源><立档单位名称>梅州市市场监督管理局</立档单位名称></来源><电子文件号>{case.fileno}</电子文件号>
<档号><全宗号>{case.unitcode}</全宗号><年度>{case.year}</年度><保管期限>{term}</保管期限><机构或问题>{case.libcode}</机构或问题></档号>
<内容描述><题名>{case.title}</题名><文件编号>{case.fileno}</文件编号><责任者>梅州市市场监督管理局</责任者><日期>20261122</日期><密级>内部</密级></内容描述>
<形式特征><文件组合类型>组合文件</文件组合类型><件数>{len(case.files)}</件数><语种>汉语</语种></形式特征>
<存储位置><当前位置>系统</当前位置></存储位置><权限管理><授权>按规定利用</授权></权限管理>
<信息系统描述>test 1.0</信息系统描述>
<文件数据>{documents}</文件数据></文件实体></文件实体块><业务实体块>{acts}</业务实体块><机构人员实体块>
<机构人员实体><机构人员标识符>jg1</机构人员标识符><机构人员类型>单位</机构人员类型><机构人员名称>梅州市市场监督管理局</机构人员名称></机构人员实体>
<机构人员实体><机构人员标识符>ry1</机构人员标识符><机构人员类型>个人</机构人员类型><机构人员名称>陈㙓</机构人员名称><职位名称>科员</职位名称></机构人员实体>
</机构人员实体块></封装内容></被签名对象><电子签名块><电子签名><签名标识符>qm1</签名标识符><签名规则>XML-DSig;exc-c14n;RSA-SHA256</签名规则>
<签名时间>{moment(-30)}</签名时间>
<签名人>梅州市政务服务数据管理局</签名人><签名结果><Signature xmlns="{DS}"><SignedInfo>
<CanonicalizationMethod Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/>
<SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"/>
<Reference URI="#signed-1"><Transforms><Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/></Transforms>
<DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/><DigestValue/></Reference></SignedInfo><SignatureValue/>
<KeyInfo><X509Data><X509Certificate/></X509Data></KeyInfo></Signature></签名结果><证书块><证书>{der}</证书></证书块></电子签名></电子签名块></电子文件封装包>"""
    return etree.fromstring(text)


def signed(root: Any, key: Key) -> bytes:
    """The document after `xmlsec1 --sign`."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        private = key[0].private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        (folder / "key.pem").write_bytes(private)
        (folder / "cert.pem").write_bytes(key[1].public_bytes(serialization.Encoding.PEM))
        (folder / "in.xml").write_bytes(etree.tostring(root, xml_declaration=True, encoding="utf-8"))
        pair = f"{folder / 'key.pem'},{folder / 'cert.pem'}"
        subprocess.run(
            ["xmlsec1", "--sign", "--privkey-pem", pair, "--id-attr:Id",
             f"{NS}:被签名对象", "--output", str(folder / "out.xml"), str(folder / "in.xml")],
            check=True, capture_output=True,
        )  # fmt: skip
        return (folder / "out.xml").read_bytes()


def verified(xml: bytes, certificate: x509.Certificate, folder: Path) -> bool:
    """Whether xmlsec1 accepts the signature over 被签名对象 by this certificate."""
    (folder / "eep.xml").write_bytes(xml)
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    done = subprocess.run(
        ["xmlsec1", "--verify", "--pubkey-cert-pem", str(folder / "cert.pem"), "--enabled-key-data", "x509",
         "--id-attr:Id", f"{NS}:被签名对象", str(folder / "eep.xml")],
        check=False, capture_output=True,
    )  # fmt: skip
    return done.returncode == 0


def zipped(entries: Mapping[str, bytes], folder: str, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as package:
        for name, data in entries.items():
            package.writestr(f"{folder}/{name}", data)
    return target.getvalue()


Change = Callable[[Any], None]


def nothing(root: Any) -> None:
    return


def built(
    case: Case, key: Key, *, before: Change = nothing, after: Change = nothing, entries: Files | None = None
) -> bytes:
    """A package; `before` and `after` its signature changes the tree, `entries` replaces what is packed."""
    root = tree(case, key[1])
    before(root)
    xml = signed(root, key)
    if after is not nothing:
        done = etree.fromstring(xml)
        after(done)
        xml = etree.tostring(done, xml_declaration=True, encoding="utf-8")
    return zipped({"eep.xml": xml, **(case.files if entries is None else entries)}, case.fileno)


def at(root: Any, path: str) -> Any:
    """The first element at a path without prefixes, e.g. 档号/年度."""
    found = root.find(".//" + "/".join(f"{{{NS}}}{name}" for name in path.split("/")))
    assert found is not None
    return found


def text(path: str, value: str) -> Change:
    """Sets a text."""

    def change(root: Any) -> None:
        at(root, path).text = value

    return change


def removed(path: str) -> Change:
    """Takes an element out."""

    def change(root: Any) -> None:
        node = at(root, path)
        node.getparent().remove(node)

    return change
