"""Rules for accounts as the site sets them; defaults keep to GB/T 22239-2019 level 3 (8.1.4.1)."""

from dataclasses import dataclass

from pydantic import ConfigDict

MOST_PASSWORD = 128  # characters: what is hashed is bounded


@dataclass(frozen=True, slots=True)
class AccountPolicy:
    """Passwords, lockout and sessions. Times in the unit their name says; 0 failures: never locked."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    shortest: int = 10  # characters
    classes: int = 3  # of lower case, upper case, digits, others
    history: int = 5  # passwords that may not come back
    oldest_days: int = 90  # then it has to be changed; 0: never
    lock_after: int = 5  # failures of one login in one browser it was used in, else from one network address
    lock_client_after: int = 30  # failures from one network address, over all logins
    lock_login_after: int = 60  # failures of one login a day, wherever they come from
    lock_minutes: int = 15  # the first time; doubled each time
    longest_minutes: int = 1440
    device_days: int = 90  # for which a browser is remembered that was not used again
    one_time_hours: int = 72
    memory_kib: int = 19_456  # argon2id, RFC 9106: m, t, p
    passes: int = 2
    lanes: int = 1
    real_name: bool = True  # single sign-on is taken only of people whose identity was verified
