"""Ensembles of trees in an ONNX graph: read, asked, cut to their first trees, and their leaves fitted again. No torch here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from paredown.core.errors import Unfit
from paredown.graphs.declared import ML
from paredown.ground.lazy import need

_OPS = ("TreeEnsembleClassifier", "TreeEnsembleRegressor")
_NODES = (
    "nodes_treeids",
    "nodes_nodeids",
    "nodes_featureids",
    "nodes_modes",
    "nodes_values",
    "nodes_hitrates",
    "nodes_truenodeids",
    "nodes_falsenodeids",
    "nodes_missing_value_tracks_true",
)
_SIDES = {"BRANCH_LEQ": np.less_equal, "BRANCH_LT": np.less, "BRANCH_GTE": np.greater_equal, "BRANCH_GT": np.greater}
_SIDES |= {"BRANCH_EQ": np.equal, "BRANCH_NEQ": np.not_equal}
_MOST = 50_000_000
"""Numbers of all nodes and outputs that are held at once."""
_SWEEPS, _HELD_OUT, _FEW = 12, 5, 2.0
"""Passes over the trees at most; one row in so many only judges; rows of a leaf that count for none."""


@dataclass(frozen=True, kw_only=True)
class Ensemble:
    """One node of trees.

    Args:
        tree: Tree of each node (M,), as a place in `roots`.
        roots: First node of each tree (T,).
        feature, side, value, yes, no, gap: Of each node (M,): column, comparison (a place in `_SIDES`, -1 of a leaf), threshold, the next
            node where it holds and where not, and whether a missing number goes where it holds.
        weights: Of each node and output (M, outputs), zeros where it is no leaf.
        base: What is added to all (outputs,).
        transform: "NONE", "LOGISTIC" or "SOFTMAX".
        two: Whether one score decides between two classes.
        shares: Whether all weights are positive, which of two classes the engine takes for shares of 1.
    """

    tree: np.ndarray
    roots: np.ndarray
    feature: np.ndarray
    side: np.ndarray
    value: np.ndarray
    yes: np.ndarray
    no: np.ndarray
    gap: np.ndarray
    weights: np.ndarray
    base: np.ndarray
    transform: str
    two: bool
    shares: bool

    @property
    def per_round(self) -> int:
        """Trees that belong together: one for each output, where each tree has a say in one alone, else one."""
        outputs = self.weights.shape[1]
        if outputs == 1:
            return 1
        says = np.zeros((len(self.roots), outputs), bool)
        np.logical_or.at(says, self.tree, self.weights != 0)
        rounds = len(self.roots) // outputs
        wanted = np.tile(np.eye(outputs, dtype=bool), (rounds, 1))
        fits = len(self.roots) == rounds * outputs and not (says & ~wanted).any()
        return outputs if fits else 1


def nodes_of(model: Any) -> list[Any]:
    """The nodes of a graph that are ensembles of trees.

    Raises:
        Unfit: There is none, or one in a form that is not read; says which.
    """
    found = [node for node in model.graph.node if node.op_type in _OPS and node.domain == ML]
    if any(node.op_type == "TreeEnsemble" for node in model.graph.node):
        raise Unfit("its trees are a TreeEnsemble of ai.onnx.ml 5, which is not cut yet; convert the model again for ai.onnx.ml 3.")
    if not found:
        raise Unfit("the graph has no ensemble of trees.")
    return found


def read(node: Any) -> Ensemble:
    """What a node says.

    Raises:
        Unfit: It adds up otherwise than by a sum, or holds its numbers in another form.
    """
    onnx: Any = need("onnx", "reading trees")
    said = {item.name: onnx.helper.get_attribute_value(item) for item in node.attribute}
    prefix = "class" if node.op_type == "TreeEnsembleClassifier" else "target"
    together = _word(said.get("aggregate_function", b"SUM"))
    transform = _word(said.get("post_transform", b"NONE"))
    if together != "SUM" or transform not in ("NONE", "LOGISTIC", "SOFTMAX") or any(key.endswith("_as_tensor") for key in said):
        raise Unfit(f"its trees are put together by {together} and {transform}, or held as doubles; sums of float32 are what can be cut.")
    trees, numbers = np.asarray(said["nodes_treeids"]), np.asarray(said["nodes_nodeids"])
    order: dict[int, int] = {}
    for tree in trees.tolist():
        order.setdefault(tree, len(order))
    place = {pair: at for at, pair in enumerate(zip(trees.tolist(), numbers.tolist()))}
    modes = [_word(mode) for mode in said["nodes_modes"]]
    if strange := {*modes} - {*_SIDES, "LEAF"}:
        raise Unfit(f"its trees branch by {sorted(strange)[0]}, which is not read.")
    sides = {name: at for at, name in enumerate(_SIDES)}
    side = np.array([sides.get(mode, -1) for mode in modes])
    yes, no = (
        np.array([place[tree, to] if at >= 0 else 0 for tree, to, at in zip(trees.tolist(), said[key], side.tolist())])
        for key in ("nodes_truenodeids", "nodes_falsenodeids")
    )
    below = {*yes[side >= 0].tolist(), *no[side >= 0].tolist()}
    roots = np.full(len(order), -1)
    for at, tree in enumerate(trees.tolist()):
        if at not in below and roots[order[tree]] < 0:
            roots[order[tree]] = at
    ids = np.asarray(said[f"{prefix}_ids"])
    classes = max(len(said.get("classlabels_strings", ())), len(said.get("classlabels_int64s", ())))
    two = prefix == "class" and classes == 2 and len({*ids.tolist()}) == 1
    outputs = 1 if two else classes or int(said.get("n_targets", 1))
    if len(trees) * outputs > _MOST:
        raise Unfit(f"its trees have {len(trees)} nodes and {outputs} outputs, more than are held at once.")
    weights, given = np.zeros((len(trees), outputs)), np.asarray(said[f"{prefix}_weights"], np.float64)
    leaves = [place[pair] for pair in zip(said[f"{prefix}_treeids"], said[f"{prefix}_nodeids"])]
    np.add.at(weights, (np.array(leaves), np.zeros_like(ids) if two else ids), given)
    base = np.zeros(outputs)
    if len(stated := said.get("base_values", ())):
        base[:] = stated if len(stated) == outputs else stated[-1]
    gaps = np.asarray(said.get("nodes_missing_value_tracks_true") or np.zeros(len(trees)), bool)
    return Ensemble(
        tree=np.array([order[tree] for tree in trees.tolist()]),
        roots=roots,
        feature=np.asarray(said["nodes_featureids"]),
        side=side,
        value=np.asarray(said["nodes_values"], np.float32),
        yes=yes,
        no=no,
        gap=gaps,
        weights=weights,
        base=base,
        transform=transform,
        two=two,
        shares=bool((given >= 0).all()),
    )


def _word(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def leaves_of(trees: Ensemble, rows: np.ndarray, first: int) -> np.ndarray:
    """The leaf that each row ends in (N, first), in each of the first trees.

    Args:
        rows: What the node is fed (N, columns), float32.
    """
    out = np.empty((len(rows), first), np.int32)
    every, sides = np.arange(len(rows)), list(_SIDES.values())
    for tree in range(first):
        at = np.full(len(rows), trees.roots[tree])
        while len(open_rows := every[trees.side[at] >= 0]):
            here = at[open_rows]
            values, goal, go = rows[open_rows, trees.feature[here]], trees.value[here], np.zeros(len(open_rows), bool)
            for number in np.unique(trees.side[here]).tolist():
                which = trees.side[here] == number
                go[which] = sides[number](values[which], goal[which])
            go = np.where(np.isnan(values), trees.gap[here], go)
            at[open_rows] = np.where(go, trees.yes[here], trees.no[here])
        out[:, tree] = at
    return out


def total(trees: Ensemble, leaves: np.ndarray) -> np.ndarray:
    """What the trees add up to (N, outputs), before the node's transform."""
    out = np.tile(trees.base, (len(leaves), 1))
    for tree in range(leaves.shape[1]):
        out += trees.weights[leaves[:, tree]]
    return out


def answered(trees: Ensemble, sums: np.ndarray) -> np.ndarray:
    """What the engine answers with (N, outputs), or (N, 2) of two classes, for what the trees add up to."""
    if trees.two:
        if trees.shares:
            return np.concatenate([1 - sums, sums], axis=1)
        both = np.concatenate([-sums, sums], axis=1)
        return 1 / (1 + np.exp(-both)) if trees.transform == "LOGISTIC" else both
    if trees.transform == "SOFTMAX":
        powers = np.exp(sums - sums.max(axis=1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True))
    return 1 / (1 + np.exp(-sums)) if trees.transform == "LOGISTIC" else sums


def refitted(trees: Ensemble, leaves: np.ndarray, goal: np.ndarray) -> tuple[Ensemble, float, int]:
    """The trees with leaves fitted again, so that fewer of them add up to what all did.

    First all weights are multiplied by one number and moved by another, which alone is what a forest needs, whose trees are averaged. Then
    the leaves are fitted to what is left, tree by tree and pass by pass; one row in five only judges, and the pass that it likes best
    counts.

    Args:
        leaves: Of the trees that stay, (N, trees).
        goal: What all of them add up to, (N, outputs).

    Returns:
        The ensemble, the share of the goal's variance that is missed by the rows that only judge, and the passes that were taken.

    Source: Ren et al. 2015 (Global Refinement of Random Forest), CVPR; by backfitting, Friedman & Stuetzle 1981, JASA 76.
    """
    judge = np.arange(len(goal)) % _HELD_OUT == 0
    summed = total(trees, leaves) - trees.base
    gain, move = np.ones(goal.shape[1]), np.zeros(goal.shape[1])
    for at in range(goal.shape[1]):
        mine, its = summed[~judge, at], goal[~judge, at] - trees.base[at]
        spread = mine.var()
        gain[at] = float(np.cov(mine, its, bias=True)[0, 1] / spread) if spread > 0 else 1.0
        move[at] = its.mean() - gain[at] * mine.mean()
    weights = trees.weights * gain
    if (per_round := trees.per_round) == 1:
        weights[(trees.tree == 0) & (trees.side < 0)] += move
    else:
        for at, by in enumerate(move.tolist()):
            weights[(trees.tree == at) & (trees.side < 0), at] += by
    weights = np.maximum(weights, 0) if trees.shares else weights
    now = total(replace(trees, weights=weights), leaves)

    def missed() -> float:
        return float(((now - goal)[judge] ** 2).sum() / max(((goal - goal.mean(axis=0))[judge] ** 2).sum(), 1e-12))

    best, kept, passes = missed(), weights.copy(), 0
    for sweep in range(1, _SWEEPS + 1):
        for tree in range(leaves.shape[1]):
            here, place = np.unique(leaves[~judge, tree], return_inverse=True)
            count = np.bincount(place, minlength=len(here)) + _FEW
            left = (goal - now)[~judge]
            delta = np.stack([np.bincount(place, left[:, at], len(here)) / count for at in range(goal.shape[1])], axis=1)
            if per_round > 1:  # a tree of one output alone stays that
                delta[:, np.arange(goal.shape[1]) != tree % per_round] = 0
            before = weights[leaves[:, tree]]
            weights[here] = np.maximum(weights[here] + delta, 0) if trees.shares else weights[here] + delta
            now += weights[leaves[:, tree]] - before
        found = missed()
        if found >= best * 0.995:
            break
        best, kept, passes = found, weights.copy(), sweep
    return replace(trees, weights=kept), best, passes


def write(node: Any, trees: Ensemble, first: int) -> None:
    """Leave a node its first trees, with the weights of an ensemble, in place."""
    onnx: Any = need("onnx", "writing trees")
    said: dict[str, Any] = {item.name: onnx.helper.get_attribute_value(item) for item in node.attribute}
    prefix = "class" if node.op_type == "TreeEnsembleClassifier" else "target"
    stays = trees.tree < first
    for key in _NODES:
        if said.get(key):
            said[key] = [item for item, kept in zip(said[key], stays.tolist()) if kept]
    leaf = np.flatnonzero(stays & (trees.side < 0))
    one = 1 if trees.two else trees.weights.shape[1]
    per_round = trees.per_round
    alone = per_round > 1
    pairs = [(at, trees.tree[at] % per_round if alone else each) for at in leaf.tolist() for each in range(1 if alone else one)]
    rows, outputs = np.array([at for at, _ in pairs]), np.array([each for _, each in pairs])
    old_ids = said[f"{prefix}_ids"]
    treeids = np.asarray(onnx_ids(node, "nodes_treeids"))
    numbers = np.asarray(onnx_ids(node, "nodes_nodeids"))
    said[f"{prefix}_treeids"] = treeids[rows].tolist()
    said[f"{prefix}_nodeids"] = numbers[rows].tolist()
    said[f"{prefix}_ids"] = [int(old_ids[0])] * len(rows) if trees.two else outputs.tolist()
    said[f"{prefix}_weights"] = [float(value) for value in trees.weights[rows, outputs]]
    del node.attribute[:]
    node.attribute.extend(onnx.helper.make_attribute(key, value) for key, value in sorted(said.items()) if _holds(value))


def onnx_ids(node: Any, key: str) -> list[int]:
    """One list of whole numbers of a node."""
    return next((list(item.ints) for item in node.attribute if item.name == key), [])


def _holds(value: Any) -> bool:
    return not (isinstance(value, list | tuple) and not value)


def fed(model: Any, node: Any, feed: Mapping[str, Any], ask: Any) -> tuple[np.ndarray, np.ndarray]:
    """What a node of trees takes (N, columns) and answers with (N, outputs), for a feed of the graph.

    Args:
        ask: (model, outputs) -> the function feed -> these.
    """
    onnx: Any = need("onnx", "asking trees")
    scores = node.output[1] if node.op_type == "TreeEnsembleClassifier" else node.output[0]
    wanted = [name for name in (node.input[0], scores) if name not in feed]
    part = onnx.ModelProto()
    part.CopyFrom(model)
    del part.graph.output[:]
    part.graph.output.extend(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in wanted)
    found = {**feed, **ask(part)(feed)}
    rows = np.asarray(found[node.input[0]], np.float32)
    return rows.reshape(len(rows), -1), np.asarray(found[scores], np.float64).reshape(len(rows), -1)
