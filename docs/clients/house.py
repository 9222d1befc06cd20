"""For every client: keys and document from files (docs/wire.md §2), and the checks of a receipt (§7)."""

import base64
import hashlib
import json
import sys
import uuid
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key


class Party:
    def __init__(self, key, certificate, hub_certificate, document, ledger_key):
        self.key = load_pem_private_key(Path(key).read_bytes(), None)
        self.certificate = x509.load_pem_x509_certificate(Path(certificate).read_bytes())
        self.hub = x509.load_pem_x509_certificate(Path(hub_certificate).read_bytes())
        now = datetime.now().astimezone().isoformat(timespec="seconds")
        said = json.loads(Path(document).read_text("utf-8"))  # type, sender, payload
        self.document = {"message_id": str(uuid.uuid4()), "sent_at": now, **said}
        self.log, self.log_hash, log_key = Path(ledger_key).read_text("utf-8").strip().split("+", 2)
        self.log_key = Ed25519PublicKey.from_public_bytes(base64.b64decode(log_key)[1:])

    def check(self, receipt, sent):
        """About these bytes, with a checkpoint that the log has signed and that covers the entry."""
        expect(receipt["digest"] == hashlib.sha256(sent).hexdigest(), "the hub received other bytes")
        text, lines = receipt["ledger"]["checkpoint"].split("\n\n")  # a line: dash, name, base64
        raw = base64.b64decode(lines.partition(f" {self.log} ")[2].split("\n")[0])
        expect(raw[:4].hex() == self.log_hash, "signed by another key of this name")
        self.log_key.verify(raw[4:], f"{text}\n".encode())
        origin, size = text.split("\n")[:2]
        expect(origin == self.log and int(size) > int(receipt["ledger"]["entry"]), "does not cover the entry")


def expect(condition, otherwise):
    if not condition:
        sys.exit(otherwise)
