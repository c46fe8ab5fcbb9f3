"""The layers of docs/design.md, section 4: what may import what."""

from __future__ import annotations

import ast
import sys
from collections import defaultdict
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest
from house_tree import PACKAGE, SRC, Import, files, imports, module_name, parsed, write

LEVELS = {
    "core": 0,
    "stats": 1, "ground": 1, "kinds": 1, "encoders": 1,
    "rows": 2, "intensity": 2,
    "graphs": 3, "tasks": 3, "metrics": 3, "impact": 3,
    "modelkit": 4, "classical": 4, "quantizing": 4,
    "training": 5,
    "pruning": 6, "ingest": 6,
    "models": 7, "datasets": 7, "techniques": 7, "runtimes": 7, "meters": 7, "audits": 7,
    "artifact": 8, "executors": 8, "policy": 8,
    "study": 9, "builder": 9, "protocol": 9, "tracking": 9, "evidence": 9,
    "search": 10,
    "report": 11, "exports": 11, "serve": 11, "monitor": 11,
    "measuring": 12,
    "running": 13,
    "planning": 14,
    "inmemory": 15,
    "cli": 16,
    "__main__": 17,
    "": 18,  # paredown/__init__.py, the public face
    "testing": 19,
}  # fmt: skip
KINDS = ("models", "datasets", "techniques", "runtimes", "meters", "audits", "tasks", "metrics", "exports")
STDLIB_ONLY = ("core", "stats", "evidence")
READERS = ("report", "exports", "serve", "monitor")
NOT_FOR_READERS = ("search", "builder", "executors", "graphs", "quantizing", "modelkit", "training", "pruning", "techniques")
TENSORS = ("modelkit", "training", "pruning")
ENGINES = ("onnxruntime", "openvino", "ai_edge_litert")
LAID_OUT = "ai_edge_litert.schema_py_generated"  # how a .tflite file is laid out; it runs nothing
SHIPPED = "artifact/predict_main.py"  # copied into every artifact as predict.py, where no paredown is
TORCH = ("torch", "torchvision")


def part(module: str) -> str:
    """The folder (or top file) of one of our modules: `paredown.core.knob` -> `core`."""
    return module.removeprefix(PACKAGE).removeprefix(".").partition(".")[0]


def is_ours(target: str) -> bool:
    return target == PACKAGE or target.startswith(PACKAGE + ".")


def own_part(found: Import) -> str:
    return part(".".join((PACKAGE, *found.file.with_suffix("").parts)).removesuffix(".__init__"))


def wrong_layers(src: Path) -> list[str]:
    """Imports of a layer that is not below the importing one, and folders that the plan does not know."""
    out = [
        f"{file.relative_to(src)}: {part(module_name(src, file))!r} has no layer"
        for file in files(src)
        if part(module_name(src, file)) not in LEVELS
    ]
    for found in imports(src):
        if not is_ours(found.target) or own_part(found) not in LEVELS or part(found.target) not in LEVELS:
            continue
        mine, theirs = own_part(found), part(found.target)
        free = mine == theirs or LEVELS[theirs] < LEVELS[mine] or (theirs == "evidence" and LEVELS[mine] >= LEVELS["evidence"])
        if not free:
            out.append(f"{found.where}: layer {LEVELS[theirs]} from layer {LEVELS[mine]}")
        if mine in READERS and theirs in NOT_FOR_READERS:
            out.append(f"{found.where}: {mine} reads studies and artifacts only")
    return out


def circles(src: Path) -> list[str]:
    """Modules that import each other in a ring, at any depth of a function."""
    graph: dict[str, set[str]] = defaultdict(set)
    for found in imports(src):
        own = module_name(src, src / found.file)
        if is_ours(found.target) and found.target != own:
            graph[own].add(found.target)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return [" -> ".join(error.args[1])]
    return []


def not_units(src: Path, kind: str) -> set[str]:
    """The files of a kind's folder that are no units, from `NOT_UNITS` in its `__init__.py`."""
    init = src / kind / "__init__.py"
    for node in ast.walk(parsed(init)) if init.exists() else ():
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value and "NOT_UNITS" in ast.unparse(node).partition("=")[0]:
            return set(ast.literal_eval(node.value))
    return set()


def units_that_know_units(src: Path) -> list[str]:
    """Units that import another unit of their kind."""
    out = []
    for found in imports(src):
        kind = own_part(found)
        if kind in KINDS and is_ours(found.target) and part(found.target) == kind:
            theirs = found.target.removeprefix(f"{PACKAGE}.{kind}").removeprefix(".").partition(".")[0]
            if theirs and theirs != found.file.with_suffix("").parts[1] and theirs not in not_units(src, kind):
                out.append(f"{found.where}: a unit never imports a unit of its kind")
    return out


def heavy(src: Path) -> list[str]:
    """Imports of outside packages where the plan does not allow them."""
    out = []
    for found in imports(src):
        folder, top, file = own_part(found), found.target.partition(".")[0], found.file.as_posix()
        lazy = found.inside or found.typing
        if is_ours(found.target) or folder == "testing":
            continue
        graph_tool = found.target == "onnx" or found.target.startswith(("onnx.", "onnxruntime.quantization"))
        if folder in STDLIB_ONLY and top not in sys.stdlib_module_names:
            out.append(f"{found.where}: {folder} is standard library only")
        elif top in TORCH:
            in_function = folder in ("techniques", "models") or file.startswith("runtimes/torch")
            if not (folder in TENSORS or (lazy and in_function)):
                out.append(
                    f"{found.where}: torch belongs to modelkit, training and pruning, or inside functions of techniques, models and "
                    "runtimes/torch*"
                )
        elif graph_tool:
            rooms = ("techniques", "runtimes", "models", "modelkit", "graphs", "quantizing", "classical")
            if not (lazy and (folder in rooms or file.startswith("artifact/pack"))):
                out.append(f"{found.where}: onnx tools belong inside functions of {', '.join(rooms)} and artifact/pack")
        elif top in ENGINES and found.target != LAID_OUT and file not in (f"runtimes/{top.removeprefix('ai_edge_')}.py", SHIPPED):
            out.append(f"{found.where}: an inference engine belongs to its runtime file")
    return out


def reachable(src: Path, start: str) -> set[str]:
    """Outside packages that the modules of one folder import, directly or through other modules of ours."""
    edges: dict[str, set[str]] = defaultdict(set)
    for found in imports(src):
        if not found.typing:
            edges[module_name(src, src / found.file)].add(found.target)
    seen: set[str] = set()
    todo = [module for module in list(edges) if part(module) == start]
    while todo:
        module = todo.pop()
        if module not in seen:
            seen.add(module)
            todo += edges.get(module, ())
    return {module.partition(".")[0] for module in seen if not is_ours(module)}


@pytest.mark.parametrize("rule", [wrong_layers, circles, units_that_know_units, heavy])
def test_the_tree_keeps_the_rule(rule) -> None:
    assert rule(SRC) == []


def test_an_artifact_loads_without_pydantic_and_sqlalchemy() -> None:
    assert reachable(SRC, "artifact") & {"pydantic", "sqlalchemy"} == set()


BAD = {
    "upward": (
        wrong_layers,
        {"core__a": "from paredown.ground import b", "ground__b": ""},
        "core/a.py:1 imports paredown.ground.b: layer 1 from layer 0",
    ),
    "in a function": (wrong_layers, {"core__a": "def f():\n    import paredown.cli.b", "cli__b": ""}, "core/a.py:2 imports paredown.cli.b"),
    "for types only": (
        wrong_layers,
        {"search__a": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from paredown.report.b import B", "report__b": ""},
        "search/a.py:3 imports paredown.report.b",
    ),
    "relative": (wrong_layers, {"core__a": "from ..ground import b", "ground__b": ""}, "core/a.py:1 imports paredown.ground.b"),
    "sideways": (wrong_layers, {"study__a": "import paredown.builder.b", "builder__b": ""}, "layer 9 from layer 9"),
    "public face": (wrong_layers, {"cli__a": "from paredown import run"}, "cli/a.py:1 imports paredown: layer 18 from layer 16"),
    "testing": (
        wrong_layers,
        {"running": "import paredown.testing.b", "testing__b": ""},
        "running.py:1 imports paredown.testing.b: layer 19",
    ),
    "unknown folder": (wrong_layers, {"vendor__a": ""}, "'vendor' has no layer"),
    "reader": (wrong_layers, {"report__a": "import paredown.search.b", "search__b": ""}, "report reads studies and artifacts only"),
    "circle": (
        circles,
        {"core__a": "import paredown.core.b", "core__b": "def f():\n    from paredown.core import a"},
        "paredown.core.a -> paredown.core.b",
    ),
    "unit to unit": (
        units_that_know_units,
        {"techniques__a": "from paredown.techniques.b import B", "techniques__b": ""},
        "techniques/a.py:1 imports paredown.techniques.b",
    ),
    "torch at the top": (
        heavy,
        {"techniques__a": "import torch"},
        "techniques/a.py:1 imports torch: torch belongs to modelkit, training and pruning",
    ),
    "torch in search": (heavy, {"search__a": "def f():\n    from torch import nn"}, "search/a.py:2 imports torch"),
    "numpy in stats": (heavy, {"stats__a": "import numpy as np"}, "stats/a.py:1 imports numpy: stats is standard library only"),
    "engine elsewhere": (heavy, {"artifact__a": "def f():\n    import onnxruntime"}, "an inference engine belongs to its runtime file"),
    "onnx at the top": (
        heavy,
        {"techniques__a": "from onnxruntime.quantization import quantize_dynamic"},
        "onnx tools belong inside functions",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_the_rule_can_fail(name: str, tmp_path: Path) -> None:
    rule, contents, message = BAD[name]
    found = rule(write(tmp_path, **contents))
    assert len(found) >= 1
    assert message in found[0] or any(message in line for line in found)


def test_what_is_allowed_passes(tmp_path: Path) -> None:
    good = write(
        tmp_path,
        core__a="import json",
        evidence__a="import hashlib",
        study__a="from paredown.evidence import a\nfrom paredown.core.a import x",
        tasks__feed="import numpy",
        tasks__image="from paredown.tasks import feed",
        techniques__a="def f():\n    import torch\n    import onnx",
        runtimes__onnxruntime="import onnxruntime",
    )
    (good / "tasks" / "__init__.py").write_text('"""Tasks."""\n\nNOT_UNITS = ("feed",)\n')
    assert [line for rule in (wrong_layers, circles, units_that_know_units, heavy) for line in rule(good)] == []


def test_reach_is_seen_through_other_modules(tmp_path: Path) -> None:
    src = write(tmp_path, artifact__load="def f():\n    from paredown.ground import documents", ground__documents="import pydantic")
    assert "pydantic" in reachable(src, "artifact")
