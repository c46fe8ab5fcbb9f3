"""`model: {memory: FINGERPRINT, sha256: ...}`: a module that `paredown.shrink` was given from the user's own program."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from paredown.core.candidate import Candidate
from paredown.core.errors import BadModel
from paredown.core.job import ModelSpec
from paredown.core.model import ModelSource
from paredown.core.technique import Context
from paredown.ground import digests
from paredown.ground.lazy import need
from paredown.kinds.known import kind_of
from paredown.kinds.tensors import Tensors


class Memory(ModelSource):
    """A torch module from a script or a notebook; `paredown.shrink` writes this entry and the files beside it."""

    forms: ClassVar[tuple[str, ...]] = ("torch", "onnx")

    def trains(self, spec: ModelSpec) -> bool:
        """Never: it arrives as it is."""
        return False

    def digest(self, spec: ModelSpec, folder: Path) -> str:
        """Over the fingerprint, which covers the module's code and tensors."""
        _sha256(spec)
        return digests.of_value([spec.kind, spec.value])

    def limits(self, spec: ModelSpec, folder: Path, encode: Mapping[str, Any], context: Context) -> dict[str, Any]:
        """For tensors, the outputs of the module and the order of its inputs."""
        if kind_of(context.decode).name != Tensors.name:
            return {}
        found: dict[str, Any] = need("paredown.training.trainer", "opening a torch model").look(*_parts(spec), encode, context)
        return found

    def prepare(
        self, spec: ModelSpec, folder: Path, inputs: Mapping[str, Sequence[int | str]], classes: int, context: Context
    ) -> Candidate:
        """Open the structure, load its tensors and store both."""
        trainer: Any = need("paredown.training.trainer", "opening a torch model")
        memory: Any = need("paredown.modelkit.memory", "opening a torch model")
        weights = folder / memory.tensors_of(spec.value)
        if not weights.is_file():
            raise BadModel(f"{weights} does not exist.\n  Call `paredown.shrink` again with the model; it writes it.")
        candidate: Candidate = trainer.take_baseline(*_parts(spec), inputs, classes, context, weights=weights)
        return candidate


def _parts(spec: ModelSpec) -> tuple[str, dict[str, Any]]:
    """What builds the module, and its arguments."""
    return "paredown.modelkit.memory:build", {"fingerprint": spec.value, "sha256": _sha256(spec)}


def _sha256(spec: ModelSpec) -> str:
    found = spec.options.get("sha256")
    if not isinstance(found, str) or set(spec.options) != {"sha256"}:
        raise BadModel(
            f"`memory: {spec.value[:16]}` stands with {', '.join(spec.options) or 'nothing'}; it needs `sha256` and nothing else.\n"
            "  Only `paredown.shrink` writes this entry; call it with the model."
        )
    return found
