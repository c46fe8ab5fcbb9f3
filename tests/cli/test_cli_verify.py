"""`paredown verify`: in the base install, with all damage in one message and exit code 5."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

from tiny_cli import bare, leave
from tiny_study import TinyStudy


def test_a_study_is_verified_without_any_extra(tiny_study: TinyStudy) -> None:
    done = bare("verify", tiny_study.folder)
    assert done.returncode == 0, done.stderr
    assert "is what was written" in done.stdout
    assert re.search(r"quantize_dynamic\(\) @ onnxruntime\(threads=\d\)", done.stdout)
    assert "4 rows answered again" in done.stdout


def test_an_artifact_alone_says_that_no_evidence_was_looked_at(tiny_study: TinyStudy, capfd) -> None:
    code, out, _ = leave(capfd, "verify", tiny_study.artifact)
    assert code == 0
    assert "not looked at" in out
    assert json.loads(leave(capfd, "verify", tiny_study.artifact, "--json")[1])["evidence"] is None


def test_one_flipped_byte_exits_5_in_text_and_in_json(tiny_study: TinyStudy, tmp_path: Path, capfd) -> None:
    folder = Path(shutil.copytree(tiny_study.artifact, tmp_path / "artifact"))
    content = bytearray((folder / "labels.json").read_bytes())
    content[3] ^= 1
    (folder / "labels.json").write_bytes(content)
    (folder / "stray.bin").write_bytes(b"")
    code, out, err = leave(capfd, "verify", folder)
    assert (code, out) == (5, "")
    assert "labels.json was changed" in err
    assert "stray.bin is not listed" in err
    code, out, _ = leave(capfd, "verify", folder, "--json")
    assert (code, json.loads(out)["error"]["kind"]) == (5, "Damaged")


def test_another_class_of_cpu_is_a_warning(tiny_study: TinyStudy, tmp_path: Path, capfd) -> None:
    folder = Path(shutil.copytree(tiny_study.artifact, tmp_path / "artifact"))
    card = json.loads((folder / "artifact.json").read_text())
    (folder / "artifact.json").write_text(json.dumps(card | {"measured_on": {"isa": "abacus"}}))
    code, _, err = leave(capfd, "verify", folder)
    assert code == 0
    assert "warning: " in err
    assert "class abacus" in err
