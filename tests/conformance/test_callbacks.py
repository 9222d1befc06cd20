"""The kit's hub against partners that call it: every defect of documents, seals and patience found."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from exchange.seals.keys import load_signing_key
from mocks.conformance.model import Report
from tests.conformance.defects_callback import CALLBACKS
from tests.conformance.defects_push import PUSH
from tests.conformance.partners import Mock, alarms, running
from tests.conformance.spread import Found, spread, verdicts
from tests.conformance.tamper import CLEAN, Defect, Proxy

Partner = tuple[Mock, Proxy]
WAITING = 6  # at once: these runs do little but wait for repeats
OWN = {"own_certificate_items": ["440125105000"]}


@contextmanager
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


@contextmanager
def department() -> Iterator[Partner]:
    """Over SOAP; its items end with certificates of its own."""
    proxies: list[Proxy] = []

    def between(mock: Mock) -> str:
        proxies.append(Proxy(mock.listener.url, mock.keys.rsa, mock.keys.rsa))
        return proxies[0].url

    with running("department_b", wrap=between, scale=0.1, own=OWN) as mock:
        own = mock.folder / "keys"
        proxies[0].partner = load_signing_key((own / "key.pem").read_bytes(), (own / "cert.pem").read_bytes())
        yield mock, proxies[0]
    proxies[0].close()


def tried(partner: Partner, defect: Defect) -> Report:
    mock, proxy = partner
    proxy.use(defect)
    proxy.memory["hub"] = mock.keys.rsa
    if defect is not CLEAN:
        return mock.report(defect.finds, tries=defect.options.get("tries", 3))
    planted = CALLBACKS if mock.module == "sms" else PUSH
    return mock.report(
        {"CBK-report-*"} if mock.module == "sms" else {one for d in planted for one in d.finds}
    )


@pytest.fixture(scope="module")
def over_rest(request: pytest.FixtureRequest) -> Iterator[Found]:
    with spread(request, gateway, tried, CLEAN, CALLBACKS, WAITING) as found:
        yield found


@pytest.fixture(scope="module")
def over_soap(request: pytest.FixtureRequest) -> Iterator[Found]:
    with spread(request, department, tried, CLEAN, PUSH, WAITING) as found:
        yield found


def test_proxy_itself_changes_nothing(over_rest: Found) -> None:
    report = over_rest(CLEAN)
    assert alarms(report) == []
    assert report.count("passed") == 15


@pytest.mark.parametrize("defect", CALLBACKS, ids=lambda one: one.id)
def test_every_defect_is_found(over_rest: Found, defect: Defect) -> None:
    report = over_rest(defect)
    assert verdicts(report, defect.finds) == dict.fromkeys(defect.finds, "failed"), report.findings


def test_proxy_itself_changes_nothing_over_soap(over_soap: Found) -> None:
    report = over_soap(CLEAN)
    assert alarms(report) == []
    assert report.count("passed") == len({one for defect in PUSH for one in defect.finds})


@pytest.mark.parametrize("defect", PUSH, ids=lambda one: one.id)
def test_every_defect_over_soap_is_found(over_soap: Found, defect: Defect) -> None:
    report = over_soap(defect)
    assert verdicts(report, defect.finds) == dict.fromkeys(defect.finds, "failed"), report.findings
