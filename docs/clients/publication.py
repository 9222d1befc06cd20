"""Follows the published items: publication.py BASE_URL HUB_EC.pem [NUMBER HASH]; prints the newest of both.

Every answer bears the hub's seal, every change the hash of the one before: nothing is left out or altered.
Start with the NUMBER and HASH printed the last time.
"""

import hashlib
import json
import secrets
import sys
from pathlib import Path
from types import SimpleNamespace

import httpx2
import jws
from cryptography.x509 import load_pem_x509_certificate
from house import expect


def changes(base_url, party, since):
    url, nonce = f"{base_url}/api/v1/publication/items/changes?since={since}", secrets.token_urlsafe(24)
    answer = httpx2.get(url, headers={"X-Request-Nonce": nonce}, timeout=60).raise_for_status()
    jws.check(answer.headers[jws.HEADER], answer.content, party, status=200, req=nonce)
    return answer.json()["changes"]


def main(base_url, certificate, number="0", link="00" * 32):
    party = SimpleNamespace(hub=load_pem_x509_certificate(Path(certificate).read_bytes()))
    while found := changes(base_url, party, number):
        for change in found:
            previous, claimed = change.pop("previous"), change.pop("hash")
            expect((change["number"], previous) == (int(number) + 1, link), f"a gap after {number}")
            content = json.dumps(change, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()
            number, link = change["number"], hashlib.sha256(bytes.fromhex(link) + content).hexdigest()
            expect(link == claimed, f"change {number} is not what its hash says")
    print(number, link)


if __name__ == "__main__":
    main(*sys.argv[1:])
