"""`tongban contracts`: a folder of files, and a lock only in a source tree."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from exchange.app.commands import contracts

Tongban = Callable[..., Any]


def test_a_folder_with_the_index(tongban: Tongban, tmp_path: Path) -> None:
    said = tongban("contracts", str(tmp_path / "new" / "out"))
    assert (said.code, said.err) == (0, "")
    index = json.loads((tmp_path / "new" / "out" / "index.json").read_bytes())
    names = {one["name"] for one in index["contracts"]}
    files = {
        path.relative_to(tmp_path / "new" / "out").as_posix()
        for path in (tmp_path / "new" / "out").rglob("*.*")
    }
    assert files == names | {"index.json"}
    assert said.out == f"{len(files)} contracts written to {tmp_path / 'new' / 'out'}\n"


def test_the_same_settings_give_the_same_bytes(tongban: Tongban, tmp_path: Path) -> None:
    for name in ("a", "b"):
        assert tongban("contracts", str(tmp_path / name)).code == 0
    for path in (tmp_path / "a").rglob("*.*"):
        assert path.read_bytes() == (tmp_path / "b" / path.relative_to(tmp_path / "a")).read_bytes()


def test_the_schemas_are_those_of_tongban_schemas(tongban: Tongban, tmp_path: Path) -> None:
    assert (
        tongban("contracts", str(tmp_path / "all")).code
        == tongban("schemas", str(tmp_path / "some")).code
        == 0
    )
    for path in (tmp_path / "some").iterdir():
        assert path.read_bytes() == (tmp_path / "all" / "schemas" / path.name).read_bytes()


@pytest.mark.parametrize("words", [[], ["--lock", "DIR"], ["a", "b"], ["--unlock"]])
def test_wrong_calls(tongban: Tongban, words: list[str]) -> None:
    said = tongban("contracts", *words)
    assert (said.code, said.err.count("\n")) == (2, 1)


def test_a_folder_that_cannot_be_written(tongban: Tongban, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    said = tongban("contracts", str(tmp_path / "file"))
    assert (said.code, said.err.count("\n")) == (1, 1)
    assert said.err.startswith("tongban: file_unusable: ")


def test_the_lock_is_kept_in_a_source_tree(
    tongban: Tongban, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contracts, "ROOT", tmp_path)
    said = tongban("contracts", "--lock")
    assert (said.code, said.err.split(": ")[1]) == (1, "no_source_tree")
    (tmp_path / "docs").mkdir()
    (tmp_path / "exchange" / "data").mkdir(parents=True)
    said = tongban("contracts", "--lock")
    assert said.code == 0
    assert said.out.endswith(" contracts changed\n")
    assert (tmp_path / "exchange" / "data" / "contracts.lock.toml").is_file()
    assert tongban("contracts", "--lock").out == "locked: 0 contracts changed\n"
