"""Files of the browser: our own style and script, and what the set-up built from npm; each under a name that
changes with its content, so that a browser keeps it for ever."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import structlog

from hallservice.web.forms import deflate

log = structlog.get_logger()

HERE = Path(__file__).parent
OWN = HERE / "static"
BUILT = OWN / "built"
BESIDE = (HERE.parent / "approval" / "picture.css",)  # styles of pictures drawn elsewhere
TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class Asset:
    """One file as it is sent."""

    name: str  # as templates call it
    hashed: str  # as browsers call it
    media_type: str
    body: bytes
    gzip: bytes


class Assets:
    """What there is, by both names."""

    def __init__(self, found: Mapping[str, Asset]) -> None:
        self._by_name = dict(found)
        self.by_hash = {asset.hashed: asset for asset in found.values()}

    def path(self, name: str) -> str:
        """The address below the pages' own, empty when the file was not built."""
        asset = self._by_name.get(name)
        return f"/static/{asset.hashed}" if asset else ""


def load(own: Path = OWN, built: Path = BUILT, beside: tuple[Path, ...] = BESIDE) -> Assets:
    """Read everything once; without the built files the pages work without their comforts."""
    files = [path for folder in (own, built) if folder.is_dir() for path in folder.iterdir()]
    found = {path.name: _asset(path) for path in (*files, *beside) if path.suffix in TYPES}
    if not (built / "htmx.js").is_file():
        log.warning("hall_assets_missing", detail="pages work, with less comfort: make assets")
    return Assets(found)


def _asset(path: Path) -> Asset:
    body = path.read_bytes()
    digest = hashlib.sha256(body).hexdigest()[:10]
    hashed = f"{path.stem}.{digest}{path.suffix}"
    return Asset(path.name, hashed, TYPES[path.suffix], body, deflate(body, 9))
