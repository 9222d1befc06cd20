"""Offline hand-over (contract §5): the sheet of a folder, checked before anything is taken; results back."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from mocks.partners.archive_jobs import Jobs
from mocks.partners.common import jws, strictjson
from mocks.partners.common.keys import Certificates
from mocks.partners.common.record import Record

SHEET: Final = "交接单.csv"
FLAG: Final = ".ok"
FIRST: Final = "reqid,fileno,unitcode,libcode,title,retention,year,file,size,aipdigest"
NUMBERS: Final = frozenset({"year", "size"})
LARGEST: Final = 64 << 20  # bytes of a sheet
_TEXT, _NUMBER = r'"((?:[^"\n]|"")*)"', r"(0|[1-9]\d{0,14})"
_LINE = re.compile(",".join(_NUMBER if name in NUMBERS else _TEXT for name in FIRST.split(",")), re.ASCII)
_TOTAL = re.compile(rf"#合计,{_NUMBER},{_NUMBER}", re.ASCII)
_FOLDER = re.compile(r"([A-Za-z0-9-]{1,32})_\d{8}_\d{2}", re.ASCII)
Member = Mapping[str, object]


class BadFolder(Exception):
    """Nothing of the folder is taken; the text says what is wrong."""


def read_sheet(folder: Path, trusted: Certificates) -> list[dict[str, object]]:
    """The lines of a sheet whose seal, totals, files and unit agree."""
    unit = _FOLDER.fullmatch(folder.name)
    if unit is None or not folder.is_dir():
        raise BadFolder("the folder is not called <unitcode>_yyyyMMdd_<nn>")
    data = _bytes(folder / SHEET)
    _verify(data, _bytes(folder / f"{SHEET}{FLAG}").decode("ascii", "replace").strip(), trusted)
    lines = _lines(data)
    for line in lines:
        if line["unitcode"] != unit[1]:
            raise BadFolder("a line of another unit than the folder's")
        _require_file(folder, str(line["file"]))
    return lines


def _bytes(path: Path) -> bytes:
    if path.is_symlink() or not path.is_file() or path.stat().st_size > LARGEST:
        raise BadFolder(f"{path.name} is missing, or no file that can be read")
    return path.read_bytes()


def _verify(data: bytes, token: str, trusted: Certificates) -> None:
    """The seal over the sheet; a carrier may take its time, so its age is not judged."""
    try:
        at = jws.protected(token).get("iat")
        now = at if isinstance(at, int) else 0
        jws.verify(token, data, trusted, now=now, bound={"file": SHEET})
    except jws.BadSeal as error:
        raise BadFolder(f"the seal of {SHEET}: {error}") from error


def _lines(data: bytes) -> list[dict[str, object]]:
    try:
        first, *rows, last = data.decode("utf-8").replace("\r\n", "\n").removesuffix("\n").split("\n")
    except (UnicodeDecodeError, ValueError) as error:
        raise BadFolder(f"{SHEET} is no sheet in UTF-8") from error
    total, found = _TOTAL.fullmatch(last), [_LINE.fullmatch(row) for row in rows]
    if first != FIRST or total is None:
        raise BadFolder(f"{SHEET}: first or last line")
    lines = [_values(match.groups()) for match in found if match is not None]
    if len(lines) != len(rows):
        raise BadFolder(f"{SHEET}: a line that is not of the form")
    sizes = sum(int(str(line["size"])) for line in lines)
    if (int(total[1]), int(total[2])) != (len(lines), sizes):
        raise BadFolder(f"{SHEET}: the totals differ from the lines")
    return lines


def _values(groups: Sequence[str]) -> dict[str, object]:
    pairs = zip(FIRST.split(","), groups, strict=True)
    return {name: int(text) if name in NUMBERS else text.replace('""', '"') for name, text in pairs}


def _require_file(folder: Path, name: str) -> None:
    path = folder / name
    if "/" in name or "\\" in name or name in ("", ".", "..") or path.is_symlink() or not path.is_file():
        raise BadFolder("a file that is not in the folder")


@dataclass(frozen=True)
class Counter:
    """Where carriers are handed in; `valid` raises ValueError for a line that no addFile could say."""

    record: Record
    jobs: Jobs
    trusted: Certificates
    valid: Callable[[Member], object]

    def take(self, folder: Path, results: str) -> dict[str, object]:
        """Every line is as one addFile; code 30 where its reqid had other content."""
        lines = read_sheet(folder, self.trusted)
        asked = [{name: value for name, value in line.items() if name != "file"} for line in lines]
        for request in asked:
            try:
                self.valid(request)
            except ValueError as error:
                raise BadFolder(f"{SHEET}: {request['reqid']}: a bad parameter") from error
        with self.record.work() as db:
            codes = [
                self._one(db, request, {"carrier": str(folder / str(line["file"])), "results": results})
                for request, line in zip(asked, lines, strict=True)
            ]
        self.jobs.wake()
        said = [{"reqid": request["reqid"], "code": code} for request, code in zip(asked, codes, strict=True)]
        return {"packages": len(lines), "answers": said}

    def _one(self, db: sqlite3.Connection, request: dict[str, object], more: Member) -> str:
        same = self.jobs.same(db, request)
        if same is None:
            self.jobs.add(db, {**request, **more}, strictjson.digest(request), 0)
        code = "30" if same is False else "0"
        body, case = strictjson.write(request), str(request["fileno"])
        self.record.note(
            "received", "handover", str(request["reqid"]), body, code, accepted=code == "0", case=case
        )
        return code


def mount(app: FastAPI, counter: Counter) -> None:
    """Adds POST /admin/handover {"folder", "results"?: "queue" or "folder"}."""

    async def endpoint(request: Request) -> JSONResponse:
        try:
            asked = strictjson.read_object(await request.body())
            folder, results = asked.get("folder"), asked.get("results", "queue")
            if not isinstance(folder, str) or results not in ("queue", "folder") or len(asked) > 2:
                raise BadFolder('folder, results: "queue" or "folder"')
            return JSONResponse(await run_in_threadpool(counter.take, Path(folder), str(results)))
        except (BadFolder, strictjson.BadJson) as error:
            return JSONResponse({"detail": str(error)}, 422)

    app.add_api_route("/admin/handover", endpoint, methods=["POST"])
