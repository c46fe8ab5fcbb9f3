"""`model: {python: pkg.mod:build, weights: w.safetensors}`: a module that your own function builds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from paredown.core.candidate import Candidate
from paredown.core.errors import BadModel
from paredown.core.job import ModelSpec
from paredown.core.model import ModelSource
from paredown.core.technique import Context
from paredown.ground import digests, user_code
from paredown.ground.lazy import need
from paredown.kinds.known import kind_of
from paredown.kinds.tensors import Tensors
from paredown.modelkit import tokenizer


class Python(ModelSource):
    """A function that returns a torch module; `arguments:` go to it, `weights:` are loaded, `train:` trains it, `tokenizer:` is its own.

    `outputs:` says how many numbers it answers with, where no label does.
    """

    forms: ClassVar[tuple[str, ...]] = ("torch", "onnx")

    def trains(self, spec: ModelSpec) -> bool:
        """True when the job says `train:`."""
        return "train" in spec.options

    def digest(self, spec: ModelSpec, folder: Path) -> str:
        """Over the name, the options, the weight file and the source of the module and of all it imports from beside the job."""
        user_code.refuse_standard(spec.value, folder, "model")
        words = tokenizer.named(spec.options, folder)
        parts: list[object] = [spec.kind, spec.value, {key: value for key, value in spec.options.items() if key != "weights"}]
        if "weights" in spec.options:
            parts.append(digests.of_file(_weights(spec, folder)))
        parts += map(digests.of_file, user_code.sources(spec.value.partition(":")[0], folder))
        return digests.of_value([*parts, *([tokenizer.digest(words)] if words else [])])

    def outputs(self, spec: ModelSpec, folder: Path) -> int:
        """As `outputs:` says.

        Raises:
            BadModel: It is no whole number from 1 on.
        """
        found = spec.options.get("outputs", 1)
        if type(found) is not int or found < 1:
            raise BadModel(
                f"`outputs: {found!r:.60}` is no whole number from 1 on.\n  Write how many numbers {spec.value} answers a row with."
            )
        return found if "outputs" in spec.options else 0

    def preprocess(self, spec: ModelSpec, folder: Path, work: Path) -> dict[str, Any]:
        """The tokenizer that `tokenizer:` names."""
        words = tokenizer.named(spec.options, folder)
        return {} if words is None else tokenizer.encoding(words, work)

    def limits(self, spec: ModelSpec, folder: Path, encode: Mapping[str, Any], context: Context) -> dict[str, Any]:
        """For tensors, the outputs of the module and the order of its inputs."""
        if kind_of(context.decode).name != Tensors.name:
            return {}
        trainer = need("paredown.training.trainer", "opening a torch model")
        weights = _weights(spec, folder) if "weights" in spec.options else None
        found: dict[str, Any] = trainer.look(spec.value, dict(spec.options.get("arguments", {})), encode, context, weights)
        return found

    def prepare(
        self, spec: ModelSpec, folder: Path, inputs: Mapping[str, Sequence[int | str]], classes: int, context: Context
    ) -> Candidate:
        """Build it, load its weights, train it when the job says so."""
        user_code.refuse_standard(spec.value, folder, "model")
        trainer = need("paredown.training.trainer", "opening a torch model")
        arguments = dict(spec.options.get("arguments", {}))
        weights = _weights(spec, folder) if "weights" in spec.options else None
        if self.trains(spec):
            made: Candidate = trainer.train_baseline(
                spec.value, arguments, inputs, classes, dict(spec.options["train"]), context, weights=weights
            )
        else:
            made = trainer.take_baseline(spec.value, arguments, inputs, classes, context, weights=weights)
        return made


def _weights(spec: ModelSpec, folder: Path) -> Path:
    path = folder / str(spec.options["weights"])
    if not path.is_file():
        raise BadModel(
            f"{path} does not exist.\n  `weights:` names a .safetensors file or a torch state dict, from the job file's folder on."
        )
    return path
