"""One AS2 party on django-pyas2: `prepare PORT` makes its end, `send FILE` sends on demand.

A round trip is what its command sendas2message does: build and sign the message, store it, post it, check the
signed receipt (MDN), store that.
"""

import json
import os
import resource
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

os.environ["DJANGO_SETTINGS_MODULE"] = "as2_settings"
PASSWORD = "as2"  # noqa: S105 - of a key that lives for one run
NAMES = ("bureau", "hall")


def prepare(port: int) -> None:
    """Keys of both parties, made once; then the database of each, told of the other."""
    import django

    state = Path(os.environ["AS2_STATE"])
    own, other = NAMES if state.name == NAMES[0] else NAMES[::-1]
    keys = {name: make_key(state.parent / "keys", name) for name in NAMES}
    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    introduce(own, other, keys, f"http://127.0.0.1:{port}/pyas2/as2receive")


def make_key(folder: Path, name: str) -> tuple[bytes, bytes]:
    """(PKCS#12 of an RSA-2048 key, its certificate in PEM)."""
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, pkcs12

    files = folder / f"{name}.p12", folder / f"{name}.pem"
    if not files[0].exists():
        folder.mkdir(parents=True, exist_ok=True)
        key = rsa.generate_private_key(65537, 2048)
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=30))
            .sign(key, SHA256())
        )  # fmt: skip
        secret = BestAvailableEncryption(PASSWORD.encode())
        files[0].write_bytes(
            pkcs12.serialize_key_and_certificates(name.encode(), key, certificate, None, secret)
        )
        files[1].write_bytes(certificate.public_bytes(Encoding.PEM))
    return files[0].read_bytes(), files[1].read_bytes()


def introduce(own: str, other: str, keys: dict[str, tuple[bytes, bytes]], url: str) -> None:
    """This party's key and its partner: SHA-256 signatures, signed receipts in the same connection."""
    from pyas2.models import Organization, Partner, PrivateKey, PublicCertificate

    key = PrivateKey.objects.create(name=own, key=keys[own][0], key_pass=PASSWORD)
    certificate = PublicCertificate.objects.create(name=other, certificate=keys[other][1], verify_cert=False)
    Organization.objects.create(name=own, as2_name=own, signature_key=key, encryption_key=key)
    Partner.objects.create(
        name=other, as2_name=other, target_url=url, signature="sha256", signature_cert=certificate, mdn=True,
        mdn_mode="SYNC",
        mdn_sign="sha256", content_type="application/XML",
    )  # fmt: skip


def send(payload: bytes) -> None:
    """Jobs from standard input: {"seconds": 3.0} -> what was done in that time."""
    import django

    django.setup()
    for line in sys.stdin:
        print(json.dumps(run(payload, json.loads(line)["seconds"])), flush=True)


def run(payload: bytes, seconds: float) -> dict[str, Any]:
    """Round trips, one after the other, until the time is over."""
    latencies, begun, used = [], time.perf_counter(), cpu()
    while (start := time.perf_counter()) < begun + seconds:
        status, detail = round_trip(payload)
        if status != "S":
            return {"error": f"the message ended as {status}: {detail}"}
        latencies.append(round((time.perf_counter() - start) * 1e3, 3))
    took = time.perf_counter() - begun
    return {"count": len(latencies), "seconds": took, "cpu_ms": cpu() - used, "latencies_ms": latencies}


def round_trip(payload: bytes) -> tuple[str, str]:
    """Status and detail of the sent message; S when a signed receipt was verified."""
    from pyas2.models import Message, Organization, Partner
    from pyas2lib import Message as As2Message

    organization, partner = (
        Organization.objects.get(as2_name=NAMES[0]),
        Partner.objects.get(as2_name=NAMES[1]),
    )
    built = As2Message(sender=organization.as2org, receiver=partner.as2partner)
    built.build(
        payload, filename="step.xml", subject=partner.subject, content_type=partner.content_type,
        disposition_notification_to="no-reply@pyas2.com",
    )  # fmt: skip
    message, _ = Message.objects.create_from_as2message(
        as2message=built, payload=payload, filename="step.xml", direction="OUT", status="P"
    )
    message.send_message(built.headers, built.content)
    return message.status, message.detailed_status or ""


def cpu() -> float:
    """CPU milliseconds of this process so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return (used.ru_utime + used.ru_stime) * 1e3


if __name__ == "__main__":
    if sys.argv[1] == "prepare":
        prepare(int(sys.argv[2]))
    else:
        send(Path(sys.argv[2]).read_bytes())
