"""What goes wrong while a run goes on: a full disk, a read-only one, Ctrl-C at every stage. The next run goes on to the same end."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from paredown.ground import digests
from tiny_cli import leave
from tiny_study import ONE_RECIPE, TinyStudy, shorten, write_tiny_job

SHORT = """
import sys
from pathlib import Path
import pytest
from paredown.__main__ import main
from tiny_study import shorten
with pytest.MonkeyPatch.context() as patch:
    shorten(patch, Path(sys.argv[1]))
    main(sys.argv[2:])
"""

Remount = Callable[[str], None]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[tuple[Path, Remount]]:
    """A disk of its own, in memory, and a function that changes its options."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = (
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", folder], capture_output=True, check=False) if _mounts() else None
    )
    if made is None or made.returncode:
        pytest.skip("a disk of its own needs the right to mount one")
    try:
        yield folder, lambda options: subprocess.run(["mount", "-o", f"remount,{options}", folder], check=True).check_returncode()
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def _mounts() -> bool:
    return sys.platform == "linux" and os.geteuid() == 0 and shutil.which("mount") is not None


@pytest.mark.parametrize(
    "size",
    [
        "16k",  # full before the study stands
        pytest.param("400k", marks=pytest.mark.slow),  # at the rows
        pytest.param("5m", marks=pytest.mark.slow),  # at the model as given
        pytest.param("9m", marks=pytest.mark.slow),  # at a candidate
        "12m",  # at the end
    ],
)
def test_a_full_disk_costs_no_recorded_work(size: str, disk, tmp_path: Path, capfd, monkeypatch) -> None:
    folder, remount = disk
    shorten(monkeypatch, tmp_path / "state")
    job = write_tiny_job(tmp_path, search=ONE_RECIPE)
    remount(f"size={size}")
    code, out, err = leave(capfd, "run", job, "--study", folder / "study")
    assert (code, out) == (2, ""), err
    said = err.splitlines()[-2]
    assert re.match(rf"cannot (write|use) {folder}/study.*: (No space left on device|database or disk is full|disk I/O error)\.", said), (
        said
    )
    assert "free some space" in err
    assert "Traceback" not in err
    remount("size=64m")
    assert leave(capfd, "run", job, "--study", folder / "study")[0] == 0
    trials = json.loads((folder / "study/result.json").read_text())["trials"]
    assert [trial["state"] for trial in trials] == ["done"] * 3, "a full disk is no fault of a recipe"
    assert not [*folder.rglob("*.part")]


def test_a_read_only_disk_is_named_and_stays_as_it_is(disk, tiny_study: TinyStudy, tmp_path: Path, capfd, monkeypatch) -> None:
    folder, remount = disk
    shorten(monkeypatch, tmp_path / "state")
    shutil.copytree(tiny_study.folder, folder / "study")
    before = digests.of_folder(folder)
    remount("ro")
    code, out, err = leave(capfd, "run", tiny_study.job, "--study", folder / "study")
    assert (code, out) == (2, "")
    assert f"cannot write {folder}/study/.lock: Read-only file system.\n  Make it writable" in err
    assert digests.of_folder(folder) == before
    remount("rw")
    assert leave(capfd, "run", tiny_study.job, "--study", folder / "study")[0] == 0


@pytest.mark.slow
def test_ctrl_c_at_every_stage_and_the_next_run_goes_on(tmp_path: Path) -> None:
    job, study = write_tiny_job(tmp_path, search=ONE_RECIPE), tmp_path / "study"
    words = [sys.executable, "-c", SHORT, str(tmp_path / "state"), "run", str(job), "--study", str(study)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}

    def run(stage: str = "") -> tuple[int, str]:
        """Exit code and stderr; interrupted when a line says `stage`."""
        said = []
        with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment) as process:
            assert process.stderr is not None
            for line in process.stderr:
                said.append(line)
                if stage and stage in line:
                    process.send_signal(signal.SIGINT)
                    stage = ""
        assert not stage, f"never said: {said}"
        assert not _workers_of(process.pid)
        return process.returncode, "".join(said)

    for stage in (
        "reading the data", "test: 450 rows", "the model as given", "the fastest fp32", "searching", "confirming", "test: quantize",
        "measuring at length", "why it costs less",
    ):  # fmt: skip
        code, err = run(stage)
        assert code == 130, f"{stage}: {err}"
        assert err.endswith(f"go on with `paredown run {job} --study {study}`.\n")
        assert "Traceback" not in err
        assert not (study / "result.json").exists()
    code, err = run()
    assert code == 0, err
    trials = json.loads((study / "result.json").read_text())["trials"]
    assert [trial["state"] for trial in trials] == ["done"] * 3


def _workers_of(parent: int) -> list[str]:
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = file.read_bytes().split(b"\0")
        except OSError:
            continue
        if b"paredown.executors.worker" in words and str(parent).encode() in words:
            found.append(file.parent.name)
    return found
