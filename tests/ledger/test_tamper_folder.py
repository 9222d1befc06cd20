"""Attacks on an exported folder: each is planted, must be noticed, and must be blamed on its place.

The numbers are those of the tamper matrix in docs/ledger.md.
"""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.draft import Draft, Position, build
from ledger.errors import LedgerError
from ledger.leaf import canonical
from ledger.report import Report
from ledger.tiles import bundle, unpack
from tests.ledger.conftest import make_city

SIZE = 600
EDGE = "tile/entries/002.p/88"

Place = tuple[str, int | str]


def places(report: Report) -> set[Place]:
    return {(finding.rule, finding.where) for finding in report.findings}


def flip(path: Path, at: int = 100, bit: int = 1) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= bit
    path.write_bytes(data)


def rewrite(folder: Path, path: str, count: int, change: Callable[[list[bytes]], None]) -> None:
    """Change the leaves of one bundle."""
    leaves = unpack((folder / path).read_bytes(), count)
    change(leaves)
    (folder / path).write_bytes(bundle(leaves))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The pattern of every damaged city."""
    made = make_city(tmp_path_factory.mktemp("whole"))
    made.append(SIZE)
    assert made.check(made.export()).findings == ()
    return made


@pytest.fixture
def folder(whole: Any, city: Any) -> Path:
    city.become(whole)
    exported: Path = shutil.copytree(whole.folder / "export", city.folder / "export")
    return exported


def replace_xid(leaves: list[bytes], at: int) -> None:
    leaves[at] = leaves[at].replace(b'"xid":"x-', b'"xid":"y-')


def swap(leaves: list[bytes]) -> None:
    leaves[3], leaves[4] = leaves[4], leaves[3]


def two_spellings(leaves: list[bytes]) -> None:
    leaves[5] = leaves[5].replace(b'"xid":"x-', b'"xid":"\\u0078-')


def twice(leaves: list[bytes]) -> None:
    leaves[5] = leaves[5].replace(b'"v":1,', b'"v":1,"v":1,')


DAMAGE: dict[str, tuple[Callable[[Path], Any], set[Place]]] = {
    "3 entry in a full bundle": (
        lambda f: rewrite(f, "tile/entries/001", 256, lambda e: replace_xid(e, 17)),
        {("entry", 256 + 17)},
    ),
    "3 entry on the right edge": (
        lambda f: rewrite(f, EDGE, 88, lambda e: replace_xid(e, 3)),
        {("entry", 515)},
    ),
    "3 entries in several bundles": (
        lambda f: [rewrite(f, f"tile/entries/00{n}", 256, lambda e: replace_xid(e, 9)) for n in (0, 1)],
        {("entry", 9), ("entry", 265)},
    ),
    "4 hash in a full tile": (lambda f: flip(f / "tile/0/001"), {("tile", "tile/0/001")}),
    "4 hash on the right edge": (lambda f: flip(f / "tile/0/002.p/88"), {("tile", "tile/0/002.p/88")}),
    "4 hash one level up": (lambda f: flip(f / "tile/1/000.p/2", 5), {("tile", "tile/1/000.p/2")}),
    "4 hashes of every level": (
        lambda f: [flip(f / name, 5) for name in ("tile/0/000", "tile/0/002.p/88", "tile/1/000.p/2")],
        {("tile", "tile/0/000"), ("tile", "tile/0/002.p/88"), ("tile", "tile/1/000.p/2")},
    ),
    "4 tile cut short": (lambda f: os.truncate(f / "tile/0/000", 8000), {("tile", "tile/0/000")}),
    "10 bundle cut short": (
        lambda f: os.truncate(f / EDGE, (f / EDGE).stat().st_size - 1),
        {("bundle", EDGE)},
    ),
    "10 bundle too long": (
        lambda f: (f / EDGE).write_bytes((f / EDGE).read_bytes() + b"\0\0"),
        {("bundle", EDGE)},
    ),
    "10 bundle emptied": (
        lambda f: (f / "tile/entries/000").write_bytes(b""),
        {("bundle", "tile/entries/000")},
    ),
    "11 the same meaning escaped": (
        lambda f: rewrite(f, "tile/entries/000", 256, two_spellings),
        {("leaf_not_canonical", 5), ("entry", 5)},
    ),
    "11 a field twice": (
        lambda f: rewrite(f, "tile/entries/000", 256, twice),
        {("leaf_not_canonical", 5), ("entry", 5)},
    ),
    "12 rows swapped": (
        lambda f: rewrite(f, "tile/entries/000", 256, swap),
        {("entry", 3), ("entry", 4), ("seq", 3), ("seq", 4)},
    ),
    "20 bundle missing": (lambda f: (f / "tile/entries/001").unlink(), {("missing", "tile/entries/001")}),
    "20 tile missing": (lambda f: (f / "tile/0/001").unlink(), {("missing", "tile/0/001")}),
    "20 edge missing": (lambda f: (f / "tile/1/000.p/2").unlink(), {("missing", "tile/1/000.p/2")}),
    "20 checkpoint missing": (lambda f: (f / "checkpoint").unlink(), {("missing", "checkpoint")}),
    "2 checkpoint root": (lambda f: flip(f / "checkpoint", 40), {("signature", "checkpoint")}),
    "checkpoint garbage": (
        lambda f: (f / "checkpoint").write_bytes(b"\xff" * 50),
        {("checkpoint", "checkpoint")},
    ),
    "checkpoint huge": (lambda f: os.truncate(f / "checkpoint", 2**40), {("unreadable", "checkpoint")}),
    "a stranger": (lambda f: (f / "tile/0/evil\x1b[31m").touch(), {("stray", "tile/0/evil\\x1b[31m")}),
    "a tile ahead": (lambda f: (f / "tile/0/009").touch(), {("leftover", "tile/0/009")}),
    "half a file": (lambda f: (f / "tile/0/000.tmp").touch(), {("leftover", "tile/0/000.tmp")}),
}


@pytest.mark.parametrize("attack", DAMAGE)
def test_damage_is_noticed_and_blamed_on_its_place(city: Any, folder: Path, attack: str) -> None:
    plant, expected = DAMAGE[attack]
    plant(folder)
    report = city.check(folder)
    assert expected <= places(report)
    absent = {"missing", "leftover"}
    assert report.exit_code == (2 if {rule for rule, _ in expected} <= absent else 1)


@pytest.mark.parametrize("attack", [name for name in DAMAGE if name[0] in "34"] + ["20 bundle missing"])
def test_nothing_else_is_blamed(city: Any, folder: Path, attack: str) -> None:
    plant, expected = DAMAGE[attack]
    plant(folder)
    assert places(city.check(folder)) == expected


def test_all_damage_is_listed_not_the_first(city: Any, folder: Path) -> None:
    for name in ("3 entry in a full bundle", "4 hash on the right edge", "20 bundle missing", "a stranger"):
        if name == "20 bundle missing":
            (folder / "tile/entries/000").unlink()
        else:
            DAMAGE[name][0](folder)
    expected = {("entry", 273), ("tile", "tile/0/002.p/88"), ("missing", "tile/entries/000")}
    report = city.check(folder)
    assert expected | {("stray", "tile/0/evil\\x1b[31m")} == places(report)
    assert (report.status, report.exit_code) == ("tampered", 1)


def test_links_and_pipes_are_not_followed(city: Any, folder: Path) -> None:
    target = city.folder / "outside"
    (folder / "tile/0/000").rename(target)
    (folder / "tile/0/000").symlink_to(target)
    (folder / EDGE).unlink()
    os.mkfifo(folder / EDGE)
    assert {("unreadable", "tile/0/000"), ("unreadable", EDGE)} == places(city.check(folder))


# -- histories that are consistent in themselves and signed with the true key -----------------------------


def numbered(leaves: list[bytes], **fields: Any) -> list[bytes]:
    """The leaves with their positions written anew."""
    return [canonical({**json.loads(leaf), "seq": at, **fields}) for at, leaf in enumerate(leaves)]


def without(leaves: list[bytes], at: int) -> list[bytes]:
    return leaves[:at] + leaves[at + 1 :]


def backdated(leaves: list[bytes]) -> list[bytes]:
    extra = canonical({**json.loads(leaves[99]), "xid": "forged", "ts": json.loads(leaves[99])["ts"] + 500})
    return numbered([*leaves[:100], extra, *leaves[100:]])


def changed(leaves: list[bytes], at: int, **fields: Any) -> list[bytes]:
    return [*leaves[:at], canonical({**json.loads(leaves[at]), **fields}), *leaves[at + 1 :]]


HISTORIES: dict[str, tuple[Callable[[list[bytes]], list[bytes]], Place]] = {
    "12 swapped, signed again": (lambda e: [*e[:3], e[4], e[3], *e[5:]], ("seq", 3)),
    "13 middle deleted, renumbered": (lambda e: numbered(without(e, 150)), ("channel", 152)),
    "13 middle deleted": (lambda e: without(e, 150), ("seq", 150)),
    "16 inserted with an earlier date": (backdated, ("channel", 100)),
    "16 time goes back": (lambda e: changed(e, 300, ts=5), ("time", 300)),
    "18 entry twice": (lambda e: numbered([*e[:50], e[49], *e[50:]]), ("channel", 50)),
    "18 entry twice, unnumbered": (lambda e: [*e, e[-1]], ("seq", SIZE)),
    "19 gap in the channel": (lambda e: changed(e, 30, chan_n=12), ("channel", 30)),
    "19 gap in the case": (lambda e: changed(e, 31, case_n=3), ("case", 31)),
    "19 other previous entry": (lambda e: changed(e, 31, case_prev=29), ("case_prev", 31)),
    "21 states that do not follow": (
        lambda e: changed(e, 31, state={"from": "decided", "to": "accepted"}),
        ("state", 31),
    ),
    "32 an entry of another log": (lambda e: changed(e, 7, log="ledger.other.example/1"), ("log_name", 7)),
    "47 an erasure of nothing": (lambda e: changed(e, 7, kind="erasure"), ("erasure", 7)),
    "47 an erasure of the future": (
        lambda e: changed(e, 7, kind="erasure", note={"seqs": "3,7-9"}),
        ("erasure", 7),
    ),
}


@pytest.mark.parametrize("attack", HISTORIES)
def test_a_history_signed_again_gives_itself_away(city: Any, folder: Path, attack: str) -> None:
    change, expected = HISTORIES[attack]
    report = city.check(city.forge(change(city.leaves())))
    assert expected in places(report) and report.exit_code == 1
    assert not {"root", "tile", "entry", "signature"} & {rule for rule, _ in places(report)}


@pytest.mark.parametrize(
    ("attack", "change", "rule", "where"),
    [
        ("14 tail deleted", lambda e: e[:550], "rollback", "checkpoint"),
        ("17 entry rewritten", lambda e: changed(e, 450, xid="other"), "rewritten", 400),
        ("26 split view", lambda e: changed(e, 599, xid="other"), "split_view", "checkpoint"),
        ("27 rollback to nothing", lambda e: [], "rollback", "checkpoint"),
    ],
)
def test_a_saved_checkpoint_convicts_a_perfect_forgery(
    city: Any, attack: str, change: Any, rule: str, where: int | str
) -> None:
    """Without an earlier checkpoint these pass: nothing inside them is wrong. Docs say so."""
    saved = tuple(city.append(size).text.encode() for size in (300, 100, 100, 100))
    forged = city.forge(change(city.leaves()))
    assert city.check(forged).status == "whole", attack
    report = city.check(forged, saved)
    assert (rule, where) in places(report) and report.exit_code == 1
    assert city.check(city.export(), saved).findings == ()


def test_15_a_deleted_tail_leaves_its_checkpoint_behind(city: Any, folder: Path) -> None:
    """The files of an older export under the newer checkpoint."""
    note = (folder / "checkpoint").read_bytes()
    short = city.forge(city.leaves()[:512])
    (short / "checkpoint").write_bytes(note)
    report = city.check(short)
    assert {("missing", EDGE), ("missing", "tile/0/002.p/88")} <= places(report)
    assert report.exit_code == 2


def test_32_35_another_log_another_key(city: Any, make: Any, folder: Path) -> None:
    stranger, namesake = make("ledger.other.example/1", 2), make(seed=3)
    assert ("signature", "checkpoint") in places(stranger.check(folder))
    assert ("signature", "checkpoint") in places(namesake.check(folder))
    note = city.signer.sign(
        "ledger.other.example/1\n" + city.sign(city.leaves()).decode().split("\n", 1)[1][:49]
    )
    (folder / "checkpoint").write_bytes(note.encode())
    assert ("log_name", "checkpoint") in places(city.check(folder))


def test_a_saved_note_of_another_log_is_the_auditors_error(city: Any, make: Any, folder: Path) -> None:
    with pytest.raises(LedgerError, match="note_unsigned"):
        city.check(folder, (make(seed=3).sign([]),))
    with pytest.raises(LedgerError, match="note_malformed"):
        make("x", 4).check(folder, (b"garbage",))


@pytest.mark.parametrize("size", [2**62, 2**40, 10**6])
def test_a_giant_size_is_answered_at_once(city: Any, folder: Path, size: int) -> None:
    body = (folder / "checkpoint").read_text().split("\n")
    note = city.signer.sign(f"{body[0]}\n{size}\n{body[2]}\n")
    (folder / "checkpoint").write_text(note)
    report = city.check(folder)
    assert report.size == size and ("missing", "tile/entries/002") in places(report)
    assert len(report.findings) < 1000


@pytest.mark.parametrize("size", [0, 1, 2, 3, 255, 256, 257, 511, 512, 513])
def test_51_edge_sizes(city: Any, size: int) -> None:
    city.append(520)
    leaves = city.leaves()[:size]
    whole = city.check(city.forge(leaves), (city.sign(leaves[: size // 2]), city.sign(leaves)))
    assert (whole.status, whole.size, whole.entries) == ("whole", size, size)
    if size:
        cut = city.forge(leaves, "cut")
        (cut / "checkpoint").write_bytes(city.sign(city.leaves()[: size - 1]))
        assert city.check(cut).exit_code in (1, 2)


def test_4_every_level_of_a_deep_tree(city: Any) -> None:
    draft, count = Draft("k", "x", "a", "b", "s"), 65_536 + 300
    leaves = [build(draft, Position(city.signer.name, seq, 1, seq + 1), {}) for seq in range(count)]
    folder = city.forge(leaves)
    assert city.check(folder).findings == ()
    flip(folder / "tile/0/200", 64)
    flip(folder / "tile/1/000", 32 * 77)
    flip(folder / "tile/1/001.p/1", 9)
    flip(folder / "tile/2/000.p/1", 9)
    expected = {"tile/0/200", "tile/1/000", "tile/1/001.p/1", "tile/2/000.p/1"}
    assert expected == {where for _, where in places(city.check(folder))}


def test_every_flipped_byte_of_a_small_log_is_noticed(city: Any) -> None:
    city.append(6)
    folder = city.export()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        good = path.read_bytes()
        for at in range(0, len(good), 3 if "entries" in str(path) else 1):
            flip(path, at)
            assert city.check(folder).exit_code == 1, (path, at)
            path.write_bytes(good)
    assert city.check(folder).findings == ()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(data=st.data())
def test_hostile_files_end_in_findings(tmp_path: Path, make: Any, data: st.DataObject) -> None:
    city = make(seed=2)
    if not city.sql("SELECT 1 FROM ledger_head"):
        city.append(300)
    folder = city.export()
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    path = data.draw(st.sampled_from(files))
    good, bad = path.read_bytes(), data.draw(st.binary(max_size=600))
    path.write_bytes(bad)
    report = city.check(folder)
    assert report.exit_code == (0 if bad == good else 1)
    path.write_bytes(good)
