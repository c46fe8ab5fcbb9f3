"""Lists of like blocks, of which some can be left out."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn

from paredown.core.errors import Unfit
from paredown.modelkit.observe import observe
from paredown.modelkit.surgery import Surgery, operate
from paredown.training import losses
from paredown.training.train import predict


def lists(module: nn.Module, example: tuple[Tensor, ...]) -> dict[str, list[int]]:
    """Name of each list of like blocks -> positions that can be left out: what goes in has the shape of what comes out.

    A list inside another counts where no block of the outer one can go, as in stages that each change the shape.

    Args:
        module: In eval mode.
        example: Inputs, batch of one.
    """
    found: dict[str, list[int]] = {}
    same: dict[tuple[str, int], bool] = {}

    def note(place: tuple[str, int], _: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        first, taken = output[0] if isinstance(output, tuple) else output, inputs[0] if inputs else None
        same[place] = isinstance(first, Tensor) and isinstance(taken, Tensor) and first.shape == taken.shape

    # the module itself has nothing around it in which a shorter list could take its place
    blocks = {(name, at): block for name, layer in module.named_modules() if name and _is_list(layer) for at, block in enumerate(layer)}
    observe(module, example, blocks, note)
    for (name, at), alike in same.items():
        if alike:
            found.setdefault(name, []).append(at)
    usable = {name: sorted(places) for name, places in found.items()}
    return {name: places for name, places in usable.items() if not any(name.startswith(f"{outer}.") for outer in usable)}


def _is_list(layer: nn.Module) -> bool:
    """True for two or more blocks of one class that are made of layers themselves."""
    if not isinstance(layer, nn.ModuleList | nn.Sequential) or len(layer) < 2:
        return False
    return len({type(block) for block in layer}) == 1 and any(layer[0].children()) and any(True for _ in layer[0].parameters())


def choose(
    module: nn.Module,
    places: Mapping[str, list[int]],
    feed: Mapping[str, Any],
    count: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
    kind: str = "class",
    classes: int = 0,
) -> list[Surgery]:
    """The cuts that leave out `count` blocks, one after the other, each time the one without which the answers move least.

    A block without which the module does not run stays, as a first one that owns what the others read.

    Args:
        module: In eval mode; not changed.
        places: As `lists` found them.
        feed: Input name -> array (N, ...), calibration rows.
        count: Blocks to leave out, at most those in `places` less one per list.
        progress: Called with (blocks tried, blocks to try) after each.
        kind, classes: The kind of answers, see `losses.distillation`.

    Returns:
        One surgery per list that loses blocks.

    Raises:
        Unfit: The module counts on every one of its blocks.
    """
    goal, tried, needed = predict(module, feed), 0, dict[tuple[str, int], Exception]()
    whole = sum(map(len, places.values()))
    trials = sum(whole - gone for gone in range(count))
    sizes = {name: len(module.get_submodule(name)) for name in places}
    gone: dict[str, set[int]] = {name: set() for name in places}

    def without(cut: Mapping[str, set[int]]) -> list[Surgery]:
        return [Surgery(layer=name, kept=[at for at in range(sizes[name]) if at not in out]) for name, out in cut.items() if out]

    def lost(name: str, at: int) -> float:
        nonlocal tried
        smaller = copy.deepcopy(module)
        for surgery in without({**gone, name: gone[name] | {at}}):
            operate(smaller, surgery)
        tried += 1
        progress(tried, max(tried, trials))
        try:
            return float(losses.distillation(kind, "kl", predict(smaller, feed), goal, 1.0, classes))
        except (IndexError, KeyError, AttributeError, RuntimeError, ValueError, TypeError) as error:  # of the module's own code
            needed[name, at] = error
            return math.inf

    for _ in range(count):
        moved = {
            (name, at): lost(name, at)
            for name, found in places.items()
            for at in found
            if at not in gone[name] and len(gone[name]) < sizes[name] - 1 and (name, at) not in needed
        }
        if not moved or math.isinf(min(moved.values())):
            break
        name, at = min(moved, key=lambda place: moved[place])
        gone[name].add(at)
    if not any(gone.values()) and needed:
        error = next(iter(needed.values()))
        raise Unfit(f"this module does not run without one of its blocks: {type(error).__name__}: {str(error)[:200]}") from error
    return without(gone)
