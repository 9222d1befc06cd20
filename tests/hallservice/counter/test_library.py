"""What the certificate library has of an applicant, and what of it stands for a material (S3-28)."""

import json

import pytest

from hallservice.counter import materials
from tests.exchange.core.rig import NAME
from tests.hallservice.counter.counter import Desk

FRONT = "1.2.156.3005.2.114414020072081005001.114414020072081005."


@pytest.mark.req("S3-28")
@pytest.mark.parametrize(
    ("state", "status"), [("valid", "received"), ("expired", "awaited"), ("revoked", "awaited")]
)
def test_only_a_certificate_in_force_stands_for_a_material(desk: Desk, state: str, status: str) -> None:
    desk.partner("library", "certificates")
    no = desk.opened(seen=()).case_no
    asked = json.loads(desk.core.outbox("type = 'certificate.searched.v1'")[0]["payload"])
    found = {"identifier": f"{FRONT}0000000017.001.S", "name": "营业执照", "number": "91441402MA4X",
             "holder_name": NAME, "valid_from": "2024-01-01", "state": state}  # fmt: skip
    answer = {"request_id": asked["request_id"], "case_no": no, "certificates": [found]}
    desk.answers("library", "certificate.found.v1", answer)
    with desk.core.hub.store.read() as connection:
        licence = next(one for one in materials.of(connection, no) if one.name == "营业执照")
    assert (licence.status, bool(licence.certificate)) == (status, status == "received")
    assert desk.core.value("SELECT state FROM hall_found") == state, "the clerk sees it all the same"
