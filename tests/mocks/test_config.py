"""The configuration of a partner: what nobody reads is misspelt, and stops the start by its name."""

from pathlib import Path
from typing import Any

import pytest

from mocks.partners.common.config import Config
from mocks.partners.common.server import main


class Partner:
    """Reads two keys; is never started."""

    def __init__(self, config: Config, log: Any) -> None:
        del log
        config.integer("delay_ms", 5), config.text("sign", "")
        self.app: Any = None

    def start(self) -> None:
        raise AssertionError("not with such a configuration")

    def stop(self) -> None:
        """Nothing runs."""


def test_an_unknown_key_stops_the_start_and_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = {
        "name": "p", "port": 0, "state": str(tmp_path), "key": "key.pem", "certificate": "certificate.pem",
        "hub_url": "http://127.0.0.1:1", "secret": "-", "account": "a",
    }  # fmt: skip
    lines = [f"{name} = {value!r}" for name, value in common.items()]
    file = tmp_path / "partner.toml"
    file.write_text("\n".join([*lines, "delay_ms = 7", "delay_sm = 9", "sing = 'x'"]))
    assert main(Partner, xml=False, arguments=["--config", str(file)]) == 2
    assert capsys.readouterr().err == "no key is called delay_sm, sing\n"
