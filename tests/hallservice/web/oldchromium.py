"""Chromium 78, as an old office computer has it: out of an npm package, driven over its debugging pipe."""

import base64
import hashlib
import json
import os
import shutil
import subprocess
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PACKAGE = "chrome-aws-lambda@1.20.4"
SHA512 = "+zuq/BO9TpAvlXIpyGto6YytnEe0NBpZS5HVGnaMqRhL0cagDEhrzAYqaQfK4HZnafA7HW1wkFacl7CAI990LQ=="
INFLATE = (
    "const fs=require('fs'),z=require('zlib');"
    "fs.writeFileSync(process.argv[2],z.brotliDecompressSync(fs.readFileSync(process.argv[1])))"
)
FLAGS = (
    "--headless", "--no-sandbox", "--no-zygote", "--disable-gpu", "--disable-dev-shm-usage",
    "--single-process", "--window-size=1366,768", "--lang=zh-CN", "--remote-debugging-pipe",
)  # fmt: skip


class NotHere(Exception):
    """Why there is no old browser."""


def fetch(folder: Path) -> Path:
    """The program, fetched and unpacked once; NotHere."""
    program = folder / "chromium"
    if program.is_file():
        return program
    npm, node = shutil.which("npm"), shutil.which("node")
    if not npm or not node:
        raise NotHere("no Node to fetch it with")
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [npm, "pack", PACKAGE, "--silent"], cwd=folder, capture_output=True, timeout=120, check=False
    )
    packed = next(folder.glob("*.tgz"), None)
    if done.returncode or packed is None:
        raise NotHere(f"{PACKAGE} cannot be fetched")
    digest = base64.b64encode(hashlib.sha512(packed.read_bytes()).digest()).decode()
    assert digest == SHA512, "not the package that is known"
    with tarfile.open(packed) as archive:
        _unpack(archive, folder)
    packed.unlink()
    unpacked = folder / "package" / "bin"
    for source, target in (("aws.tar.br", "aws.tar"), ("chromium.br", "chromium.part")):
        subprocess.run(
            [node, "-e", INFLATE, str(unpacked / source), str(folder / target)], check=True, timeout=120
        )
    with tarfile.open(folder / "aws.tar") as archive:
        _unpack(archive, folder)
    (folder / "chromium.part").chmod(0o755)
    (folder / "chromium.part").rename(program)
    return program


class OldPage:
    """One page, by the DevTools protocol."""

    def __init__(self, write: int, read: int) -> None:
        self._write, self._read, self._rest, self._number = write, read, b"", 0
        self._session: str | None = None
        self.faults: list[str] = []
        target = self.say("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.say("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.say(f"{domain}.enable")

    def say(self, method: str, **params: Any) -> Any:
        """Its answer; what happens meanwhile is noted."""
        self._number += 1
        number = self._number
        message: dict[str, Any] = {"id": number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            heard = self._next()
            if heard.get("id") == number:
                assert "error" not in heard, heard
                return heard["result"]
            if heard.get("method") == "Runtime.exceptionThrown":
                self.faults.append(json.dumps(heard["params"])[:500])
            if heard.get("method") == "Log.entryAdded" and heard["params"]["entry"]["level"] == "error":
                self.faults.append(heard["params"]["entry"]["text"])

    def _next(self) -> Any:
        while b"\0" not in self._rest:
            part = os.read(self._read, 1 << 16)
            assert part, "the browser has ended"
            self._rest += part
        first, self._rest = self._rest.split(b"\0", 1)
        return json.loads(first)

    def run(self, script: str) -> Any:
        """The value of an expression."""
        told = self.say("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

    def until(self, script: str, seconds: float = 30.0) -> None:
        """Wait for the expression to hold; a page on its way to another has none."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            told = self.say("Runtime.evaluate", expression=script, returnByValue=True)
            if told["result"].get("value"):
                return
            time.sleep(0.05)
        raise AssertionError(f"it did not come about: {script}\n{self.run('document.body.innerText')[:500]}")

    def open(self, url: str) -> None:
        self.say("Page.navigate", url=url)
        self.until(f"location.href.indexOf({json.dumps(url)}) === 0 && document.readyState === 'complete'")


@contextmanager
def old_page(program: Path, profile: Path) -> Iterator[OldPage]:
    """The browser, while it is used."""
    to_read, to_write = os.pipe()
    from_read, from_write = os.pipe()
    library = {**os.environ, "LD_LIBRARY_PATH": str(program.parent / "lib")}

    def place() -> None:  # the pipe is looked for at 3 and 4
        kept = os.dup(from_write)
        os.dup2(to_read, 3)
        os.dup2(kept, 4)

    process = subprocess.Popen(
        [str(program), *FLAGS, f"--user-data-dir={profile}"], env=library, preexec_fn=place,
        pass_fds=(3, 4), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(to_read)
    os.close(from_write)
    try:
        yield OldPage(to_write, from_read)
    finally:
        os.close(to_write)
        os.close(from_read)
        process.kill()
        process.wait(20)


def _unpack(archive: tarfile.TarFile, folder: Path) -> None:
    """Of a package whose digest is known; a Python before 3.11.4 has no filters."""
    if hasattr(tarfile, "data_filter"):
        archive.extractall(folder, filter="data")
    else:
        archive.extractall(folder)  # noqa: S202 - as said above
