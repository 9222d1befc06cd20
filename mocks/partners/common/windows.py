"""Daily windows among a partner's own keys."""

from __future__ import annotations

from mocks.partners.common.config import Config, ConfigError
from mocks.partners.common.faultform import BadFault, Window


def window(config: Config, name: str, default: str) -> Window | None:
    """A window such as 23:30-00:30, Beijing time; none if empty."""
    text = config.text(name, default)
    try:
        return Window.read(text) if text else None
    except BadFault as error:
        raise ConfigError(f"{name}: a daily window such as 23:30-00:30 is needed") from error
