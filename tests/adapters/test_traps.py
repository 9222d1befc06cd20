"""The twenty traps between systems, each over every partner whose contract holds it; expected values are the
contracts' and the standards'."""

import copy
import re
from datetime import datetime, timedelta
from typing import Any

import pytest

from canonical.codes import code_list
from canonical.instants import Skew, event_time
from canonical.messages import PAYLOADS
from exchange.adapterfolder import Adapter
from exchange.errors import Refused
from exchange.manifest import Outcome
from exchange.mapping.refusal import DocumentRefused
from exchange.mapping.run import WireMapping
from exchange.notices import named
from tests.adapters import samples
from tests.adapters.samples import ACCEPTED, ADAPTERS, FOLDERS, MAPPINGS, REFUSED, shown
from tests.exchange.core.conftest import core, hub_keys, pattern  # noqa: F401 - fixtures
from tests.exchange.core.rig import PLAIN_ITEM, START, Core, Story, case_number, iso

CASE = "4414020000002026112020000177"
ITEM = "1144140200720810054440125105000"
HYPHENS = "114414020072081005-4-440125105000"
USCC = "114414020072081005"
DEPARTMENTS = ("department_a", "department_a_pull", "department_b", "department_c", "department_d")
Rows = dict[str, str]


def sample(adapter: str, name: str) -> Any:
    """The file of an accepted sample."""
    found = [path for path in ACCEPTED if path.parts[-4] == adapter and path.stem == name]
    assert len(found) == 1, (adapter, name)
    return found[0]


def mapping_of(adapter: str, name: str) -> WireMapping:
    return samples.mapping_of(sample(adapter, name))


def tree_of(adapter: str, name: str, changes: dict[str, Any]) -> Any:
    """The sample's wire tree with some values replaced (path -> value)."""
    tree = copy.deepcopy(mapping_of(adapter, name).read(sample(adapter, name).read_bytes()))
    for place, value in changes.items():
        *way, last = place.split("/")
        samples.reach(tree, tuple(way))[last] = value
    return tree


def heard(adapter: str, name: str, changes: dict[str, Any]) -> dict[str, Any]:
    """What the changed sample says, in the JSON form of its message."""
    mapping, context = mapping_of(adapter, name), samples.expected_of(sample(adapter, name)).context
    tree = tree_of(adapter, name, changes)
    if mapping.direction != "say":
        return mapping.hear(tree, context).model_dump(mode="json", exclude_none=True)
    assert mapping.model is not None
    known = mapping.model.model_construct(**mapping.hear_values(tree, context))
    return known.model_dump(mode="json", exclude_none=True, warnings=False)


def said(adapter: str, name: str, changes: dict[str, Any], **facts: Any) -> Any:
    """The wire tree of the sample's message with some canonical values replaced (dotted path -> value)."""
    mapping, expected = mapping_of(adapter, name), samples.expected_of(sample(adapter, name))
    content = copy.deepcopy(expected.content)
    assert mapping.message is not None and content is not None
    for place, value in changes.items():
        *way, last = place.split(".")
        samples.reach(content, tuple(way))[last] = value
    return mapping.say(PAYLOADS[mapping.message].model_validate(content), {**expected.context, **facts})


def at(tree: Any, place: str, mark: str) -> Any:
    """The value at a path of a tree."""
    return samples.reach(tree, tuple(place.split(mark)))


def refusal(adapter: str, name: str, changes: dict[str, Any]) -> list[tuple[str, str]]:
    """(code, path) of what is wrong with the changed sample."""
    with pytest.raises(DocumentRefused) as refused:
        heard(adapter, name, changes)
    return [(one.code, one.path) for one in refused.value.errors]


def adapter_named(name: str) -> Adapter:
    return samples.adapter(ADAPTERS / name)


def test_every_trap_has_its_test_and_every_sample_named_for_one_exists_for_it() -> None:
    tested = {int(name[6:8]) for name in globals() if re.match(r"test_t\d\d_", name)}
    assert tested == set(range(1, 21))
    named_for = {int(one) for path in (*ACCEPTED, *REFUSED) for one in re.findall(r"[-_]T(\d+)_", path.stem)}
    assert named_for <= tested
    assert named_for >= {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 18, 19, 20}


@pytest.mark.parametrize(
    ("adapter", "name", "place", "best", "worst", "refused"),
    [
        ("evaluation", "rated--T1_five_is_best", "txnBodyCom/params/satisfaction", "5", "1", "0"),
        ("portal", "evaluate--T1_ten_is_best", "score", "10", "2", "5"),
    ],
)
def test_t01_scales_of_satisfaction(
    adapter: str, name: str, place: str, best: str, worst: str, refused: str
) -> None:
    assert code_list("satisfaction").code("very_satisfied") == "1"  # GB/T 39046 A.8: 1 is the best
    assert heard(adapter, name, {place: best})["satisfaction"] == "very_satisfied"
    assert heard(adapter, name, {place: worst})["satisfaction"] == "very_dissatisfied"
    assert refusal(adapter, name, {place: refused}) == [("unknown_code", place)]


@pytest.mark.parametrize(
    ("adapter", "name", "place", "wire", "wrong"),
    [
        ("department_a", "step", "SBLSH", CASE, f"44{CASE}"),
        ("department_a_pull", "step", "SBLSH", CASE, f"44{CASE}"),
        ("department_b", "step", "DATA/CASENO", CASE, f"44{CASE}"),
        ("department_c", "step", "ORGBUSNO", f"44{CASE}", CASE),
        ("department_d", "step", "projid", CASE, f"44{CASE}"),
        ("evaluation", "rated--T1_five_is_best", "txnBodyCom/params/projectNo", f"44{CASE}", CASE),
    ],
)
def test_t02_province_in_front_of_the_case_number(
    adapter: str, name: str, place: str, wire: str, wrong: str
) -> None:
    assert heard(adapter, name, {place: wire})["case_no"] == CASE
    assert at(said(adapter, name, {}), place, "/") == wire
    found = refusal(adapter, name, {place: wrong})
    assert [one for one in found if one[0] != "seal_invalid"] == [
        ("bad_value", place)
    ]  # a sign covers it too


@pytest.mark.parametrize(
    ("adapter", "name", "place", "wire", "wrong", "of_a_town"),
    [
        ("department_a", "step", "XZQHDM", "441402", "441402000000", "441402"),
        ("department_b", "step", "DATA/XZQHDM", "441402", "441402000000", "441402"),
        ("department_c", "step", "REGIONID", "441402000000", "441402", "441402004000"),
        ("department_d", "step", "areacode", "441402000000", "441402", "441402004000"),
        ("portal", "evaluate--T1_ten_is_best", "areaCode", "441402000", "441402", "441402004"),
        (
            "evaluation",
            "rated--T1_five_is_best",
            "txnBodyCom/params/areaCode",
            "441402000000",
            "441402004000",
            "441402000000",
        ),
    ],
)
def test_t03_regions_of_6_and_12_digits(
    adapter: str, name: str, place: str, wire: str, wrong: str, of_a_town: str
) -> None:
    assert heard(adapter, name, {place: wire})["region"] == "441402000000"
    assert refusal(adapter, name, {place: wrong}) == [("bad_value", place)]
    assert at(said(adapter, name, {"region": "441402004000"}), place, "/") == of_a_town


KINDS = ("natural_person", "enterprise", "institution", "social_organisation", "government_organ")
APPLICANTS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "department_a": ("applied", "SQRLX", ("1", "2", "3", "4", "6")),
    "department_b": ("applied", "DATA/SPSHENQIN/SQRLX", ("10", "20", "20", "20", "20")),
    "department_c": ("applied", "APPLYTYPE", ("2", "1", "1", "1", "1")),
    "department_d": ("applied", "PRE_APASINFO/applytype", ("1", "2", "3", "4", "5")),
    "portal": ("apply", "user/userType", ("1", "2", "3", "4", "5")),
}


@pytest.mark.parametrize("adapter", APPLICANTS)
def test_t04_types_of_applicants(adapter: str) -> None:
    name, place, codes = APPLICANTS[adapter]
    for kind, code in zip(KINDS, codes, strict=True):
        assert at(said(adapter, name, {"applicant.kind": kind}), place, "/") == code
    blurs = mapping_of(adapter, name).blurs.get("applicant.kind", {})
    for kind, code in zip(KINDS, codes, strict=True):
        assert heard(adapter, name, {place: code})["applicant"]["kind"] == blurs.get(kind, kind)
    shared = {kind for at_, kind in enumerate(KINDS) if codes[at_] in codes[:at_]}
    without = ("department_a", "portal")
    assert set(blurs) == shared | ({"unincorporated_enterprise"} if adapter not in without else set())


def test_t04_the_portal_counts_organs_as_gb_t_39046_does() -> None:
    told = samples.expected_of(sample("portal", "apply--T4_organ_is_5")).content
    assert told is not None and told["applicant"]["kind"] == "government_organ"
    assert heard("portal", "apply--T4_organ_is_5", {})["applicant"]["kind"] == "government_organ"


CONCLUSIONS: dict[str, tuple[str, Rows, tuple[str, ...]]] = {
    "department_a": ("BJJGDM", {"1": "returned", "5": "supplement_missing", "6": "concluded"}, ("7",)),
    "department_b": (
        "DATA/SPBANJIE/BJJG", {"1": "returned", "5": "supplement_missing", "6": "concluded"}, ("7",),
    ),
    "department_c": ("DONERESULT", {"1": "concluded", "5": "returned", "7": "concluded"}, ("6", "8")),
    "department_d": (
        "doneresult",
        {"1": "returned", "5": "supplement_missing", "6": "concluded", "7": "concluded"},
        ("8",),
    ),
}  # fmt: skip


@pytest.mark.parametrize("adapter", CONCLUSIONS)
def test_t05_codes_of_conclusions(adapter: str) -> None:
    place, meanings, unknown = CONCLUSIONS[adapter]
    why = {"ZFHTHYY": "依法办结"} if adapter == "department_a" else {}
    for code, meaning in meanings.items():
        assert heard(adapter, "concluded", {place: code, **why})["result"] == meaning
    for code in unknown:
        assert refusal(adapter, "concluded", {place: code}) == [("unknown_code", place)]


@pytest.mark.parametrize(
    ("adapter", "place", "refused", "granted"),
    [("department_c", "DONERESULT", "1", "7"), ("department_d", "doneresult", "7", "6")],
)
def test_t05_two_codes_for_concluded_follow_the_decision(
    adapter: str, place: str, refused: str, granted: str
) -> None:
    change = {"result": "concluded"}
    assert at(said(adapter, "concluded", change, decision_refused=True), place, "/") == refused
    assert at(said(adapter, "concluded", change, decision_refused=False), place, "/") == granted


@pytest.mark.parametrize(
    ("adapter", "name", "place", "extension", "other", "unknown"),
    [
        ("department_a", "special_started", "TBCXZL", "A", "B", "1"),
        ("provincial_reporting", "special_started", "TBCXZL", "A", "B", "2"),
        ("department_b", "special_started--T6_other_is_2", "DATA/SPTEBIECHENGXU/ZL", "1", "2", "A"),
        ("department_c", "special_started--T9_epoch_ms", "SPECIALTYPE", "1", "2", "B"),
        ("department_d", "special_started--T9_standard_time", "specialtype", "1", "2", "A"),
    ],
)
def test_t06_kinds_of_special_procedures(
    adapter: str, name: str, place: str, extension: str, other: str, unknown: str
) -> None:
    assert heard(adapter, name, {place: extension})["kind"] == "extension"
    assert heard(adapter, name, {place: other})["kind"] == "other"
    assert refusal(adapter, name, {place: unknown}) == [("unknown_code", place)]


@pytest.mark.parametrize(
    ("adapter", "name", "place", "working", "calendar"),
    [
        ("department_a", "special_started", "TBCXSXDW", "G", "Z"),
        ("department_b", "special_started--T6_other_is_2", "DATA/SPTEBIECHENGXU/SXDW", "1", "2"),
        ("department_c", "special_started--T9_epoch_ms", "LIMITUNIT", "2", "1"),
        ("department_d", "special_started--T9_standard_time", "limit_unit", "1", "2"),
    ],
)
def test_t07_working_and_calendar_days(
    adapter: str, name: str, place: str, working: str, calendar: str
) -> None:
    for code, unit in ((working, "working_day"), (calendar, "calendar_day")):
        assert heard(adapter, name, {place: code})["limit"]["unit"] == unit
        assert at(said(adapter, name, {"limit.unit": unit}), place, "/") == code


@pytest.mark.parametrize(
    ("adapter", "place", "wire"),
    [
        ("department_a", "SXBM", ITEM),
        ("department_b", "DATA/SXBM", ITEM),
        ("department_c", "ITEMCODE", HYPHENS),
        ("department_d", "itemno", ITEM),
    ],
)
def test_t08_lengths_of_item_codes(adapter: str, place: str, wire: str) -> None:
    assert heard(adapter, "step", {place: wire})["item_code"] == ITEM
    assert at(said(adapter, "step", {}), place, "/") == wire
    of_36 = "511A0138000000-511602000000-000-1-00"
    for wrong in (ITEM[:24], of_36, HYPHENS if wire == ITEM else ITEM):
        assert (("bad_value", place)) in refusal(adapter, "step", {place: wrong})


def test_t07_the_evaluation_system_counts_days_the_other_way_round() -> None:
    name, place = "service_record--T7_day_types_reversed", "txnBodyCom/params/promiseDayType"
    for code, unit in (("2", "working_day"), ("1", "calendar_day"), ("3", "month"), ("4", "year")):
        assert heard("evaluation", name, {place: code})["promised_limit"]["unit"] == unit
        assert at(said("evaluation", name, {"promised_limit.unit": unit}), place, "/") == code


def test_t08_basic_code_of_10_is_refused_where_12_are_agreed() -> None:
    assert at(said("department_b", "step", {}), "DATA/SXJBBM", "/") == ITEM[19:]
    for wrong in (ITEM[19:29], "440125105001"):
        assert refusal("department_b", "step", {"DATA/SXJBBM": wrong}) == [("bad_value", "DATA/SXJBBM")]


MOMENT = "2026-11-21T10:00:05+08:00"
TIMES: dict[tuple[str, str], tuple[str, str, Any]] = {
    ("department_a", "step"): ("SPSJ", "decided_at", "2026-11-21 10:00:05"),
    ("department_b", "step"): ("DATA/SPHUANJIE/BLSJ", "decided_at", "2026-11-21 10:00:05"),
    ("department_c", "step"): ("NODETIME", "decided_at", "2026-11-21 10:00:05"),
    ("department_c", "special_finished"): ("SPECIALTIME", "finished_at", "1795226405000"),
    ("department_d", "step"): ("nodetime", "decided_at", "20261121T100005"),
    ("fees", "paid"): ("payTime", "paid_at", "20261121100005"),
    ("logistics", "track"): ("opTime", "occurred_at", "20261121100005"),
    ("portal", "apply"): ("applyTime", "applied_at", 1795226405000),
    ("evaluation", "rated--T1_five_is_best"): (
        "txnBodyCom/params/assessTime",
        "evaluated_at",
        "2026-11-21 10:00:05",
    ),
}
GARBAGE = (
    "2026-325 1000:00:05",  # YYYY-DDD hh24: a day of the year, the hour and the digits 24
    "2026-11-21 10:00:05 ",
    "2026-11-21 1024:00:05",
    "2026-13-21 10:00:05",
    "2026-11-21T10:00:05+08:00",
    "2026-11-21 10:00:05+08:00",
    "2026-11-21 10:00:05.5",
    "20261121100005Z",
    "20261121T100005Z",
    "1795226405",
)


@pytest.mark.parametrize(("adapter", "name"), TIMES)
def test_t09_one_moment_in_every_form(adapter: str, name: str) -> None:
    place, member, wire = TIMES[adapter, name]
    assert heard(adapter, name, {place: wire})[member] == MOMENT
    assert at(said(adapter, name, {member: MOMENT}), place, "/") == wire
    others = {form for _, _, form in TIMES.values()} - {wire}
    for wrong in (*GARBAGE, *others):
        assert refusal(adapter, name, {place: wrong}) == [("bad_value", place)], wrong


@pytest.mark.parametrize("path", ACCEPTED, ids=shown)
def test_t10_the_text_null_is_never_a_value(path: Any) -> None:
    mapping, context = samples.mapping_of(path), samples.expected_of(path).context
    if mapping.message is None or mapping.direction == "say":
        pytest.skip("never heard")
    tree = mapping.read(path.read_bytes())
    silent = samples.unheard(path.parents[2] / f"{mapping.name}.mapping.toml")
    for place in samples.places(tree):
        where = samples.written(place)
        if not isinstance(samples.reach(tree, place), str) or re.sub(r"\[\d+\]", "", where) in silent:
            continue
        changed = copy.deepcopy(tree)
        samples.reach(changed, place[:-1])[place[-1]] = "null"
        with pytest.raises(DocumentRefused) as refused:
            mapping.hear(changed, context)
        assert refused.value.errors, where


@pytest.mark.parametrize("path", [one for one in ACCEPTED if one.suffix == ".xml"], ids=shown)
def test_t11_text_that_was_not_escaped_is_no_document(path: Any) -> None:
    text, mapping = path.read_text("utf-8"), samples.mapping_of(path)
    for raw in ("A&B", "A<B", "A&nbsp;B"):
        with pytest.raises(Refused) as refused:
            mapping.read(re.sub(r">([^<>&]+)</", f">{raw}</", text, count=1).encode())
        assert refused.value.code == "bad_request"


@pytest.mark.parametrize("adapter", ["department_b", "department_c"])
def test_t11_what_we_say_is_escaped(adapter: str) -> None:
    mapping, hard = mapping_of(adapter, "step"), "同意 <A&B> ]]> \" '"
    wire = mapping.text(said(adapter, "step", {"opinion": hard}))
    assert "<A&B>" not in wire
    assert mapping.hear(mapping.read(wire)).model_dump()["opinion"] == hard


def test_t12_xml_inside_xml_is_text_however_it_is_written() -> None:
    path = sample("department_b", "applied")
    mapping, text = samples.mapping_of(path), path.read_text("utf-8")
    inner = re.search(r"<XML_DATA>(.*)</XML_DATA>", text)
    assert inner is not None and inner[1].startswith("&lt;FORM&gt;")
    plain = inner[1].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    expected = samples.expected_of(path).content
    for form in (
        inner[1],
        f"<![CDATA[{plain}]]>",
        f'<![CDATA[<?xml version="1.0" encoding="GBK"?>{plain}]]>',
    ):
        changed = text.replace(inner[0], f"<XML_DATA>{form}</XML_DATA>")
        content = mapping.hear(mapping.read(changed.encode())).model_dump(mode="json", exclude_none=True)
        assert content == samples.blurred(expected, mapping.blurs)
    with pytest.raises(DocumentRefused) as refused:
        mapping.hear(mapping.read(text.replace(inner[0], f"<XML_DATA>{plain}</XML_DATA>").encode()))
    assert [(one.code, one.path) for one in refused.value.errors] == [
        ("bad_value", "DATA/SPSHENQIN/XML_DATA")
    ]


@pytest.mark.parametrize(
    "path",
    [one for one in ACCEPTED if one.suffix == ".xml" and not one.read_text("utf-8").isascii()],
    ids=shown,
)
def test_t13_bytes_and_label_must_agree(path: Any) -> None:
    mapping, text = samples.mapping_of(path), re.sub(r"^<\?xml[^>]*\?>", "", path.read_text("utf-8"))
    tree = mapping.read(path.read_bytes())
    assert mapping.read(text.encode("gb18030"), charset="GBK") == tree
    with pytest.raises(Refused) as refused:
        mapping.read(text.encode("gb18030"), charset="UTF-8")
    assert refused.value.code == "bad_request"
    declared = f'<?xml version="1.0" encoding="UTF-8"?>{text}'
    with pytest.raises(Refused) as contradicted:
        mapping.read(declared.encode(), charset="GBK")
    assert contradicted.value.code == "bad_request"


BOUNDED = [
    (path, field["wire"], field["to"], field["longest"])
    for path in MAPPINGS
    for field in samples.declared(path).get("fields", [])
    if "longest" in field and "to" in field and samples.declared(path).get("message")
]


@pytest.mark.parametrize(("path", "wire", "to", "longest"), BOUNDED, ids=lambda one: str(one)[-40:])
def test_t14_nothing_is_cut_to_fit(path: Any, wire: str, to: str, longest: int) -> None:
    expected, mapping = _sample_with(path, to)
    payload = mapping.model.model_validate(expected.content) if mapping.model else None
    assert payload is not None
    text = "始" + "x" * (longest - 2) + "终"
    assert at(mapping.say(_with(payload, to.split("."), text), expected.context), wire, "/") == text
    with pytest.raises(DocumentRefused) as refused:
        mapping.say(_with(payload, to.split("."), text + "x"), expected.context)
    assert ("bad_value", wire) in [(one.code, one.path) for one in refused.value.errors]


def _sample_with(path: Any, to: str) -> tuple[samples.Expected, WireMapping]:
    """A sample of this mapping whose message has the field, or else any."""
    name = path.name.split(".")[0]
    found = [one for one in ACCEPTED if one.parts[-4] == path.parts[-2] and one.stem.split("--")[0] == name]
    *way, last = to.split(".")
    having = [one for one in found if last in samples.reach(samples.expected_of(one).content, tuple(way))]
    chosen = [*having, *found][0]
    return samples.expected_of(chosen), samples.mapping_of(chosen)


def _with(payload: Any, way: list[str], text: str) -> Any:
    inner = text if len(way) == 1 else _with(getattr(payload, way[0]), way[1:], text)
    return payload.model_copy(update={way[0]: inner})


@pytest.mark.parametrize(
    ("adapter", "name", "place", "wire"),
    [
        ("department_a", "special_started", "TBCXKSRQ", "2026-11-20 09:30:47"),
        (
            "department_b",
            "special_started--T6_other_is_2",
            "DATA/SPTEBIECHENGXU/KSSJ",
            "2026-11-20 09:30:47",
        ),
        ("department_c", "special_started--T9_epoch_ms", "SPECIALTIME", "1795138247000"),
        ("department_d", "special_started--T9_standard_time", "specialtime", "20261120T093047"),
    ],
)
def test_t15_a_time_set_back_is_kept_and_not_believed(adapter: str, name: str, place: str, wire: str) -> None:
    said_at = datetime.fromisoformat(heard(adapter, name, {place: wire})["started_at"])
    accepted = datetime.fromisoformat("2026-11-20T09:31:07+08:00")
    assert accepted - said_at == timedelta(seconds=20)
    received = accepted + timedelta(minutes=3)
    found = event_time(said_at, received, accepted)
    assert (found.sender, found.counted, found.finding) == (said_at, received, Skew.BEFORE_PREVIOUS)


@pytest.mark.parametrize(("seconds", "finding"), [(3, True), (600, False)])
def test_t16_a_rating_no_person_can_have_given_is_a_finding(
    core: Core,  # noqa: F811 - the fixture
    seconds: int,
    finding: bool,
) -> None:
    story = Story(case_number(16), PLAIN_ITEM)
    core.ok("hall", "case.applied.v1", story.applied())
    core.ok("hall", "case.accepted.v1", story.accepted())
    for number in (1, 2, 3):
        core.ok("hall", "case.step.v1", story.step(number))
    core.ok("hall", "case.concluded.v1", story.concluded("concluded"))
    rated = {**story.head, "satisfaction": "very_satisfied", "channel": "qr_code"}
    core.party("ratings", sends=("case.evaluated.v1",))
    core.ok(
        "ratings", "case.evaluated.v1", {**rated, "evaluated_at": iso(START + timedelta(seconds=seconds))}
    )
    assert (("integrity", "automatic_rating") in core.findings(story.no)) is finding


SUCCESS = {
    "archives": {"0"},
    "certificates": {"0"},
    "department_a": {"0"},
    "department_a_pull": {"0"},
    "department_b": {"200"},
    "department_c": {"200"},
    "evaluation": {"000000"},
    "fees": {"000000"},
    "identity": {"0"},
    "logistics": {"1000"},
    "performance": {"0"},
    "portal": {"success"},
    "provincial_catalogue": {"0"},
    "provincial_reporting": {"0"},
    "revenue": {"00"},
    "sharing": {"200", "404"},
    "sms": {"0"},
}
NO_CODE = {"1", "0", "00", "000000", "200", "1000", "true", "ok", "OK", "success", "", "500"}


@pytest.mark.parametrize("name", sorted(SUCCESS))
def test_t17_every_partner_says_success_in_its_own_word(name: str) -> None:
    calls = [
        call for call in adapter_named(name).outbound if call.outcome != Outcome() and call.table is None
    ]
    for call in calls:
        agreed = SUCCESS[name] | (
            {"10"} if name == "certificates" and call.outcome.judge("10") == "ok" else set()
        )
        assert {code for code in NO_CODE | SUCCESS[name] if call.outcome.judge(code) == "ok"} == agreed - {
            "10"
        }
        assert call.outcome.judge("no code of theirs") != "ok"
    assert calls


def test_t17_no_partner_is_forgotten() -> None:
    judged = {
        folder.name
        for folder in FOLDERS
        if any(not call.table for call in adapter_named(folder.name).outbound)
    }
    assert judged == set(SUCCESS)


def test_t18_a_notice_names_its_object_and_nothing_else() -> None:
    rule = adapter_named("department_a_pull").heard("feedback").pull
    assert rule is not None and (rule.call, rule.expect) == (
        "object",
        {"case_no": "SBLSH", "region6": "XZQHDM"},
    )
    guid = "5b0a6f0e-93c1-4d7e-8f59-1f2a3b4c5d6e"
    good = f"SPECIAL@{CASE}.441402.{guid}"
    assert named(rule, f'"{good}"'.encode()) == {"case_no": CASE, "region6": "441402", "guid": guid}
    wrong = (
        good, f'"{good} "', f'["{good}"]', f'"{good}\\n"', f'{{"x":"{good}"}}',
        f'"{good.replace("SPECIAL", "special")}"',
        f'"{good.replace("441402.", "441402000000.")}"', f'"SPECIAL@{CASE}.441402.{guid.upper()}"',
        f'"SPECIAL@{CASE}.441402.../../token"', f'"SPECIAL@44{CASE}.441402.{guid}"', '""', "1",
    )  # fmt: skip
    for body in wrong:
        with pytest.raises(Refused):
            named(rule, body.encode())


def test_t18_the_object_says_itself_which_one_it_is() -> None:
    entry = adapter_named("department_a_pull").heard("feedback")
    assert entry.object_path == "OBJ"
    assert {doc.object: doc.type for doc in entry.documents} == {
        "1": "case.pre_reviewed.v1",
        "3": "case.step.v1",
        "4": "case.concluded.v1",
        "5": "case.special_started.v1",
        "6": "case.special_finished.v1",
        "7": "case.supplement_noticed.v1",
        "8": "case.supplemented.v1",
        "9": "case.delivered.v1",
    }
    assert heard("department_a_pull", "step", {"OBJ": "3"})["step"] == "approve"
    assert refusal("department_a_pull", "step", {"OBJ": "4"}) == [("bad_value", "OBJ")]


@pytest.mark.parametrize(
    ("adapter", "place"),
    [
        ("department_a", "SPBMZZJDMD"),
        ("department_a_pull", "SPBMZZJDMD"),
        ("department_b", "DATA/SPHUANJIE/TYSHXYDM"),
        ("department_c", "ORGCODE"),
        ("department_d", "deptcode"),
    ],
)
def test_t19_organisation_code_of_9_is_no_credit_code(adapter: str, place: str) -> None:
    assert heard(adapter, "step", {place: USCC})["officer"]["organisation_code"] == USCC
    for wrong in ("007208100", "00720810-0", USCC[:17] + "6"):
        assert refusal(adapter, "step", {place: wrong}) == [("bad_value", place)]


def test_t19_both_codes_of_department_b_must_be_of_one_body() -> None:
    place = "DATA/SPHUANJIE/D_ZZJGDM"
    assert at(said("department_b", "step", {}), place, "/") == USCC[8:17]
    assert refusal("department_b", "step", {place: "007208101"}) == [("bad_value", place)]


MONEY: dict[str, tuple[str, Any, tuple[Any, ...]]] = {
    "department_a": ("SFJE", 105, ("105.00", "10500", 105.5)),
    "department_a_pull": ("SFJE", 105, ("105.00", "105")),
    "department_b": ("DATA/SPBANJIE/SFJE", "105.00", ("105", "10500", "105.0", "1e2")),
    "department_c": ("FEE", "10500", ("105.00", "0105", "10500.0")),
    "department_d": ("fee", "105.00", ("105", "10500", 105)),
    "portal": ("detail/fee", 105, ("105", "105.00", 105.5)),
}


@pytest.mark.parametrize("adapter", MONEY)
def test_t20_one_amount_in_yuan_and_fen(adapter: str) -> None:
    place, wire, wrong = MONEY[adapter]
    assert heard(adapter, "concluded", {place: wire})["fee_amount"] == "105.00"
    assert at(said(adapter, "concluded", {"fee_amount": "105.00"}), place, "/") == wire
    if adapter == "department_c":  # digits are digits: what was meant as yuan is a hundredth
        assert heard(adapter, "concluded", {place: "105"})["fee_amount"] == "1.05"
    for other in wrong:
        assert refusal(adapter, "concluded", {place: other}) == [("bad_value", place)], other


def test_t20_whole_yuan_are_never_rounded() -> None:
    with pytest.raises(DocumentRefused) as refused:
        said("department_a", "concluded", {"fee_amount": "105.50"})
    assert [(one.code, one.path) for one in refused.value.errors] == [("bad_value", "SFJE")]


def test_t19_the_directory_never_takes_9_characters_for_18() -> None:
    page = tree_of("identity", "directory", {})
    for wrong in ("007208100", USCC[:17] + "6"):
        changed = copy.deepcopy(page)
        changed["data"]["orgs"][0]["creditCode"] = wrong
        with pytest.raises(DocumentRefused) as refused:
            mapping_of("identity", "directory").hear(changed)
        assert [(one.code, one.path) for one in refused.value.errors] == [
            ("bad_value", "data/orgs[0]/creditCode")
        ]


def test_t20_the_same_charge_in_fen_and_in_yuan() -> None:
    name = "basis--T20_amount_in_fen"
    assert heard("revenue", name, {"data/unitAmount": "10500"})["amount"] == "105.00"
    assert at(said("revenue", name, {"amount": "0.05"}), "data/unitAmount", "/") == "5"
    assert heard("fees", "reversed", {"amount": "105.00"})["amount"] == "105.00"
    assert refusal("fees", "reversed", {"amount": "10500"}) == [("bad_value", "amount")]
    assert refusal("revenue", name, {"data/unitAmount": "105.00"}) == [("bad_value", "data/unitAmount")]
