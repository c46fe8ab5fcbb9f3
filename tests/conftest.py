"""For all tests: one thread where a library would start one per core, and one real run of a tiny job for those that look at a study."""

from __future__ import annotations

import os

import pytest

from tiny_study import ONE_RECIPE, TinyStudy, shorten, write_tiny_job

# inherited by workers; where a test asks for more threads, it says so
os.environ.setdefault("OMP_NUM_THREADS", "1")
# some tests import onnxruntime themselves; it reports to its maker otherwise
os.environ["ORT_DISABLE_TELEMETRY"] = "1"


@pytest.fixture(scope="session")
def tiny_study(tmp_path_factory: pytest.TempPathFactory) -> TinyStudy:
    """A study that ended in a pass."""
    from paredown.running.story import run

    folder = tmp_path_factory.mktemp("tiny")
    job = write_tiny_job(folder, search=ONE_RECIPE)
    with pytest.MonkeyPatch.context() as patch:
        shorten(patch, folder / "state")
        result = run(job, folder / "study")
    assert result.verdict == "pass"
    return TinyStudy(job, folder / "study", folder / "rows.npz")
