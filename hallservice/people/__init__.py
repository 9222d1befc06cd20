"""People and rights: organisations, posts, users, roles, grants, sign-in and sessions."""
