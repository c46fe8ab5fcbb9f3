import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from paredown.core.errors import StudyBusy, UsageError
from paredown.study.lock import StudyLock

HOLD = """
import os, sys, time
from pathlib import Path
from paredown.study.lock import StudyLock
with StudyLock(Path(sys.argv[1])):
    if sys.argv[2] == "plain" or os.fork() == 0:
        print("held", flush=True)
    time.sleep(60)
"""


def holder(folder: Path, how: str = "plain") -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(folder), how], stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_another_process_is_refused_by_name_until_the_holder_is_killed(tmp_path):
    folder = tmp_path / "digits"
    process = holder(folder)
    with process:
        held = json.loads((folder / ".lock").read_text())
        said = rf"digits is held by process {process.pid} on {held['host']} since {held['started'][:4]}-.*\n.*`--study DIR`"
        with pytest.raises(StudyBusy, match=said), StudyLock(folder):
            pass
        process.kill()
        process.wait()
        with StudyLock(folder):
            assert json.loads((folder / ".lock").read_text())["pid"] == os.getpid()


def test_a_forked_child_does_not_keep_the_lock_of_a_killed_run(tmp_path):
    with holder(tmp_path, "fork") as process:
        process.kill()
        process.wait()
        try:
            with StudyLock(tmp_path):
                pass
        finally:
            os.killpg(process.pid, 9)


def test_the_same_process_cannot_hold_it_twice(tmp_path):
    with StudyLock(tmp_path), pytest.raises(StudyBusy, match=f"held by process {os.getpid()} on"), StudyLock(tmp_path):
        pass


def test_waiting_gets_the_lock_when_the_other_run_ends(tmp_path):
    first = StudyLock(tmp_path)
    first.__enter__()
    timer = threading.Timer(0.3, first.__exit__, (None, None, None))
    began = time.monotonic()
    timer.start()
    with StudyLock(tmp_path, wait_s=20):
        assert 0.2 < time.monotonic() - began < 15
    timer.join()


def test_waiting_ends(tmp_path):
    with StudyLock(tmp_path), pytest.raises(StudyBusy), StudyLock(tmp_path, wait_s=0.1):
        pass


def test_a_holder_that_left_no_name_is_another_run(tmp_path):
    with StudyLock(tmp_path):
        (tmp_path / ".lock").write_text("{")
        with pytest.raises(StudyBusy, match="is held by another run"), StudyLock(tmp_path):
            pass


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"cannot write .*file/study/\.lock: Not a directory"), StudyLock(tmp_path / "file" / "study"):
        pass


def test_a_full_disk_is_named_and_the_lock_given_back(tmp_path, monkeypatch):
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        with pytest.raises(UsageError, match=r"\.lock: No space left on device"), StudyLock(tmp_path):
            pass
    with StudyLock(tmp_path):
        pass
