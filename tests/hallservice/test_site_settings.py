"""What a site sets for its hall."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.routing import Mount

from exchange.app import halls, hallsettings
from exchange.app.settings import Settings, load_settings
from exchange.app.sitesecrets import secret_table
from exchange.errors import Misconfigured
from hallservice.hall import Hall
from hallservice.papers.fonts import FontSettings
from hallservice.web.pages import counter_overlay
from tests.exchange.core.rig import Core
from tests.hallservice.world import hall_of

WHOLE = """
title = "梅县区政务服务大厅"
idle_minutes = 15
certificate_days = 5
scanner = "tcp://127.0.0.1:3310"
[accounts]
shortest = 12
[[sign_on]]
kind = "oidc"
name = "city"
title = "市统一身份认证"
issuer = "https://id.example/"
client_id = "hall"
secret = "city-oidc"
[[sign_on]]
kind = "cas"
name = "old"
title = "旧门户"
server = "https://cas.example"
[[other]]
name = "公文系统"
address = "http://127.0.0.1:9/todos"
"""
LAYOUT = """
name = "house"
title = "建房许可证"
[page]
width = 210.0
height = 297.0
[[field]]
name = "holder"
label = "建房人"
x = 20.0
y = 30.0
size = 14
max_width = 60.0
"""


@pytest.fixture
def hall(hall_pattern: Core) -> Hall:
    return hall_of(hall_pattern)


@pytest.fixture
def site(tmp_path: Path) -> Settings:
    return load_settings(environ={"TONGBAN_STATE": str(tmp_path)})


def test_a_site_without_the_file_has_the_defaults(site: Settings) -> None:
    made = hallsettings.hall_settings(site, hallsettings.read(site))
    assert (made.idle_minutes, made.accounts.shortest) == (30, 10)
    assert made.public_url == "http://127.0.0.1:8750/hall"


def test_everything_a_site_can_set(site: Settings) -> None:
    (site.state / "hall.toml").write_text(WHOLE, "utf-8")
    told = hallsettings.read(site)
    made = hallsettings.hall_settings(site, told)
    assert (made.title, made.idle_minutes, made.accounts.shortest) == ("梅县区政务服务大厅", 15, 12)
    assert made.certificate_days == 5
    assert told.scanning() is not None
    assert [one.name for one in told.others({"公文系统": "t"})] == ["公文系统"]
    assert [one["kind"] for one in told.sign_on] == ["oidc", "cas"]


def test_a_client_secret_stands_in_the_file_of_secrets_alone(hall: Hall, site: Settings) -> None:
    (site.state / "hall.toml").write_text(WHOLE, "utf-8")
    with pytest.raises(Misconfigured, match=r"secret_missing.*city-oidc"):
        hallsettings.sign_on(hallsettings.read(site), hall, {})
    (site.state / "keys").mkdir()
    (site.state / "keys" / "secrets.toml").write_text('[hall]\ncity-oidc = "x"\n', "utf-8")
    made = hallsettings.sign_on(hallsettings.read(site), hall, secret_table(site, "hall"))
    assert [one.title for one in made.values()] == ["市统一身份认证", "旧门户"]


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("idle_minutes = 0", "idle_minutes"),
        ("certificate_days = 11", "certificate_days"),
        ("colour = 1", "colour"),
        ("[accounts]\nshortes = 1", "accounts.shortes"),
        ('scanner = "127.0.0.1"', "scanner"),
        ("[[sign_on]]\nname = 1", "sign_on.0.name"),
        ("title = ", "hall.toml"),
    ],
)
def test_a_wrong_setting_is_named(site: Settings, text: str, where: str) -> None:
    (site.state / "hall.toml").write_text(text, "utf-8")
    with pytest.raises(Misconfigured, match=where.replace(".", r"\.")):
        hallsettings.read(site)


def test_papers_are_called_as_the_site_says_and_their_code_leads_to_its_page(site: Settings) -> None:
    (site.state / "hall.toml").write_text(
        '[papers]\nnotice = "告知书"\ntitles = { acceptance = "受理单" }\nbody = ["仿宋_GB2312"]\n'
        'folders = ["fonts"]\n',
        "utf-8",
    )
    made = hallsettings.paper_settings(site, hallsettings.read(site))
    assert made.wording.title("refusal") == "不予受理告知书"
    assert made.wording.title("acceptance") == "受理单"
    assert made.link == "http://127.0.0.1:8750/hall/check?q="
    assert made.fonts.body == ("仿宋_GB2312",) and made.fonts.label == FontSettings().label
    assert made.fonts.folders[0] == site.state / "fonts" and set(FontSettings().folders) < set(
        made.fonts.folders
    )
    (site.state / "hall.toml").write_text('[papers.titles]\nletter = "信"\n', "utf-8")
    with pytest.raises(Misconfigured, match=r"papers\.titles\.letter"):
        hallsettings.paper_settings(site, hallsettings.read(site))


@pytest.mark.req("S3-45")
def test_a_form_of_the_site_s_own_is_printed_over_by_a_layout_in_its_folder(
    hall: Hall, site: Settings
) -> None:
    folder = site.state / "layouts"
    folder.mkdir()
    (folder / "house.toml").write_text(LAYOUT, "utf-8")
    app = FastAPI(openapi_url=None)
    halls.mount(app, site, hall)
    pages = next(one.app for one in app.routes if isinstance(one, Mount))
    ctx: Any = SimpleNamespace(kit=pages.state.kit)
    shown = counter_overlay.layouts(ctx)
    assert {"food-permit", "courier-label", "house"} == set(shown)
    assert shown["house"].title == "建房许可证" and shown["house"].field[0].x == 20.0
    (folder / "house.toml").write_text(LAYOUT.replace("x = 20.0", "x = -1.0"), "utf-8")
    with pytest.raises(Misconfigured, match=r"house\.toml: field\.0\.x"):
        hallsettings.layouts(site)
