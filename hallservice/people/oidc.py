"""OpenID Connect 1.0: authorization code with PKCE S256; ID and logout tokens, by the published keys."""

import base64
import json
import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any
from urllib.parse import quote, quote_plus, urlencode, urlsplit

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from exchange.errors import TryLater
from exchange.transports.rest import Answer as HttpAnswer
from exchange.transports.rest import RestClient
from hallservice.people.port import Answer, Ended, Identity, Trip, refused
from hallservice.people.sso import challenge
from hallservice.refusals import HallRefused

ALGORITHMS = ("ES256", "ES384", "RS256", "PS256")  # never none, never a shared secret
KEPT = 3600.0  # seconds the provider's own description is trusted
LEEWAY = 60.0  # seconds two clocks may be apart
FRESH = 600.0  # seconds a logout token is good, whatever it says itself
PAUSE = 10.0  # seconds between two looks at what does not answer, or for keys that were not there before
LOGOUT = "http://schemas.openid.net/event/backchannel-logout"
TYPES = ("", "jwt", "logout+jwt", "application/logout+jwt")
LIMIT = 262_144  # bytes of an answer
FORM = {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}


@dataclass
class Known:
    """What the provider published, and when it was read."""

    at: float = float("-inf")
    settings: Mapping[str, Any] = field(default_factory=dict)
    keys: KeySet | None = None
    anew: float = float("-inf")  # when keys were looked for that a token wanted
    away: float = float("-inf")  # when it did not answer


@dataclass(frozen=True)
class Oidc:
    """One provider as a client registered there; `real_name` is the acr of people whose name was checked."""

    name: str
    title: str
    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    clock: Callable[[], float]
    directory: str = ""
    scope: str = "openid profile"
    real_name: str = "real_name"
    http: RestClient = field(default_factory=lambda: RestClient(10.0), repr=False)
    known: Known = field(default_factory=Known, repr=False)
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def address(self, trip: Trip) -> str | None:
        """The authorization request."""
        asked = {
            "response_type": "code", "client_id": self.client_id, "redirect_uri": trip.callback,
            "scope": self.scope, "state": trip.state, "nonce": trip.nonce,
            "code_challenge": challenge(trip.verifier), "code_challenge_method": "S256",
        }  # fmt: skip
        endpoint = self._endpoint("authorization_endpoint")
        return endpoint + ("&" if "?" in endpoint else "?") + urlencode(asked, quote_via=quote)

    def identify(self, trip: Trip, answer: Answer) -> Identity:
        """The person of the ID token the code is exchanged for."""
        if error := answer.one("error"):
            raise refused("denied", "统一身份认证没有放行", error[:60])
        if answer.one("iss") not in ("", self.issuer):  # RFC 9207
            raise refused("answer", "回应来自另一个认证平台")
        if not (code := answer.one("code")):
            raise refused("answer", "统一身份认证的回应不完整")
        claims = self._claims(self._bought(code, trip), trip.nonce)
        return Identity(
            login=_text(claims, "preferred_username"),
            subject=_text(claims, "sub"),
            verified=claims["acr"] == self.real_name if "acr" in claims else None,
            ticket=_text(claims, "sid") or None,
        )

    def _bought(self, code: str, trip: Trip) -> str:
        """The ID token for a code, which is good once."""
        form = {
            "grant_type": "authorization_code", "code": code, "redirect_uri": trip.callback,
            "code_verifier": trip.verifier,
        }  # fmt: skip
        pair = f"{quote_plus(self.client_id)}:{quote_plus(self.client_secret)}"  # RFC 6749 2.3.1
        basic = {"authorization": "Basic " + base64.b64encode(pair.encode()).decode()}
        said = self._ask("POST", self._endpoint("token_endpoint"), urlencode(form).encode(), FORM | basic)
        token = said.get("id_token")
        if not isinstance(token, str):
            raise refused("token", "统一身份认证没有给出身份")
        return token

    def _claims(self, token: str, nonce: str) -> Mapping[str, Any]:
        claims = self._signed(token)[1]
        if claims.get("iss") != self.issuer or not _ours(claims, self.client_id):
            raise refused("token", "身份凭证不是给本系统的")
        now = self.clock()
        if not (_number(claims, "iat") - LEEWAY <= now < _number(claims, "exp") + LEEWAY):
            raise refused("token", "身份凭证已过期，或两边时钟不一致")
        if not secrets.compare_digest(_text(claims, "nonce"), nonce):
            raise refused("nonce", "身份凭证不属于这次登录")
        if not _text(claims, "sub"):
            raise refused("token", "身份凭证没有说明是谁")
        return claims

    def _signed(self, token: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        """Header and claims of a token whose signature is the provider's."""
        try:
            return self._verified(token)
        except (JoseError, ValueError) as fault:
            raise refused("token", "身份凭证的签名不对", type(fault).__name__) from fault

    def _verified(self, token: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        """By a published key; the keys may be others by now, which is looked at now and then."""
        try:
            found = jwt.decode(token, self._keys(), algorithms=list(ALGORITHMS))
        except (JoseError, ValueError):
            if self.clock() - self.known.anew < PAUSE:
                raise
            found = jwt.decode(token, self._keys(anew=True), algorithms=list(ALGORITHMS))
        return found.header, found.claims

    # -- signed out over there

    def logged_out(self, told: Answer) -> Ended:
        """OpenID Connect Back-Channel Logout 1.0, 2.6: a logout token says whose session, or which, ended."""
        head, claims = self._signed(told.one("logout_token"))
        several = claims["aud"] if isinstance(claims.get("aud"), list) else [claims.get("aud")]
        if claims.get("iss") != self.issuer or self.client_id not in several:
            raise refused("token", "退出通知不是给本系统的")
        if str(head.get("typ", "")).lower() not in TYPES or not _says_logout(claims):
            raise refused("token", "这不是退出通知")
        return self._ended(claims, self._good_until(claims))

    def _good_until(self, claims: Mapping[str, Any]) -> float:
        """Since its errata of 2023 the token says when it expires; one of before is good for a while."""
        begun = _number(claims, "iat")
        ends = min(_number(claims, "exp") if "exp" in claims else inf, begun + FRESH)
        if not (begun - LEEWAY <= self.clock() < ends + LEEWAY):
            raise refused("token", "退出通知已过期，或两边时钟不一致")
        return ends + LEEWAY

    def _ended(self, claims: Mapping[str, Any], until: float) -> Ended:
        said = {name: _text(claims, name) for name in ("sid", "sub", "jti")}
        whole = all(said[name] for name in said if name in claims)
        if not whole or not said["jti"] or not (said["sid"] or said["sub"]):
            raise refused("token", "退出通知不完整")
        return Ended(said["sid"], said["sub"], said["jti"], until)

    # -- what the provider publishes

    def _endpoint(self, name: str) -> str:
        with self.lock:
            if self.clock() - self.known.at > KEPT:
                said = self._published(f"{self.issuer}/.well-known/openid-configuration")
                if said.get("issuer") != self.issuer:
                    raise refused("provider", "统一身份认证的配置不对", "issuer")
                self.known.settings, self.known.keys, self.known.at = said, None, self.clock()
        found = self.known.settings.get(name)
        if not isinstance(found, str) or not _as_safe(found, self.issuer):
            raise refused("provider", "统一身份认证的配置不对", name)
        return found

    def _keys(self, *, anew: bool = False) -> KeySet:
        address = self._endpoint("jwks_uri")
        with self.lock:
            if anew or self.known.keys is None:
                self.known.anew = self.clock() if anew else self.known.anew
                self.known.keys = KeySet.import_key_set(_key_set(self._published(address)))
            return self.known.keys

    def _published(self, url: str) -> dict[str, Any]:
        """Not asked again at once where it did not answer, else one after another would wait for it."""
        if self.clock() - self.known.away < PAUSE:
            raise refused("away", "统一身份认证暂时没有回应", "lately")
        try:
            return self._ask("GET", url)
        except HallRefused:
            self.known.away = self.clock()
            raise

    def _ask(
        self, method: str, url: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        try:
            return _object(self.http.send(method, url, body, headers or {"accept": "application/json"}))
        except TryLater as fault:
            raise refused("away", "统一身份认证暂时没有回应", fault.code) from fault


def _object(answer: HttpAnswer) -> dict[str, Any]:
    """A JSON object of a bounded size with status 200."""
    if answer.status >= 500:
        raise refused("away", "统一身份认证暂时没有回应", str(answer.status))
    if answer.status != 200 or len(answer.body) > LIMIT:
        raise refused("code", "登录凭据无效或已被使用", str(answer.status))
    try:
        said = json.loads(answer.body)
    except (ValueError, RecursionError) as fault:
        raise refused("provider", "统一身份认证的回应不对", "json") from fault
    if not isinstance(said, dict):
        raise refused("provider", "统一身份认证的回应不对", "json")
    return said


def _key_set(said: Mapping[str, Any]) -> Any:
    """The public signing keys alone: a set may carry others."""
    keys: Sequence[Any] = said["keys"] if isinstance(said.get("keys"), list) else ()
    return {"keys": [key for key in keys if isinstance(key, dict) and _usable(key)]}


def _usable(key: Mapping[str, Any]) -> bool:
    return key.get("kty") in ("EC", "RSA") and key.get("use", "sig") == "sig" and "d" not in key


def _says_logout(claims: Mapping[str, Any]) -> bool:
    """The event is there, and no nonce, which only an ID token has."""
    events = claims.get("events")
    return isinstance(events, dict) and isinstance(events.get(LOGOUT), dict) and "nonce" not in claims


def _ours(claims: Mapping[str, Any], client: str) -> bool:
    """OpenID Connect Core 3.1.3.7: the audience holds us, and with several we are the authorized party."""
    audience = claims.get("aud")
    several = audience if isinstance(audience, list) else [audience]
    return client in several and claims.get("azp", client if len(several) == 1 else None) == client


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    return value if isinstance(value, str) and len(value) <= 200 else ""


def _number(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise refused("token", "身份凭证不完整", name)
    return float(value)


def _as_safe(url: str, issuer: str) -> bool:
    """An address over HTTP(S), and over HTTPS where the provider itself is."""
    parts = urlsplit(url)
    return bool(parts.netloc) and parts.scheme in ("https", urlsplit(issuer).scheme)
