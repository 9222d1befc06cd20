"""Offline hand-over to the archives (adapters/archives/contract section 5), as a process of its own."""

import base64
import hashlib
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from joserfc.errors import BadSignatureError

from tests.mocks.eepackage import Case, built
from tests.mocks.jsonparty import Program, checked_header, compact_now, until
from tests.mocks.test_archives_mock import OWN, PackageServer, add, items, new_case, package, request, rows

Change = Callable[[str], str]
FIRST = "reqid,fileno,unitcode,libcode,title,retention,year,file,size,aipdigest"


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    program = Program("archives", tmp_path_factory.mktemp("archives"), b"{}", **OWN)
    yield program
    program.close()


def line(case: str, data: bytes, **other: Any) -> dict[str, Any]:
    return {
        "reqid": f"{case}@{compact_now()}", "fileno": case, "unitcode": "0123", "libcode": "WS",
        "title": '食品"经营"许可', "retention": "D30", "year": 2026, "file": f"{case}.zip", "size": len(data),
        "aipdigest": base64.b64encode(hashlib.sha256(data).digest()).decode(),
    } | other  # fmt: skip


def shown(value: Any) -> str:
    return str(value) if isinstance(value, int) else '"' + str(value).replace('"', '""') + '"'


def sheet_of(lines: list[dict[str, Any]]) -> str:
    body = "".join(",".join(shown(one[name]) for name in FIRST.split(",")) + "\n" for one in lines)
    return f"{FIRST}\n{body}#合计,{len(lines)},{sum(one['size'] for one in lines)}\n"


def carrier(
    program: Program,
    place: Path,
    packages: dict[str, bytes],
    change: Callable[[str], str] = str,
    **other: Any,
) -> Path:
    """A folder handed over by the hub; `change` edits the sheet before it is sealed."""
    folder = place / f"0123_20261122_{len(list(place.iterdir())) + 1:02}"
    folder.mkdir()
    for case, data in packages.items():
        (folder / f"{case}.zip").write_bytes(data)
    lines = [line(case, data, **other) for case, data in packages.items()]
    sheet = change(sheet_of(lines)).encode()
    (folder / "交接单.csv").write_bytes(sheet)
    seal = program.hub.seal(sheet, file="交接单.csv", iat=int(time.time()) - 86_400)
    (folder / "交接单.csv.ok").write_text(seal + "\n", "ascii")
    return folder


def hand_in(program: Program, folder: Path, **more: Any) -> httpx2.Response:
    return program.client.post(f"{program.url}/admin/handover", json={"folder": str(folder), **more})


def titled(program: Program, case: str) -> bytes:
    return built(Case(case, title='食品"经营"许可'), (program.rsa, program.rsa_certificate))


@pytest.mark.req("S3-51")
def test_a_folder_is_taken_and_answered_over_the_queue(archives: Program, tmp_path: Path) -> None:
    packages = {case: titled(archives, case) for case in (new_case(), new_case())}
    answer = hand_in(archives, carrier(archives, tmp_path, packages))
    assert answer.status_code == 200
    assert [one["code"] for one in answer.json()["answers"]] == ["0", "0"]
    for case in packages:
        said = json.loads(until(lambda case=case: rows(archives, case))[0]["body"])
        assert (said["retcode"], said["fileno"], items(said)) == ("200", case, {})


def test_results_come_back_in_the_folder(archives: Program, tmp_path: Path) -> None:
    good, bad = new_case(), new_case()
    packages = {good: titled(archives, good), bad: titled(archives, good)}
    folder = carrier(archives, tmp_path, packages)
    assert hand_in(archives, folder, results="folder").status_code == 200
    until(lambda: (folder / "result.jsonl.ok").exists())
    data = (folder / "result.jsonl").read_bytes()
    header = checked_header((folder / "result.jsonl.ok").read_text().strip(), data, archives.certificate)
    assert header["file"] == "result.jsonl"
    said = {one["fileno"]: one for one in map(json.loads, data.splitlines())}
    assert (said[good]["retcode"], said[bad]["retcode"]) == ("200", "400")
    assert "4-1-1" in items(said[bad])["security"]
    assert rows(archives, good) == [] == rows(archives, bad)


def test_the_same_request_by_wire_and_by_carrier_is_one_archive(archives: Program, tmp_path: Path) -> None:
    server = PackageServer()
    case = new_case()
    data = package(archives, case)
    value = request(server, case, data)
    assert add(archives, value)["code"] == "0"
    until(lambda: rows(archives, case))
    again = carrier(archives, tmp_path, {case: data}, title=value["title"], reqid=value["reqid"])
    assert hand_in(archives, again).json()["answers"] == [{"reqid": value["reqid"], "code": "0"}]
    other = carrier(archives, tmp_path, {case: data}, reqid=value["reqid"])
    assert hand_in(archives, other).json()["answers"][0]["code"] == "30"
    second = new_case()
    data = package(archives, second)
    value = request(server, second, data)
    folder = carrier(archives, tmp_path, {second: data}, title=value["title"], reqid=value["reqid"])
    hand_in(archives, folder)
    assert add(archives, value)["code"] == "0"
    assert add(archives, value | {"title": "别的"})["code"] == "30"
    until(lambda: rows(archives, second))
    time.sleep(0.3)
    assert (len(rows(archives, case)), len(rows(archives, second))) == (1, 1)
    server.close()


def without(text: str) -> Callable[[str], str]:
    return lambda sheet: sheet.replace(text, "", 1)


def with_(old: str, new: str) -> Callable[[str], str]:
    return lambda sheet: sheet.replace(old, new, 1)


WRONG: dict[str, Callable[[str], str]] = {
    "no totals": lambda sheet: "\n".join(sheet.split("\n")[:-2]) + "\n",
    "count": with_("#合计,1", "#合计,2"),
    "bytes": lambda sheet: sheet.replace("#合计,1,", "#合计,1,1"),
    "header": with_("reqid,", "id,"),
    "text without quotes": with_('"0123"', "0123"),
    "number in quotes": with_(",2026,", ',"2026",'),
    "another unit": with_('"0123"', '"0124"'),
    "retention": with_('"D30"', '"30年"'),
    "a file elsewhere": with_('.zip"', '.zip/../../x"'),
    "no such file": with_('.zip"', '.zap"'),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_sheet_is_not_taken_at_all(archives: Program, tmp_path: Path, what: str) -> None:
    case, before = new_case(), archives.admin("counts")
    folder = carrier(archives, tmp_path, {case: titled(archives, case)}, WRONG[what])
    assert hand_in(archives, folder).status_code == 422
    assert archives.admin("counts") == before


def test_a_sheet_without_a_good_seal_is_not_taken(archives: Program, tmp_path: Path) -> None:
    case = new_case()
    folder = carrier(archives, tmp_path, {case: titled(archives, case)})
    sheet = folder / "交接单.csv"
    good = sheet.read_bytes()
    sheet.write_bytes(good + b"\n")
    assert hand_in(archives, folder).status_code == 422
    sheet.write_bytes(good)
    flag = folder / "交接单.csv.ok"
    flag.write_text(archives.hub.seal(good, file="other.csv"))
    assert hand_in(archives, folder).status_code == 422
    flag.unlink()
    assert hand_in(archives, folder).status_code == 422
    assert hand_in(archives, tmp_path).status_code == 422, "a folder of another name"
    flag.write_text(archives.hub.seal(good, file="交接单.csv"))
    assert hand_in(archives, folder).status_code == 200


def test_faults_of_the_results(archives: Program, tmp_path: Path) -> None:
    def handed(*faults: str) -> Path:
        for fault in faults:
            assert archives.arm(operation="handover", fault=fault).status_code == 200
        packages = {case: titled(archives, case) for case in (new_case(), new_case())}
        folder = carrier(archives, tmp_path, packages)
        hand_in(archives, folder, results="folder")
        until(lambda: (folder / "result.jsonl").exists())
        time.sleep(0.1)
        return folder

    assert len((handed("missing_line") / "result.jsonl").read_bytes().splitlines()) == 1
    assert not (handed("no_flag") / "result.jsonl.ok").exists()
    folder = handed("sig_bad")
    data = (folder / "result.jsonl").read_bytes()
    with pytest.raises(BadSignatureError):
        checked_header((folder / "result.jsonl.ok").read_text().strip(), data, archives.certificate)
