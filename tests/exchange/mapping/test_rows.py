"""Rows heard one by one: a broken one is told of, the others count; any other list is refused whole."""

import pytest

from exchange.mapping.compile import compile_mapping
from exchange.mapping.refusal import DocumentRefused

TEXT = """
message = "catalogue.audited.v1"
form = "xml"
root = "RESULT"
loses = ["rows.field", "rows.table"]
fields = [{ wire = "@batch", to = "batch_id" }]
[[each]]
wire = "ROW"
to = "rows"
ROW_WISE
fields = [
  { wire = "@guid", to = "row_id" },
  { wire = "@type", to = "error_type" },
  { wire = "@msg", to = "message" },
]
"""
GOOD = '<ROW guid="r-{0}" type="1" msg="m"/>'
BROKEN = {
    "an unknown attribute": ('<ROW guid="r-9" type="1" msg="m" more="x"/>', "unknown_field", "ROW[1]/@more"),
    "a missing one": ('<ROW guid="r-9" msg="m"/>', "missing_field", "ROW[1]/@type"),
    "a value the wire form forbids": ('<ROW guid="r-9" type="null" msg="m"/>', "bad_value", "ROW[1]/@type"),
    "a value the model forbids": ('<ROW guid="r 9" type="1" msg="m"/>', "bad_value", "ROW[1]/@guid"),
}


def heard(rows: str, row_wise: bool = True, batch: str = "b-1"):  # type: ignore[no-untyped-def]
    mapping = compile_mapping("m", TEXT.replace("ROW_WISE", "row_wise = true" if row_wise else ""))
    return mapping.hear_answer(mapping.read(f'<RESULT batch="{batch}">{rows}</RESULT>'))


@pytest.mark.parametrize(("row", "code", "path"), BROKEN.values(), ids=BROKEN)
def test_a_broken_row_leaves_the_others(row: str, code: str, path: str) -> None:
    payload, broken, _ = heard(GOOD.format(0) + row + GOOD.format(2))
    assert [one.row_id for one in payload.rows] == ["r-0", "r-2"]
    assert [(error.code, error.path) for one in broken for error in one.errors] == [(code, path)]


def test_broken_rows_of_both_kinds_are_told_by_where_they_stood() -> None:
    bad = [row for row, _, _ in BROKEN.values()]
    payload, broken, _ = heard(bad[0] + GOOD.format(1) + bad[3] + bad[3] + GOOD.format(4))
    assert [one.row_id for one in payload.rows] == ["r-1", "r-4"]
    assert [one.errors[0].path for one in broken] == ["ROW[0]/@more", "ROW[2]/@guid", "ROW[3]/@guid"]


@pytest.mark.parametrize(("row", "code", "path"), list(BROKEN.values())[1:], ids=list(BROKEN)[1:])
def test_a_list_that_is_not_row_wise_is_refused_whole(row: str, code: str, path: str) -> None:
    with pytest.raises(DocumentRefused) as caught:
        heard(GOOD.format(0) + row, row_wise=False)
    assert [(error.code, error.path) for error in caught.value.errors] == [(code, path)]


def test_what_is_wrong_outside_the_rows_refuses_the_whole() -> None:
    with pytest.raises(DocumentRefused):
        heard(GOOD.format(0), batch="")


@pytest.mark.parametrize("row_wise", [True, False])
def test_what_the_contract_does_not_have_comes_apart(row_wise: bool) -> None:
    payload, broken, unknown = heard(GOOD.format(0) + "<OTHER/>", row_wise)
    assert [one.row_id for one in payload.rows] == ["r-0"]
    assert (broken, [(one.code, one.path) for one in unknown]) == ((), [("unknown_field", "OTHER")])
