"""The tables of papers, each from its rows."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from hallservice.papers import kinds, parts
from hallservice.papers.capital import in_capitals
from hallservice.papers.sheet import Block, Column, Heading, Table

T = TypeVar("T")
NUMBER = Column("序号", 13, "center")


def numbered(rows: Iterable[T], cells: Callable[[T], tuple[str, ...]]) -> tuple[tuple[str, ...], ...]:
    return tuple((str(number), *cells(row)) for number, row in enumerate(rows, 1))


def materials(rows: tuple[parts.Material, ...]) -> Table:
    columns = (
        NUMBER,
        Column("材料名称"),
        Column("形式", 24, "center"),
        Column("份数", 13, "center"),
        Column("备注", 38),
    )
    return Table(columns, numbered(rows, lambda row: (row.name, row.form, str(row.copies), row.note)))


def wanted(rows: tuple[parts.WantedMaterial, ...]) -> Table:
    columns = (NUMBER, Column("材料名称"), Column("需补齐补正的内容"), Column("份数", 13, "center"))
    return Table(columns, numbered(rows, lambda row: (row.name, row.problem, str(row.copies))))


def named_papers(heading: str, rows: tuple[parts.PaperRef, ...]) -> tuple[Block, ...]:
    """Nothing at all where no paper is named."""
    columns = (NUMBER, Column("名称"), Column("编号", 58), Column("份数", 13, "center"))
    table = Table(columns, numbered(rows, lambda row: (row.name, row.number, str(row.copies))))
    return (Heading(heading), table) if rows else ()


def fees(paper: kinds.Payment) -> Table:
    columns = (
        NUMBER,
        Column("项目编码", 27),
        Column("收费项目"),
        Column("收费标准"),
        Column("数量", 15, "right"),
        Column("金额（元）", 27, "right"),
    )
    rows = numbered(
        paper.fees, lambda fee: (fee.code, fee.name, fee.standard, f"{fee.quantity:f}", f"{fee.amount:,}")
    )
    return Table(
        columns,
        (*rows, *reduction(paper), ("", "合计", in_capitals(paper.total), "", "", f"{paper.total:,}")),
    )


def reduction(paper: kinds.Payment) -> tuple[tuple[str, ...], ...]:
    less = ("", "减免", paper.reduction_basis, "", "", f"-{paper.reduction:,}")
    return (less,) if paper.reduction else ()


def findings(rows: tuple[parts.Finding, ...]) -> Table:
    columns = (NUMBER, Column("事项、业务编号", 67), Column("问题"), Column("级别", 15, "center"))
    return Table(columns, numbered(rows, lambda row: (f"{row.item}\n{row.case_no}", row.problem, row.level)))
