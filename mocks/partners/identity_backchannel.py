"""Single logout, told system to system (contract, parts 2 and 3): to CAS services and OpenID clients."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx2
from structlog.types import FilteringBoundLogger

from mocks.partners.common.clock import Clock
from mocks.partners.identity_keys import Keys
from mocks.partners.identity_signon import SignOn

EVENT = "http://schemas.openid.net/event/backchannel-logout"
LIFE = 120  # seconds a logout token is good
LOGOUT = (
    '<samlp:LogoutRequest xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" ID="{id}" Version="2.0"'
    ' IssueInstant="{at}"><saml:NameID xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion">@NOT_USED@'
    "</saml:NameID><samlp:SessionIndex>{ticket}</samlp:SessionIndex></samlp:LogoutRequest>"
)
Call = tuple[str, Mapping[str, str]]  # address, form


@dataclass(frozen=True)
class Backchannel:
    """Tells everybody once; who does not hear it is not told again."""

    sign_on: SignOn
    keys: Keys
    clock: Clock
    log: FilteringBoundLogger

    def about(self, sid: str | None, issuer: str) -> None:
        """The session of that name has ended; None: there was none."""
        if sid is None:
            return
        calls = [*self._services(sid), *self._clients(sid, issuer)]
        threading.Thread(target=self._tell, args=(calls,), name="logout", daemon=True).start()

    def _services(self, sid: str) -> Iterator[Call]:
        at = datetime.fromtimestamp(self.clock(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        with self.sign_on.people.record.work() as db:
            rows = db.execute(
                "SELECT ticket, service FROM ticket WHERE sid = ? ORDER BY at", (sid,)
            ).fetchall()
        for row in rows:
            text = LOGOUT.format(id=f"LR-{secrets.token_hex(16)}", at=at, ticket=row["ticket"])
            yield row["service"], {"logoutRequest": text}

    def _clients(self, sid: str, issuer: str) -> Iterator[Call]:
        ask = "SELECT DISTINCT client_id, user_id FROM code WHERE sid = ? AND used = 1 ORDER BY client_id"
        with self.sign_on.people.record.work() as db:
            rows = db.execute(ask, (sid,)).fetchall()
        for row in rows:
            one = self.sign_on.application(row["client_id"])
            for address in one.backchannels if one else ():
                yield address, {"logout_token": self._token(issuer, row["client_id"], row["user_id"], sid)}

    def _token(self, issuer: str, client: str, user: str, sid: str) -> str:
        """OpenID Connect Back-Channel Logout 1.0, 2.4."""
        now = int(self.clock())
        claims: dict[str, object] = {
            "iss": issuer, "sub": user, "aud": client, "iat": now, "exp": now + LIFE,
            "jti": secrets.token_hex(16), "sid": sid, "events": {EVENT: {}},
        }  # fmt: skip
        return self.keys.sign(claims, kind="logout+jwt")

    def _tell(self, calls: list[Call]) -> None:
        with httpx2.Client(timeout=5, trust_env=False, follow_redirects=False) as client:
            for address, form in calls:
                try:
                    client.post(address, data=dict(form))
                except (httpx2.HTTPError, httpx2.InvalidURL):
                    self.log.info("logout_untold")
