"""A module that lives in the user's program: looked at, written into a study, opened again in our own processes.

Code travels by cloudpickle, the code of the user's own modules by value, so that a worker needs nothing but the file; parameters and
buffers travel as safetensors. The file is sealed: only what this user's paredown on this machine wrote is ever opened.
"""

from __future__ import annotations

import copy
import io
import os
import pickle
import platform
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.utils import parametrize

from paredown.core.errors import BadModel, Damaged
from paredown.core.unsupported import one_number, several_inputs
from paredown.ground import digests, seal, trust
from paredown.ground.files import write_atomic
from paredown.ground.lazy import need
from paredown.ground.user_code import is_own
from paredown.modelkit.fingerprint import of as fingerprint_of
from paredown.modelkit.module_checks import bare, refuse_unready, takes_more

_HOOKS = ("_forward_pre_hooks", "_forward_hooks", "_backward_pre_hooks", "_backward_hooks")
_SHOWN = 300


def file_of(fingerprint: str) -> str:
    """The name of a frozen module's file; its tensors lie beside it, see `tensors_of`."""
    return f"module-{fingerprint[:16]}.pkl"


def tensors_of(fingerprint: str) -> str:
    """The name of the file of a frozen module's parameters and buffers."""
    return f"module-{fingerprint[:16]}.safetensors"


def unwrapped(model: Any) -> nn.Module:
    """The module without what torch.compile or DataParallel put around it, and without parametrizations: then a copy.

    Raises:
        BadModel: It is no module, or one that cannot be made smaller as it is; says what to do.
    """
    if not isinstance(model, nn.Module):
        raise BadModel(
            f"the model is a {type(model).__name__}.\n"
            "  Give a torch.nn.Module, the path of an .onnx file, or a mapping as in job files, as {'builtin': 'mlp'}."
        )
    model = bare(model)
    refuse_unready(model)
    for name, value in [*model.named_parameters(), *model.named_buffers()]:
        if not torch.isfinite(value).all():
            raise BadModel(f"{name} holds NaN or infinite numbers.\n  Give a model whose training did not diverge.")
    for name, module in model.named_modules():
        if hooks := [hook for kind in _HOOKS for hook in getattr(module, kind, {}).values()]:
            called = getattr(hooks[0], "__qualname__", type(hooks[0]).__name__)
            raise BadModel(
                f"{_named(name)} carries a hook ({called}); a hook may change answers and does not survive export.\n"
                "  Take it off with `handle.remove()`; weight_norm, spectral_norm and prune have a `remove` of their own."
            )
    return _with_plain_weights(model)


def _with_plain_weights(model: nn.Module) -> nn.Module:
    """A copy in which weights that are computed from others, as by weight_norm, stand as they come out; itself where it has none."""
    if not any(parametrize.is_parametrized(module) for module in model.modules()):
        return model
    plain = copy.deepcopy(model).eval()
    for module in [module for module in plain.modules() if parametrize.is_parametrized(module)]:
        found = {name: getattr(module, name).detach().clone() for name in cast(Any, module).parametrizations}
        # torch's own way back takes the weights out of a class that the copy shares with the user's module
        own = parametrize.type_before_parametrizations(module)
        del module.parametrizations
        module.__class__ = own
        for name, value in found.items():
            module.register_parameter(name, nn.Parameter(value))
    return plain


def logits(model: nn.Module, inputs: Sequence[Any], classes: int = 2) -> Any:
    """The module's answers, logits or probabilities, in eval mode on its own device, float32 (N, K); its mode is as before afterwards.

    Args:
        inputs: One array per parameter of `forward`, each (N, ...).
        classes: Of the data; 0 where the answers are no classes.

    Raises:
        BadModel: It does not take the inputs, or answers with something else than finite numbers, one per class.
    """
    shapes = ", ".join(f"{tuple(array.shape[1:])} in {array.dtype}" for array in inputs)
    first = next((value for value in [*model.parameters(), *model.buffers()]), torch.empty(0))
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        with torch.inference_mode():
            answer = model(*(torch.tensor(np.ascontiguousarray(array)).to(first.device) for array in inputs))  # a forward may change them
    except Exception as error:
        if taken := takes_more(model, len(inputs)):
            raise BadModel(several_inputs(f"the model {taken}")) from None
        raise BadModel(
            f"the model does not take X as it is: {type(error).__name__}: {str(error)[:_SHOWN]}\n"
            f"  One row of X is {shapes}. Give X exactly as you feed it to the model, scaled, in its shape and as float32."
        ) from error
    finally:
        for module in training:
            module.training = True
    count = len(inputs[0])
    if not isinstance(answer, Tensor) or answer.dim() != 2 or len(answer) != count:
        found = f"a tensor {tuple(answer.shape)}" if isinstance(answer, Tensor) else f"a {type(answer).__name__}"
        raise BadModel(
            f"the model answers {count} rows with {found}; it has to be logits or probabilities (N, classes), or (N, 1) for a number.\n"
            "  Wrap it in a module whose forward returns them."
        )
    if answer.shape[1] == 1 and classes:
        raise BadModel(one_number("the model", classes))
    found = answer.float().cpu().numpy()
    if not (fine := torch.from_numpy(found).isfinite().all(1)).all():
        bad = (~fine).nonzero().flatten().tolist()
        raise BadModel(f"the model answers NaN or infinite numbers in {len(bad)} of {count} rows that were tried, first in row {bad[0]}.")
    return found


def freeze(model: nn.Module, folder: Path) -> dict[str, str]:
    """Write a module into a folder; a module that lies there already is not written again.

    Args:
        model: As `unwrapped` gives it. Not modified.
        folder: An existing folder of a study.

    Returns:
        {"fingerprint", "sha256"}: what `models/memory.py` asks for. The fingerprint is over tensors and code, the same for the same call
        in another session; sha256 is of the sealed file.

    Raises:
        BadModel: It holds something that cannot be written; says which attribute.
    """
    fingerprint = digests.of_value([fingerprint_of(model), platform.python_version_tuple()[:2]])
    file, tensors = folder / file_of(fingerprint), folder / tensors_of(fingerprint)
    if not (file.is_file() and tensors.is_file()):
        write_atomic(file, seal.sealed(_dumped(model)))
        part = tensors.with_suffix(".part")
        save_file({name: value.detach().cpu().contiguous().clone() for name, value in model.state_dict().items()}, part)
        part.replace(tensors)
    return {"fingerprint": fingerprint, "sha256": digests.of_file(file)}


def build(fingerprint: str, sha256: str) -> nn.Module:
    """The structure of a frozen module, on the CPU, its parameters zero; the factory of its blueprint.

    The file is looked up in the folders that `trust.GIVEN` names, then where a job's own modules are: a worker's module search
    path begins with the job's folder.

    Raises:
        Damaged: The file is not on the path, is not the one that was recorded, or was written by another Python.
    """
    name = file_of(fingerprint)
    places = [*filter(None, os.environ.get(trust.GIVEN, "").split(os.pathsep)), *sys.path]
    path = next((Path(entry) / name for entry in places if (Path(entry) / name).is_file()), None)
    if path is None:
        raise Damaged(f"{name} is gone from the study's folder `given`.\n  Call `paredown.shrink` again with the model.")
    if (found := digests.of_file(path)) != sha256:
        raise Damaged(f"{path} has the digest {found[:16]}; {sha256[:16]} was recorded.\n  Call `paredown.shrink` again with the model.")
    try:
        module: nn.Module = _Unpickler(io.BytesIO(seal.opened(path))).load()
    except (ImportError, AttributeError) as error:
        raise BadModel(f"the model's code cannot be opened here: {error}.\n  Install what it was made with.") from error
    return module.cpu()


class _Unpickler(pickle.Unpickler):
    """Puts empty tensors where the frozen module's parameters and buffers were; tied ones stay tied."""

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file)
        self._made: dict[str, Tensor] = {}

    def persistent_load(self, pid: tuple[str, str, tuple[int, ...], bool, bool]) -> Tensor:
        """The tensor of that name."""
        name, kind, shape, parameter, learns = pid
        if name not in self._made:
            empty = torch.zeros(shape, dtype=getattr(torch, kind))
            self._made[name] = nn.Parameter(empty, requires_grad=learns) if parameter else empty
        return self._made[name]


def _dumped(model: nn.Module) -> bytes:
    cloudpickle: Any = need("cloudpickle", "a model in memory")
    held: dict[int, tuple[str, Tensor]] = {}
    for name, value in model.state_dict(keep_vars=True).items():
        held.setdefault(id(value), (name, value))

    class Pickler(cloudpickle.Pickler):
        def persistent_id(self, thing: Any) -> Any:
            if not isinstance(thing, Tensor) or id(thing) not in held:
                return None
            name, value = held[id(thing)]
            return name, _word(value.dtype), tuple(value.shape), isinstance(value, nn.Parameter), value.requires_grad

    def dumped(thing: Any) -> bytes:
        out = io.BytesIO()
        Pickler(out).dump(thing)
        return out.getvalue()

    with _own_code_by_value(cloudpickle):
        try:
            return dumped(model)
        except Exception as error:
            where, cause = _culprit(model, dumped) or ("the model", error)
            raise BadModel(
                f"{where} cannot be written into the study: {type(cause).__name__}: {str(cause)[:_SHOWN]}\n"
                "  Locks, files, connections and loggers do not belong into a module: make them where they are used, or leave them out."
            ) from error


def _culprit(model: nn.Module, dumped: Any) -> tuple[str, Exception] | None:
    """The first attribute of a submodule that cannot be written, or its class when that is the reason."""
    for name, module in model.named_modules():
        for key, value in vars(module).items():
            if key not in ("_modules", "_parameters", "_buffers"):
                try:
                    dumped(value)
                except Exception as error:
                    return f"the attribute {'.'.join(part for part in (name, key) if part)!r} ({type(value).__name__})", error
        try:
            dumped(type(module))
        except Exception as error:
            return f"the class {type(module).__qualname__} of {_named(name)}", error
    return None


@contextmanager
def _own_code_by_value(cloudpickle: Any) -> Iterator[None]:
    """While this lasts, the user's own modules are written by value; installed packages stay names."""
    known = cloudpickle.list_registry_pickle_by_value()
    mine = [module for name, module in list(sys.modules.items()) if is_own(module) and name not in known and module.__name__ == name]
    for module in mine:
        cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        for module in mine:
            cloudpickle.unregister_pickle_by_value(module)


def _named(name: str) -> str:
    return f"the layer {name!r}" if name else "the model"


def _word(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
