"""The reconciliation file of the fee system: only whole files, only signed ones, only those of the folder."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from exchange.errors import TryLater
from exchange.filepolling import FileRound
from exchange.polling import rounds_of
from exchange.transports.drop import DropFolder
from tests.exchange.core.frontdb import seal
from tests.exchange.core.rig import Core, new_key

PARTY = "fees"
NAME = "RECON_441400_20260301.txt"
LINES = (
    "3|10.75",
    "44140226000000000017|BK17|1|10.00|0.25|20260301101500|103",
    "44140226000000000018|BK18|1|5.50|0.00|20260301111500|103",
    "44140226000000000018|BK19|2|5.00|0.00|20260301151500|103",
)


def text(*lines: str) -> bytes:
    """GBK, every line ended by LF (contract)."""
    return "".join(f"{line}\n" for line in lines).encode("gbk")


class FeeSystem:
    """Who drops the files: by the contract alone."""

    def __init__(self, folder: Path, key: Any, core: Core) -> None:
        self.folder, self.key, self.core = folder, key, core

    def drop(
        self,
        body: bytes,
        name: str = NAME,
        *,
        key: Any = None,
        at: float | None = None,
        sealed: str | None = None,
    ) -> None:
        (self.folder / name).write_bytes(body)
        token = seal(key or self.key, body, self.core.clock.now if at is None else at, file=sealed or name)
        (self.folder / f"{name}.ok").write_text(token + "\n")

    def where(self, name: str = NAME) -> str:
        """Where file and flag lie: both in one place."""
        places = [p for p in ("", "done", "refused") if (self.folder / p / name).exists()]
        assert [(self.folder / p / f"{name}.ok").exists() for p in places] == [True] * len(places)
        return "+".join(place or "folder" for place in places)


@pytest.fixture
def fees(core: Core, tmp_path: Path) -> FeeSystem:
    folder = tmp_path / "drop"
    folder.mkdir()
    account = {"account": "TONGBAN", "drop_folder": str(folder)}
    return FeeSystem(
        folder, core.party(PARTY, adapter="fees", address="http://127.0.0.1:9", account=account), core
    )


@pytest.fixture
def again(core: Core, fees: FeeSystem) -> Callable[[], FileRound]:
    """The round as a process that has just started makes it."""
    del fees

    def made() -> FileRound:
        party = core.hub.parties.named(PARTY)
        assert party is not None
        found = [one for _, one in rounds_of(core.hub, party, core.hub.adapters["fees"])]
        assert len(found) == 1
        assert isinstance(found[0], FileRound)
        return found[0]

    return made


def told(core: Core) -> list[tuple[str, str, str]]:
    """Party, state and code of every file in the ledger."""
    rows = core.rows("SELECT party, state, code FROM document WHERE protocol = 'file' ORDER BY entry")
    return [(row["party"], row["state"], row["code"]) for row in rows]


class TestTaken:
    def test_a_whole_signed_file_is_taken_and_put_away(
        self, core: Core, fees: FeeSystem, again: Callable[[], FileRound]
    ) -> None:
        fees.drop(text(*LINES))
        again().run()
        assert told(core) == [(PARTY, "accepted", "ok")]
        assert fees.where() == "done"
        heard = core.value("SELECT canonical FROM document WHERE protocol = 'file'")
        assert '"balance":"10.75"' in heard.replace(" ", "")
        assert heard.count('"notice_no"') == 3
        body, bound = core.rows("SELECT body, bound FROM document WHERE protocol = 'file'")[0].values()
        assert bytes(body) == text(*LINES)
        assert NAME in str(bound)
        core.verified()

    def test_a_day_without_payments_and_cr_lf(
        self, core: Core, fees: FeeSystem, again: Callable[[], FileRound]
    ) -> None:
        fees.drop(text("0|0.00"), "RECON_441400_20260228.txt")
        fees.drop(text(*LINES).replace(b"\n", b"\r\n"))
        again().run()
        assert told(core) == [(PARTY, "accepted", "ok")] * 2

    def test_a_file_is_not_read_before_its_flag(
        self, core: Core, fees: FeeSystem, again: Callable[[], FileRound]
    ) -> None:
        (fees.folder / NAME).write_bytes(text(*LINES)[:40])  # it is still being written
        core.clock.now = (fees.folder / NAME).stat().st_ctime + 3590
        again().run()
        assert told(core) == []
        fees.drop(text(*LINES))
        again().run()
        assert told(core) == [(PARTY, "accepted", "ok")]

    def test_the_same_file_again_has_no_second_effect_another_of_its_name_is_a_conflict(
        self, core: Core, fees: FeeSystem, again: Callable[[], FileRound]
    ) -> None:
        for _ in range(2):
            fees.drop(text(*LINES))
            again().run()
        assert told(core) == [(PARTY, "accepted", "ok")]
        assert sorted(one.name for one in (fees.folder / "done").iterdir()) == [
            NAME, f"{NAME}.2", f"{NAME}.2.ok", f"{NAME}.ok",
        ]  # fmt: skip
        fees.drop(text("0|0.00"))
        again().run()
        assert told(core)[1:] == [(PARTY, "refused", "conflict")]
        fees.drop(text("0|0.00"), "RECON_441400_20260301_2.txt")  # how the contract corrects a file
        again().run()
        assert told(core)[2:] == [(PARTY, "accepted", "ok")]

    def test_killed_between_commit_and_move(
        self, core: Core, fees: FeeSystem, again: Callable[[], FileRound], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Killed(BaseException):
            pass

        def die(*_: Any) -> None:
            raise Killed

        fees.drop(text(*LINES))
        with monkeypatch.context() as patch:
            patch.setattr(DropFolder, "put_away", die)
            with pytest.raises(Killed):
                again().run()
        assert (told(core), fees.where()) == ([(PARTY, "accepted", "ok")], "folder")
        again().run()
        assert (told(core), fees.where()) == ([(PARTY, "accepted", "ok")], "done")

    def test_killed_between_the_two_moves(
        self, core: Core, fees: FeeSystem, again: Callable[[], FileRound]
    ) -> None:
        fees.drop(text(*LINES))
        again().run()
        (fees.folder / "done" / f"{NAME}.ok").rename(fees.folder / f"{NAME}.ok")
        core.clock.now += 90_000
        again().run()
        assert (told(core), fees.where()) == ([(PARTY, "accepted", "ok")], "done")

    def test_a_folder_that_cannot_be_written_is_no_flood(
        self, core: Core, fees: FeeSystem, again: Callable[[], FileRound], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def away(*_: Any) -> None:
            raise TryLater("drop_folder_away", "read-only")

        fees.drop(text(*LINES), sealed="RECON_441400_20260302.txt")
        round_ = again()
        with monkeypatch.context() as patch:
            patch.setattr(DropFolder, "put_away", away)
            for _ in range(3):
                with pytest.raises(TryLater):
                    round_.run()
        round_.run()
        assert (told(core), fees.where()) == ([("?", "refused", "seal_scope")], "refused")


def changed(number: int, line: str) -> bytes:
    return text(*LINES[:number], line, *LINES[number + 1 :])


class TestRefused:
    @pytest.mark.parametrize(
        ("body", "code"),
        [
            (changed(0, "4|10.75"), "bad_value"),
            (changed(0, "3|10.76"), "bad_value"),
            (changed(0, "3|20.75"), "bad_value"),  # the reversal counts less
            (changed(0, "3"), "bad_request"),
            (changed(2, LINES[2] + "|x"), "bad_request"),
            (changed(2, LINES[2].rpartition("|")[0]), "bad_request"),
            (changed(2, LINES[2].replace("5.50", "5,50")), "bad_value"),
            (changed(2, LINES[2].replace("|1|", "|7|")), "unknown_code"),
            (text(*LINES)[:-1], "bad_request"),
            (text(*LINES[:-1]), "bad_value"),
            (text(*LINES) + b"\xff\xff\n", "bad_request"),
            (b"\n", "bad_request"),
            (b"", "bad_request"),
        ],
    )
    def test_what_does_not_add_up(
        self, core: Core, fees: FeeSystem, again: Callable[[], FileRound], body: bytes, code: str
    ) -> None:
        fees.drop(body)
        again().run()
        assert (told(core), fees.where()) == ([(PARTY, "refused", code)], "refused")
        again().run()
        assert len(told(core)) == 1
        fees.drop(text(*LINES))  # what could not be read did not use up the name
        again().run()
        assert told(core)[1:] == [(PARTY, "accepted", "ok")]
        core.verified()

    def test_wrong_seals(self, core: Core, fees: FeeSystem, again: Callable[[], FileRound]) -> None:
        now = core.clock.now
        names = [f"RECON_441400_202602{day}.txt" for day in range(10, 17)]
        fees.drop(text(*LINES), names[0], sealed=NAME)
        fees.drop(text(*LINES), names[1], key=new_key("nobody"))
        fees.drop(text(*LINES), names[2], key=core.keys["hall"])
        fees.drop(text(*LINES), names[3], at=now - 8 * 86400)
        fees.drop(text(*LINES), names[4], at=now + 400)
        fees.drop(text(*LINES), names[5])
        (fees.folder / names[5]).write_bytes(text(*LINES).replace(b"10.75", b"10.76"))
        fees.drop(text(*LINES), names[6])
        (fees.folder / f"{names[6]}.ok").write_bytes(b"\xff" * 9000)
        again().run()
        codes = [code for _, state, code in told(core) if state == "refused"]
        assert codes == [
            "seal_scope", "unknown_party", "not_allowed", "replay", "bad_value", "seal_invalid", "too_large",
        ]  # fmt: skip
        assert [fees.where(name) for name in names] == ["refused"] * 7
        fees.drop(text(*LINES), at=now - 6 * 86400)
        again().run()
        assert told(core)[7:] == [(PARTY, "accepted", "ok")]

    def test_a_half_that_stays_alone(
        self, core: Core, fees: FeeSystem, again: Callable[[], FileRound]
    ) -> None:
        alone, flag = "RECON_441400_20260210.txt", "RECON_441400_20260211.txt.ok"
        (fees.folder / alone).write_bytes(text(*LINES))
        (fees.folder / flag).write_text("x")
        core.clock.now = (fees.folder / flag).stat().st_ctime + 3700
        again().run()
        assert told(core) == [("?", "refused", "seal_missing")] * 2
        assert {one.name for one in (fees.folder / "refused").iterdir()} == {alone, flag}

    def test_nothing_but_plain_files_of_the_folder_is_read(
        self, core: Core, fees: FeeSystem, again: Callable[[], FileRound], tmp_path: Path
    ) -> None:
        names = [f"RECON_441400_202602{day}.txt" for day in range(10, 14)]
        secret = tmp_path / "secret.txt"
        secret.write_bytes(text(*LINES))
        (fees.folder / names[0]).symlink_to(secret)
        (fees.folder / names[1]).hardlink_to(secret)
        os.mkfifo(fees.folder / names[2])
        (fees.folder / names[3]).mkdir()
        for name in names:
            (fees.folder / f"{name}.ok").write_text(seal(fees.key, text(*LINES), core.clock.now, file=name))
        again().run()
        assert told(core) == [("?", "refused", "bad_request")] * 4
        assert secret.read_bytes() == text(*LINES)
        assert sorted(os.listdir(fees.folder)) == ["refused"]  # noqa: PTH208 - names, links included

    def test_other_names_are_left_alone(
        self, core: Core, fees: FeeSystem, again: Callable[[], FileRound]
    ) -> None:
        others = [
            "notes.txt",
            "recon_441400_20260301.txt",
            f".{NAME}",
            f"{NAME}.bak",
            "RECON_441400_20260301.TXT",
        ]
        for name in others:
            fees.drop(text(*LINES), name)
        again().run()
        assert told(core) == []
        assert {name for name in others if (fees.folder / name).exists()} == set(others)

    def test_a_file_that_is_too_long_is_not_read(
        self, core: Core, fees: FeeSystem, again: Callable[[], FileRound]
    ) -> None:
        fees.drop(b"")
        os.truncate(fees.folder / NAME, 64 * 1024**3)  # sparse: 64 GiB of nothing
        again().run()
        assert told(core) == [("?", "refused", "too_large")]

    def test_a_done_folder_that_leads_elsewhere_is_not_followed(
        self, core: Core, fees: FeeSystem, again: Callable[[], FileRound], tmp_path: Path
    ) -> None:
        (tmp_path / "elsewhere").mkdir()
        (fees.folder / "done").symlink_to(tmp_path / "elsewhere")
        fees.drop(text(*LINES))
        with pytest.raises(TryLater):
            again().run()
        assert list((tmp_path / "elsewhere").iterdir()) == []

    def test_a_folder_that_is_away_is_tried_later(
        self, core: Core, fees: FeeSystem, again: Callable[[], FileRound]
    ) -> None:
        fees.folder.rename(fees.folder.with_name("moved"))
        with pytest.raises(TryLater):
            again().run()
        assert told(core) == []


def test_a_large_day_is_taken_whole(core: Core, fees: FeeSystem, again: Callable[[], FileRound]) -> None:
    """The contract allows 100,000 lines; a file above the 4 MB of a message shows it is not cut there."""
    many = 70_000
    line = "44140226{:012d}|BK{:012d}|1|0.01|0.00|20260301101500|103"
    body = text(f"{many}|{many // 100}.00", *(line.format(n, n) for n in range(many)))
    assert len(body) > 4 * 1024 * 1024
    fees.drop(body)
    again().run()
    assert told(core) == [(PARTY, "accepted", "ok")]
