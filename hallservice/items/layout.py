"""How the lists stand in a spreadsheet: one line an item, its rows on sheets of their own, joined by 序号."""

import unicodedata
from collections.abc import Iterator, Mapping, Sequence

from hallservice.items.elements import ELEMENTS, GROUPS, Content, Element, parts
from hallservice.items.wording import DIRECTORY, LISTS
from hallservice.items.workbooks import Sheet

NUMBER, CODE, FAULT, EXPLAINED = "序号", "编码", "错误", "填写说明"
NARROW = frozenset({"whole", "number", "money", "day", "yes"})
CODES = frozenset(
    {"department", "above", "directory", "region", "local_code", "code"}
)  # elements that are codes


def columns(list_: str) -> list[Element]:
    """Of the main sheet; what the directory says is not typed."""
    return [one for one in ELEMENTS[list_] if one.kind != "fixed"]


def header(elements: Sequence[Element], *, main: bool) -> list[str]:
    first = [NUMBER, CODE] if main else [NUMBER]
    return [*first, *(one.label for one in elements)]


def cell(one: Element, value: object) -> str:
    """A value as it stands in a sheet."""
    if isinstance(value, list | tuple):
        return "；".join(one.shown([item]) for item in value)
    return one.shown(value) if value or one.kind != "yes" else ""


def narrow(said: str) -> str:
    """Full-width digits, letters and signs as an input method leaves them, made narrow."""
    return unicodedata.normalize("NFKC", said)


def value(one: Element, said: str) -> str | list[str]:
    """What a cell means: labels become codes; what is none stays, and is found wrong by the rules."""
    if one.kind in NARROW or one.name in CODES:
        said = narrow(said).replace(" ", "")
    if one.kind == "choices":
        return [_code(one, part) for part in parts(said)]
    if one.kind == "yes":
        return {"是": "1", "1": "1", "否": "", "0": ""}.get(said, said)
    return _code(one, said) if one.kind == "choice" or one.codes else said


def _code(one: Element, said: str) -> str:
    return next((code for code, label in one.choices if said in (code, label)), said)


def sheets(list_: str, items: Sequence[tuple[str, Content]]) -> list[Sheet]:
    """A list as it can be imported again; `items` are code and content."""
    main = [
        [str(no), code, *(cell(one, content.get(one.name, "")) for one in columns(list_))]
        for no, (code, content) in enumerate(items, 1)
    ]
    made = [Sheet(LISTS[list_], header(columns(list_), main=True), main, _choices(columns(list_), 2))]
    for group in GROUPS[list_]:
        rows = [
            [str(no), *(cell(one, row.get(one.name, "")) for one in group.elements)]
            for no, (_, content) in enumerate(items, 1)
            for row in content[group.name]
        ]
        head = header(group.elements, main=False)
        made.append(Sheet(group.label, head, rows, _choices(group.elements, 1)))
    return made


def _choices(elements: Sequence[Element], first: int) -> Mapping[int, Sequence[str]]:
    found = {}
    for at, one in enumerate(elements, first):
        if one.kind == "choice":
            found[at] = [label for _, label in one.choices]
        elif one.kind == "yes":
            found[at] = ["是", "否"]
    return found


def template(list_: str) -> list[Sheet]:
    """Nothing but the headers, and what they mean."""
    return [*sheets(list_, []), Sheet(EXPLAINED, ["工作表", "列", "要求"], list(_explained(list_)))]


def _explained(list_: str) -> Iterator[list[str]]:
    yield [LISTS[list_], CODE, "不填为新增；填写已有编码为变更"]
    every = [(LISTS[list_], columns(list_)), *((one.label, one.elements) for one in GROUPS[list_])]
    if list_ != DIRECTORY:
        yield ["各表", NUMBER, "申请材料、收费项目、情形各行与实施清单中序号相同的事项对应"]
    for name, elements in every:
        for one in elements:
            must = "必填。" if one.required else ""
            given = (
                f"可选：{'、'.join(label for _, label in one.choices)}。"
                if one.kind in ("choice", "choices")
                else ""
            )
            yield [name, one.label, must + given + one.hint]
