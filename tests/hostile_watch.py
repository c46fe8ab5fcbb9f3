"""Running commands of paredown, each in a process that an audit hook watches, and its children with it.

The hook says what they import, run, start, write and reach; `wrong` says what of it must not have happened.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

CANARY = "hostile_canary"
"""A module that can be imported wherever a command of `Watch` runs, and that nobody but a hostile folder names."""
MOST_S, MOST_B = 20.0, 500e6
CODES, VERDICTS = (0, 2, 5), (0, 1, 2, 3, 4, 5)
"""Exit codes that are allowed; `check` judges, and may end in a verdict too."""

# in every Python process below a Watch, before anything else; says what is not plain reading
_HOOK = f"""
import os, sys
_LOG, _SCRATCH, _FOLDER = os.environ["HOSTILE_LOG"], os.environ["HOSTILE_SCRATCH"], os.environ["HOSTILE_FOLDER"]
_busy = False

def _note(*words):
    with open(_LOG, "a", encoding="utf-8", errors="backslashreplace") as out:
        print(*words, file=out)

def _text(value):
    return os.fsdecode(value) if isinstance(value, (str, bytes)) else str(value)

def _hook(event, arguments):
    global _busy
    if _busy:
        return
    _busy = True
    try:
        if event == "open" and isinstance(arguments[0], (str, bytes)):
            path, mode, flags = _text(arguments[0]), arguments[1] or "", arguments[2] or 0
            writes = set(str(mode)) & set("wax+") or flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            where = os.path.realpath(path)
            if writes and where != "/dev/null" and not where.startswith((_SCRATCH, "/dev/fd/", "/proc/self/", "/dev/shm/")):
                _note("wrote", where)
        elif event in ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.symlink", "os.link", "os.chmod", "os.truncate"):
            for path in arguments[:2]:
                if isinstance(path, (str, bytes)) and not os.path.realpath(_text(path)).startswith(_SCRATCH):
                    _note("wrote", event, _text(path))
        elif event in ("compile", "exec"):
            code = arguments[0] if event == "exec" else arguments[1]
            name = _text(getattr(code, "co_filename", code) or "")
            if name.startswith(_FOLDER):
                _note("ran", event, name)
        elif event == "import":
            if arguments[0].partition(".")[0] == "{CANARY}" or _text(arguments[1] or "").startswith(_FOLDER):
                _note("imported", arguments[0])
        elif event in ("os.system", "os.exec", "os.posix_spawn", "os.spawn", "pty.spawn"):
            _note("started", event, arguments[0])
        elif event == "subprocess.Popen":
            words = [_text(word) for word in arguments[1]] if isinstance(arguments[1], (list, tuple)) else [_text(arguments[1])]
            if "paredown.executors.worker" not in words:
                _note("started", *words)
        elif event.startswith("socket.") and event not in ("socket.__new__", "socket.gethostname", "socket.bind"):
            _note("reached", event, arguments[1:])
        elif event.startswith("ctypes.dlopen") and _text(arguments[0] or "").startswith(_FOLDER):
            _note("loaded", arguments[0])
        elif event == "pickle.find_class" and arguments[0].partition(".")[0] in ("{CANARY}", "os", "posix", "subprocess", "builtins"):
            _note("unpickled", *arguments)
    finally:
        _busy = False

sys.addaudithook(_hook)
"""

# forks one process per order: imports are paid once
_SERVER = """
import json, os, resource, signal, sys, time
import importlib, numpy, onnxruntime, sqlalchemy, pydantic, rich.table
import paredown.__main__
for name in ("artifact.load", "measuring.verify", "study.ledger", "encoders.feed", "report.html", "report.terminal", "measuring.check"):
    importlib.import_module(f"paredown.{name}")
for where, _ in paredown.cli.COMMANDS.values():
    importlib.import_module(where.partition(":")[0])
from paredown.ground import registry
for kind in registry.KINDS:
    if kind != "audits":
        registry.units(kind)

def load(folder):
    import paredown
    from pathlib import Path
    from paredown.artifact.load import read_probe
    from paredown.core.errors import ParedownError
    try:
        with paredown.load(folder) as model:
            model.predict_proba(read_probe(Path(folder), model.manifest)["inputs"])
    except ParedownError as error:
        print(error, file=sys.stderr)
        raise SystemExit(error.exit_code)

def child(order, hook):
    os.setsid()
    for name, number in (("out", 1), ("err", 2)):
        file = os.open(order[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(file, number)
    os.chdir(order["cwd"])
    os.environ["HOSTILE_FOLDER"] = order["folder"]
    sys.stdout, sys.stderr = (os.fdopen(number, "w", encoding="utf-8", errors="strict") for number in (1, 2))
    if order["inline"]:
        import paredown.executors.processes as processes
        from paredown.executors.inline import Inline
        class Here(Inline):
            def __init__(self, *arguments, **more): super().__init__()
            def __enter__(self): return self
            def __exit__(self, *error): self.kill()
        processes.Worker = Here
    exec(compile(hook, "hook", "exec"), {})
    code = 70
    try:
        load(order["words"][1]) if order["words"][0] == "load" else paredown.__main__.main(order["words"])
        code = 0
    except SystemExit as left:
        code = left.code or 0
    except BaseException:
        import traceback
        traceback.print_exc()
    finally:
        try:
            sys.stdout.flush(); sys.stderr.flush()
        finally:
            os._exit(code)

hook = open(sys.argv[1]).read()
print("ready", flush=True)
for line in sys.stdin:
    order = json.loads(line)
    began = time.monotonic()
    pid = os.fork()
    if not pid:
        child(order, hook)
    while True:
        found, status, used = os.wait4(pid, os.WNOHANG)
        wall_s = time.monotonic() - began
        if found:
            break
        if wall_s > order["limit_s"]:
            os.killpg(pid, signal.SIGKILL)
        time.sleep(0.002)
    print(json.dumps({"code": os.waitstatus_to_exitcode(status), "wall_s": wall_s, "peak_b": used.ru_maxrss * 1024}), flush=True)
"""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What one command did.

    Args:
        words: The command.
        code: Its exit code; below 0 the signal that ended it.
        wall_s, peak_b: What it took, children included: the largest process counts.
        out, err: What it printed.
        events: What it did besides reading, one line each.
    """

    words: tuple[str, ...]
    code: int
    wall_s: float
    peak_b: float
    out: str
    err: str
    events: tuple[str, ...]


class Watch:
    """Runs commands of paredown, each in a watched process.

    Args:
        inline: May change between two commands. True carries out work orders in the command's own process: quicker, without
            the limits of workers.
    """

    def __init__(self, *, inline: bool = False) -> None:
        self.scratch = Path(tempfile.mkdtemp(prefix="hostile-")).resolve()
        self.inline = inline
        path, home, state, spare = (self.scratch / name for name in ("path", "home", "state", "spare"))
        for folder in (path, home, state, spare):
            folder.mkdir()
        (path / "sitecustomize.py").write_text(_HOOK)
        (path / f"{CANARY}.py").write_text("def run(*words, **more):\n    raise RuntimeError('the canary was called')\n")
        (self.scratch / "hook.py").write_text(_HOOK)
        self._log = self.scratch / "log"
        environment = os.environ | {
            "HOME": str(home),
            "XDG_STATE_HOME": str(state),
            "TMPDIR": str(spare),
            "PYTHONPATH": os.pathsep.join([str(path), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONIOENCODING": "utf-8",
            "OMP_NUM_THREADS": "1",
            "COLUMNS": "120",
            "HOSTILE_LOG": str(self._log),
            "HOSTILE_SCRATCH": str(self.scratch),
            "HOSTILE_FOLDER": str(self.scratch / "nowhere"),
        }
        self._server = subprocess.Popen(
            [sys.executable, "-c", _SERVER, str(self.scratch / "hook.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
            bufsize=1,
            start_new_session=True,
        )
        assert self._server.stdout is not None
        if self._server.stdout.readline() != "ready\n":
            raise RuntimeError("the watched server did not start")

    def run(self, *words: object, folder: Path, cwd: Path | None = None) -> Seen:
        """Run one command.

        Args:
            words: As after `paredown`; or "load" and a folder, which loads an artifact and asks its probe.
            folder: What a stranger handed over, below `scratch`.
            cwd: Where it runs; `scratch` when not given.
        """
        out, err = self.scratch / "out", self.scratch / "err"
        self._log.write_text("")
        said = tuple(map(str, words))
        order = {"words": said, "folder": str(folder.resolve()), "cwd": str(cwd or self.scratch), "out": str(out), "err": str(err)}
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write(json.dumps(order | {"inline": self.inline, "limit_s": MOST_S + 10}) + "\n")
        answer = json.loads(self._server.stdout.readline())
        texts = {name: path.read_text("utf-8", errors="surrogateescape") for name, path in (("out", out), ("err", err))}
        return Seen(words=said, events=tuple(self._log.read_text("utf-8").splitlines()), **texts, **answer)

    def copy(self, folder: Path, name: str = "given") -> Path:
        """A fresh copy of a folder to be changed, in the scratch; the one of the last call is gone."""
        for old in self.scratch.glob(f"{name}*"):
            _open_up(old)
            shutil.rmtree(old) if old.is_dir() and not old.is_symlink() else old.unlink()
        return Path(shutil.copytree(folder, self.scratch / name))

    def close(self) -> None:
        """End the server and remove the scratch."""
        os.killpg(self._server.pid, signal.SIGKILL)
        self._server.wait()
        for pipe in (self._server.stdin, self._server.stdout):
            if pipe is not None:
                pipe.close()
        _open_up(self.scratch)
        shutil.rmtree(self.scratch, ignore_errors=True)

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _open_up(folder: Path) -> None:
    for path in folder.rglob("*"):
        if not path.is_symlink() and path.is_dir():
            path.chmod(0o700)


def wrong(seen: Seen) -> list[str]:
    """What must not have happened; empty when all is well."""
    said, codes = seen.out + seen.err, VERDICTS if seen.words[0] == "check" else CODES
    found = [f"exit code {seen.code}"] * (seen.code not in codes)
    found += ["a traceback"] * ("Traceback" in said or "This is a bug" in said)
    found += [f"took {seen.wall_s:.1f} s"] * (seen.wall_s > MOST_S) + [f"took {seen.peak_b / 1e6:.0f} MB"] * (seen.peak_b > MOST_B)
    raw = sorted(
        {char for char in said if char != "\n" and (ord(char) < 32 or 127 <= ord(char) < 160 or char in "‪‫‬‭‮⁦⁧⁨⁩\u2028\u2029\u200e\u200f")}
    )
    found += [f"printed {raw}"] * bool(raw)
    return found + list(seen.events)
