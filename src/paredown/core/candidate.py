"""A model as the search sees it: a digest, no tensors."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One version of the model in the store.

    Args:
        digest: Over its blueprint and tensors, or over its graph; equal digests are the same model.
        form: What the stored files are: "torch", "onnx" or another engine's name.
        parameters: Trained numbers in it.
        note: One sentence on what the last step did, for the report; empty when there is nothing to say.
    """

    digest: str
    form: str
    parameters: int = 0
    note: str = ""
