"""The certificate library's interface does not know certificates: any type and content go the same way."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canonical.codes import code_list
from canonical.messages import PAYLOADS, CertificateRequested
from exchange.adapterfolder import load_adapter
from exchange.mapping.refusal import DocumentRefused
from tests.adapters import samples

NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,20}", fullmatch=True)
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Cn")), min_size=1, max_size=40)
ADAPTER = load_adapter(samples.ADAPTERS / "certificates")
SAMPLE = samples.ADAPTERS / "certificates" / "fixtures" / "accepted" / "issue.json"


@pytest.mark.req("S3-98")
@given(
    kind=st.from_regex(r"[0-9A-Z]{21}", fullmatch=True),
    fields=st.dictionaries(NAMES, TEXTS.filter(lambda text: text != "null"), max_size=8),
)
def test_any_type_and_content_goes_through_the_same_interface(kind: str, fields: dict[str, str]) -> None:
    expected = samples.expected_of(SAMPLE)
    entries = [{"name": name, "value": value} for name, value in fields.items()]
    content = {**(expected.content or {}), "type_code": kind, "fields": entries}
    mapping = ADAPTER.mappings["issue"]
    body = mapping.write(mapping.say(CertificateRequested.model_validate(content), expected.context))
    data = json.loads(body)["data"]
    assert (data["typeCode"], data["fields"]) == (kind, fields)
    assert mapping.hear(mapping.read(body)).model_dump(mode="json")["fields"] == entries


ELSEWHERE = {  # of Hunan and Jilin, with the check characters of GB/T 36904
    "1.2.156.3005.2.11100000000013338W011.11430000006122244L.20230000403.001.U": "湖南省证照库",
    "1.2.156.3005.2.11100000000013338W032.11220000013544541J.2430599.001.F": "吉林省证照库",
}
STATES = {
    "01": "valid", "02": "detained", "03": "rescinded", "04": "cancelled", "05": "expired",
    "06": "transferred_out", "07": "revoked", "99": "other",
}  # fmt: skip


def found(*lines: dict[str, str]) -> list[dict[str, object]]:
    """What the answer to a search says."""
    mapping = ADAPTER.mappings["found"]
    document = {"head": {"status": 0, "message": ""}, "data": {"list": list(lines)}}
    context = {"said_request_id": "r-1", "case_no": "4414020000002026112020000177"}
    heard = mapping.hear(mapping.read(json.dumps(document).encode()), context)
    entries: list[dict[str, object]] = heard.model_dump(mode="json", exclude_none=True)["certificates"]
    return entries


def line(identifier: str, **more: str) -> dict[str, str]:
    entry = {"certificateIdentifier": identifier, "name": "许可证", "number": "1", "validFrom": "20261122"}
    return entry | {"status": "01"} | more


@pytest.mark.req("S3-96")
def test_certificates_of_other_provinces_are_known_by_the_national_identifier_and_states() -> None:
    heard = found(*(line(name, heldBy=where) for name, where in ELSEWHERE.items()))
    assert {one["identifier"]: one["held_by"] for one in heard} == ELSEWHERE
    states = [found(line(next(iter(ELSEWHERE)), status=code))[0]["state"] for code in STATES]
    assert states == list(STATES.values())
    assert set(code_list("certificate_state").names) == set(STATES.values())
    for name in ELSEWHERE:
        with pytest.raises(DocumentRefused) as refused:
            found(line(name[:-1] + "0"))
        assert [(one.code, one.path) for one in refused.value.errors] == [
            ("bad_value", "data/list[0]/certificateIdentifier")
        ]


@pytest.mark.req("S3-100")
def test_certificates_held_elsewhere_are_asked_for_through_the_library_and_waited_for() -> None:
    own, foreign = found(
        line(next(iter(ELSEWHERE))), line(next(iter(ELSEWHERE)), heldBy="省婚姻登记信息系统")
    )
    assert "held_by" not in own
    assert foreign["held_by"] == "省婚姻登记信息系统"
    calls = {one.name: one for one in ADAPTER.outbound}
    for name in ("search", "file"):  # as for its own, though slower: the system may take 10 s, or be away
        assert calls[name].outcome.judge("310") == "try_later"
    assert ADAPTER.limits.timeout == 15
    for name in ("issue", "change", "annual-inspection", "suspend", "cancel"):
        assert calls[name].outcome.judge("100") in ("poison", "refused")


@pytest.mark.req("S3-101")
@pytest.mark.parametrize(
    ("kind", "path", "status", "state"),
    [
        ("change", "/cert/change", "01", "valid"),
        ("annual_inspection", "/cert/annual-inspection", "01", "valid"),
        ("suspend", "/cert/suspend", "02", "detained"),
        ("cancel", "/cert/cancel", "04", "cancelled"),
    ],
)
def test_maintenance_goes_by_its_kind_names_its_case_and_brings_the_version(
    kind: str, path: str, status: str, state: str
) -> None:
    sample = samples.expected_of(SAMPLE.with_name("change--suspended.json"))
    content = {**(sample.content or {}), "kind": kind}
    chosen = [
        (call, doc)
        for call in ADAPTER.outbound
        for doc in call.documents
        if doc.type == "certificate.change_requested.v1" and kind in doc.when["kind"]
    ]
    assert [call.rest and call.rest.path for call, _ in chosen] == [path]
    mapping = ADAPTER.mappings[chosen[0][1].mapping]
    payload = PAYLOADS["certificate.change_requested.v1"].model_validate(content)
    said = json.loads(mapping.write(mapping.say(payload, sample.context)))["data"]
    assert said["caseNo"] == content["case_no"]
    assert said["certificateIdentifier"] == content["identifier"]
    reply = chosen[0][0].reply
    assert reply is not None and reply.mapping is not None
    answer = {
        "requestId": said["requestId"],
        "certificateIdentifier": next(iter(ELSEWHERE)),
        "version": "002",
    }
    document = {"head": {"status": 0, "message": ""}, "data": answer | {"status": status}}
    heard = ADAPTER.mappings[reply.mapping].hear(document, {"case_no": said["caseNo"]})
    told = heard.model_dump(mode="json")
    assert (told["case_no"], told["version"], told["state"]) == (content["case_no"], "002", state)
