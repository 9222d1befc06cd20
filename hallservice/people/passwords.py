"""Passwords: argon2id hashes, the rules of the site, one-time passwords."""

import secrets
from collections.abc import Iterable, Sequence
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from hallservice.people.policy import MOST_PASSWORD, AccountPolicy
from hallservice.refusals import FieldFault

# Without the letters and digits that are mistaken for another on paper.
PLAIN = ("abcdefghijkmnpqrstuvwxyz", "ABCDEFGHJKLMNPQRSTUVWXYZ", "23456789")
ONE_TIME = 12  # characters, 67 bits
CLASSES = (str.islower, str.isupper, str.isdigit)
COMMON = (
    "password",
    "passw0rd",
    "qwerty",
    "abc123",
    "admin",
    "123456",
    "111111",
    "888888",
    "zhengwu",
    "meizhou",
)


@cache
def _hasher(memory: int, passes: int, lanes: int) -> PasswordHasher:
    return PasswordHasher(time_cost=passes, memory_cost=memory, parallelism=lanes)


def hasher(policy: AccountPolicy) -> PasswordHasher:
    """argon2id with the site's cost."""
    return _hasher(policy.memory_kib, policy.passes, policy.lanes)


def hashed(policy: AccountPolicy, password: str) -> str:
    """In the PHC string format."""
    return hasher(policy).hash(_bytes(password))


def _bytes(password: str) -> bytes:
    """Bounded, and never an error: half a pair of surrogates is only a wrong password."""
    return password[: MOST_PASSWORD + 1].encode("utf-8", "surrogatepass")


def verified(policy: AccountPolicy, kept: str | None, password: str) -> bool:
    """Whether it is the password; where there is none, as much work is done for the answer no."""
    try:
        hasher(policy).verify(kept or _nobody(policy), _bytes(password))
    except (VerificationError, InvalidHashError):
        return False
    return kept is not None


@cache
def _nobody(policy: AccountPolicy) -> str:
    """A hash no password is kept under."""
    return hashed(policy, secrets.token_urlsafe(32))


def outdated(policy: AccountPolicy, kept: str) -> bool:
    """Whether the site's cost has changed since the hash was made."""
    return hasher(policy).check_needs_rehash(kept)


def one_time() -> str:
    """A password that is told once: three classes at least, easy to type."""
    drawn = [secrets.choice(letters) for letters in PLAIN]
    drawn += [secrets.choice("".join(PLAIN)) for _ in range(ONE_TIME - len(drawn))]
    secrets.SystemRandom().shuffle(drawn)
    return "".join(drawn)


def complaints(
    policy: AccountPolicy, password: str, known: Iterable[str], old: Sequence[str], field: str = "password"
) -> list[FieldFault]:
    """What is wrong with a new password; `known` are words of the person, `old` hashes not to return."""
    found = [FieldFault(field, code, said) for code, said in _shape(policy, password)]
    lower = password.lower()
    if any(len(word) >= 3 and word.lower() in lower for word in known):
        found.append(FieldFault(field, "personal", "密码中不能含有登录名、姓名、工号或手机号"))
    if any(word in lower for word in COMMON):
        found.append(FieldFault(field, "common", "密码含有常见的口令，容易被猜到"))
    if not found and any(verified(policy, hash_, password) for hash_ in old):
        found.append(FieldFault(field, "used", f"不能与最近 {policy.history} 次用过的密码相同"))
    return found


def _shape(policy: AccountPolicy, password: str) -> Iterable[tuple[str, str]]:
    if len(password) < policy.shortest:
        yield "too_short", f"密码至少 {policy.shortest} 个字符"
    if len(password) > MOST_PASSWORD:
        yield "too_long", f"密码最多 {MOST_PASSWORD} 个字符"
    kinds = sum(any(is_one(c) for c in password) for is_one in CLASSES)
    kinds += any(not c.isalnum() for c in password)
    if kinds < policy.classes:
        yield "too_plain", f"大写字母、小写字母、数字、符号中至少要有 {policy.classes} 种"
