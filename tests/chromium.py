"""A headless Chromium driven through its own protocol over a pipe; nothing to install but the browser."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome")


def browser() -> str | None:
    """The browser's path, or None where none is installed."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class Chromium:
    """One page of one browser; use as a context manager.

    Args:
        profile: An empty folder for what the browser keeps.
    """

    def __init__(self, profile: Path) -> None:
        from_browser, its_out = os.pipe()
        its_in, to_browser = os.pipe()

        def adopt() -> None:
            # the browser reads its descriptor 3 and writes its descriptor 4; both pipes may lie on these numbers already
            kept = [fcntl.fcntl(pipe, fcntl.F_DUPFD, 5) for pipe in (its_in, its_out)]
            for number, source in zip((3, 4), kept):
                os.dup2(source, number)
                os.set_inheritable(number, True)

        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--remote-debugging-pipe"]
        command = [browser() or "chromium", *flags, f"--user-data-dir={profile}", "about:blank"]
        self._process = subprocess.Popen(
            command, preexec_fn=adopt, close_fds=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL
        )
        os.close(its_in)
        os.close(its_out)
        self._in, self._out, self._number, self._rest = from_browser, to_browser, 0, b""
        self.events: list[dict[str, Any]] = []
        self._session = ""
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log", "Accessibility"):
            self.send(f"{domain}.enable")
        self.send("Emulation.setFocusEmulationEnabled", enabled=True)

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command and its answer; what happens meanwhile is kept in `events`."""
        self._number += 1
        order: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            order["sessionId"] = self._session
        os.write(self._out, json.dumps(order).encode() + b"\0")
        while True:
            message = self._next()
            if message.get("id") == self._number:
                assert "error" not in message, message
                return dict(message["result"])

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            piece = os.read(self._in, 1 << 20)
            assert piece, "the browser ended"
            self._rest += piece
        line, _, self._rest = self._rest.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        if "method" in message:
            self.events.append(message)
        return message

    def open(self, file: Path, width: int = 1100, media: str = "") -> None:
        """Load a file at a page width in CSS pixels, as on a screen or as printed."""
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 500)
        self.send("Emulation.setEmulatedMedia", media=media)
        self.events.clear()
        self.send("Page.navigate", url=file.resolve().as_uri())
        self.until(lambda: any(event["method"] == "Page.loadEventFired" for event in self.events))

    def until(self, true: Callable[[], bool], most_s: float = 20.0) -> None:
        """Wait until something holds."""
        until = time.monotonic() + most_s
        while not true():
            assert time.monotonic() < until, "waited in vain"
            self.run("0")

    def run(self, script: str) -> Any:
        """The value of a script."""
        found = self.send("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def press(self, key: str) -> None:
        """One key down and up."""
        codes = {"Tab": 9, "Escape": 27, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}
        for kind in ("keyDown", "keyUp"):
            self.send("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=codes[key])

    def names(self) -> list[Mapping[str, str]]:
        """{"role", "name"} of everything that assistive technology is told about."""
        nodes = self.send("Accessibility.getFullAXTree")["nodes"]
        told = [node for node in nodes if not node.get("ignored")]
        return [{"role": node["role"]["value"], "name": node.get("name", {}).get("value", "")} for node in told]

    def __enter__(self) -> Chromium:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._in, self._out):
            with suppress(OSError):
                os.close(pipe)
