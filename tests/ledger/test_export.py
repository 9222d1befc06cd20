"""The exported folder: exactly the files of the tile layout, extended in place, never mixed with others."""

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import LedgerError
from ledger.export import export
from ledger.tiles import BundleError, bundle, path_of, place_of, unpack
from ledger.tree import EMPTY_ROOT, leaf_hash, root_of


def files(folder: Path) -> dict[str, bytes]:
    found = [path for path in folder.rglob("*") if not path.is_dir()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def refusal(city: Any, folder: Path) -> str:
    with pytest.raises(LedgerError) as caught, city.engine.connect() as connection:
        export(connection, folder, verifier=city.signer.verifier)
    return caught.value.code


@pytest.mark.parametrize(
    ("place", "path"),
    [
        ((0, 0, 256), "tile/0/000"),
        ((0, 1234067, 256), "tile/0/x001/x234/067"),  # the example of C2SP tlog-tiles
        ((-1, 1234067, 5), "tile/entries/x001/x234/067.p/5"),
        ((1, 0, 3), "tile/1/000.p/3"),
        ((63, 999, 255), "tile/63/999.p/255"),
        ((2, 1000, 256), "tile/2/x001/000"),
    ],
)
def test_paths(place: tuple[int, int, int], path: str) -> None:
    assert path_of(*place) == path and place_of(path) == place


@pytest.mark.parametrize(
    "path",
    ["tile/0/0", "tile/00/000", "tile/64/000", "tile/0/x000/001", "tile/0/000.p/0", "tile/0/000.p/256",
     "tile/0/000.p/01", "tile/0/000.p/300", "tile/entries", "checkpoint", "tile/0/000/", "tile/8/0/000"],
)  # fmt: skip
def test_other_paths_name_nothing(path: str) -> None:
    assert place_of(path) is None


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_bundles_come_back(leaves: list[bytes]) -> None:
    packed = bundle(leaves)
    assert unpack(packed, len(leaves)) == leaves
    for data, count in ((packed + b"x", len(leaves)), (packed, len(leaves) + 1), (packed[:-1], len(leaves))):
        if data != packed or count != len(leaves):
            with pytest.raises(BundleError):
                unpack(data, count)


def test_a_thousand_entries_are_ten_files(city: Any) -> None:
    city.append(1000)
    found, leaves = files(city.export()), city.leaves()
    assert sorted(found) == [
        "checkpoint", "tile/0/000", "tile/0/001", "tile/0/002", "tile/0/003.p/232", "tile/1/000.p/3",
        "tile/entries/000", "tile/entries/001", "tile/entries/002", "tile/entries/003.p/232",
    ]  # fmt: skip
    hashes = [leaf_hash(leaf) for leaf in leaves]
    assert found["tile/0/001"] == b"".join(hashes[256:512])
    assert found["tile/1/000.p/3"] == b"".join(root_of(hashes[at : at + 256]) for at in (0, 256, 512))
    assert found["tile/entries/003.p/232"] == b"".join(
        len(leaf).to_bytes(2, "big") + leaf for leaf in leaves[768:]
    )


def test_extending_gives_the_same_files_as_writing_anew(city: Any) -> None:
    for step in (1, 5, 249, 1, 1, 255, 300):
        city.append(step)
        grown = files(city.export("grown"))
        assert grown == files(city.export(f"new-{city.count}")), city.count


def test_extending_reads_and_writes_only_what_is_new(city: Any) -> None:
    city.append(600)
    folder = city.export()
    before = (folder / "tile/0/000").stat().st_ino
    city.append(1)
    with city.engine.connect() as connection:
        done = export(connection, folder)
    assert (done.size, done.written, done.removed) == (601, 4, 2)
    assert (folder / "tile/0/000").stat().st_ino == before


def test_an_empty_log_is_a_checkpoint_alone(city: Any) -> None:
    note = city.append(0).text
    assert refusal(city, city.folder / "empty") == "log_empty"
    with city.engine.connect() as connection:
        done = export(connection, city.folder / "empty", verifier=city.signer.verifier, empty_note=note)
    assert (done.size, done.root) == (0, EMPTY_ROOT)
    assert list(files(city.folder / "empty")) == ["checkpoint"]
    assert city.check(city.folder / "empty").status == "whole"


@pytest.mark.parametrize(
    "name", ["notes.txt", "tile/0/README", "tile/0/x000/001", ".git/HEAD", "checkpoint.bak"]
)
def test_a_folder_with_other_files_is_left_alone(city: Any, name: str) -> None:
    city.append(3)
    folder = city.folder / "used"
    (folder / name).parent.mkdir(parents=True)
    (folder / name).write_text("mine")
    assert refusal(city, folder) == "folder_foreign"
    assert list(files(folder)) == [name]


def test_links_are_not_written_through(city: Any) -> None:
    city.append(3)
    folder, outside = city.folder / "linked", city.folder / "outside"
    folder.mkdir()
    outside.mkdir()
    (folder / "tile").symlink_to(outside)
    assert refusal(city, folder) == "folder_foreign"
    assert list(outside.iterdir()) == []


def test_another_log_or_a_longer_history_is_not_overwritten(city: Any, make: Any) -> None:
    other, twin = make("ledger.other.example/1"), make(seed=3)
    twin.signer = city.signer
    twin.log = type(city.log)(city.signer.name, city.signer)
    city.append(5)
    folder = city.export()
    before = files(folder)
    other.append(9)
    twin.append(2)
    assert refusal(other, folder) == "note_unsigned"
    with other.engine.connect() as connection, pytest.raises(LedgerError, match="other_log"):
        export(connection, folder)
    assert refusal(twin, folder) == "store_older"
    twin.append(9)
    assert refusal(twin, folder) == "other_log"
    assert files(folder) == before


def test_an_interrupted_export_is_finished_by_the_next(city: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    city.append(700)
    folder = city.export()
    city.append(400)
    whole = files(city.export("whole"))
    real = os.replace
    for broken in range(12):
        left = iter(range(broken))

        def failing(*args: Any, left: Any = left) -> None:
            if next(left, None) is None:
                raise OSError(28, "No space left on device")
            real(*args)

        monkeypatch.setattr(Path, "replace", lambda one, two, act=failing: act(one, two))
        try:
            city.export()
        except LedgerError as error:
            assert error.code == "export_unwritable"
            assert city.check(folder).status in ("whole", "incomplete")
    monkeypatch.undo()
    assert files(city.export()) == whole


def test_a_damaged_right_edge_is_written_again(city: Any) -> None:
    city.append(300)
    folder = city.export()
    (folder / "tile/0/001.p/44").write_bytes(bytes(44 * 32))
    city.append(10)
    city.export()
    assert city.check(folder).status == "whole"


def test_rebuild_repairs_what_lies_behind_the_edge(city: Any) -> None:
    city.append(600)
    folder = city.export()
    good = files(folder)
    (folder / "tile/0/000").write_bytes(bytes(8192))
    assert city.check(city.export()).status == "tampered"
    with city.engine.connect() as connection:
        export(connection, folder, rebuild=True)
    assert files(folder) == good


def test_no_checkpoint_is_published_over_entries_it_does_not_cover(city: Any) -> None:
    city.append(5)
    city.sql("UPDATE ledger_entry SET leaf = x'00' WHERE seq = 2")
    assert refusal(city, city.folder / "bad") == "root_differs"
    assert not (city.folder / "bad/checkpoint").exists()
    city.sql("DELETE FROM ledger_entry WHERE seq = 2")
    assert refusal(city, city.folder / "bad") == "entry_missing"
    city.sql(
        "UPDATE ledger_checkpoint SET note = substr(note, 1, length(note) - 9) || 'xxxx' || substr(note, -5)"
    )
    assert refusal(city, city.folder / "bad").startswith("note_")
