"""What the model bears of the task's feed, asked before it is packed: how long a text may be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

from paredown.builder.scene import Scene
from paredown.core.job import Job


def within(job: Job, scene: Scene, order: Callable[..., Any]) -> tuple[Scene, str]:
    """The scene with an encoder that feeds no more than the model takes, and one sentence where that is less than it said.

    Args:
        job: Its model is asked.
        scene: With the encoder as the task declares it.
        order: (verb, its arguments) -> what it gives; carried out where a trial's limits hold.

    Raises:
        BadModel: The model cannot be opened.
    """
    if scene.encode["kind"] != "text":
        return scene, ""
    found = order("paredown.builder.work:limit", scene=scene.json(), spec=asdict(job.model), folder=str(job.folder.resolve()))
    if not found:
        return scene, ""
    exactly = "exactly" if "length" in found else "at most"
    longest = f"{exactly} {found['max_length']} tokens"
    said = f"The model takes {longest}, found by trying: longer texts are cut there; `preprocess: {{max_length: ...}}` sets less."
    return replace(scene, encode={**scene.encode, **found}), said
