"""Settings: defaults, what overrides what, and that a wrong file is refused by name at start-up."""

import dataclasses
from pathlib import Path

import pytest

from exchange.app.settings import KEYS, Settings, load_settings
from exchange.errors import Misconfigured


def written(folder: Path, text: str) -> Path:
    path = folder / "hub.toml"
    path.write_text(text, "utf-8")
    return path


def test_everything_lies_in_the_state_directory(tmp_path: Path) -> None:
    settings = load_settings(environ={"TONGBAN_STATE": str(tmp_path)})
    assert settings == Settings(
        state=tmp_path,
        database_url=f"sqlite:///{tmp_path}/hub.db",
        ledger_key=tmp_path / "keys/ledger.key",
        ledger_origin="tongban.example/hub",
        http_host="127.0.0.1",
        http_port=8750,
        public_url="http://127.0.0.1:8750",
        amqp_url=None,
        queue_path=tmp_path / "queue.db",
        hub="hub",
        ec_key=tmp_path / "keys/hub-ec.key",
        ec_certificate=tmp_path / "keys/hub-ec.pem",
        rsa_key=tmp_path / "keys/hub-rsa.key",
        rsa_certificate=tmp_path / "keys/hub-rsa.pem",
        adapters=None,
    )


def test_the_default_state_is_var_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_settings(environ={}).state == tmp_path / "var"


def test_nothing_is_made_by_reading(tmp_path: Path) -> None:
    load_settings(environ={"TONGBAN_STATE": str(tmp_path / "new")})
    assert list(tmp_path.iterdir()) == []


def test_the_file_in_the_state_directory_is_read(tmp_path: Path) -> None:
    (tmp_path / "tongban.toml").write_text('ledger_origin = "ledger.mz.tongban/2026"\nhttp_port = 0\n')
    settings = load_settings(environ={"TONGBAN_STATE": str(tmp_path)})
    assert (settings.ledger_origin, settings.http_port) == ("ledger.mz.tongban/2026", 0)


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, f'state = "{tmp_path}/file"\namqp_url = "amqp://broker.example/"\n')
    assert load_settings(path, {}).state == tmp_path / "file"
    environ = {"TONGBAN_STATE": str(tmp_path / "env"), "TONGBAN_AMQP_URL": "amqp://hub:s3cret@127.0.0.1/"}
    settings = load_settings(path, environ)
    assert settings.state == tmp_path / "env"
    assert settings.amqp_url == "amqp://hub:s3cret@127.0.0.1/"


def test_who_may_say_whose_request_it_is(tmp_path: Path) -> None:
    settings = load_settings(written(tmp_path, 'http_proxies = "10.1.2.3, 10.9.0.0/16"\n'), {})
    assert settings.http_proxies == "10.1.2.3, 10.9.0.0/16"
    for wrong in ("*", "proxy.example", "10.9.0.1/16", "10.1.2.3,"):
        with pytest.raises(Misconfigured, match="http_proxies"):
            load_settings(written(tmp_path, f'http_proxies = "{wrong}"\n'), {})


def test_paths_in_the_file_start_at_the_state_directory(tmp_path: Path) -> None:
    text = f'ledger_key = "hsm/ledger.key"\nqueue_path = "{tmp_path}/elsewhere.db"\nadapters = "own"\n'
    settings = load_settings(written(tmp_path, text), {"TONGBAN_STATE": str(tmp_path)})
    assert settings.adapters == tmp_path / "own"
    assert settings.ledger_key == tmp_path / "hsm/ledger.key"
    assert settings.queue_path == tmp_path / "elsewhere.db"


def test_every_setting_can_be_written_in_the_file() -> None:
    assert {field.name for field in dataclasses.fields(Settings)} == KEYS


@pytest.mark.parametrize(
    ("text", "code", "where"),
    [
        ("http_prot = 80", "setting_unknown", "hub.toml"),
        ("http_port = ", "settings_unreadable", "hub.toml"),
        ("http_port = '80'", "setting_invalid", "http_port"),
        ("http_port = true", "setting_invalid", "http_port"),
        ("http_port = 65536", "setting_invalid", "http_port"),
        ("ledger_origin = ''", "setting_invalid", "ledger_origin"),
        ('ledger_origin = "a\\nb"', "setting_invalid", "ledger_origin"),
        ("hub = 7", "setting_invalid", "hub"),
        ("amqp_url = 'amqp://hub:s3cret@broker.example/'", "secret_in_file", "amqp_url"),
        ("database_url = 'postgresql+psycopg://hub:s3cret@db/hub'", "secret_in_file", "database_url"),
        ("amqp_url = 'amqp://[broker/'", "setting_invalid", "amqp_url"),
    ],
)
def test_a_wrong_file_is_refused_by_name(tmp_path: Path, text: str, code: str, where: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        load_settings(written(tmp_path, text), {})
    assert caught.value.code == code
    assert str(caught.value.where).endswith(where)
    assert "s3cret" not in str(caught.value)


def test_a_named_file_must_exist(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="settings_unreadable"):
        load_settings(tmp_path / "absent.toml", {})


def test_a_file_of_other_bytes_is_refused(tmp_path: Path) -> None:
    (tmp_path / "hub.toml").write_bytes("hub = '梅州'".encode("gb18030"))
    with pytest.raises(Misconfigured, match="settings_unreadable"):
        load_settings(tmp_path / "hub.toml", {})
