"""Every kind of paper says what it must, as other programs read it."""

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from canonical.values import Money
from exchange.errors import Refused
from hallservice.papers.capital import in_capitals
from hallservice.papers.code import code_in, code_of
from hallservice.papers.kinds import KINDS, paper_from
from hallservice.papers.service import Papers, PaperSettings
from hallservice.papers.wording import Wording
from tests.hallservice.papers import witnesses
from tests.hallservice.papers.paper_samples import APPOINTMENT, CASE, DENIED, SAMPLES, sample

TITLES = {
    "acceptance": "受理通知书",
    "refusal": "不予受理通知书",
    "supplement": "补齐补正通知书",
    "special": "特别程序告知书",
    "extension": "延期通知书",
    "payment": "缴费通知单",
    "decision": "准予行政许可决定书",
    "conclusion": "办结通知书",
    "collection": "领取通知书",
    "delivery_receipt": "送达回执",
    "receiving": "收件回执",
    "urge_order": "督办单",
    "slip": "排队凭条",
}
BENEFIT = {"licence": False, "basis": "《社会救助暂行办法》第十一条"}
EVERY = [(kind, sample(kind), title) for kind, title in TITLES.items()] + [
    ("denied", DENIED | {"kind": "decision"}, "不予行政许可决定书"),
    ("benefit", sample("decision") | BENEFIT, "准予办理决定书"),
    ("no_benefit", DENIED | {"kind": "decision"} | BENEFIT, "不予办理决定书"),
    ("appointment", APPOINTMENT | {"kind": "slip"}, "预约凭条"),
]
WRITTEN_OTHERWISE = {"kind", "issued_at", "unit", "granted", "licence"}


def said(data: Any, name: str = "") -> list[str]:
    """The strings of a sample as they must stand on paper: dates and amounts in their printed form."""
    if isinstance(data, dict):
        return [
            text for key, value in data.items() if key not in WRITTEN_OTHERWISE for text in said(value, key)
        ]
    if isinstance(data, list):
        return [text for value in data for text in said(value, name)]
    return [printed(data)] if data not in (None, "") else []


def printed(value: object) -> str:
    text = str(value)
    if len(text) >= 10 and text[4:8:3] == "--":
        year, month, day = text[:10].split("-")
        return f"{year}年{int(month)}月{int(day)}日{text[11:16]}"
    return "".join(text.split())


@pytest.fixture(params=EVERY, ids=[name for name, _, _ in EVERY], scope="module")
def made(request: pytest.FixtureRequest, papers: Papers) -> tuple[dict[str, Any], str, bytes, str]:
    _, data, title = request.param
    rendered = papers.render(paper_from(data))
    assert rendered.missing_glyphs == ()
    assert rendered.sha256 == hashlib.sha256(rendered.pdf).hexdigest()
    return data, title, rendered.pdf, rendered.code


def test_the_titles_cover_every_kind() -> None:
    assert set(TITLES) == set(KINDS) == set(SAMPLES)


def test_a_paper_says_all_its_data(made: tuple[dict[str, Any], str, bytes, str]) -> None:
    data, title, pdf, _ = made
    text = witnesses.solid(witnesses.text_of(pdf))
    assert title in text
    assert [each for each in said(data) if each not in text] == []


def test_a_paper_is_pdf_a_with_all_fonts_and_its_code(
    made: tuple[dict[str, Any], str, bytes, str], tmp_path: Path
) -> None:
    data, title, pdf, code = made
    assert witnesses.claims_of(pdf) == {"a-part": "2", "a-conformance": "A", "ua-part": "1"}
    info = witnesses.info_of(pdf)
    assert (info["Title"], info["Tagged"], info["Pages"]) == (title, "yes", "1")
    assert ("A4" in info["Page size"]) == (data["kind"] != "slip")
    fonts = witnesses.fonts_of(pdf, tmp_path / "paper.pdf")
    assert fonts and all(fonts.values())
    assert witnesses.qr_of(pdf, tmp_path / "page.pgm") == code
    named = code_in(code)
    assert named.case_no == (CASE if "case_no" in data else None)


@pytest.mark.req("S3-29", "S0-60")
def test_the_acceptance_notice(papers: Papers, tmp_path: Path) -> None:
    pdf = papers.render(paper_from(sample("acceptance"))).pdf
    text = witnesses.solid(witnesses.text_of(pdf, "-layout"))
    for label, value in {
        "业务编号": CASE,
        "受理时间": "2026年11月22日10:00",
        "受理部门": "梅州市示例区市场监督管理局",
        "窗口人员": "张示例",
        "承诺时限": "10个工作日（至2026年12月4日）",
        "送达方式": "邮寄送达（邮政特快专递）",
    }.items():
        assert label + value in text
    for number, material in enumerate(SAMPLES["acceptance"]["materials"], 1):
        assert str(number) in text and material["form"] in text
    assert witnesses.qr_of(pdf, tmp_path / "page.pgm").startswith(f"TB1:{CASE}:")


@pytest.mark.req("S3-30", "S0-62")
def test_the_refusal_notice(papers: Papers) -> None:
    text = witnesses.solid(witnesses.text_of(papers.render(paper_from(sample("refusal"))).pdf))
    for value in (
        CASE,
        "受理时间2026年11月22日09:40",
        "受理部门梅州市示例区市场监督管理局",
        "窗口人员张示例",
    ):
        assert value in text
    assert "不予受理的理由申请事项依法不属于本行政机关职权范围。" in text
    remedy = "自收到本通知书之日起60日内依法向梅州市人民政府申请行政复议，或者自收到本通知书之日起6个月内"
    assert remedy + "依法向梅州市梅江区人民法院提起行政诉讼" in text


@pytest.mark.req("S3-32", "S0-61")
def test_the_supplement_notice(papers: Papers) -> None:
    text = witnesses.solid(witnesses.text_of(papers.render(paper_from(sample("supplement"))).pdf, "-layout"))
    for value in (CASE, "受理时间2026年11月22日09:40", "窗口人员张示例", "承诺时限10个工作日"):
        assert value in text
    assert "1食品经营许可申请书第2页缺少法定代表人签名1" in text


def test_a_decision_on_what_is_no_licence_speaks_of_none(papers: Papers) -> None:
    for granted in (True, False):
        paper = paper_from(sample("decision", granted=granted, reason="不符合条件") | BENEFIT)
        assert "许可" not in witnesses.solid(witnesses.text_of(papers.render(paper).pdf)).replace(
            "食品经营许可", ""
        )


def test_an_instant_item_is_promised_at_once(papers: Papers) -> None:
    at_once = sample("acceptance", promised={"number": 0, "until": "2026-11-22"})
    text = witnesses.solid(witnesses.text_of(papers.render(paper_from(at_once)).pdf, "-layout"))
    assert "承诺时限即时办结" in text and "0个工作日" not in text


def test_a_payment_adds_up_in_figures_and_words(papers: Papers) -> None:
    text = witnesses.solid(witnesses.text_of(papers.render(paper_from(sample("payment"))).pdf))
    assert "壹佰零伍元叁角整" in text and "-20.00" in text
    with pytest.raises(Refused) as caught:
        paper_from(sample("payment", total="105.31"))
    assert (caught.value.code, caught.value.where) == ("wrong_total", "total")


@pytest.mark.parametrize(
    ("amount", "words"),
    [  # the examples of 《支付结算办法》 annex 1, and the edges
        ("1409.50", "壹仟肆佰零玖元伍角整"),
        ("6007.14", "陆仟零柒元壹角肆分"),
        ("1680.32", "壹仟陆佰捌拾元叁角贰分"),
        ("107000.53", "壹拾万柒仟元伍角叁分"),
        ("16409.02", "壹万陆仟肆佰零玖元零贰分"),
        ("325.04", "叁佰贰拾伍元零肆分"),
        ("0.00", "零元整"),
        ("0.07", "柒分"),
        ("100000001.00", "壹亿零壹元整"),
        ("20000000300000.00", "贰拾万亿零叁拾万元整"),
    ],
)
def test_amounts_in_words(amount: str, words: str) -> None:
    assert in_capitals(Money(amount)) == words


def test_the_code_is_of_the_data_alone(papers: Papers) -> None:
    """Recomputed from the definition: RFC 8785 of all fields without secrets, SHA-256, base32."""
    data = sample("receiving")
    whole = data | {
        "issued_at": data["issued_at"],
        "materials": [{"note": ""} | each for each in data["materials"]],
    }
    del whole["query_password"]
    text = json.dumps(whole, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    expected = base64.b32encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")
    first = papers.render(paper_from(data))
    assert first.code == f"TB1:{CASE}:{expected}"
    assert str(code_of(paper_from(data | {"query_password": "OTHER1"}))) == first.code
    assert str(code_of(paper_from(data | {"applicant": "别人"}))) != first.code
    linked = code_in("https://hall.example.invalid/check?q=" + first.code)
    assert (linked.case_no, linked.digest) == (CASE, first.data_digest)
    for wrong in ("", first.code[:-1], first.code + "A", first.code.lower()):
        with pytest.raises(Refused):
            code_in(wrong)


def test_a_reprint_is_marked_and_otherwise_the_same_paper(papers: Papers) -> None:
    paper = paper_from(sample("acceptance"))
    original, third = papers.render(paper), papers.render(paper, copy=3)
    assert "补打" not in witnesses.text_of(original.pdf)
    assert "补打第2次" in witnesses.solid(witnesses.text_of(third.pdf))
    assert third.code == original.code
    for copy in (0, 1000):
        with pytest.raises(Refused, match="bad_copy"):
            papers.render(paper, copy=copy)


def test_the_same_paper_is_the_same_bytes_in_another_process(papers: Papers) -> None:
    """And titles are the site's: 告知书 for 通知书, in title and text."""
    paper = paper_from(sample("refusal"))
    papers.render(paper_from(sample("payment")))  # the two processes have not set the same things before
    settings = PaperSettings(
        wording=Wording("告知书", {"acceptance": "受理单"}), link="https://a.invalid/?q="
    )
    with Papers() as other, Papers(settings) as renamed:
        assert other.render(paper).pdf == papers.render(paper).pdf
        noticed = renamed.render(paper)
        text = witnesses.solid(witnesses.text_of(noticed.pdf))
        assert "不予受理告知书" in text and "自收到本告知书之日起" in text and "通知书" not in text
        assert noticed.code.startswith("https://a.invalid/?q=TB1:")
        assert "受理单" in witnesses.text_of(renamed.render(paper_from(sample("acceptance"))).pdf)
