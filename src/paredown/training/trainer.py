"""Baselines: built, given their weights, trained where the job asks for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import nn

from paredown.core.candidate import Candidate
from paredown.core.errors import BadModel, UnknownName
from paredown.core.technique import Context
from paredown.core.unsupported import one_number, several_inputs
from paredown.ground import opened_files
from paredown.ground.seeds import stream
from paredown.kinds.decode import shape_of
from paredown.kinds.known import as_learned, kind_of
from paredown.kinds.map import Map, planes
from paredown.kinds.tensors import Tensors, scales, sizes_of
from paredown.modelkit import outputs
from paredown.modelkit.blueprint import Blueprint, detect_answers, not_finite, save_module, with_logits
from paredown.modelkit.module_checks import in_order, refuse_unready, takes_more
from paredown.training.streamed import feed_of
from paredown.training.train import LEARNED, Training, fewer, fit


def train_baseline(
    factory: str,
    arguments: Mapping[str, Any],
    inputs: Mapping[str, Sequence[int | str]],
    classes: int,
    settings: Mapping[str, Any],
    context: Context,
    weights: Path | None = None,
) -> Candidate:
    """Build a module, start from `weights` where given, train it on the train split and store it.

    Args:
        factory: `pkg.mod:function`.
        arguments: Its keyword arguments.
        inputs: Feed name -> shape of one item.
        classes: Number of classes, which is the width of its answers.
        settings: Fields of Training but those that need a teacher.

    Raises:
        UnknownName: A setting does not exist.
        BadModel: The module cannot be built or does not train.
    """
    known = [field.name for field in fields(Training) if field.name not in ("alpha", "temperature", "distillation")]
    for key in settings:
        if key not in known:
            raise UnknownName("setting of train", key, known)
    module, blueprint = _build(factory, arguments, inputs, classes, context, weights)
    fit(
        module,
        feed_of(context, "train"),
        None,
        Training(**{"batch": fewer(Training.batch, context.decode.get("size", ()), LEARNED)} | dict(settings)),
        **as_learned(context.decode),
        seed=stream(context.seed, "baseline"),
        threads=context.threads,
        progress=context.progress,
    )
    return save_module(module, blueprint, context.store, context.work)


def take_baseline(
    factory: str,
    arguments: Mapping[str, Any],
    inputs: Mapping[str, Sequence[int | str]],
    classes: int,
    context: Context,
    weights: Path | None = None,
) -> Candidate:
    """Build a module that arrives trained and store it."""
    module, blueprint = _build(factory, arguments, inputs, classes, context, weights)
    bad = not_finite(module)
    if bad:
        raise BadModel(
            f"{factory}: the weight {bad[0]} arrived with NaN or infinite values, {len(bad)} tensors have them.\n"
            "  Save the weights again from a whole model."
        )
    return save_module(module, blueprint, context.store, context.work)


def _build(
    factory: str,
    arguments: Mapping[str, Any],
    inputs: Mapping[str, Sequence[int | str]],
    classes: int,
    context: Context,
    weights: Path | None,
) -> tuple[nn.Module, Blueprint]:
    """A module that answers with logits, and its blueprint."""
    output = context.decode["output"]
    whole, numbers = fed_kinds(inputs, context)
    blueprint = Blueprint(
        factory=factory,
        arguments=arguments,
        inputs=inputs,
        whole=whole,
        numbers=numbers,
        answers=output,
        scales=scales(context.decode) if kind_of(context.decode).name == Tensors.name else (),
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stream(context.seed, "init"))
        module = blueprint.build()
    if weights is not None:
        _load(module, weights)
    refuse_unready(module)
    with torch.inference_mode():
        try:
            answer = module(*blueprint.example(2))
        except Exception as error:
            if taken := takes_more(module, len(inputs)):
                raise BadModel(several_inputs(f"{factory} {taken}")) from None
            takes = "float32" if blueprint.whole else "int64"
            other = replace(blueprint, whole=() if blueprint.whole else [*inputs])
            if not any(isinstance(axis, str) for shape in inputs.values() for axis in shape) and _runs(module, other):
                raise BadModel(
                    f"{factory} takes {takes}, and the rows are fed as {'int64' if blueprint.whole else 'float32'}.\n"
                    f"  Say so: `data: {{preprocess: {{numbers: {takes}}}}}`."
                ) from None
            shapes = ", ".join(f"{name} {tuple(shape)}" for name, shape in inputs.items())
            raise BadModel(f"{factory} cannot take the task's feed ({shapes}): {type(error).__name__}: {str(error)[:300]}") from error
    kind = kind_of(context.decode)
    if kind.name == Map.name:
        _refuse_other_pixels(factory, answer, context.decode)
        blueprint = detect_answers(module, blueprint, context)
        return with_logits(module, blueprint), blueprint
    if kind.by_place and isinstance(answer, torch.Tensor) and answer.dim() > 2:
        answer = answer.flatten(1)
    if not isinstance(answer, torch.Tensor) or answer.dim() != 2 or len(answer) != 2:
        found = tuple(answer.shape) if isinstance(answer, torch.Tensor) else type(answer).__name__
        raise BadModel(
            f"{factory} answers a batch of 2 with {found}; it must be {output.replace('_', ' ')} of shape (2, {classes})."
            + ("\n  Return them as a column: `return y.unsqueeze(1)`." if isinstance(answer, torch.Tensor) and answer.shape == (2,) else "")
        )
    if answer.shape[1] == 1 and kind.name == "class":
        raise BadModel(one_number(factory, classes))
    if answer.shape[1] != classes:
        raise BadModel(f"{factory} answers with {answer.shape[1]} numbers per row; the data have {classes} {kind.named}.")
    blueprint = detect_answers(module, blueprint, context)
    return with_logits(module, blueprint), blueprint


def _refuse_other_pixels(factory: str, answer: Any, decode: Mapping[str, Any]) -> None:
    """Refuse a module that does not answer with numbers for each pixel of what it is fed.

    Raises:
        BadModel: Says what it answers with, and what of that is otherwise.
    """
    if isinstance(answer, torch.Tensor) and len(answer) == 2 and planes(answer.shape, decode) in ("classes", "one"):
        return
    classes, height, width = shape_of(decode)
    found = tuple(answer.shape) if isinstance(answer, torch.Tensor) else f"a {type(answer).__name__}"
    do = "Let its forward return one tensor of that shape."
    if isinstance(answer, torch.Tensor) and planes(answer.shape, decode) == "classes last":
        do = "Put the classes behind the batch: `return y.permute(0, 3, 1, 2)`."
    elif isinstance(answer, torch.Tensor) and answer.dim() == 4 and answer.shape[1] == classes:
        do = f"Bring its answer to the size of the images: `return F.interpolate(y, size=({height}, {width}), mode='bilinear')`."
    elif isinstance(answer, torch.Tensor) and answer.dim() == 4 and answer.shape[2:] == (height, width):
        do = f"The data have {classes} classes: name them in order with `data: {{labels: [...]}}`, or give the model of these data."
    elif isinstance(answer, Mapping) and "out" in answer:
        do = 'Let a module around it return the tensor alone: `return self.model(x)["out"]`.'
    one = f", or (2, 1, {height}, {width})" if classes == 2 else ""
    raise BadModel(f"{factory} answers a batch of 2 with {found}; it must be (2, {classes}, {height}, {width}){one}.\n  {do}")


def fed_kinds(inputs: Mapping[str, Sequence[int | str]], context: Context) -> tuple[list[str], dict[str, str]]:
    """The inputs of fixed shape that the task feeds with whole numbers, int64; and those of other kinds than these and float32."""
    split = next(iter(context.data), None)
    feed = {} if split is None else context.encode(context.rows(split).take(slice(0, 1)).inputs)
    fixed = {name: str(array.dtype) for name, array in feed.items() if not any(isinstance(axis, str) for axis in inputs[name])}
    other = {name: kind for name, kind in fixed.items() if kind not in ("int64", "float32") and np.dtype(kind).kind in "buif"}
    return [name for name, kind in fixed.items() if kind == "int64"], other


def look(
    factory: str, arguments: Mapping[str, Any], encode: Mapping[str, Any], context: Context, weights: Path | None = None
) -> dict[str, Any]:
    """Entries of a task's declarations for a module whose answers are tensors: "inputs" in the order of its parameters, "decode".

    Args:
        factory, arguments, weights: As for `take_baseline`.
        encode: The declaration of raw input -> feed.

    Raises:
        BadModel: It cannot be built, or does not take the rows.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stream(context.seed, "init"))
        module = Blueprint(factory=factory, arguments=arguments).build()
    if weights is not None:
        _load(module, weights)
    feed = context.encode(context.rows(next(iter(context.data))).spread(outputs.ROWS).inputs)
    order = in_order(module, [*feed])
    parts = outputs.parts(module, {name: feed[name] for name in order}, factory)
    entries = {entry["name"]: entry for entry in encode["inputs"]}
    decode = {**context.decode, "width": sum(sizes_of(parts)), "parts": parts}
    return {"inputs": [entries[name] for name in order], "decode": decode}


def _runs(module: nn.Module, blueprint: Blueprint) -> bool:
    try:
        module(*blueprint.example(2))
    except Exception:  # it is only asked whether it does
        return False
    return True


def _load(module: nn.Module, weights: Path) -> None:
    opened_files.tell([weights])
    try:
        if weights.suffix == ".safetensors":
            state = load_file(weights)
        else:
            state = torch.load(weights, map_location="cpu", weights_only=True)
    except Exception as error:
        raise BadModel(
            f"{weights} cannot be read as weights: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}\n"
            "  Pickled modules are refused. Save with `safetensors.torch.save_file(model.state_dict(), 'weights.safetensors')`."
        ) from error
    if not isinstance(state, Mapping):
        raise BadModel(f"{weights} holds a {type(state).__name__}; it must hold a state dict (name -> tensor).")
    for prefix in ("_orig_mod.", "module."):  # of torch.compile and DataParallel, which the module is taken out of
        if (
            state
            and all(str(name).startswith(prefix) for name in state)
            and not any(name.startswith(prefix) for name in module.state_dict())
        ):
            state = {str(name).removeprefix(prefix): value for name, value in state.items()}
    try:
        module.load_state_dict(dict(state))
    except (RuntimeError, TypeError) as error:
        raise BadModel(f"{weights} does not fit the module: {str(error)[:400]}") from error
