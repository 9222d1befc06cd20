"""Data that want to break a page or the process: refused by field, or printed as they are."""

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from queue import Queue
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.errors import HubError, Misconfigured, Refused, TryLater
from hallservice.papers.fonts import FontSettings, font_set
from hallservice.papers.kinds import paper_from
from hallservice.papers.service import Papers, PaperSettings
from hallservice.papers.worker import Job, Worker, WorkerSettings
from tests.hallservice.papers import witnesses
from tests.hallservice.papers.paper_samples import SAMPLES, sample

A4_WIDTH, A4_HEIGHT = 595.28, 841.89
MARKUP = (
    '#eval("1+1") #panic() *b* _i_ \\ \\u{41} $x^2$ <label> @ref `c` = h // c /* z */ -- ~ ... [a](b) {c} "q"'
)
RARE = "䶮㛃𠅤𬬭𡐓𰻝𪚥"  # URO's end, extensions A, B, E, B, G, B


@pytest.mark.parametrize(
    ("changes", "code", "where"),
    [
        ({"applicant": "a\x00b"}, "control_character", "applicant"),
        ({"applicant": "a\u202eb"}, "control_character", "applicant"),
        ({"applicant": "a\ufeffb"}, "control_character", "applicant"),
        ({"item": "a\tb"}, "control_character", "item"),
        ({"materials": [{"name": "好"}, {"name": "a\x1bb"}]}, "control_character", "materials.1.name"),
        ({"window": {"staff": "a\u2028b"}}, "control_character", "window.staff"),
        ({"applicant": "a\nb"}, "line_break", "applicant"),
        ({"applicant": "a" + "\u0301" * 5}, "too_many_marks", "applicant"),
        ({"applicant": ""}, "empty", "applicant"),
        ({"applicant": " \u3000"}, "empty", "applicant"),
        ({"applicant": "某" * 301}, "too_long", "applicant"),
        ({"materials": []}, "empty", "materials"),
        ({"materials": [{"name": "好"}] * 1001}, "too_many", "materials"),
        ({"materials": [{"name": "好", "size": 1}]}, "unknown_field", "materials.0.size"),
        ({"case_no": "441499000000202611221000001M"}, "check_digit", "case_no"),
        ({"issued_at": "2026-11-22T10:05:00"}, "bad_form", "issued_at"),
        ({"promised": {"number": -1}}, "bad_value", "promised.number"),
        ({"kind": "letter"}, "bad_value", None),
    ],
)
def test_wrong_data_are_refused_by_field(changes: dict[str, Any], code: str, where: str | None) -> None:
    with pytest.raises(Refused) as caught:
        paper_from(sample("acceptance") | changes)
    assert (caught.value.code, caught.value.where) == (code, where)


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"\xff", b"{" * 5000, b'{"kind":"slip","doc_no":"\\ud800"}', b"1" * (1 << 21)]
)
def test_no_bytes_end_in_anything_but_a_refusal(data: bytes) -> None:
    with pytest.raises(Refused):
        paper_from(data)


def test_a_field_left_out_is_named() -> None:
    for name in ("case_no", "department", "accepted_at", "promised", "materials", "delivery", "window"):
        data = {key: value for key, value in sample("acceptance").items() if key != name}
        with pytest.raises(Refused) as caught:
            paper_from(data)
        assert (caught.value.code, caught.value.where) == ("missing", name)
    with pytest.raises(Refused) as caught:
        paper_from(sample("decision", granted=False))
    assert (caught.value.code, caught.value.where) == ("missing", "reason")


def test_markup_is_printed_as_it_is(papers: Papers) -> None:
    paper = paper_from(
        sample(
            "supplement",
            applicant=MARKUP,
            item=MARKUP,
            reason=MARKUP,
            department=MARKUP,
            doc_no=MARKUP[:60],
            materials=[{"name": MARKUP, "problem": MARKUP}],
        )
    )
    text = witnesses.solid(witnesses.text_of(papers.render(paper).pdf))
    assert text.count(witnesses.solid(MARKUP)) >= 5  # head, addressee, sentence, reason, signature


@settings(max_examples=25)
@given(text=st.text(min_size=1, max_size=200))
def test_any_text_is_printed_or_refused_by_field(papers: Papers, text: str) -> None:
    try:
        paper = paper_from(sample("refusal", reason=text))
    except Refused as fault:
        assert fault.where == "reason"
        return
    assert papers.render(paper).pdf.startswith(b"%PDF-1.7")


def test_nothing_leaves_the_page(papers: Papers) -> None:
    """Every word lies within the margins, by poppler's measure in points."""
    data = sample(
        "acceptance",
        applicant="某" * 300,
        department="W" * 300,
        item="，" * 300,
        delivery="1" * 300,
        doc_no="M" * 60,
        window={"staff": "W" * 60, "name": "—" * 300, "phone": "0" * 300},
        materials=[{"name": "W" * 300, "form": "W" * 60, "note": "）" * 300}],
    )
    boxes = witnesses.text_of(papers.render(paper_from(data), copy=2).pdf, "-bbox").split("<word ")[1:]
    assert len(boxes) > 50
    for box in boxes:
        left, top, right, bottom = (float(part.split('"')[1]) for part in box.split()[:4])
        assert left > 20 * 72 / 25.4 and right < A4_WIDTH - 20 * 72 / 25.4
        assert top > 20 and bottom < A4_HEIGHT - 20


def test_five_hundred_materials(papers: Papers) -> None:
    rows = [{"name": f"材料第{number}号"} for number in range(1, 501)]
    pdf = papers.render(paper_from(sample("acceptance", materials=rows))).pdf
    pages = witnesses.text_of(pdf, "-layout").split("\f")[:-1]
    assert len(pages) > 8
    for number, page in enumerate(pages, 1):
        solid = witnesses.solid(page)
        assert f"第{number}页共{len(pages)}页" in solid
        assert ("序号材料名称形式份数备注" in solid) == ("材料第" in solid)
        assert number == 1 or solid.startswith("受理通知书梅示市监受〔2026〕12号")
    whole = witnesses.solid("".join(pages))
    assert [row for row in rows if row["name"] not in whole] == []


def test_rare_characters_come_from_fallback_fonts(papers: Papers, tmp_path: Path) -> None:
    rendered = papers.render(paper_from(sample("acceptance", applicant=RARE)))
    assert rendered.missing_glyphs == ()
    assert RARE in witnesses.text_of(rendered.pdf)
    fonts = witnesses.fonts_of(rendered.pdf, tmp_path / "rare.pdf")
    assert all(fonts.values())
    assert any("HanaMin" in name for name in fonts) and any("BabelStone" in name for name in fonts)


def test_what_no_font_has_is_a_stated_square() -> None:
    """Private use and unassigned code points anywhere; without the fallback fonts, rare characters too."""
    settings = PaperSettings(fonts=FontSettings(rare=(), folders=()))
    with Papers(settings) as plain:
        applicant = "王\ue001𰻝" + "\U0003fffd" + "强"
        rendered = plain.render(paper_from(sample("acceptance", applicant=applicant)))
    found = {glyph.code_point: glyph.where for glyph in rendered.missing_glyphs}
    assert found == {"U+E001": ("applicant",), "U+30EDD": ("applicant",), "U+3FFFD": ("applicant",)}
    text = witnesses.solid(witnesses.text_of(rendered.pdf))
    assert "王□□□强：" in text
    assert "字库暂缺下列字，以“□”代替：U+E001、U+30EDD、U+3FFFD" in text


def test_a_font_that_is_not_there_is_misconfigured() -> None:
    settings = PaperSettings(fonts=FontSettings(title=("No Such Song",)))
    with Papers(settings) as papers, pytest.raises(Misconfigured) as caught:
        papers.render(paper_from(sample("slip")))
    assert (caught.value.code, caught.value.where) == ("font_missing", "No Such Song")


def outcome(act: Callable[[], object]) -> object:
    """What came of it: the value or the hub's refusal."""
    try:
        return act()
    except HubError as fault:
        return fault


def test_a_hung_process_is_replaced_and_so_is_a_dead_one() -> None:
    slip = paper_from(sample("slip"))
    with Papers() as frail:
        first = frail.render(slip).pdf
        (hung,) = frail.pids()
        os.kill(hung, signal.SIGSTOP)
        with pytest.raises(TryLater, match="paper_timeout"):
            frail.render(slip, seconds=0.3)
        assert frail.render(slip).pdf == first
        (idle,) = frail.pids()
        os.kill(idle, signal.SIGKILL)
        os.waitid(os.P_PID, idle, os.WEXITED | os.WNOWAIT)
        assert frail.render(slip).pdf == first
        assert len({hung, idle, *frail.pids()}) == 3


def test_a_process_killed_at_work_is_told() -> None:
    """Stopped before it can answer, so that it surely dies with the paper in its hands."""
    worker = Worker(WorkerSettings(), font_set(FontSettings()).folders)
    os.kill(worker.pid, signal.SIGSTOP)
    job = Job("slip", {}, (), 0).encoded()
    answers: Queue[object] = Queue()
    work = threading.Thread(target=lambda: answers.put(outcome(lambda: worker.typeset(job, 30))))
    work.start()
    os.kill(worker.pid, signal.SIGKILL)
    work.join(30)
    fault = answers.get_nowait()
    assert isinstance(fault, TryLater) and fault.code == "paper_worker_died"
    assert not worker.usable()
    worker.end()


@pytest.mark.parametrize("limits", [WorkerSettings(cpu_seconds=0), WorkerSettings(memory_bytes=230 << 20)])
def test_no_paper_takes_more_than_its_share(limits: WorkerSettings) -> None:
    """The kernel ends the process; the next paper has a new one."""
    rows = [{"name": f"材料{number}", "problem": f"{number}缺页" * 400} for number in range(400)]
    with Papers(PaperSettings(worker=limits)) as papers:
        with pytest.raises(Refused, match="paper_too_costly"):
            papers.render(paper_from(sample("supplement", materials=rows)))
        assert papers.render(paper_from(sample("slip"))).pdf.startswith(b"%PDF-1.7")


def test_many_threads_one_process(papers: Papers) -> None:
    wanted = [paper_from(sample(kind)) for kind in SAMPLES]
    answers: Queue[tuple[int, object]] = Queue()

    def work(number: int) -> None:
        answers.put((number, outcome(lambda: papers.render(wanted[number]).sha256)))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(wanted))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    found = dict(answers.get_nowait() for _ in threads)
    assert found == {number: papers.render(paper).sha256 for number, paper in enumerate(wanted)}


def test_after_close_nothing_is_left_and_nothing_is_made() -> None:
    papers = Papers()
    papers.render(paper_from(sample("slip")))
    (pid,) = papers.pids()
    papers.close()
    papers.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with pytest.raises(TryLater, match="papers_closed"):
        papers.render(paper_from(sample("slip")))
