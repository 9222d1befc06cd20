"""A gateway in front has signed the person on: a short-lived signed ticket in a header of the request."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from hallservice.hall import Hall
from hallservice.people.once import first
from hallservice.people.port import Answer, Identity, Trip, refused

LEEWAY = 30.0  # seconds two clocks may be apart
LONGEST = 300.0  # seconds a ticket may be good
PLACES = {"EC": "ES256", "RSA": "RS256"}


@dataclass(frozen=True)
class HeaderTicket:
    """The gateway's public key, and whose tickets: JWTs with iss, aud, sub, login, iat, exp and jti."""

    name: str
    title: str
    hall: Hall
    key: ECKey | RSAKey = field(repr=False)
    issuer: str
    audience: str
    header: str = "x-gov-ticket"
    directory: str = ""

    def address(self, trip: Trip) -> str | None:
        """The gateway puts the ticket into every request."""
        return None

    def identify(self, trip: Trip, answer: Answer) -> Identity:
        """The person of a ticket that was not used before."""
        ticket = answer.headers.get(self.header, "")
        if not ticket or len(ticket) > 4096:
            raise refused("ticket", "网关没有给出登录票据")
        try:
            claims = jwt.decode(ticket, self.key, algorithms=[PLACES[self.key.key_type]]).claims
        except (JoseError, ValueError) as fault:
            raise refused("ticket", "登录票据的签名不对", type(fault).__name__) from fault
        self._expect(claims)
        said = {name: claims.get(name) for name in ("login", "sub", "sid")}
        if not all(
            value is None or (isinstance(value, str) and len(value) <= 200) for value in said.values()
        ):
            raise refused("ticket", "登录票据不完整")
        real = claims.get("real_name")
        return Identity(
            said["login"] or "", said["sub"] or "", real if isinstance(real, bool) else None, said["sid"]
        )

    def _expect(self, claims: Mapping[str, Any]) -> None:
        now = self.hall.hub.store.clock()
        begun, ends, jti = claims.get("iat"), claims.get("exp"), claims.get("jti")
        if not (isinstance(begun, int) and isinstance(ends, int) and isinstance(jti, str) and jti):
            raise refused("ticket", "登录票据不完整")
        if claims.get("iss") != self.issuer or claims.get("aud") != self.audience:
            raise refused("ticket", "登录票据不是给本系统的")
        if not (begun - LEEWAY <= now < ends + LEEWAY) or ends - begun > LONGEST:
            raise refused("ticket", "登录票据已过期，或两边时钟不一致")
        if not self.hall.write(lambda work: first(work, self.name, jti, ends + LEEWAY)):
            raise refused("replay", "登录票据已被使用")
