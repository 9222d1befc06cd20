"""The certificate library's interface does not know certificates: any type and content go the same way."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canonical.messages import CertificateRequested
from exchange.adapterfolder import load_adapter
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
