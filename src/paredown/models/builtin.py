"""`model: {builtin: NAME}`: a small network that comes with paredown, trained once by the job."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from paredown.core.candidate import Candidate
from paredown.core.errors import BadModel, UnknownName
from paredown.core.job import ModelSpec
from paredown.core.model import ModelSource
from paredown.core.technique import Context
from paredown.ground import digests
from paredown.ground.lazy import need

# name -> (factory, how many axes one item of its input has, default training)
NETWORKS: dict[str, tuple[str, int, dict[str, Any]]] = {
    "digits-cnn": ("paredown.modelkit.nets:digits_cnn", 3, {"epochs": 60, "lr": 3e-3, "batch": 64}),
    "mlp": ("paredown.modelkit.nets:mlp", 1, {"epochs": 10, "lr": 2e-3, "batch": 256}),
}


class Builtin(ModelSource):
    """A network by name, with `train:` settings and `hidden:` or `widths:` where it has them."""

    forms: ClassVar[tuple[str, ...]] = ("torch", "onnx")

    def trains(self, spec: ModelSpec) -> bool:
        """Always: these come without weights."""
        return True

    def digest(self, spec: ModelSpec, folder: Path) -> str:
        """Over the name and all options."""
        _network(spec)
        return digests.of_value([spec.kind, spec.value, dict(spec.options)])

    def prepare(
        self, spec: ModelSpec, folder: Path, inputs: Mapping[str, Sequence[int | str]], classes: int, context: Context
    ) -> Candidate:
        """Build the network for these inputs and train it."""
        factory, axes, training = _network(spec)
        if len(inputs) != 1:
            raise BadModel(f"builtin {spec.value!r} takes one input; the task feeds {len(inputs)}: {', '.join(inputs)}.")
        ((name, shape),) = inputs.items()
        if len(shape) != axes:
            raise BadModel(f"builtin {spec.value!r} takes inputs of {axes} axes; the task feeds {name!r} of shape {tuple(shape)}.")
        options = {key: value for key, value in spec.options.items() if key != "train"}
        arguments = {"classes": classes, ("channels" if axes == 3 else "inputs"): shape[0], **options}
        trainer = need("paredown.training.trainer", "training the baseline")
        made: Candidate = trainer.train_baseline(
            factory, arguments, inputs, classes, training | dict(spec.options.get("train", {})), context
        )
        return made


def _network(spec: ModelSpec) -> tuple[str, int, dict[str, Any]]:
    if spec.value not in NETWORKS:
        raise UnknownName("builtin model", spec.value, NETWORKS)
    return NETWORKS[spec.value]
