"""The completion walk: everything open at once, each with file and line, and never an error of another's."""

import json
import shutil
from pathlib import Path

import pytest

from exchange.adapterfolder import load_adapter
from exchange.scaffold.analyse import analyse
from exchange.scaffold.points import Edit, Walk, apply
from tests.adapters.samples import ADAPTERS

SHIPPED = ("department_a", "fees", "sms", "certificates", "archives", "provincial_reporting")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the SMS gateway's folder."""
    return Path(shutil.copytree(ADAPTERS / "sms", tmp_path / "sms"))


def change(folder: Path, file: str, old: str, new: str) -> int:
    """The line at which the text was changed."""
    path = folder / file
    text = path.read_text("utf-8")
    assert text.count(old) == 1, text
    path.write_text(text.replace(old, new), "utf-8")
    return text.count("\n", 0, text.index(old)) + 1


def found(walk: Walk) -> list[tuple[str, str, int, str]]:
    return [(point.kind, point.file, point.line, point.path) for point in walk.points]


@pytest.mark.parametrize("name", SHIPPED)
def test_nothing_is_open_in_a_finished_folder(name: str) -> None:
    walk = analyse(ADAPTERS / name)
    assert (walk.complete, walk.next, walk.summary, walk.points) == (True, None, "nothing is open", ())


def test_a_field_left_out_of_the_mapping(folder: Path) -> None:
    change(folder, "report.mapping.toml", '  { wire = "mobile", to = "mobile" },\n', "")
    walk = analyse(folder)
    kinds = {(point.kind, point.path) for point in walk.points}
    assert kinds == {("unread", "mobile"), ("unfilled", "reports.mobile")}
    assert walk.summary == "1 field unread, 1 canonical field unfilled"
    (unread,) = walk.of("unread")
    assert unread.suggestion.startswith('perhaps { wire = "mobile", to = "mobile" }')


def test_several_faults_are_told_at_once(folder: Path) -> None:
    first = change(folder, "submit.mapping.toml", 'to = "mobile"', 'to = "telephone"')
    change(folder, "submitted.mapping.toml", 'to = "accepted"', 'to = "accepted", as = "yuan9"')
    third = change(folder, "report.mapping.toml", 'DELIVRD = "delivered"', 'DELIVRD = "?"')
    change(folder, "adapter.toml", 'owner = "政务短信平台运营单位"', 'owner = "TODO: who runs it"')
    held = found(analyse(folder))
    assert ("broken", "submit.mapping.toml", first, "messages[]/mobile") in held
    assert ("unfilled", "submit.mapping.toml", 6, "mobile") in held
    assert [one[:2] for one in held if one[3] == "data/accepted"] == [("broken", "submitted.mapping.toml")]
    assert ("unknown_code", "report.mapping.toml", third, "reportStatus") in held
    assert ("todo", "adapter.toml", 3, "owner") in held


def test_a_code_the_sample_has_and_the_table_has_not(folder: Path) -> None:
    line = change(folder, "report.mapping.toml", 'UNDELIV = "undeliverable", ', "")
    assert found(analyse(folder)) == [("unknown_code", "report.mapping.toml", line, "[2]/reportStatus")]


def test_a_value_in_another_form(folder: Path) -> None:
    old = 'to = "submitted_at", as = "datetime14"'
    line = change(folder, "report.mapping.toml", old, old.replace("datetime14", "epoch_ms"))
    held = analyse(folder).points
    assert {(one.kind, one.file, one.line) for one in held} == {("bad_value", "report.mapping.toml", line)}


def test_two_fields_swapped_show_in_the_sample(folder: Path) -> None:
    path = folder / "report.mapping.toml"
    text = path.read_text("utf-8").replace('"submitted_at"', '"?"').replace('"received_at"', '"submitted_at"')
    path.write_text(text.replace('to = "?"', 'to = "received_at"'), "utf-8")
    paths = {point.path for point in analyse(folder).of("sample_differs")}
    assert paths == {f"reports[{at}].{name}" for at in range(3) for name in ("submitted_at", "received_at")}


def test_samples_that_are_missing(folder: Path) -> None:
    (folder / "fixtures/accepted/submit.json").unlink()
    (folder / "fixtures/accepted/report.canonical.json").unlink()
    (folder / "fixtures/refused/report--empty_list.code").unlink()
    places = {(point.file, point.path) for point in analyse(folder).of("missing_sample")}
    assert places == {
        ("submit.mapping.toml", "submit"),
        ("fixtures/accepted/report.json", "report"),
        ("fixtures/refused/report--empty_list.json", "report--empty_list.json"),
    }


def test_papers_that_are_missing(folder: Path) -> None:
    (folder / "notes.md").unlink()
    (folder / "contract/contract.md").unlink()
    assert {point.file for point in analyse(folder).of("broken")} == {"notes.md", "contract/contract.md"}


def test_a_mapping_the_manifest_asks_for(folder: Path) -> None:
    (folder / "report.mapping.toml").unlink()
    shutil.rmtree(folder / "fixtures")
    line = (folder / "adapter.toml").read_text("utf-8").splitlines().index(
        'documents = [{ type = "sms.reported.v1", mapping = "report" }]'
    )  # fmt: skip
    assert ("broken", "adapter.toml", line + 1, "report") in found(analyse(folder))


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("adapter.toml", "title ="),
        ("adapter.toml", 'title = "x"\nwrong = 1\n'),
        ("report.mapping.toml", "form = [["),
        ("report.mapping.toml", 'form = "json"\nfeilds = []\n'),
        ("report.mapping.toml", 'form = "json"\nmessage = "no.such.v1"\n'),
        ("report.mapping.toml", 'form = "json"\nmessage = "sms.reported.v1"\ninclude = ["absent"]\n'),
        ("fixtures/accepted/report.json", "[[["),
        ("fixtures/accepted/report.canonical.json", "7"),
    ],
)
def test_a_broken_file_is_a_point(folder: Path, file: str, text: str) -> None:
    (folder / file).write_text(text, "utf-8")
    walk = analyse(folder)
    assert not walk.complete
    assert any(point.file in (file, "fixtures/accepted/report.json") for point in walk.points)


def test_bytes_that_are_no_text(folder: Path) -> None:
    (folder / "report.mapping.toml").write_bytes(b"\xff\xfe")
    (folder / "adapter.toml").write_bytes("owner = '梅州'".encode("gb18030"))
    assert {point.file for point in analyse(folder).of("broken")} >= {"adapter.toml", "report.mapping.toml"}


def test_no_folder_at_all(tmp_path: Path) -> None:
    assert not analyse(tmp_path / "absent").complete


def test_what_loading_alone_finds_is_told_too(folder: Path) -> None:
    rest = 'rest = { method = "GET", path = "/sms/v1/balance" }'
    change(folder, "adapter.toml", rest, 'soap = { operation = "Balance" }')
    (point,) = analyse(folder).points
    assert (point.kind, "no_service" in point.detail) == ("broken", True)


def test_suggestions_lead_back_to_a_folder_that_loads(folder: Path) -> None:
    text = (folder / "report.mapping.toml").read_text("utf-8")
    for line in ('  { wire = "mobile", to = "mobile" },\n', '  { wire = "msgGroup", to = "group_id" },\n'):
        text = text.replace(line, line.replace(line[line.index(", to") :], ', todo = "?" },\n'))
    (folder / "report.mapping.toml").write_text(text, "utf-8")
    walk = analyse(folder)
    assert walk.summary == "2 fields unread, 2 canonical fields unfilled"
    apply(folder, [point.edit for point in walk.points if point.edit])
    assert analyse(folder).complete
    assert load_adapter(folder).name == "sms"


def test_edits_of_one_file_do_not_disturb_each_other(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("one\ntwo\nthree\n")
    edits = [
        Edit("f", 2, "zwei"),
        Edit("f", 1, None),
        Edit("f", 2, "before", insert=True),
        Edit("f", 2, "late"),
    ]
    apply(tmp_path, edits)
    assert (tmp_path / "f").read_text() == "before\nzwei\nthree\n"


def test_a_canonical_value_still_guessed_is_a_point(folder: Path) -> None:
    path = folder / "fixtures/accepted/report.canonical.json"
    held = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps({"todo": "guessed", **held}, indent=1), "utf-8")
    (point,) = analyse(folder).points
    assert (point.kind, point.line, point.edit) == ("unconfirmed", 2, Edit(point.file, 2, None))
    apply(folder, [point.edit] if point.edit else [])
    assert analyse(folder).complete
