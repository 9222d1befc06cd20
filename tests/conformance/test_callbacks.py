"""The kit's hub against a partner that calls it: every defect of documents, seals and patience found."""

from collections.abc import Iterator

import pytest

from exchange.seals.keys import load_signing_key
from tests.conformance.defects_callback import CALLBACKS
from tests.conformance.defects_push import PUSH
from tests.conformance.partners import Mock, alarms, running
from tests.conformance.tamper import CLEAN, Defect, Proxy

pytestmark = pytest.mark.xdist_group("conformance_callbacks")
Partner = tuple[Mock, Proxy]


@pytest.fixture(scope="module")
def gateway() -> Iterator[Partner]:
    proxies: list[Proxy] = []

    def between(mock: Mock) -> str:
        proxies.append(Proxy(mock.listener.url, mock.keys.ec, mock.keys.ec))
        return proxies[0].url

    with running("sms", wrap=between, scale=0.1) as mock:
        keys = mock.folder / "keys"
        proxies[0].hub = load_signing_key((keys / "key.pem").read_bytes(), (keys / "cert.pem").read_bytes())
        yield mock, proxies[0]
    proxies[0].close()


def test_proxy_itself_changes_nothing(gateway: Partner) -> None:
    gateway[1].use(CLEAN)
    report = gateway[0].report(["CBK-report-*"])
    assert alarms(report) == []
    assert report.count("passed") == 15


@pytest.mark.parametrize("defect", CALLBACKS, ids=lambda one: one.id)
def test_every_defect_is_found(gateway: Partner, defect: Defect) -> None:
    gateway[1].use(defect)
    report = gateway[0].report(defect.finds, tries=3)
    found = {one.check.id: one.verdict.result for one in report.findings}
    assert found == dict.fromkeys(defect.finds, "failed"), [one.verdict for one in report.findings]


@pytest.fixture(scope="module")
def department() -> Iterator[Partner]:
    """Over SOAP; its items end with certificates of its own."""
    proxies: list[Proxy] = []

    def between(mock: Mock) -> str:
        proxies.append(Proxy(mock.listener.url, mock.keys.rsa, mock.keys.rsa))
        return proxies[0].url

    own = {"own_certificate_items": ["440125105000"]}
    with running("department_b", wrap=between, scale=0.1, own=own) as mock:
        keys = mock.folder / "keys"
        proxies[0].partner = load_signing_key(
            (keys / "key.pem").read_bytes(), (keys / "cert.pem").read_bytes()
        )
        yield mock, proxies[0]
    proxies[0].close()


def test_proxy_itself_changes_nothing_over_soap(department: Partner) -> None:
    department[1].use(CLEAN)
    wanted = {check for defect in PUSH for check in defect.finds}
    report = department[0].report(wanted)
    assert alarms(report) == []
    assert {one.check.id for one in report.findings if one.verdict.result == "passed"} == wanted


@pytest.mark.parametrize("defect", PUSH, ids=lambda one: one.id)
def test_every_defect_over_soap_is_found(department: Partner, defect: Defect) -> None:
    department[1].use(defect)
    department[1].memory["hub"] = department[0].keys.rsa
    report = department[0].report(defect.finds, tries=3)
    found = {one.check.id: one.verdict.result for one in report.findings}
    assert found == dict.fromkeys(defect.finds, "failed"), [one.verdict for one in report.findings]
