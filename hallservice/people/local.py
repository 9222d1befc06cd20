"""The provider that needs no other system: login and password of an account here."""

from dataclasses import dataclass

from hallservice.hall import Hall
from hallservice.people import signin
from hallservice.people.port import Answer, Identity, Trip


@dataclass(frozen=True, slots=True)
class Local:
    """Adapter of the port over hallservice.people.signin."""

    hall: Hall
    name: str = "local"
    title: str = "本系统账号"
    directory: str = ""

    def address(self, trip: Trip) -> str | None:
        """The form is our own."""
        return None

    def identify(self, trip: Trip, answer: Answer) -> Identity:
        """HallRefused sign_in_failed or locked."""
        browser = signin.Browser(answer.client)
        proof = signin.prove(self.hall, answer.one("login"), answer.one("password"), browser)
        return Identity(login=proof.row.login, proof=proof)
