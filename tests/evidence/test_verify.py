from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from paredown.core.errors import Damaged
from paredown.evidence.verify import verify
from paredown.ground import digests


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    folder = tmp_path / "artifact"
    files = {"model.onnx": b"graph", "labels.json": b"[]", "parts/second.onnx": b"more"}
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    card(folder, format=1, name="tiny", files={name: sha(content) for name, content in files.items()})
    return folder


def card(folder: Path, **content: Any) -> None:
    (folder / "artifact.json").write_text(json.dumps(content))


def listed(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "artifact.json").read_text())
    return content


def relist(folder: Path, **files: Any) -> None:
    content = listed(folder)
    content["files"] |= files
    card(folder, **content)


def test_a_whole_artifact_is_verified(artifact: Path) -> None:
    found = verify(artifact)
    assert (found.files, found.size_b, found.artifact["name"]) == (3, len(b"graph[]more"), "tiny")
    assert found.digest == digests.of_folder(artifact)


def test_every_problem_is_in_one_message(artifact: Path) -> None:
    (artifact / "model.onnx").write_bytes(b"grapf")
    (artifact / "labels.json").unlink()
    (artifact / "parts/extra.bin").write_bytes(b"?")
    (artifact / "link").symlink_to(artifact / "model.onnx")
    content = listed(artifact)
    card(artifact, **{**content, "format": 7, "files": {**content["files"], "../outside": sha(b""), "parts/second.onnx": "abc"}})
    with pytest.raises(Damaged) as caught:
        verify(artifact)
    for fact in (
        "format is 7; this paredown reads 1",
        f"model.onnx was changed: sha256 is {sha(b'grapf')[:12]}..., {sha(b'graph')[:12]}... was written",
        "labels.json is missing",
        "parts/extra.bin is not listed",
        "link is a link or a special file",
        "'../outside' is listed; only paths inside the folder",
        "parts/second.onnx: 'abc' is no sha256 digest",
    ):
        assert fact in str(caught.value)
    assert caught.value.exit_code == 5


@pytest.mark.parametrize("flip", range(len(b"graph")))
def test_any_changed_byte_is_seen(artifact: Path, flip: int) -> None:
    content = bytearray(b"graph")
    content[flip] ^= 1
    (artifact / "model.onnx").write_bytes(content)
    with pytest.raises(Damaged, match=r"model\.onnx was changed"):
        verify(artifact)


@pytest.mark.parametrize(
    "name", ["/etc/hostname", "../secret", "parts/../model.onnx", "parts//second.onnx", "a\\b", "C:x", "", ".", "artifact.json"]
)
def test_a_path_that_leaves_the_folder_or_is_written_oddly_is_refused_unopened(artifact: Path, name: str) -> None:
    (artifact.parent / "secret").write_bytes(b"s")
    content = listed(artifact)
    card(artifact, **{**content, "files": {**content["files"], name: sha(b"s")}})
    with pytest.raises(Damaged, match=r"is listed; only paths inside the folder, other than artifact\.json, may be"):
        verify(artifact)


def test_a_link_in_place_of_a_listed_file_is_refused_even_with_the_same_content(artifact: Path) -> None:
    (artifact.parent / "elsewhere").write_bytes(b"graph")
    (artifact / "model.onnx").unlink()
    (artifact / "model.onnx").symlink_to(artifact.parent / "elsewhere")
    with pytest.raises(Damaged, match=r"model\.onnx is a link or a special file"):
        verify(artifact)


def test_a_linked_folder_is_refused_and_not_walked(artifact: Path) -> None:
    (artifact / "loop").symlink_to(artifact)
    with pytest.raises(Damaged, match="loop is a link or a special file") as caught:
        verify(artifact)
    assert "loop/model.onnx" not in str(caught.value)


def test_a_folder_that_is_no_artifact(tmp_path: Path) -> None:
    with pytest.raises(Damaged, match=f"{tmp_path.name} has no artifact.json"):
        verify(tmp_path)


def test_a_card_that_is_a_link_is_no_card(artifact: Path) -> None:
    (artifact / "artifact.json").rename(artifact.parent / "card.json")
    (artifact / "artifact.json").symlink_to(artifact.parent / "card.json")
    with pytest.raises(Damaged, match=r"has no artifact\.json"):
        verify(artifact)


@pytest.mark.parametrize("text", [b"{", b"\xff\xfe"])
def test_a_card_that_is_not_json(artifact: Path, text: bytes) -> None:
    (artifact / "artifact.json").write_bytes(text)
    with pytest.raises(Damaged, match=r"artifact\.json is not JSON: .*"):
        verify(artifact)


@pytest.mark.parametrize("text", ["[]", "{}", '{"files": ["model.onnx"]}'])
def test_a_card_without_a_list_of_files(artifact: Path, text: str) -> None:
    (artifact / "artifact.json").write_text(text)
    with pytest.raises(Damaged, match=r"artifact\.json has no mapping `files`"):
        verify(artifact)


def test_it_needs_the_standard_library_only() -> None:
    code = "import sys, paredown.evidence.verify\nprint(*{name.partition('.')[0] for name in sys.modules} - set(sys.stdlib_module_names))"
    out = subprocess.run([sys.executable, "-I", "-c", code], check=True, capture_output=True, text=True).stdout
    assert {name for name in out.split() if not name.startswith(("__", "_"))} == {"paredown"}
