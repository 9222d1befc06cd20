"""Files of the browser: our own style and script, and what the set-up built from npm; each under a name that
changes with its content, so that a browser keeps it for ever."""

import hashlib
import json
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
    files = [path for path in own.iterdir() if path.suffix in TYPES and path.is_file()]
    found = {path.name: _asset(path.name, path) for path in (*files, *beside)}
    manifest = built / "manifest.json"
    if manifest.is_file():
        names = json.loads(manifest.read_text("utf-8"))
        found |= {name: _asset(name, built / hashed) for name, hashed in names.items()}
    else:
        log.warning("hall_assets_missing", detail="pages work without live lists; set up by: make assets")
    return Assets(found)


def _asset(name: str, path: Path) -> Asset:
    body = path.read_bytes()
    digest = hashlib.sha256(body).hexdigest()[:10]
    stem, suffix = Path(name).stem, Path(name).suffix
    return Asset(name, f"{stem}.{digest}{suffix}", TYPES[suffix], body, deflate(body))
