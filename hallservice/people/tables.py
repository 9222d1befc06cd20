"""Tables of people and rights. Times are Unix seconds; an organisation's `path` is like `/4414/441402/…/`."""

from sqlalchemy import (
    JSON,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from exchange.store.tables import metadata

__all__ = [
    "ASCII_PATH", "alarm", "attempt", "device", "duty", "grant", "group", "group_member", "hand", "metadata",
    "org", "org_relation", "password_old", "policy", "post", "rights_version", "role", "role_function",
    "session", "sign_on", "ticket", "user", "user_post", "window", "window_binding",
]  # fmt: skip

# Compared byte by byte everywhere, so that an index serves "under this path" (PostgreSQL: any locale).
ASCII_PATH = String(255).with_variant(String(255, collation="C"), "postgresql")


def _org(name: str = "org") -> Column[str]:
    return Column(name, String(40), ForeignKey("hall_org.code"), nullable=False)


def _user(name: str = "user", *, primary_key: bool = False) -> Column[str]:
    return Column(
        name, String(36), ForeignKey("hall_user.id"), nullable=False, primary_key=primary_key
    )  # fmt: skip


org = Table(
    "hall_org", metadata,
    Column("code", String(40), primary_key=True),    # own code: ASCII letters, digits, - and .
    Column("name", String(100), nullable=False),
    Column("short_name", String(50), nullable=False, default=""),
    Column("kind", String(12), nullable=False),      # kinds.toml
    Column("uscc", String(18), unique=True),         # unified social credit code, GB 32100
    Column("org_code", String(9)),                   # GB 11714
    Column("region", String(12), nullable=False),
    Column("parent", String(40), ForeignKey("hall_org.code")),
    Column("path", ASCII_PATH, nullable=False, unique=True),
    Column("section", Boolean, nullable=False, default=False),  # 科室 of the organisation above it
    Column("has_own_system", Boolean, nullable=False, default=False),
    Column("party", String(40)),                     # by which name the exchange knows that system
    Column("active", Boolean, nullable=False, default=True),
    Column("place", Integer, nullable=False, default=0),        # order among its siblings
    Column("source", String(40), nullable=False, default=""),   # '' here, else the directory it was told by
    Column("source_id", String(64)),
    Column("changed_at", Float, nullable=False),
    UniqueConstraint("source", "source_id"),
    Index("hall_org_parent", "parent"),
)  # fmt: skip

org_relation = Table(
    "hall_org_relation", metadata,                   # beside the tree
    Column("org", String(40), ForeignKey("hall_org.code"), primary_key=True),
    Column("other", String(40), ForeignKey("hall_org.code"), primary_key=True),
    Column("kind", String(12), primary_key=True),    # subordinate: `org` is guided by `other`; parallel
    CheckConstraint("org <> other", name="hall_org_relation_two"),
)  # fmt: skip

duty = Table(
    "hall_duty", metadata,                           # 职务
    Column("name", String(50), primary_key=True),
    Column("rank", Integer, nullable=False, default=0),
    Column("active", Boolean, nullable=False, default=True),
)  # fmt: skip

post = Table(
    "hall_post", metadata,                           # 岗位
    Column("id", String(36), primary_key=True),
    _org(),
    Column("code", String(40), nullable=False),      # what steps of a process ask for; the same everywhere
    Column("name", String(50), nullable=False),
    Column("active", Boolean, nullable=False, default=True),
    UniqueConstraint("org", "code"),
)  # fmt: skip

user = Table(
    "hall_user", metadata,
    Column("id", String(36), primary_key=True),
    Column("staff_no", String(40), nullable=False, unique=True),
    Column("name", String(50), nullable=False),
    _org(),
    Column("region", String(12), nullable=False),
    Column("duty", String(50), ForeignKey("hall_duty.name")),
    Column("mobile", String(11)),
    Column("login", String(64), nullable=False, unique=True),
    Column("level", String(12), nullable=False, default="unverified"),  # codes real_name
    Column("status", String(8), nullable=False),     # active, locked (by an administrator), left
    Column("password", String(200)),                 # argon2id; NULL: none, or a one-time one that was used
    Column("password_at", Float),
    Column("must_change", Boolean, nullable=False, default=False),
    Column("one_time_until", Float),                 # of a one-time password
    Column("source", String(40), nullable=False, default=""),
    Column("source_id", String(64)),
    Column("changed_at", Float, nullable=False),
    UniqueConstraint("source", "source_id"),
    CheckConstraint("status IN ('active', 'locked', 'left')", name="hall_user_status"),
    Index("hall_user_org", "org"),
)  # fmt: skip

password_old = Table(
    "hall_password_old", metadata,
    Column("id", String(36), primary_key=True),
    _user(),
    Column("hash", String(200), nullable=False),
    Column("at", Float, nullable=False),
    Index("hall_password_old_user", "user"),
)  # fmt: skip

user_post = Table(
    "hall_user_post", metadata,
    _user(primary_key=True),
    Column("post", String(36), ForeignKey("hall_post.id"), primary_key=True),
)  # fmt: skip

group = Table(
    "hall_group", metadata,                          # 工作组
    Column("id", String(36), primary_key=True),
    _org(),
    Column("name", String(50), nullable=False),
    Column("active", Boolean, nullable=False, default=True),
    UniqueConstraint("org", "name"),
)  # fmt: skip

group_member = Table(
    "hall_group_member", metadata,
    Column("group", String(36), ForeignKey("hall_group.id"), primary_key=True),
    _user(primary_key=True),
)  # fmt: skip

window = Table(
    "hall_window", metadata,
    Column("id", String(36), primary_key=True),
    _org("site"),
    Column("number", String(20), nullable=False),
    Column("name", String(50), nullable=False, default=""),
    Column("active", Boolean, nullable=False, default=True),
    UniqueConstraint("site", "number"),
)  # fmt: skip

role = Table(
    "hall_role", metadata,
    Column("id", String(36), primary_key=True),
    _org(),                                          # who owns it; it is granted there and below
    Column("name", String(50), nullable=False),
    Column("note", String(200), nullable=False, default=""),
    Column("shared", Boolean, nullable=False, default=False),   # administrators below may grant it too
    Column("active", Boolean, nullable=False, default=True),
    UniqueConstraint("org", "name"),
)  # fmt: skip

role_function = Table(
    "hall_role_function", metadata,
    Column("role", String(36), ForeignKey("hall_role.id"), primary_key=True),
    Column("function", String(40), primary_key=True),
    Column("added_by", String(36), ForeignKey("hall_user.id")),  # NULL: at the set-up of the site
    Column("added_at", Float, nullable=False),
)  # fmt: skip

grant = Table(
    "hall_grant", metadata,
    Column("id", String(36), primary_key=True),
    Column("role", String(36), ForeignKey("hall_role.id"), nullable=False),
    Column("user", String(36), ForeignKey("hall_user.id")),
    Column("post", String(36), ForeignKey("hall_post.id")),
    Column("group", String(36), ForeignKey("hall_group.id")),
    _org(),                                          # the subtree
    Column("may_use", Boolean, nullable=False),
    Column("may_pass", Boolean, nullable=False),     # with grant option
    Column("begins", Float, nullable=False),
    Column("ends", Float),
    Column("granted_by", String(36), ForeignKey("hall_user.id")),  # NULL: at the set-up of the site
    Column("granted_at", Float, nullable=False),
    Column("review", Boolean, nullable=False, default=False),      # nobody stands behind it any more
    Column("revoked_at", Float),
    Column("revoked_by", String(36), ForeignKey("hall_user.id")),
    Column("reason", String(200), nullable=False, default=""),
    # exactly one receiver
    CheckConstraint(
        '(CASE WHEN "user" IS NULL THEN 0 ELSE 1 END) + (CASE WHEN post IS NULL THEN 0 ELSE 1 END)'
        ' + (CASE WHEN "group" IS NULL THEN 0 ELSE 1 END) = 1',
        name="hall_grant_receiver",
    ),
    CheckConstraint("may_use OR may_pass", name="hall_grant_something"),
    Index("hall_grant_user", "user"),
    Index("hall_grant_role", "role"),
)  # fmt: skip

rights_version = Table(
    "hall_rights_version", metadata,                 # one row; moved on by whatever touches a right
    Column("one", Integer, primary_key=True, autoincrement=False),
    Column("number", Integer, nullable=False),
)  # fmt: skip

policy = Table(
    "hall_policy", metadata,                         # one row: rules for accounts as set here
    Column("one", Integer, primary_key=True, autoincrement=False),
    Column("shortest", Integer, nullable=False),     # the names are those of policy.toml
    Column("classes", Integer, nullable=False),
    Column("oldest_days", Integer, nullable=False),
    Column("history", Integer, nullable=False),
    Column("one_time_hours", Integer, nullable=False),
    Column("lock_after", Integer, nullable=False),
    Column("lock_client_after", Integer, nullable=False),
    Column("lock_login_after", Integer, nullable=False),
    Column("lock_minutes", Integer, nullable=False),
    Column("longest_minutes", Integer, nullable=False),
    Column("device_days", Integer, nullable=False),
    Column("idle_minutes", Integer, nullable=False),
    Column("session_hours", Integer, nullable=False),
    Column("changed_at", Float, nullable=False),
    Column("changed_by", String(36), ForeignKey("hall_user.id")),
)  # fmt: skip

session = Table(
    "hall_session", metadata,
    Column("id", String(36), primary_key=True),
    Column("token", String(64), nullable=False, unique=True),   # SHA-256 of what the cookie holds
    _user(),
    Column("opened_at", Float, nullable=False),
    Column("seen_at", Float, nullable=False),
    Column("ends_at", Float, nullable=False),        # the absolute limit
    Column("client", String(64), nullable=False),    # network address
    Column("provider", String(20), nullable=False),  # local, or which single sign-on
    Column("ticket", String(64)),                    # SHA-256 of the sign-on's session, for its sign-out
    Column("subject", String(64)),                   # SHA-256 of how the sign-on numbers the person
    Column("must_change", Boolean, nullable=False, default=False),
    Column("clerk", JSON, nullable=False),           # the person and the rights, as computed last
    Column("version", Integer, nullable=False),      # of the rights when they were computed
    Column("fresh_until", Float),                    # when a grant begins or ends
    Index("hall_session_user", "user"),
    Index("hall_session_ticket", "ticket"),
)  # fmt: skip

window_binding = Table(
    "hall_window_binding", metadata,                 # one window a person, one person a window
    Column("window", String(36), ForeignKey("hall_window.id"), primary_key=True),
    Column("user", String(36), ForeignKey("hall_user.id"), nullable=False, unique=True),
    Column("session", String(36), ForeignKey("hall_session.id", ondelete="CASCADE"), nullable=False),
    Column("since", Float, nullable=False),
)  # fmt: skip

attempt = Table(
    "hall_attempt", metadata,                        # failed sign-ins
    Column("key", String(64), primary_key=True),     # keyed hash of what is counted: login, address, browser
    Column("user", String(36), ForeignKey("hall_user.id")),     # NULL: over all logins, or nobody's
    Column("failures", Float, nullable=False),
    Column("locks", Integer, nullable=False),        # in succession: each is longer
    Column("last_at", Float, nullable=False),
    Column("locked_until", Float),
    Column("told_at", Float),                        # when an alarm was raised
    Index("hall_attempt_user", "user"),
)  # fmt: skip

alarm = Table(
    "hall_alarm", metadata,                          # somebody guesses; the ledger has them too
    Column("id", String(36), primary_key=True),
    Column("at", Float, nullable=False),
    Column("kind", String(8), nullable=False),       # what was full: login, client, device
    Column("user", String(36), ForeignKey("hall_user.id")),     # NULL: over all logins, or nobody's
    Column("client", String(64), nullable=False),    # network address of the last attempt
    Column("seen_at", Float),                        # an administrator has looked into it
    Column("seen_by", String(36), ForeignKey("hall_user.id")),
    Index("hall_alarm_at", "at"),
)  # fmt: skip

device = Table(
    "hall_device", metadata,                         # browsers in which somebody has signed in
    Column("token", String(64), primary_key=True),   # SHA-256 of what the cookie holds
    _user(),
    Column("since", Float, nullable=False),
    Column("seen_at", Float, nullable=False),        # the last sign-in
    Index("hall_device_user", "user"),
)  # fmt: skip

sign_on = Table(
    "hall_sign_on", metadata,                        # trips to a single sign-on that have not come back
    Column("state", String(64), primary_key=True),   # SHA-256
    Column("provider", String(20), nullable=False),
    Column("browser", String(64), nullable=False),   # SHA-256 of the cookie the trip began with
    Column("nonce", String(64), nullable=False),
    Column("verifier", String(64), nullable=False),
    Column("back", Text, nullable=False),            # where the person wanted to go
    Column("expires", Float, nullable=False),
)  # fmt: skip

ticket = Table(
    "hall_ticket", metadata,                         # a gateway's tickets that were used, while good
    Column("digest", String(64), primary_key=True),
    Column("expires", Float, nullable=False),
)  # fmt: skip

hand = Table(
    "hall_hand", metadata,                           # whose hand was on what, for functions kept apart
    Column("about", String(64), primary_key=True),   # case number or item code
    Column("pair", String(80), primary_key=True),    # the two functions, joined by |
    _user(primary_key=True),
    Column("function", String(40), nullable=False),  # the one of the two this person used
    Column("at", Float, nullable=False),
)  # fmt: skip
