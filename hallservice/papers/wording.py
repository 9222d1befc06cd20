"""The words of the papers: shipped as data, titles and the word for a notice changed by a site."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from types import MappingProxyType

NOTICE = "通知书"


@cache
def shipped() -> Mapping[str, Mapping[str, str]]:
    """The sentences of wording.toml."""
    text = files("hallservice.papers").joinpath("templates", "wording.toml").read_text("utf-8")
    return MappingProxyType(tomllib.loads(text))


@dataclass(frozen=True, slots=True)
class Wording:
    """`notice` is 通知书 or 告知书; `titles` replaces whole titles by section of wording.toml."""

    notice: str = NOTICE
    titles: Mapping[str, str] = field(default_factory=dict)

    def title(self, section: str) -> str:
        return self.titles.get(section) or shipped()[section]["title"].format(notice=self.notice)

    def text(self, section: str, name: str, **values: object) -> str:
        """A sentence with its values put in."""
        return shipped()[section][name].format(**values)
