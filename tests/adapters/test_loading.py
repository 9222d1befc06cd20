"""What is wrong in a partner's folder is told on loading, by file and key, not when a case needs it."""

import re
import shutil
from pathlib import Path

import pytest
from pydantic import ValidationError

from exchange.adapterfolder import load_adapter
from exchange.errors import Misconfigured
from exchange.manifest import Inbound
from exchange.receipts import HTTP_STATUS, REFUSALS

ROOT = Path(__file__).resolve().parents[2]
WRONG = {
    "a code the hub never refuses with": (
        "sms", 'codes = { "*" = 1 }', "codes = { bad_valeu = 1 }", "unknown_code", "report.answer.codes",
    ),
    "an answer that names what nobody fills": (
        "sms", 'msg = "{detail}" }', 'msg = "{reason}" }', "unknown_name", "report.answer",
    ),
    "a call that fills what its caller is not asked for": (
        "fees", 'asks = ["notice_no", "amount", "reason"]', 'asks = ["notice_no"]', "unknown_name", "refund",
    ),
    "a path that names what nobody fills": (
        "sms", 'path = "/sms/v1/balance"', 'path = "/sms/v1/balance/{amount}"', "unknown_name", "balance",
    ),
    "an unknown algorithm": ("fees", 'seal = "xmldsig"', 'seal = "xmldsig"\nsignatures = ["sm2"]', "bad_key",
                             "signatures"),
}  # fmt: skip


@pytest.mark.parametrize(("adapter", "old", "new", "code", "where"), WRONG.values(), ids=WRONG)
def test_it_is_refused_at_load(
    tmp_path: Path, adapter: str, old: str, new: str, code: str, where: str
) -> None:
    folder = shutil.copytree(ROOT / "adapters" / adapter, tmp_path / adapter)
    text = (folder / "adapter.toml").read_text("utf-8")
    assert old in text
    (folder / "adapter.toml").write_text(text.replace(old, new, 1), "utf-8")
    with pytest.raises(Misconfigured) as caught:
        load_adapter(folder)
    assert caught.value.code == code
    assert where in (caught.value.where or "")


def test_an_operation_the_hub_serves_has_an_answer() -> None:
    door = {
        "name": "Push", "soap": {"operation": "Push", "argument": "xml"}, "documents": [{"mapping": "m"}],
        "message_id": {"by": "digest"},
    }  # fmt: skip
    with pytest.raises(ValidationError, match="needs an answer"):
        Inbound.model_validate(door)
    assert Inbound.model_validate(door | {"answer": {"ok": {"R": "0"}, "refused": {"R": "1"}}})


def test_the_codes_are_those_of_the_wire_document() -> None:
    section = (ROOT / "docs/wire.md").read_text("utf-8").split("## 8.")[1].split("## 9.")[0]
    documented = set(re.findall(r"`([a-z_]+)`", "\n".join(re.findall(r"^\| (`.*?) \|", section, re.M))))
    assert documented == REFUSALS - {"stale"} | {"ok", "held"}
    assert documented >= HTTP_STATUS.keys() - {"stale", "not_found"}
