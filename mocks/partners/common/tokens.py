"""Access tokens that two contracts share: a digest over account, time and secret buys two hours."""

from __future__ import annotations

import hashlib
import hmac
import secrets

from mocks.partners.common.clock import parse_compact
from mocks.partners.common.record import Record

LIFE = 7200  # seconds
WINDOW = 300  # seconds either side of the partner's clock


def digest_holds(account: str, time: str, secret: str, digest: str, now: float) -> bool:
    """Whether digest is the hex SHA-256 of account+time+secret and the time is near."""
    wanted = hashlib.sha256((account + time + secret).encode()).hexdigest()
    try:
        near = abs(parse_compact(time) - now) <= WINDOW
    except ValueError:
        return False
    return hmac.compare_digest(wanted.encode(), digest.encode()) and near


def issue(record: Record, account: str, now: float) -> tuple[str, float]:
    """A new token and the Unix second at which it ends; written down first."""
    token, expires = secrets.token_hex(24), now + LIFE
    with record.work() as db:
        db.execute("DELETE FROM token WHERE expires < ?", (now,))
        db.execute("INSERT INTO token VALUES (?, ?, ?)", (token, account, expires))
    return token, expires


def holds(record: Record, token: str, account: str, now: float) -> bool:
    """Whether the token was issued to the account and has not ended."""
    with record.work() as db:
        row = db.execute("SELECT account, expires FROM token WHERE token = ?", (token,)).fetchone()
    return row is not None and row["account"] == account and row["expires"] > now
