"""The ways to sign in that a site names in its settings, each made into a provider.

[[sign_on]]
kind = "oidc"            # oidc, cas or header
name = "city"            # in addresses: /hall/sso/city/back is what the provider has registered; an OpenID
                         # provider tells sign-outs to /hall/sso/city/logout, a CAS server to the first
title = "市统一身份认证"
directory = "identity"   # the party whose staff entries carry the provider's numbers
issuer = "https://…"     # oidc, with client_id; header, with audience, key (PEM file); cas: server
secret = "city-oidc"     # oidc: the name of the secret the client proves itself by
"""

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from exchange.errors import Misconfigured
from hallservice.hall import Hall
from hallservice.people.cas import Cas
from hallservice.people.headerticket import HeaderTicket
from hallservice.people.oidc import Oidc
from hallservice.people.port import IdentityProvider

NAME = re.compile(r"[a-z0-9-]{1,20}", re.ASCII)
COMMON = frozenset({"kind", "name", "title", "directory"})
OWN: Mapping[str, frozenset[str]] = {
    "oidc": frozenset({"issuer", "client_id", "secret", "scope", "real_name"}),
    "cas": frozenset({"server"}),
    "header": frozenset({"issuer", "audience", "key", "header"}),
}
OPTIONAL = frozenset({"directory", "scope", "real_name", "header"})


def load(
    hall: Hall, rows: Iterable[Mapping[str, object]], secret: Callable[[str], str]
) -> dict[str, IdentityProvider]:
    """Providers by name; Misconfigured names the row and the key. `secret` gives a secret by its name."""
    found: dict[str, IdentityProvider] = {}
    for number, row in enumerate(rows, 1):
        texts = _texts(row, f"sign_on {number}")
        if texts["name"] in found:
            raise Misconfigured("setting_invalid", f"two are called {texts['name']}", "sign_on")
        found[texts["name"]] = _made(hall, texts, secret)
    return found


def _texts(row: Mapping[str, object], where: str) -> dict[str, str]:
    kind = row.get("kind")
    if not isinstance(kind, str) or kind not in OWN:
        raise Misconfigured("setting_invalid", f"kind is one of {', '.join(OWN)}", where)
    known = COMMON | OWN[kind]
    for name in sorted(row.keys() - known):
        raise Misconfigured("setting_unknown", f"{kind} has no setting {name}", where)
    for name in sorted(known - OPTIONAL):
        if not isinstance(row.get(name), str) or not row[name]:
            raise Misconfigured("setting_invalid", f"{name}: a text is needed", where)
    texts = {name: value for name, value in row.items() if isinstance(value, str)}
    if len(texts) != len(row) or not NAME.fullmatch(texts["name"]):
        raise Misconfigured("setting_invalid", "texts alone; the name: a-z, 0-9 and -, at most 20", where)
    return texts


def _made(hall: Hall, row: Mapping[str, str], secret: Callable[[str], str]) -> IdentityProvider:
    name, title, directory = row["name"], row["title"], row.get("directory", "")
    if row["kind"] == "cas":
        return Cas(name, title, row["server"].rstrip("/"), directory)
    if row["kind"] == "header":
        header = row.get("header", "x-gov-ticket").lower()
        key = _key(row["key"])
        return HeaderTicket(name, title, hall, key, row["issuer"], row["audience"], header, directory)
    scope, verified = row.get("scope", "openid profile"), row.get("real_name", "real_name")
    proof = secret(row["secret"])
    clock = hall.hub.store.clock
    return Oidc(name, title, row["issuer"], row["client_id"], proof, clock, directory, scope, verified)


def _key(path: str) -> ECKey | RSAKey:
    """A public key in PEM, of either kind."""
    try:
        text = Path(path).read_bytes()
        if b"PRIVATE" in text:
            raise Misconfigured(
                "key_exposed", "the gateway's public key is needed, not its private one", path
            )
        return _imported(text)
    except (OSError, ValueError, JoseError) as fault:
        raise Misconfigured("key_unreadable", str(fault), path) from fault


def _imported(text: bytes) -> ECKey | RSAKey:
    try:
        return ECKey.import_key(text)
    except (ValueError, JoseError):
        return RSAKey.import_key(text)
