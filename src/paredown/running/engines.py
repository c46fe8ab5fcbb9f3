"""What each engine came to in a run, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from paredown.core.recipe import Chain, parse
from paredown.core.trial import Trial
from paredown.ground import registry
from paredown.running.workspace import Workspace
from paredown.search.search_state import SearchState


def by_engine(workspace: Workspace, state: SearchState) -> list[dict[str, Any]]:
    """The runtimes by name, as `result.json` shows them.

    Returns:
        One entry per runtime: {"name", "reason": why candidates may not run on it or None}; for those that may also {"version", "trials",
        "failed", "as_given": the model as given on it, "best": of all trials on it that keep the quality on validation, the one that gains
        most}, each a trial's {"trial", "recipe", "threads", "quality", "readings", "ratios"} from screening, or None.
    """
    out: list[dict[str, Any]] = []
    for name, reason in workspace.units.engines.items():
        entry: dict[str, Any] = {"name": name, "reason": reason}
        if reason is None:
            entry |= {"version": registry.get("runtimes", name)().version()} | _trials(state, name)
        out.append(entry)
    return out


def _trials(state: SearchState, engine: str) -> dict[str, Any]:
    tried = [trial for trial in state.trials() if trial.role != "baseline" and _engine(trial) == engine]
    done = [trial for trial in tried if trial.state == "done"]
    good = [trial for trial in done if state.keeps_quality(trial)]
    return {
        "trials": len(tried),
        "failed": len(tried) - len(done),
        "as_given": _shown([trial for trial in done if trial.role == "fastest_fp32"]),
        "best": _shown(sorted(good, key=state.gain, reverse=True)),
    }


def _engine(trial: Trial) -> str | None:
    """The engine of a single model; a composition may have several."""
    recipe = parse(trial.recipe)
    return recipe.engine.name if isinstance(recipe, Chain) else None


def _shown(trials: Sequence[Trial]) -> dict[str, Any] | None:
    if not trials:
        return None
    trial = trials[0]
    recipe = parse(trial.recipe)
    assert isinstance(recipe, Chain)
    plain = trial.json()
    shown = {key: plain[key] for key in ("recipe", "quality", "readings", "ratios")}
    return {"trial": trial.id, "threads": int(recipe.engine.placement.get("threads", 1))} | shown
