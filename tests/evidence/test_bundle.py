from __future__ import annotations

import json
import platform
import shutil
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from paredown.core.errors import Damaged, ParedownError
from paredown.evidence.bundle import verify_bundle, write_bundle

EXTRA = {
    "policy.lock.yaml": b"extends: frugal\n",
    "data.json": b'{"test": {"rows": 899, "sha256": "ab"}}',
    "candidates.jsonl": b'{"id": 1}\n{"id": 2, "state": "failed"}\n',
    "windows.jsonl": b'{"wall_s": 1.0}\n',
}
RESULT: dict[str, Any] = {
    "host": {"cores": 2, "isa": "avx2"},
    "findings": [{"rule": "quality", "outcome": "pass"}],
    "chosen": {"preview": "a row of the user's data"},
}


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "study", RESULT, EXTRA)


def test_the_folder_holds_what_was_handed_over_and_what_was_found_here(bundle: Path) -> None:
    assert {path.name for path in bundle.iterdir()} == {*EXTRA, "environment.json", "findings.json", "released.json", "MANIFEST.sha256"}
    assert all((bundle / name).read_bytes() == content for name, content in EXTRA.items())
    assert json.loads((bundle / "findings.json").read_text()) == RESULT["findings"]
    environment = json.loads((bundle / "environment.json").read_text())
    assert environment["host"] == RESULT["host"]
    assert environment["python"] == platform.python_version()
    assert environment["packages"]["numpy"] == metadata.version("numpy")
    assert environment["packages"]["paredown"] == metadata.version("paredown")
    assert verify_bundle(bundle) == 7


def test_nothing_else_of_the_result_goes_in(bundle: Path) -> None:
    assert all(b"row of the user" not in path.read_bytes() for path in bundle.iterdir())


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="needs sha256sum")
def test_sha256sum_reads_the_manifest(bundle: Path) -> None:
    check = ["sha256sum", "--strict", "-c", "MANIFEST.sha256"]
    out = subprocess.run(check, cwd=bundle, capture_output=True, text=True)
    assert out.returncode == 0
    assert sorted(out.stdout.split()[1::2]) == ["OK"] * 7
    (bundle / "data.json").write_bytes(b"{}")
    assert subprocess.run(check, cwd=bundle, capture_output=True).returncode == 1


def test_writing_again_leaves_nothing_of_the_last_time(tmp_path: Path) -> None:
    write_bundle(tmp_path, RESULT, {**EXTRA, "drift.json": b"{}"})
    again = write_bundle(tmp_path, RESULT, EXTRA)
    assert not (again / "drift.json").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["evidence"]
    assert verify_bundle(again) == 7


def test_all_damage_is_in_one_message(bundle: Path) -> None:
    (bundle / "data.json").write_bytes(b"{}")
    (bundle / "windows.jsonl").unlink()
    (bundle / "rows.csv").write_bytes(b"1,2\n")
    with (bundle / "MANIFEST.sha256").open("a") as manifest:
        manifest.write("not a digest\n" + "0" * 64 + "  data.json\n")
    with pytest.raises(Damaged) as caught:
        verify_bundle(bundle)
    for fact in (
        "data.json was changed",
        "windows.jsonl is missing",
        "rows.csv is not listed",
        "MANIFEST.sha256:8: 'not a digest'",
        "MANIFEST.sha256:9",
    ):
        assert fact in str(caught.value)


def test_a_folder_without_a_manifest_is_no_evidence(tmp_path: Path) -> None:
    with pytest.raises(Damaged, match=f"{tmp_path.name} has no MANIFEST.sha256"):
        verify_bundle(tmp_path)


@pytest.mark.parametrize("name", list(EXTRA))
def test_evidence_without_one_of_its_parts_is_refused_and_names_it(tmp_path: Path, name: str) -> None:
    with pytest.raises(ParedownError, match=f"the evidence lacks {name}"):
        write_bundle(tmp_path, RESULT, {key: content for key, content in EXTRA.items() if key != name})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["../result.json", "a/b.json", "findings.json", "released.json", "MANIFEST.sha256", ".hidden", ""])
def test_a_name_that_is_not_a_plain_file_name_or_is_ours_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ParedownError, match="the evidence cannot hold '" + name.replace(".", r"\.")):
        write_bundle(tmp_path, RESULT, {**EXTRA, name: b""})
