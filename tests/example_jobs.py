"""What the tests of examples share: their data, and their jobs cut down."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from paredown.core.job import Job
from paredown.ground import registry
from paredown.ground.documents import read
from paredown.study.jobfile import read_job

ROOT = Path(__file__).parents[1]
TRAIN, TEST = 700, 300
LOOSE = [{"quality": {"drop": "40 %"}}]


def real(name: str, *files: str) -> list[Path]:
    """The example's files, in its own data folder or beside the repository; the test is skipped where they are in neither."""
    for folder in (ROOT / "examples" / name / "data", ROOT.parent / "shared" / "data" / name):
        if all((folder / file).is_file() for file in files):
            return [folder / file for file in files]
    pytest.skip(f"the data of examples/{name} are not here; its README says where to get them.")


def cut(name: str, folder: Path, policy: list[dict[str, Any]], technique: str = "quantize_static", epochs: int = 2) -> Job:
    """The example's job in `folder`, with a few epochs, one technique as the only recipe, and a policy that noise cannot touch."""
    example = ROOT / "examples" / name
    for path in (*example.glob("*.yaml"), *example.glob("*.py")):
        shutil.copy(path, folder)
    document = dict(read(folder / "job.yaml").data)
    document["model"]["train"] |= {"epochs": epochs, "batch": 32}
    document["search"] = {"exclude": [name for name in registry.names("techniques") if name != technique]}
    document["policy"] = {"minimize": "size", "rules": policy}
    return read_job(document, folder)
