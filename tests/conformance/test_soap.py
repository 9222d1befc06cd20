"""The kit against two SOAP partners: XML-DSig in GBK (fees) and WS-Security (catalogue)."""

from collections.abc import Iterator

import pytest

from exchange.seals.keys import load_signing_key
from tests.conformance.defects_soap import FEES, WSS
from tests.conformance.partners import Mock, alarms, running
from tests.conformance.tamper import CLEAN, Defect, Proxy

pytestmark = pytest.mark.xdist_group("conformance_soap")


def _started(module: str) -> Iterator[tuple[Mock, Proxy]]:
    with running(module) as mock:
        keys = mock.folder / "keys"
        own = load_signing_key((keys / "key.pem").read_bytes(), (keys / "cert.pem").read_bytes())
        proxy = Proxy(mock.url, mock.keys.ec, own)
        yield mock, proxy
        proxy.close()


@pytest.fixture(scope="module")
def fees() -> Iterator[tuple[Mock, Proxy]]:
    yield from _started("fees")


@pytest.fixture(scope="module")
def catalogue() -> Iterator[tuple[Mock, Proxy]]:
    yield from _started("catalogue")


def _use(partner: tuple[Mock, Proxy], defect: Defect, namespace: str) -> None:
    partner[1].use(defect)
    partner[1].memory |= {"hub": partner[0].keys.rsa, "namespace": namespace}


def _found(partner: tuple[Mock, Proxy], defect: Defect, first: str) -> dict[str, str]:
    report = partner[0].report((first, *defect.finds), partner[1].url)
    return {one.check.id: one.verdict.result for one in report.findings if one.check.id in defect.finds}


def test_clean_fee_system_raises_no_alarm(fees: tuple[Mock, Proxy]) -> None:
    report = fees[0].report()
    assert alarms(report) == []
    assert report.count("passed") >= 120
    assert report.seconds < 60


def test_clean_catalogue_raises_no_alarm(catalogue: tuple[Mock, Proxy]) -> None:
    report = catalogue[0].report()
    assert alarms(report) == []
    assert report.count("passed") >= 80
    assert report.seconds < 60


@pytest.mark.parametrize("name", ["fees", "catalogue"])
def test_proxy_itself_changes_nothing(name: str, request: pytest.FixtureRequest) -> None:
    partner, defects = request.getfixturevalue(name), FEES if name == "fees" else WSS
    _use(partner, CLEAN, "")
    wanted = {check for defect in defects for check in defect.finds}
    report = partner[0].report(wanted, partner[1].url)
    assert alarms(report) == []
    assert {one.check.id for one in report.findings} == wanted


@pytest.mark.parametrize("defect", FEES, ids=lambda one: one.id)
def test_every_defect_of_xml_signatures_in_gbk_is_found(fees: tuple[Mock, Proxy], defect: Defect) -> None:
    _use(fees, defect, "http://www.example.gov.cn/feishui/fee/1.0")
    assert _found(fees, defect, "ACC-create_notice") == dict.fromkeys(defect.finds, "failed")


@pytest.mark.parametrize("defect", WSS, ids=lambda one: one.id)
def test_every_defect_of_ws_security_is_found(catalogue: tuple[Mock, Proxy], defect: Defect) -> None:
    _use(catalogue, defect, "http://www.example.gov.cn/xzsp/catalog/1.0")
    assert _found(catalogue, defect, "ACC-increment_query") == dict.fromkeys(defect.finds, "failed")
