"""The port for identity providers: who somebody is, proved elsewhere or here; the rest is the hall's own."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from hallservice.people.signin import Proof
from hallservice.refusals import HallRefused


@dataclass(frozen=True, slots=True)
class Trip:
    """One sign-on under way: where the browser comes back to, and what it must bring."""

    callback: str  # address of our page, as registered with the provider
    state: str
    nonce: str
    verifier: str  # PKCE, RFC 7636


@dataclass(frozen=True, slots=True)
class Answer:
    """What the browser brought: query or form by name, headers in lower case, its network address."""

    values: Mapping[str, list[str]] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    client: str = ""

    def one(self, name: str) -> str:
        """The value; '' where there is none; HallRefused sso_answer where there are several."""
        found = self.values.get(name, [])
        if len(found) > 1 or any(len(value) > 4096 for value in found):
            raise refused("answer", "统一身份认证的回应不完整")
        return found[0] if found else ""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who it is: `subject` as the directory numbers people, `login` as they type it; '' where it is not said.

    `verified`: the real name was checked (None: not said). `ticket` names the provider's own session.
    """

    login: str = ""
    subject: str = ""
    verified: bool | None = None
    ticket: str | None = None
    proof: Proof | None = None  # of an account of ours


class IdentityProvider(Protocol):
    """One way to sign in. `directory` is the party whose staff entries carry its subjects; '' for none."""

    @property
    def name(self) -> str: ...

    @property
    def title(self) -> str: ...

    @property
    def directory(self) -> str: ...

    def address(self, trip: Trip) -> str | None:
        """Where to send the browser; None: what it brings already is the answer."""

    def identify(self, trip: Trip, answer: Answer) -> Identity:
        """Who it is; HallRefused `sso_…`, and no other exception, where that is not proved."""


@dataclass(frozen=True, slots=True)
class Ended:
    """What a provider says has ended: its own session by name, everything of a person by number, or both.
    `once` names the message where it may not come twice; after `until` it would be refused anyhow."""

    ticket: str = ""
    subject: str = ""
    once: str = ""
    until: float = 0.0


@runtime_checkable
class TellsLogout(Protocol):
    """A provider that tells us, system to system, when somebody signed out there."""

    @property
    def name(self) -> str: ...

    def logged_out(self, told: Answer) -> Ended:
        """What ended; HallRefused `sso_…`, and no other exception, for a message that proves nothing."""


def refused(code: str, said: str, detail: str = "") -> HallRefused:
    """A sign-on that failed; `detail` is for the log, never a ticket or a token."""
    return HallRefused(f"sso_{code}", f"{said}，请重新登录", detail)
