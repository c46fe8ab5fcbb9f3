"""From a module to a stored candidate and back: the factory's dotted name, the surgeries in order, the tensors."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from paredown.core.candidate import Candidate
from paredown.core.errors import BadModel, Damaged, ParedownError
from paredown.core.technique import Context, Store
from paredown.graphs import answers
from paredown.graphs.answers import LOGITS, PROBABILITIES
from paredown.graphs.graphs import TOKENS
from paredown.ground import trust
from paredown.ground.checks import is_any, is_either, is_list, is_mapping, is_number, is_one_of, is_record, is_text, is_whole
from paredown.ground.untrusted import read_json
from paredown.ground.user_code import resolve
from paredown.kinds.decode import LABEL_PROBABILITIES
from paredown.kinds.known import KINDS, kind_of
from paredown.kinds.map import Map
from paredown.kinds.tensors import Tensors
from paredown.modelkit import factories, outputs
from paredown.modelkit.module_checks import bare
from paredown.modelkit.surgery import Surgery, operate

_SURE = 1e-6
"""How near to 0 or 1 the probability of a label may be, so that its log odds are numbers."""
BLUEPRINT, TENSORS = "blueprint.json", "model.safetensors"
FREE = {"tokens": (torch.int64, TOKENS)}
"""Free axis -> kind of number of the inputs that have it, and how long an example is."""


@dataclass(frozen=True, kw_only=True)
class Blueprint:
    """How to build the structure that the tensors fit into.

    Args:
        factory: `pkg.mod:function` that returns a module.
        arguments: Its keyword arguments, plain data.
        inputs: Input name -> shape of one item without the batch dimension, in the order of the module's parameters; a free axis is named,
            as "tokens".
        surgeries: What was cut since, in order.
        whole: Inputs without a free axis that take int64.
        numbers: Inputs that take another kind of number than float32 and int64, by its name.
        scales: Of a module whose answers are tensors, (numbers, what they are divided by where it learns) for each; see `kinds.tensors`.
        answers: What the module itself gives, by the name that a graph's output of it has: "logits", "probabilities", "values", ...;
            `open_module` gives one that answers with logits where it gives probabilities.
    """

    factory: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, Sequence[int | str]] = field(default_factory=dict)
    surgeries: Sequence[Surgery] = ()
    answers: str = LOGITS
    whole: Sequence[str] = ()
    numbers: Mapping[str, str] = field(default_factory=dict)
    scales: Sequence[Sequence[float]] = ()

    def then(self, surgeries: Sequence[Surgery]) -> Blueprint:
        """The same with more surgeries at the end."""
        return replace(self, surgeries=(*self.surgeries, *surgeries))

    def example(self, batch: int = 1) -> tuple[Tensor, ...]:
        """Tensors of the right shapes: zeros, float32 or int64, or ones in the kind of number of their free axis."""
        kinds = {name: torch.int64 if name in self.whole else torch.float32 for name in self.inputs}
        kinds |= {name: getattr(torch, kind) for name, kind in self.numbers.items()}
        return tuple(_example(batch, shape, kinds[name]) for name, shape in self.inputs.items())

    def build(self) -> nn.Module:
        """The structure with whatever weights the factory gives, in eval mode.

        Raises:
            BadModel: The factory is not found, fails or returns no module.
        """
        factory = resolve(self.factory, "model")
        try:
            module = factory(**self.arguments)
        except ParedownError:
            raise
        except (Exception, SystemExit) as error:
            raise BadModel(f"{self.factory}({dict(self.arguments)}) failed: {type(error).__name__}: {error}") from error
        if not isinstance(module, nn.Module):
            raise BadModel(f"{self.factory} returned {type(module).__name__}; it must return a torch.nn.Module.")
        module = bare(module)
        for surgery in self.surgeries:
            operate(module, surgery)
        if self.answers in Tensors.graph_outputs:
            module.register_forward_hook(outputs.join)
        return module.eval()

    def json(self) -> dict[str, Any]:
        """As written to blueprint.json."""
        return {
            "format": 1,
            "factory": self.factory,
            "arguments": dict(self.arguments),
            "inputs": {key: list(shape) for key, shape in self.inputs.items()},
            "surgeries": [surgery.json() for surgery in self.surgeries],
            "answers": self.answers,
        } | {key: value for key in ("whole", "numbers", "scales") if (value := getattr(self, key))}


def _example(batch: int, shape: Sequence[int | str], kind: torch.dtype) -> Tensor:
    free = [FREE[axis] for axis in shape if isinstance(axis, str)]
    sizes = [FREE[axis][1] if isinstance(axis, str) else axis for axis in shape]
    return torch.ones(batch, *sizes, dtype=free[0][0]) if free else torch.zeros(batch, *sizes, dtype=kind)


def read_blueprint(folder: Path) -> Blueprint:
    """The blueprint in a stored folder.

    Raises:
        Damaged: It is absent or cannot be read.
    """
    try:
        data = read_json(folder / BLUEPRINT)
        _BLUEPRINT(data, "")
    except (OSError, ValueError) as error:
        raise Damaged(f"{folder / BLUEPRINT} cannot be read: it {error}.") from error
    surgeries, given = tuple(Surgery.of(item) for item in data["surgeries"]), data.get("answers", LOGITS)
    parts = {"factory": data["factory"], "arguments": data["arguments"], "inputs": data["inputs"], "whole": data.get("whole", ())}
    parts |= {"numbers": data.get("numbers", {}), "scales": data.get("scales", ())}
    return Blueprint(**parts, surgeries=surgeries, answers=given)


_ROW = is_whole(0, 1 << 31)
_KINDS = ("float16", "float64", "bool", "int8", "int16", "int32", "uint8", "uint16", "uint32", "uint64")
_SURGERY = is_record({"layer": is_text, "tensor": is_text, "axis": is_whole(0, 16), "kept": is_list(_ROW), "sizes": is_mapping(_ROW)})
_BLUEPRINT = is_record(
    {
        "factory": is_text,
        "arguments": is_mapping(is_any),
        "inputs": is_mapping(is_list(is_either(is_whole(1, 1 << 26), is_one_of(*FREE), "a size or the name of a free axis"), 0, 8)),
        "surgeries": is_list(_SURGERY),
    },
    {"answers": is_one_of(*(output for kind in KINDS.values() for output in kind.graph_outputs)), "whole": is_list(is_text)}
    | {"numbers": is_mapping(is_one_of(*_KINDS)), "scales": is_list(is_list(is_number(0, but=0), 2, 2))},
)


def open_folder(folder: Path) -> nn.Module:
    """The module of a stored folder, in eval mode; nothing is called that a stranger's blueprint names.

    Raises:
        NotTrusted: Its factory is not paredown's own, and the user has not given the word for it.
        Damaged: The surgeries or the tensors do not fit the structure.
    """
    blueprint = read_blueprint(folder)
    factories.refuse_strange(blueprint.factory, blueprint.arguments, folder / BLUEPRINT)
    module = blueprint.build()
    try:
        module.load_state_dict(load_file(folder / TENSORS))
    except (OSError, RuntimeError, ValueError, SafetensorError) as error:
        raise Damaged(f"{folder / TENSORS} does not fit its blueprint: {str(error)[:300]}") from error
    return module.eval()


def open_module(candidate: Candidate, store: Store) -> tuple[nn.Module, Blueprint]:
    """A candidate's module, a fresh copy in eval mode that answers with logits, and its blueprint."""
    folder = store.folder(candidate.digest)
    blueprint = read_blueprint(folder)
    return with_logits(open_folder(folder), blueprint), blueprint


def with_logits(module: nn.Module, blueprint: Blueprint) -> nn.Module:
    """The module itself, whose answers are logits (N, numbers) from here on: of probabilities their logarithms, whose softmax they are, of
    labels their log odds, and of one number per pixel those of two classes.

    Names and tensors stay as they are, so that surgeries and weights fit the module as its blueprint builds it.
    """
    if blueprint.answers == PROBABILITIES:
        module.register_forward_hook(_logarithms)
    if blueprint.answers == LABEL_PROBABILITIES:
        module.register_forward_hook(_log_odds)
    if hook := _OF_PIXELS.get(blueprint.answers):
        module.register_forward_hook(hook)
    if blueprint.answers in Tensors.graph_outputs and blueprint.scales:
        module.register_forward_hook(outputs.Scaled(blueprint.scales))
    if kind_of({"output": blueprint.answers}).by_place:
        module.register_forward_hook(_flat)
    return module


def _logarithms(module: nn.Module, inputs: Any, answer: Tensor) -> Tensor:
    return answer.clamp_min(torch.finfo(answer.dtype).tiny).log()


def _flat(module: nn.Module, inputs: Any, answer: Tensor) -> Tensor:
    return answer.flatten(1)


def _log_odds(module: nn.Module, inputs: Any, answer: Tensor) -> Tensor:
    return torch.logit(answer, eps=_SURE)


def _two_classes(module: nn.Module, inputs: Any, answer: Tensor) -> Tensor:
    second = answer.flatten(1)
    return torch.stack([torch.zeros_like(second), second], 1)


def _two_of_chances(module: nn.Module, inputs: Any, answer: Tensor) -> Tensor:
    return _two_classes(module, inputs, torch.logit(answer, eps=_SURE))


_, _MAP_SHARES, _MAP_LOGIT, _MAP_SHARE = Map.graph_outputs
_OF_PIXELS = {_MAP_SHARES: _logarithms, _MAP_LOGIT: _two_classes, _MAP_SHARE: _two_of_chances}


def detect_answers(module: nn.Module, blueprint: Blueprint, context: Context) -> Blueprint:
    """The blueprint with what its module answers with, as some rows and made-up ones show.

    Args:
        module: What the blueprint builds, in eval mode.
        context: Its rows are asked, where it has some.
    """

    def ask(feed: Mapping[str, Any]) -> Any:
        with torch.inference_mode():
            return module(*(torch.tensor(array) for array in feed.values())).float().numpy()

    return replace(blueprint, answers=answers.detect(ask, blueprint.inputs, context, _ending(module, blueprint)))


_PASSES = ("View", "Reshape", "Squeeze", "Unsqueeze", "Alias", "Clone", "ToCopy")


def _ending(module: nn.Module, blueprint: Blueprint) -> str:
    """The last operator of a pass that does more than change a shape, as autograd calls it: "Softmax"; empty where nothing learns."""
    with torch.enable_grad():
        node = module(*blueprint.example(2)).grad_fn
        while node is not None and any(part in node.name() for part in _PASSES):
            node = node.next_functions[0][0]
    return "" if node is None else node.name().partition("Backward")[0]


def write_folder(module: nn.Module, blueprint: Blueprint, folder: Path) -> None:
    """Write blueprint and tensors; tied tensors are written once each, as their own copies.

    Whoever writes a module has built it: the factory was named by the job or by an installed technique, and is opened here from now on.
    """
    trust.remember(blueprint.factory, blueprint.arguments)
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {key: value.detach().to("cpu").contiguous().clone() for key, value in module.state_dict().items()}
    save_file(tensors, folder / TENSORS)
    (folder / BLUEPRINT).write_text(json.dumps(blueprint.json(), indent=1), "utf-8")


def not_finite(module: nn.Module) -> list[str]:
    """The names of the tensors that hold NaN or infinite numbers."""
    return [name for name, value in module.state_dict().items() if value.is_floating_point() and not torch.isfinite(value).all()]


def save_module(module: nn.Module, blueprint: Blueprint, store: Store, work: Path, note: str = "") -> Candidate:
    """Put a module into the store.

    Args:
        module: Its structure must be what `blueprint` builds.
        work: A scratch folder (`Context.work`).
        note: One sentence on what was done, for the report.

    Returns:
        The candidate, in torch form.

    Raises:
        BadModel: A weight is NaN or infinite; training diverged.
    """
    bad = not_finite(module)
    if bad:
        raise BadModel(f"{bad[0]} holds NaN or infinite numbers after this step; a lower learning rate is the usual way out.")
    folder = work / "candidate"
    write_folder(module, blueprint, folder)
    parameters = sum(value.numel() for value in module.parameters())
    return Candidate(digest=store.put(folder), form="torch", parameters=parameters, note=note)
