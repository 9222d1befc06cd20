"""Papers: from data to PDF/A-2a with PDF/UA-1, the same bytes for the same data, fonts and release."""

import hashlib
import weakref
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from types import TracebackType
from typing import Any, Self

from canonical.values import Digest
from hallservice.papers.code import LONGEST_LINK, code_of, paper_digest, qr_svg
from hallservice.papers.content import sheet_of
from hallservice.papers.fonts import FontSettings, MissingGlyph, font_set
from hallservice.papers.kinds import Paper, QueueSlip
from hallservice.papers.overlay import Layout, overlay_data
from hallservice.papers.refusals import misconfigured, refused
from hallservice.papers.sheet import Sheet
from hallservice.papers.wording import Wording
from hallservice.papers.worker import Job, Pool, WorkerSettings

ARCHIVE = ("a-2a", "ua-1")
PLAIN_ARCHIVE = ("a-2b",)
MOST_COPIES = 999


@dataclass(frozen=True, slots=True)
class PaperSettings:
    """`link` stands in front of what the QR code says, so that a telephone opens the site's page."""

    fonts: FontSettings = field(default_factory=FontSettings)
    wording: Wording = field(default_factory=Wording)
    worker: WorkerSettings = field(default_factory=WorkerSettings)
    link: str = ""


@dataclass(frozen=True, slots=True)
class Rendered:
    """`sha256` is of the PDF; `data_digest` is of the data and stands in `code`, the text of the QR code."""

    pdf: bytes
    sha256: Digest
    missing_glyphs: tuple[MissingGlyph, ...]
    data_digest: Digest | None = None
    code: str = ""


class Papers:
    """Thread-safe; its processes start with the first paper and end with `close`."""

    def __init__(self, settings: PaperSettings | None = None) -> None:
        self._settings = settings or PaperSettings()
        if len(self._settings.link) > LONGEST_LINK:
            raise misconfigured("too_long", "link")
        self._fonts = font_set(self._settings.fonts)
        self._pool = Pool(self._settings.worker)
        self._end = weakref.finalize(self, self._pool.close)

    def render(self, paper: Paper, *, copy: int = 1, seconds: float | None = None) -> Rendered:
        """`copy` 1 is the original, 2 the first reprint: the same paper and code, marked 补打 第1次.

        `seconds` is how long typst may take, where the caller waits less than the settings say.
        """
        if not 1 <= copy <= MOST_COPIES:
            raise refused("bad_copy", "copy")
        code = self._settings.link + str(code_of(paper))
        missing = self._fonts.missing_in(paper.model_dump(mode="json"))
        sheet = self._sheet(paper, copy, code, missing)
        template = "slip" if isinstance(paper, QueueSlip) else "paper"
        data = self._fonts.replaced(asdict(sheet))
        pdf = self._typeset(template, data, ARCHIVE, paper.issued_at, seconds)
        return Rendered(pdf, _sha256(pdf), missing, paper_digest(paper), code)

    def overlay(
        self,
        layout: Layout,
        values: Mapping[str, Any],
        *,
        at: datetime,
        preview: bytes | None = None,
        shift: tuple[float, float] = (0.0, 0.0),
    ) -> Rendered:
        """Only the values, for a printed form; `preview` is a picture of the form behind them.

        `shift` in mm (right, down) corrects one printer's feed.
        """
        data = overlay_data(layout, values, preview, shift, self._fonts.lists)
        missing = self._fonts.missing_in({each["name"]: each["value"] for each in data["fields"]})
        pdf = self._typeset("overlay", self._fonts.replaced(data), PLAIN_ARCHIVE, at)
        return Rendered(pdf, _sha256(pdf), missing)

    def pids(self) -> tuple[int, ...]:
        """Processes that wait for work."""
        return self._pool.pids()

    def close(self) -> None:
        """Ends the processes; papers asked for afterwards are refused (papers_closed)."""
        self._end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _sheet(self, paper: Paper, copy: int, code: str, missing: tuple[MissingGlyph, ...]) -> Sheet:
        mark = f"补打 第{copy - 1}次" if copy > 1 else ""
        sheet = sheet_of(paper, self._settings.wording)
        return replace(sheet, copy_mark=mark, code=code, qr=qr_svg(code), note=_note(missing))

    def _typeset(
        self,
        template: str,
        data: Mapping[str, Any],
        standards: tuple[str, ...],
        at: datetime,
        seconds: float | None = None,
    ) -> bytes:
        job = Job(template, {**data, "fonts": self._fonts.lists}, standards, int(at.timestamp()))
        return self._pool.typeset(job, self._fonts.folders, seconds)


def _note(missing: tuple[MissingGlyph, ...]) -> str:
    points = "、".join(glyph.code_point for glyph in missing)
    return f"注：字库暂缺下列字，以“□”代替：{points}" if points else ""


def _sha256(pdf: bytes) -> Digest:
    return Digest(hashlib.sha256(pdf).hexdigest())
