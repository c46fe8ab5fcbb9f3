"""What a run leaves: whole or not ended, for the user's eyes where the umask says so, with one payback and with what was not counted."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from paredown.core.errors import UsageError
from paredown.measuring.check import check
from paredown.measuring.verify import verify
from paredown.running import release
from paredown.running.story import run
from tiny_cli import leave
from tiny_study import TinyStudy, shorten


@pytest.fixture
def private() -> Iterator[None]:
    """What is made is for the user alone."""
    before = os.umask(0o077)
    yield
    os.umask(before)


def open_to_others(folder: Path) -> list[Path]:
    return [path for path in (folder, *folder.rglob("*")) if stat.S_IMODE(path.stat().st_mode) & 0o077]


def test_a_run_that_was_killed_at_its_end_has_not_ended_and_the_next_one_repairs_it(
    tiny_study: TinyStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], private: None
) -> None:
    folder = Path(shutil.copytree(tiny_study.folder, tmp_path / "study"))
    shorten(monkeypatch, tmp_path / "state")

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    for at, says in (("write_report", "not covered"), ("write_atomic", "cannot be verified|has no result")):
        with monkeypatch.context() as patch:
            patch.setattr(release, at, killed)
            with pytest.raises(KeyboardInterrupt):
                run(tiny_study.job, folder)
        assert not (folder / "evidence").exists()
        with pytest.raises(UsageError, match=says):
            verify(folder)
    (tmp_path / "no-folder").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "no-folder"))
    job = tiny_study.job.with_name("paid.yaml")
    paid = "{quality: {drop: 5 %}}, {payback_inferences: {max: 1e15, level: should}}"
    job.write_text(tiny_study.job.read_text().replace("{quality: {drop: 5 %}}", paid))
    result = run(job, folder)
    assert verify(folder).released
    # what the run made, not what was copied
    assert [found for name in ("artifact", "evidence") for found in open_to_others(folder / name)] == []
    assert [name for name in ("result.json", "report.html") if stat.S_IMODE((folder / name).stat().st_mode) & 0o077] == []
    # one payback
    (finding,) = (finding for finding in result.data["findings"] if finding["rule"] == "payback_inferences")
    search, impact = result.data["search"]["payback_inferences"], result.data["impact"]["payback"]["energy"]["inferences"]
    assert search.get("value") == impact.get("value") == finding["value"]
    assert result.data["chosen"]["readings"]["payback_inferences"] == search
    assert search.get("missing") == impact.get("missing")
    assert [found.json() for found in check(folder).findings] == result.data["findings"]
    # reads of test that were not counted
    missing = result.data["rows"]["test_reads"]["missing"]
    assert "cannot be counted on this machine" in missing
    assert result.data["rows"]["test_reads_here"] == 2
    page = (folder / "report.html").read_text("utf-8")
    assert "How often the test split was read on this machine is missing" in page
    assert "read 0 times" not in page
    assert any(missing in note for note in check(folder).notes)
    assert f"missing: {missing}" in leave(capfd, "show", folder)[1]
    shown = " ".join(leave(capfd, "report", folder)[1].split())
    assert "this machine is missing: reads of test cannot be counted" in shown


READ = """
import sys
from pathlib import Path
from paredown.evidence.bundle import uncovered
from paredown.planning.whatif import Asked, elsewhere
from paredown.measuring.verify import verify
from paredown.measuring.check import check
from paredown.__main__ import main
study = Path(sys.argv[1])
try:
    (study / "x").touch()
    sys.exit(77)
except OSError:
    pass
print(check(study).outcome, verify(study).released, elsewhere(study, Asked()).rows[0].name)
for words in (("show", study), ("export", study, "--format", "csv"), ("report", study), ("report", study, "--out", sys.argv[2])):
    try:
        main([*map(str, words)])
    except SystemExit as left:
        assert not left.code, words
"""


@pytest.mark.skipif(sys.platform != "linux", reason="mounts a folder")
def test_a_study_that_cannot_be_written_is_read(tiny_study: TinyStudy, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_study.folder, tmp_path / "study"))
    for name in ("ledger.sqlite-wal", "ledger.sqlite-shm"):
        (folder / name).unlink(missing_ok=True)
    script = tmp_path / "read.py"
    script.write_text(READ)
    mount = 'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" || exit 77; shift; exec "$@"'
    words = ["unshare", "-rm", "sh", "-c", mount, "sh", str(folder), sys.executable, str(script), str(folder), str(tmp_path / "out")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip("this machine lets nobody mount a folder for reading only")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("pass True measured here\n")
    assert (tmp_path / "out" / "report.html").read_bytes() == (folder / "report.html").read_bytes()
    assert not (folder / "ledger.sqlite-shm").exists()
    assert json.loads((folder / "result.json").read_text())["verdict"] == "pass"
