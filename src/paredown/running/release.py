"""What a run leaves behind: the artifact, result.json, the report, and last the evidence, which binds them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from paredown.evidence.bound import FOLDERS, RESULT
from paredown.evidence.bundle import CANDIDATES, write_bundle
from paredown.evidence.bundle import FOLDER as EVIDENCE
from paredown.ground.files import move_folder_into_place, part_beside, remove, retire, write_atomic
from paredown.report import write_report
from paredown.running.confirm import Confirmed
from paredown.running.trials import baseline_trial
from paredown.running.workspace import Workspace


def publish(workspace: Workspace, confirmed: Confirmed, result: Mapping[str, Any]) -> None:
    """Release the artifact and write the rest; a run that is killed in between leaves a study without evidence, never a damaged one.

    Args:
        workspace: The run's tools.
        confirmed: From `confirm`.
        result: The content of result.json.

    Raises:
        Damaged: The packed files are not what was measured.
        CannotWrite: The study cannot be written.
    """
    study = workspace.study
    release(workspace, confirmed)
    write_atomic(study.folder / RESULT, json.dumps(result, indent=1, ensure_ascii=False, allow_nan=False).encode())
    write_report(result, study.folder)
    windows = [
        line for kind in ("floor", "measure") for record in study.ledger.records(kind) for line in _lines(kind, record.key, record.value)
    ]
    digests_of_rows = {
        "digests": dict(workspace.splits.digests),
        "job": dict(study.digests),
        "read": dict(study.read),
        "rows": result["rows"],
        "names": len(workspace.splits.names),
        "notes": list(workspace.splits.notes),
    }
    write_bundle(
        study.folder,
        result,
        {
            "policy.lock.json": json.dumps([record.value for record in study.policies()], indent=1, default=str).encode(),
            "data.json": json.dumps(digests_of_rows, indent=1).encode(),
            CANDIDATES: "\n".join(json.dumps(trial) for trial in result["trials"]).encode() + b"\n",
            "windows.jsonl": "\n".join(windows).encode() + b"\n",
        },
        [path.relative_to(study.folder).as_posix() for path in _judged_by(workspace, confirmed)],
    )


def release(workspace: Workspace, confirmed: Confirmed) -> None:
    """Put the same bytes that were measured into `artifact/`, or the nearest miss into `nearest-miss/`; the other folder goes.

    Evidence and result of an earlier run go first: a run that is killed from here on leaves a study whose run has not ended, and nothing
    damaged.

    Raises:
        Damaged: The packed files are not what was measured; what stood there stays.
        CannotWrite: The study cannot be written.
    """
    chosen = confirmed.chosen or confirmed.nearest
    names = FOLDERS if confirmed.chosen else FOLDERS[::-1]
    folder = workspace.study.folder
    target = folder / names[0]
    if chosen is None:
        _take_back(folder)
        remove(target)
    else:
        part = part_beside(target)
        try:
            workspace.artifacts.copy(chosen.trial.artifact, part)
            _take_back(folder)
            move_folder_into_place(part, target)
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise
    remove(folder / names[1])


def _take_back(folder: Path) -> None:
    retire(folder / EVIDENCE)
    remove(folder / RESULT)


def _judged_by(workspace: Workspace, confirmed: Confirmed) -> list[Path]:
    """The rows and the answers that `paredown check` judges the quality of the last candidate by."""
    final = confirmed.chosen or confirmed.nearest
    if final is None:
        return []
    asked = (baseline_trial(workspace).artifact, final.trial.artifact)
    return [workspace.rows_file(final.split), *(workspace.outputs_file(artifact, final.split) for artifact in asked)]


def _lines(kind: str, key: str, value: Mapping[str, Any]) -> Iterator[str]:
    for window in value.get("raw", ()):
        yield json.dumps({"kind": kind, "key": key} | {name: item for name, item in window.items() if name != "laps_s"})
