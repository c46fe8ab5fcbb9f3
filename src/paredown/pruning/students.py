"""Students: where they come from and how they learn."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from paredown.core.candidate import Candidate
from paredown.core.errors import Unfit
from paredown.core.technique import Context
from paredown.ground import opened_files
from paredown.ground.seeds import stream
from paredown.kinds.known import as_learned, kind_of
from paredown.kinds.tensors import Tensors, scales
from paredown.modelkit import factories, pooling, pretrained, tokenizer
from paredown.modelkit.blueprint import BLUEPRINT, TENSORS, Blueprint, detect_answers, open_folder, open_module, read_blueprint, with_logits
from paredown.pruning import calibrate, couple, widths
from paredown.training.streamed import feed_of
from paredown.training.train import LEARNED, Training, fewer, fit
from paredown.training.trainer import fed_kinds

"""Rows to learn from where nobody says how often: a smaller network learns no more from others like them."""
SHARES = {"half": 1 / 2, "third": 1 / 3, "quarter": 1 / 4, "sixth": 1 / 6, "eighth": 1 / 8}


def make(student: str, candidate: Candidate, context: Context, seed: int) -> tuple[nn.Module, Blueprint, str]:
    """A student's module, which answers with logits, its blueprint and one sentence on where it comes from.

    Args:
        student: A share of SHARES, `pkg.mod:function`, a folder with blueprint.json, or that of a pretrained model of the same tokens.
        candidate: The model to make it from where it is a share.

    Raises:
        Unfit: No such student; says what can be written.
        NotTrusted: The user has not given the word for the function.
    """
    if student in SHARES:
        module, blueprint = open_module(candidate, context.store)
        found = couple.search(module, blueprint.example())
        groups = found.groups
        if not groups:
            raise Unfit(f"no channels of this module can be cut, so that no narrower student can be made from it.{found.said}")
        kept = widths.uniform(groups, calibrate.magnitude(module, groups), SHARES[student])
        surgeries = couple.cut(module, groups, kept)
        return module, blueprint.then(surgeries), f"student of {couple.widths_after(groups, surgeries)}.{found.said}"
    inputs, whole, more = _fed(context)
    if ":" in student:
        factories.refuse_strange(student, {}, f"distill(student={student!r:.80})")  # a recipe may come from a ledger of others
        blueprint = Blueprint(factory=student, inputs=inputs, whole=whole, answers=context.decode["output"], **more)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(stream(seed, "init"))
            module = blueprint.build()
        blueprint = detect_answers(module, blueprint, context)
        return with_logits(module, blueprint), blueprint, f"student built by {student}."
    folder = Path(student)
    if (folder / BLUEPRINT).is_file():
        opened_files.tell([folder / BLUEPRINT, folder / TENSORS])
        module = open_folder(folder)
        blueprint = detect_answers(module, read_blueprint(folder), context)
        return with_logits(module, blueprint), blueprint, f"student from {folder.name}."
    if (folder / pretrained.CONFIG).is_file():
        if ["tokens"] not in inputs.values():
            raise Unfit(
                f"the student {folder.name} is a pretrained model, which can be a student for texts only; write a `pkg.mod:function`."
            )
        _refuse_other_tokens(folder, context)
        classes = len(context.rows(next(iter(context.data))).names)
        way = pooling.pooling_of(folder) if kind_of(context.decode).name == "vector" else None
        arguments, weights = pretrained.unpack(folder, list(inputs), classes, context.work, new_head=True, seed=seed, pooling=way)
        blueprint = Blueprint(factory=pretrained.FACTORY, arguments=arguments, inputs=inputs, answers=context.decode["output"])
        module = blueprint.build()
        module.load_state_dict(load_file(weights))
        return module, blueprint, f"student from the pretrained {folder.name}."
    raise Unfit(
        f"no student {student!r}; write one of {', '.join(SHARES)}, a `pkg.mod:function`, or a folder with {BLUEPRINT} or "
        f"{pretrained.CONFIG}."
    )


def _refuse_other_tokens(folder: Path, context: Context) -> None:
    """A packed model has one tokenizer; a pretrained student has to give the same numbers for the same texts."""
    rows = context.rows(next(iter(context.data))).spread(32)
    for at, own in enumerate(tokenizer.numbers(folder, rows.inputs.tolist())):
        other = next(iter(context.encode(rows.take([at]).inputs).values()))[0].tolist()
        size = min(len(own), len(other)) - 1  # a limit of length cuts a row and leaves its last token
        if own[:size] != other[:size]:
            raise Unfit(
                f"the student {folder.name} reads other tokens than the model as given; a pretrained student needs the same tokenizer."
            )


_PASSES = ((0.2, 16), (1.0, 4), (math.inf, 1))
"""Seconds of a first pass over a few rows, and the passes by which training is timed then."""


def _fed(context: Context) -> tuple[dict[str, Sequence[int | str]], Sequence[str], dict[str, Any]]:
    """What the job feeds: input -> the shape of one item, the inputs of fixed shape that are whole numbers, further entries of a blueprint.

    Raises:
        Unfit: Some of it is words.
    """
    if context.teacher.form == "torch":
        known = read_blueprint(context.store.folder(context.teacher.digest))
        return dict(known.inputs), known.whole, {"numbers": known.numbers, "scales": known.scales}
    feed = context.encode(_few(context))  # a graph is fed floats, or tokens
    words = [name for name, array in feed.items() if array.dtype.kind not in "biuf"]
    if words:
        raise Unfit(f"a student takes numbers; the model as given takes words in its input {words[0]!r}, and encodes them itself.")
    if kind_of(context.decode).name == Tensors.name:
        shapes: dict[str, Sequence[int | str]] = {name: list(array.shape[1:]) for name, array in feed.items()}
        whole, numbers = fed_kinds(shapes, context)
        return shapes, whole, {"numbers": numbers, "scales": scales(context.decode)}
    return {name: ["tokens"] if array.dtype.kind == "i" else list(array.shape[1:]) for name, array in feed.items()}, (), {}


def _few(context: Context) -> Any:
    split = next(iter(context.data))
    return context.rows(split).take(slice(0, 2)).inputs


def _teacher(context: Context) -> Callable[..., Tensor]:
    if context.teacher.form == "torch":
        module: Callable[..., Tensor] = open_module(context.teacher, context.store)[0]
        return module
    names = list(context.encode(_few(context)))

    def ask(*part: Tensor) -> Tensor:
        return torch.from_numpy(context.ask({name: item.numpy() for name, item in zip(names, part)}))

    return ask


def _usual_lr(module: nn.Module) -> float:
    """Transformers are trained with layer norms and at a tenth of the rate that networks with batch norms, or none, bear."""
    return 3e-4 if any(isinstance(layer, nn.LayerNorm) for layer in module.modules()) else 4e-3


def learn(
    module: nn.Module,
    context: Context,
    *,
    passes: Callable[[int], int],
    most: int = 0,
    lr: float,
    alpha: float,
    temperature: float,
    distillation: str,
    batch: int,
    seed: int,
) -> str:
    """Train `module` in place on the train split, or on unlabeled rows where there is none; without labels theirs is no weight.

    Args:
        lr: Peak learning rate; 0 takes the usual one of the module's kind.
        passes: Rows -> passes over them.
        most: Rows taken at most, drawn by the seed; 0 takes all.

    Returns:
        One sentence for the report.

    Raises:
        Unfit: There are no rows to learn from.
    """
    split = "train" if "train" in context.data else "unlabeled"
    alpha = alpha if context.rows(split).labels is not None else 0.0
    feed = feed_of(context, split, labels=alpha > 0, most=most or None)
    given, count = len(context.rows(split)), len(feed)
    teacher = None
    if alpha < 1:
        teacher = _teacher(context)
    usual, batch = batch, fewer(batch, context.decode.get("size", ()), LEARNED)
    epochs = passes(count * usual // batch)  # which count steps, unless they are said
    how = Training(epochs=epochs, lr=lr or _usual_lr(module), batch=batch, alpha=alpha, temperature=temperature, distillation=distillation)
    loss = fit(
        module,
        feed,
        None,
        how,
        **as_learned(context.decode),
        seed=seed,
        threads=context.threads,
        teacher=teacher,
        progress=context.progress,
        answers=context.answers.get(split) and context.answers[split].with_suffix(f".{count}.npy"),
    )
    drawn = f" of {given}, drawn by the seed" if count < given else ""
    return f"learned {epochs} epochs on {count} rows{drawn}, last loss {loss:.3g}."


def pace(context: Context, rows: int = 64) -> float:
    """Wall seconds per row and pass of training the teacher itself on a few rows, as `learn` trains a student.

    Args:
        rows: How many are taken.
    """
    split = "train" if "train" in context.data else "unlabeled"
    few = context.rows(split).spread(rows)
    narrow = replace(context, data={split: lambda: few}, progress=lambda done, total: None)
    module, _ = open_module(context.teacher, context.store)

    def taken_s(passes: int) -> float:
        began = time.perf_counter()
        learn(module, narrow, passes=lambda count: passes, lr=1e-5, alpha=0.5, temperature=4.0, distillation="kl", batch=rows, seed=0)
        return time.perf_counter() - began

    first_s = taken_s(1)  # opens what is opened once
    passes = next(count for limit_s, count in _PASSES if first_s < limit_s)
    return taken_s(passes) / (passes * len(few))
