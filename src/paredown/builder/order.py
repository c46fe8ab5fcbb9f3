"""Which recipes make sense: known names, legal orders of stages."""

from __future__ import annotations

from paredown.core.errors import BadRecipe
from paredown.core.knob import make
from paredown.core.recipe import Chain, Composed, Recipe
from paredown.core.technique import Composition, Stage, Technique
from paredown.ground import registry


def techniques(chain: Chain) -> list[Technique]:
    """The chain's steps as technique instances.

    Raises:
        UnknownName: No such technique or knob.
        BadKnob: A value is outside its bounds.
    """
    return [make(registry.get("techniques", step.name), step.name, step.values) for step in chain.steps]


def check(recipe: Recipe) -> None:
    """Refuse a recipe that cannot be built, before anything is spent.

    Raises:
        UnknownName: No such technique, knob or runtime.
        BadKnob: A value is outside its bounds.
        BadRecipe: The order of stages makes no sense; says which step and why.
    """
    if isinstance(recipe, Composed):
        composition = make(registry.get("techniques", recipe.name), recipe.name, recipe.values)
        if not isinstance(composition, Composition):
            raise BadRecipe(f"{recipe.name} does not join recipes; write it as a step of a chain: `... > {recipe.name}() @ engine`.")
        if len(recipe.parts) != 2:
            raise BadRecipe(f"{recipe.name} joins two recipes; found {len(recipe.parts)}.")
        for part in recipe.parts:
            if not isinstance(part, Chain):
                raise BadRecipe(f"{recipe.name} joins chains; found {part} inside.")
            check(part)
        return
    registry.get("runtimes", recipe.engine.name)
    recovered, last, last_name = False, Stage.TRANSFER, ""
    for technique in techniques(recipe):
        stage, name = technique.stage, technique.name()
        if stage == Stage.COMPOSE:
            raise BadRecipe(f"{name} joins recipes; write {name}(A @ ..., B @ ..., ...).")
        if stage == last and stage in (Stage.TABLES, Stage.QUANTIZE):
            raise BadRecipe(f"{name} after {last_name}: a model is quantized once.")
        if last.on_graph and not stage.on_graph:
            raise BadRecipe(f"{name} after {last_name}: nothing changes tensors after quantization; put {name} first.")
        if stage < last and not (recovered and stage.repeats):
            again = ", or after a recover step" if stage.repeats else ""
            raise BadRecipe(f"{name} after {last_name}: {stage.name.lower()} comes before {last.name.lower()}{again}.")
        recovered = recovered or stage == Stage.RECOVER
        last, last_name = stage, name
