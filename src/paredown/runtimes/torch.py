"""PyTorch as the user has it: eager, fp32. The baseline's engine."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from paredown.core.candidate import Candidate
from paredown.core.runtime import Host, Runtime, Session, cannot_answer
from paredown.core.technique import Store
from paredown.ground.lazy import missing, need


class Torch(Runtime):
    """PyTorch eager in eval mode and inference mode: what the user has today."""

    form: ClassVar[str] = "torch"
    package: ClassVar[str] = "torch"
    extra: ClassVar[str] = "compress"
    use_when: ClassVar[str] = "the model as given has to be measured."

    def ready(self, host: Host) -> str | None:
        """Ready wherever the package is installed."""
        return missing("torch", "the runtime torch")

    def export(self, candidate: Candidate, store: Store, folder: Path) -> dict[str, Any]:
        """Copy blueprint and tensors; count the multiply-adds."""
        blueprints = need("paredown.modelkit.blueprint", "packing a torch model")
        counting = need("paredown.pruning.count", "packing a torch model")
        source = store.folder(candidate.digest)
        for name in (blueprints.BLUEPRINT, blueprints.TENSORS):
            shutil.copyfile(source / name, folder / name)
        module, blueprint = blueprints.open_module(candidate, store)
        return {
            "file": blueprints.TENSORS,
            "inputs": list(blueprint.inputs),
            "outputs": [blueprint.answers],
            "multiply_adds": sum(counting.multiply_adds(module, blueprint.example()).values()),
            "parameters": candidate.parameters,
        }

    def open(self, folder: Path, file: str, placement: Mapping[str, Any]) -> Session:
        """Build the module from its blueprint and load its tensors."""
        torch = need("torch", "the runtime torch")
        blueprints = need("paredown.modelkit.blueprint", "the runtime torch")
        torch.set_num_threads(int(placement.get("threads", 1)))
        return _Module(torch, blueprints.open_folder(folder), blueprints.read_blueprint(folder).answers)

    def version(self) -> str:
        """The installed version."""
        return str(need("torch", "the runtime torch").__version__)


class _Module(Session):
    def __init__(self, torch: Any, module: Any, answers: str) -> None:
        self._torch, self._module, self._answers = torch, module, answers
        self._changes: bool | None = None  # whether its forward changes its inputs in place, which are the caller's; seen at the first call

    def run(self, feed: Mapping[str, Any]) -> dict[str, Any]:
        own = {name: array.copy() for name, array in feed.items()} if self._changes is not False else feed
        try:
            with self._torch.inference_mode():
                answer = self._module(*(self._torch.from_numpy(array) for array in own.values()))
            if self._changes is None:
                self._changes = any(not (own[name] == array).all() for name, array in feed.items())
            return {self._answers: answer.numpy()}
        except Exception as error:
            raise cannot_answer("torch", error) from error
