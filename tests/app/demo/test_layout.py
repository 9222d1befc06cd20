"""Ports, files and secrets of the demonstration."""

import json
import socket
import stat
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from exchange.adapterfolder import load_adapters
from exchange.app.demo.layout import (
    Layout,
    Shared,
    choose_ports,
    ensure_secrets,
    free,
    free_port,
    kept_ports,
    lay_out,
    partner_config,
    partners,
    settled_port,
    toml,
    write_config,
)
from exchange.app.settings import Settings, load_settings
from exchange.errors import Misconfigured


@pytest.fixture
def busy() -> Iterator[int]:
    """A port somebody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_the_partners_are_the_seven_systems_and_the_hall() -> None:
    found = partners(load_adapters())
    assert [one.system for one in found] == [
        "SYS-01", "SYS-02", "SYS-03", "SYS-04", "SYS-05", "SYS-06", "SYS-14", "",
    ]  # fmt: skip
    assert found[0].title == "省网上办事大厅目录管理系统"
    assert [one.name for one in found if one.by_queue] == ["department_a", "archives", "province"]


def test_a_missing_adapter_is_named() -> None:
    with pytest.raises(Misconfigured, match="sms"):
        partners({name: one for name, one in load_adapters().items() if name != "sms"})


def test_ports_are_free_and_differ() -> None:
    chosen = choose_ports([f"p{n}" for n in range(30)], {})
    assert len(set(chosen.values())) == 30
    assert all(free(port) for port in chosen.values())


def test_a_port_of_the_run_before_is_kept_where_it_is_free(busy: int) -> None:
    earlier = free_port()
    chosen = choose_ports(["a", "b", "c"], {"a": earlier, "b": busy, "c": earlier})
    assert chosen["a"] == earlier
    assert chosen["b"] != busy
    assert chosen["c"] != earlier


@pytest.mark.parametrize("text", ["", "[]", '{"a": "x", "b": 0, "c": 70000}'])
def test_kept_ports_that_cannot_be_read_are_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "ports.json").write_text(text)
    assert kept_ports(tmp_path) == {}


def test_the_ports_chosen_are_those_of_the_next_run(settings: Settings) -> None:
    first = lay_out(settings, ["sms", "fees"])
    assert lay_out(settings, ["sms", "fees"]).ports == first.ports
    assert json.loads((settings.state / "demo" / "ports.json").read_text()) == dict(first.ports)


def test_a_free_port_of_the_settings_is_used_and_nothing_written(settings: Settings) -> None:
    port = free_port()
    assert settled_port(replace(settings, http_port=port)) == port
    assert not (settings.state / "tongban.toml").exists()


def test_a_taken_port_is_replaced_by_one_the_hub_will_read(settings: Settings, busy: int) -> None:
    port = settled_port(replace(settings, http_port=busy))
    assert port != busy
    assert load_settings().http_port == port
    assert load_settings().public_url == f"http://127.0.0.1:{port}"


def test_a_file_of_a_person_is_not_written_over(settings: Settings, busy: int) -> None:
    settings.state.mkdir()
    (settings.state / "tongban.toml").write_text(f"http_port = {busy}\n")
    with pytest.raises(Misconfigured, match="port_taken"):
        settled_port(load_settings())
    assert (settings.state / "tongban.toml").read_text() == f"http_port = {busy}\n"


def test_a_configuration_is_toml_that_only_its_owner_reads(settings: Settings) -> None:
    layout = lay_out(settings, ["catalogue", "department_a", "counter"])
    for one in partners(load_adapters()):
        if one.name in layout.ports:
            write_config(layout, one, Shared('a "secret"\\'), "amqp://u:p@127.0.0.1:1/%2F")
            path = layout.config(one.name)
            read = tomllib.loads(path.read_text("utf-8"))
            assert read == partner_config(layout, one, Shared('a "secret"\\'), "amqp://u:p@127.0.0.1:1/%2F")
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert tomllib.loads(layout.config("catalogue").read_text())["department_uscc"] == "11441400XX0031309Q"


def test_values_survive_toml() -> None:
    values = {"text": '梅江区 "x" \\ \n\t', "number": -3, "truth": True, "list": ["a", "b"], "share": 0.25}
    assert tomllib.loads(toml(values)) == values


def test_secrets_are_made_once_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "secrets.toml"
    new = {"secrets": {"sms": "one", "hall.x": "two"}, "ciphers": {"department_c": "00ff"}}
    assert ensure_secrets(path, new) == new
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert tomllib.loads(path.read_text()) == new
    more = {"secrets": {"sms": "other", "fees": "three"}, "ciphers": {}}
    kept = {"sms": "one", "hall.x": "two", "fees": "three"}
    assert ensure_secrets(path, more) == {"secrets": kept, "ciphers": {"department_c": "00ff"}}
    assert tomllib.loads(path.read_text()) == {"secrets": kept, "ciphers": {"department_c": "00ff"}}


def test_a_file_of_secrets_that_is_no_toml_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "secrets.toml"
    path.write_text("[[[")
    with pytest.raises(Misconfigured, match="secrets_unreadable"):
        ensure_secrets(path, {"secrets": {"sms": "x"}})


def test_what_a_partner_shares_with_the_hub_is_told_to_it_alone(settings: Settings) -> None:
    cast = partners(load_adapters(), everybody=True)
    layout = lay_out(settings, [one.name for one in cast])
    shared = Shared("s", "00ff", "sqlite:///front.db")
    told = {one.name: partner_config(layout, one, shared, "") for one in cast}
    assert {name for name, config in told.items() if "cipher_key" in config} == {"department_c"}
    assert {name for name, config in told.items() if "database_url" in config} == {"department_d"}
    assert {name for name, config in told.items() if "drop_folder" in config} == {"fees"}


def test_every_system_of_the_list_is_in_the_whole_cast() -> None:
    """SYS-12, SYS-13 are functions of the hall; SYS-17 takes what is published."""
    systems = {one.system for one in partners(load_adapters(), everybody=True)}
    numbers = {*range(1, 12), 14, 15, 16}
    assert {f"SYS-{number:02}" for number in numbers} <= systems


def test_the_hub_is_asked_at_its_public_address(settings: Settings) -> None:
    assert Layout(settings, {"sms": 1234}).url("hub") == settings.public_url
    assert Layout(settings, {"sms": 1234}).url("sms") == "http://127.0.0.1:1234"
