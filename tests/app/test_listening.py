"""A hub that cannot have its address takes nothing up."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from exchange.app.serving import listening
from exchange.app.settings import load_settings
from exchange.errors import Misconfigured

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def state(tmp_path: Path) -> Path:
    (tmp_path / "var").mkdir()
    return tmp_path / "var"


def test_an_address_somebody_has_is_told_before_anything_is_made(state: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        (state / "tongban.toml").write_text(f"http_port = {port}\n")
        done = subprocess.run(
            [sys.executable, "-m", "exchange.app.cli", "serve"], capture_output=True, text=True, check=False,
            timeout=60, env={**os.environ, "PYTHONPATH": str(ROOT), "TONGBAN_STATE": str(state)},
        )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert (
        line.startswith(f"tongban: not_listening: cannot listen on 127.0.0.1:{port}") and "http_port" in line
    )
    assert [path.name for path in state.iterdir()] == ["tongban.toml"]


def test_an_address_is_free_again_afterwards(state: Path) -> None:
    (state / "tongban.toml").write_text("http_port = 0\n")
    settings = load_settings(environ={"TONGBAN_STATE": str(state)})
    with listening(settings) as line:
        address = line.getsockname()
    with socket.create_server(address):
        pass


def test_an_address_of_another_machine_is_refused(state: Path) -> None:
    (state / "tongban.toml").write_text('http_host = "192.0.2.7"\n')
    settings = load_settings(environ={"TONGBAN_STATE": str(state)})
    with pytest.raises(Misconfigured, match="not_listening"), listening(settings):
        pass
