"""Django settings of one AS2 party: its default database, nothing switched off."""

import os
from pathlib import Path

STATE = Path(os.environ["AS2_STATE"])
SECRET_KEY = "only-for-a-benchmark-on-loopback"  # noqa: S105 - protects nothing
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1"]
USE_TZ = True
ROOT_URLCONF = "as2_urls"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
MEDIA_ROOT = str(STATE / "media")
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "pyas2"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(STATE / "as2.sqlite3")}}
LOGGING = {"version": 1, "disable_existing_loggers": False, "root": {"level": "ERROR", "handlers": []}}
