"""The kit against a partner with a front-end database: no alarm when it is right, each defect found."""

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from cryptography import x509

from exchange.app.cli import main
from mocks.conformance.bench import Partner
from mocks.conformance.model import Report
from mocks.conformance.plan import lines, open_bench, plan
from mocks.conformance.run import chosen, run
from tests.conformance.defects_table import TABLE
from tests.conformance.partners import ORG, ROOT, alarms, own_folder, running
from tests.conformance.spread import Found, spread, verdicts
from tests.conformance.tableparty import CLEAN, Defect, Party

ON_POSTGRES = (
    "TBL-lot", "TBL-order", "TBL-inplace", "TBL-replay", "TBL-meanwhile", "TBL-late", "TBL-charset",
    "TBL-number", "TBL-null-filename", "SEAL-flipped", "ROW-*",
)  # fmt: skip
WANTED = {check for defect in TABLE for check in defect.finds}
FOLDER = ROOT / "adapters" / "department_d"


def report(party: Party, only: tuple[str, ...] | set[str], **options: Any) -> Report:
    certificate = x509.load_pem_x509_certificate(party.certificate_file.read_bytes())
    partner = Partner(party.url, certificate, "", "hub", ORG, scale=0.02)
    bench = open_bench(FOLDER, party.keys, partner, None, secrets.randbits(48), connect=False)
    rules = bench.facts.rows
    assert rules is not None
    bench.facts = bench.facts.model_copy(update={"rows": rules.model_copy(update=options)})
    limits = bench.adapter.limits.model_copy(update={"timeout": 4.0 if options else 10.0})
    bench.adapter = bench.adapter.model_copy(update={"limits": limits})
    bench.lines = lines(bench)
    try:
        return run(chosen(plan(bench), only), ("department_d", "department_d", "1.0"), party.url)
    finally:
        bench.close()


@contextmanager
def started() -> Iterator[Party]:
    with own_folder() as folder:
        party = Party(folder, ORG)
        yield party
        party.close()


def tried(party: Party, defect: Defect) -> Report:
    party.use(defect)
    if defect is CLEAN:
        return report(party, WANTED)
    return report(party, defect.finds, **{"wait": 5.0, "each": 3.0, **defect.options})


@pytest.fixture(scope="module")
def found(request: pytest.FixtureRequest) -> Iterator[Found]:
    with spread(request, started, tried, CLEAN, TABLE) as runs:
        yield runs


def test_party_itself_is_right(found: Found) -> None:
    seen = found(CLEAN)
    assert alarms(seen) == []
    assert {one.check.id for one in seen.findings if one.verdict.result == "passed"} == WANTED


@pytest.mark.parametrize("defect", TABLE, ids=lambda one: one.id)
def test_every_defect_is_found(found: Found, defect: Defect) -> None:
    seen = found(defect)
    assert verdicts(seen, defect.finds) == dict.fromkeys(defect.finds, "failed"), seen.findings


def test_command_takes_the_address_of_the_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TONGBAN_STATE", str(tmp_path / "state"))
    with started() as party:
        words = [
            "check", "department_d", "--work", str(party.folder), "--only", "ACC-applied", "TBL-null-text",
            "--partner-certificate", str(party.certificate_file), "--json", str(tmp_path / "r.json"),
        ]  # fmt: skip
        assert main([*words, "--against", "http://127.0.0.1:9"]) == 2
        assert main([*words, "--against", party.url]) == 0
    told = json.loads((tmp_path / "r.json").read_text("utf-8"))
    assert (told["against"], told["passed"]) == (party.url, 2)
    assert "remark=null" in told["checks"][1]["sent"]
    assert "梅江测试餐饮有限公司;" not in told["checks"][0]["sent"]


def test_rows_of_a_real_postgresql(postgres: Any) -> None:
    """The same over PostgreSQL: what of it depends on the database."""
    server = postgres.url.replace("postgresql+psycopg", "postgresql")
    with psycopg.connect(server, autocommit=True) as db:
        db.execute("CREATE DATABASE conformance_d")
    address = postgres.url.rsplit("/", 1)[0] + "/conformance_d"
    with running("department_d", database=address) as mock:
        found = mock.report(ON_POSTGRES)
    assert alarms(found) == []
    assert found.count("passed") >= 20  # an order may not show
