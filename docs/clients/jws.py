"""For REST and AMQP: the detached JWS of docs/wire.md §3 (RFC 7515 with RFC 7797)."""

import json
import secrets
import time

from cryptography.hazmat.primitives.hashes import SHA256
from house import expect
from joserfc.jwk import ECKey, RSAKey
from joserfc.jws import JWSRegistry
from joserfc.util import urlsafe_b64decode, urlsafe_b64encode

HEADER = "X-Gov-Signature"


def sign(body, party, **bound):
    """(the detached signature, its nonce)"""
    kind, alg = (ECKey, "ES256") if hasattr(party.key, "curve") else (RSAKey, "RS256")
    kid = urlsafe_b64encode(party.certificate.fingerprint(SHA256())).decode()
    header = {"alg": alg, "b64": False, "crit": ["b64"], "kid": kid, "iat": int(time.time())}
    header |= {"nonce": secrets.token_urlsafe(24), **bound}
    protected = urlsafe_b64encode(json.dumps(header).encode())
    signature = JWSRegistry().get_alg(alg).sign(protected + b"." + body, kind.import_key(party.key))
    return f"{protected.decode()}..{urlsafe_b64encode(signature).decode()}", header["nonce"]


def check(token, body, party, **bound):
    """The hub sealed these bytes, for exactly this answer or queue."""
    protected, _, signature = token.encode().split(b".")
    header = json.loads(urlsafe_b64decode(protected))
    said = {name: header.get(name) for name in ("alg", "b64", *bound)}
    expect(said == {"alg": "ES256", "b64": False, **bound}, f"a seal for something else: {header}")
    hub, data = ECKey.import_key(party.hub.public_key()), protected + b"." + body
    genuine = JWSRegistry().get_alg("ES256").verify(data, urlsafe_b64decode(signature), hub)
    expect(genuine, "not the hub's seal")
