"""The tree of eep.xml (contract §3): which elements, in which order, and what their texts may be."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from lxml import etree

from mocks.partners.common.clock import is_date
from mocks.partners.common.xmlsig import DS, Element

NAMESPACE: Final = "http://www.saac.gov.cn/standards/ERM/encapsulation"
RULE: Final = "XML-DSig;exc-c14n;RSA-SHA256"
TERMS: Final = {"Y": "永久", "D30": "30年", "D10": "10年"}
ORIGINAL, MODIFIED = "原始型", "修改型"
ENDLESS: Final = 1_000_000
_START = (
    "A-Z_a-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u02ff\u0370-\u037d\u037f-\u1fff\u200c\u200d\u2070-\u218f"
    "\u2c00-\u2fef\u3001-\ud7ff\uf900-\ufdcf\ufdf0-\ufffd\U00010000-\U000effff"
)
_NAME = re.compile(f"[{_START}][{_START}0-9.·\u0300-\u036f\u203f\u2040-]*")
_INT = re.compile(r"0|[1-9]\d{0,14}", re.ASCII)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+08:00", re.ASCII)
_CREDIT = re.compile(r"[0-9A-HJ-NPQRTUWXY]{18}", re.ASCII)
Rule = Callable[[str], bool]


def _text(most: int = 100_000) -> Rule:
    return lambda text: bool(text.strip()) and len(text) <= most


def _one_of(*texts: str) -> Rule:
    return lambda text: text in texts


def _is(pattern: re.Pattern[str]) -> Rule:
    return lambda text: pattern.fullmatch(text) is not None


def is_moment(text: str) -> bool:
    """yyyy-MM-ddTHH:mm:ss+08:00 of a day that exists."""
    try:
        return _MOMENT.fullmatch(text) is not None and datetime.fromisoformat(text) is not None
    except ValueError:
        return False


def is_digest(text: str) -> bool:
    """32 bytes in base64."""
    try:
        return len(base64.b64decode(text, validate=True)) == 32 and len(text) == 44
    except (binascii.Error, ValueError):
        return False


TEXT, NAME, INT, MOMENT = _text(), _is(_NAME), _is(_INT), is_moment


@dataclass(frozen=True)
class Shape:
    """An element: a leaf with a rule for its text, a node with children, or one foreign element's holder."""

    name: str
    rule: Rule | None = None
    children: tuple[Shape, ...] = ()
    attributes: Mapping[str, Rule] = field(default_factory=dict)
    foreign: str = ""
    least: int = 1
    most: int = 1


def _leaf(name: str, rule: Rule = TEXT) -> Shape:
    return Shape(name, rule)


def _node(name: str, *children: Shape, **attributes: Rule) -> Shape:
    return Shape(name, None, children, attributes)


def _may(shape: Shape) -> Shape:
    return replace(shape, least=0)


def _many(shape: Shape) -> Shape:
    return replace(shape, most=ENDLESS)


CODE = _node(
    "编码",
    _node(
        "电子属性", _leaf("格式信息", _one_of("PDF", "OFD", "TIFF", "XML")), _leaf("计算机文件名"),
        _leaf("计算机文件大小", INT),
    ),
    _may(_node(
        "数字化属性", _leaf("数字化对象形态"), _leaf("扫描分辨率"), _leaf("扫描色彩模式"),
        _leaf("图像压缩方案"),
    )),
    _leaf("编码描述", _one_of("本封装包中“编码数据”元素存储的是计算机文件的SHA-256摘要，文件随包存放")),
    _leaf("反编码关键字", _one_of("sha256-base64Binary")), _leaf("编码数据", is_digest),
    编码ID=NAME,
)  # fmt: skip
DOCUMENT = _node(
    "文档", _leaf("文档标识符", NAME), _leaf("文档序号", INT),
    _leaf("文档主从声明", _one_of("主文档", "附属文档")), _leaf("题名"),
    _node("文档数据", CODE, 文档数据ID=NAME),
)  # fmt: skip
FILE = _node(
    "文件实体", _leaf("聚合层次", _one_of("文件")), _node("来源", _leaf("立档单位名称")), _leaf("电子文件号"),
    _node(
        "档号", _leaf("全宗号"), _leaf("年度", INT), _leaf("保管期限", _one_of(*TERMS.values())),
        _leaf("机构或问题"),
    ),
    _node(
        "内容描述", _leaf("题名"), _leaf("文件编号"), _leaf("责任者"), _leaf("日期", is_date),
        _leaf("密级", _one_of("公开", "内部")),
    ),
    _node(
        "形式特征", _leaf("文件组合类型", _one_of("组合文件")), _leaf("件数", INT),
        _leaf("语种", _one_of("汉语")),
    ),
    _node("存储位置", _leaf("当前位置")), _node("权限管理", _leaf("授权")), _leaf("信息系统描述"),
    _node("文件数据", _many(DOCUMENT)),
)  # fmt: skip
ACT = _node(
    "业务实体", _leaf("业务标识符", NAME), _leaf("机构人员标识符", NAME), _leaf("文件标识符"),
    _leaf("业务状态", _one_of("历史行为")), _leaf("业务行为"), _leaf("行为时间", MOMENT),
    _may(_leaf("行为依据")), _may(_leaf("行为描述", _text(1000))),
)  # fmt: skip
PERSON = _node(
    "机构人员实体", _leaf("机构人员标识符", NAME), _leaf("机构人员类型", _one_of("单位", "个人")),
    _leaf("机构人员名称"), _may(_leaf("组织机构代码", _is(_CREDIT))), _may(_leaf("职位名称")),
)  # fmt: skip
SIGNED = _node(
    "被签名对象", _leaf("封装包类型", _one_of(ORIGINAL, MODIFIED)), _leaf("封装包类型描述", _text(200)),
    _leaf("封装包创建时间", MOMENT), _leaf("封装包创建单位"),
    _node(
        "封装内容", _node("文件实体块", FILE), _node("业务实体块", _many(ACT)),
        _node("机构人员实体块", _many(PERSON)),
    ),
    eep版本=_one_of("2009"), Id=NAME,
)  # fmt: skip
SIGNATURE = _node(
    "电子签名", _leaf("签名标识符", NAME), _leaf("签名规则", _one_of(RULE)), _leaf("签名时间", MOMENT),
    _leaf("签名人"), Shape("签名结果", foreign=f"{{{DS}}}Signature"),
    _node("证书块", _leaf("证书"), _may(_leaf("证书引证"))),
)  # fmt: skip
PACKAGE = _node(
    "电子文件封装包",
    _leaf("封装包格式描述", _one_of(
        "本封装包根据中华人民共和国档案行业标准DA/T 48-2009《基于XML的电子文件封装规范》生成"
    )),
    _leaf("版本", _one_of("2009")), SIGNED, _node("电子签名块", SIGNATURE),
)  # fmt: skip


def tag(name: str) -> str:
    """In the namespace of the package."""
    return f"{{{NAMESPACE}}}{name}"


def path(*names: str) -> str:
    """Of an element below another one."""
    return "/".join(tag(name) for name in names)


def text_of(node: Element, *names: str) -> str:
    """The text there, empty if there is none."""
    return str(node.findtext(path(*names)) or "")


def breaches(root: Element) -> Iterator[str]:
    """What 2-3-1 has against the document."""
    if root.tag != tag(PACKAGE.name):
        yield f"the root is not {PACKAGE.name}"
    else:
        yield from _against(root, PACKAGE)


def _against(node: Element, shape: Shape) -> Iterator[str]:
    if dict(node.attrib).keys() != shape.attributes.keys():
        yield f"{shape.name}: attributes"
    for name, rule in shape.attributes.items():
        if name in node.attrib and not rule(node.get(name)):
            yield f"{shape.name}/@{name}"
    if shape.rule is not None:
        if len(node) or not shape.rule(node.text or ""):
            yield f"{shape.name}: empty or wrong"
    elif shape.foreign:
        if [one.tag for one in node] != [shape.foreign] or _stray(node):
            yield f"{shape.name}: not one Signature alone"
    else:
        yield from _children(node, shape)


def _stray(node: Element) -> bool:
    """Text between elements."""
    return bool((node.text or "").strip() or any((one.tail or "").strip() for one in node))


def _children(node: Element, shape: Shape) -> Iterator[str]:
    if _stray(node):
        yield f"{shape.name}: text between its elements"
    at, children = 0, list(node)
    for part in shape.children:
        first = at
        while at < len(children) and children[at].tag == tag(part.name) and at - first < part.most:
            yield from _against(children[at], part)
            at += 1
        if at - first < part.least:
            yield f"{shape.name}: {part.name} is missing"
    if at < len(children):
        yield f"{shape.name}: {etree.QName(children[at]).localname} does not belong there"
