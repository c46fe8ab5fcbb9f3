"""Will int8 really be faster here? Asked of the instruction set, and of each engine with a sample of products."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from paredown.core.candidate import Candidate
from paredown.core.errors import ParedownError
from paredown.core.rows import Rows
from paredown.core.runtime import Runtime, Session
from paredown.core.technique import Context
from paredown.executors.processes import Worker
from paredown.ground import registry
from paredown.ground.host import host
from paredown.ground.lazy import missing, need
from paredown.ground.store import FolderStore

_INSTRUCTIONS = {
    "amx": (True, "has tiles for 8-bit products (AMX)"),
    "avx512_vnni": (True, "multiplies and adds 8-bit numbers in one instruction (AVX-512 VNNI)"),
    "avx_vnni": (True, "multiplies and adds 8-bit numbers in one instruction (AVX-VNNI)"),
    "avx512": (False, "has no 8-bit product in one instruction (AVX-512 without VNNI); int8 gains less, and sums can saturate"),
    "avx2": (False, "has no 8-bit product in one instruction (AVX2); int8 gains less, and sums can saturate"),
    "arm_i8mm": (True, "multiplies 8-bit matrices in one instruction (i8mm)"),
    "arm_dotprod": (True, "multiplies and adds 8-bit numbers in one instruction (dotprod)"),
}
_NONE = (False, "shows no instruction for 8-bit products; int8 may be slower than fp32")
KINDS = ("matmul", "conv")
_WINDOWS, _WINDOW_S = 5, 0.06


def instructions(isa: str) -> dict[str, Any]:
    """What a class of CPU promises: {"class", "fused": True where 8-bit products are one instruction, "text"}."""
    fused, text = _INSTRUCTIONS.get(isa, _NONE)
    return {"class": isa, "fused": fused, "text": text}


def tried_apart() -> list[dict[str, Any]]:
    """`tried` in a process of its own: after openvino has taken 8-bit graphs in, an interrupt ends its process with a segmentation fault.

    Raises:
        WorkerDied: An engine ended the process.
    """
    with Worker() as worker:
        return list(worker.order(f"{__name__}:tried").value)


def tried(state: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each engine that runs int8, timed with a sample of each kind of product, one thread and one row; a few seconds in all.

    Returns:
        {"engine", "products", "fp32_s", "int8_s": CPU seconds per call, "ratio": fp32 over int8, "reason": None, or why there is no ratio}.
    """
    out, here = [], host()
    for unit in registry.engines("onnx"):
        if "int8" not in unit.precisions:
            continue
        for kind in KINDS:
            entry: dict[str, Any] = {"engine": unit.name(), "products": kind, "fp32_s": None, "int8_s": None, "ratio": None}
            reason = unit.ready(here) or missing("onnx", "a sample graph")
            if reason is None:
                try:
                    fp32_s, int8_s = _timed(unit, kind)
                    entry |= {"fp32_s": fp32_s, "int8_s": int8_s, "ratio": fp32_s / int8_s}
                except ParedownError as error:
                    reason = str(error)
            out.append(entry | {"reason": reason})
    return out


def _timed(engine: Runtime, kind: str) -> tuple[float, float]:
    """CPU seconds per call in fp32 and in int8, in turns."""
    graphs = need("paredown.graphs.graphs", "a sample graph")
    with tempfile.TemporaryDirectory(prefix="paredown-") as scratch:
        folder = Path(scratch)
        store = FolderStore(folder / "store")
        made = store.scratch()
        shape = graphs.write_sample(kind, made / graphs.GRAPH)
        given = Candidate(digest=store.put(made), form="onnx")
        rows = Rows(inputs=np.random.default_rng(0).normal(size=(8, *shape)).astype(np.float32), labels=None)
        (folder / "work").mkdir()
        context = Context(
            data={"calibration": lambda: rows},
            encode=lambda inputs: {"input": inputs},
            decode={"kind": "softmax", "output": "logits", "classes": 2},
            teacher=given,
            ask=lambda feed: None,
            store=store,
            seed=0,
            threads=1,
            work=folder / "work",
        )
        eight = registry.get("techniques", "quantize_static")().apply(given, context)
        sessions = []
        for name, candidate in (("fp32", given), ("int8", eight)):
            (folder / name).mkdir()
            exported = engine.export(candidate, store, folder / name)
            sessions.append(engine.open(folder / name, exported["file"], {"threads": 1}))
        feed = {"input": rows.inputs[:1]}
        fp32_s, int8_s = _in_turns(sessions, feed)
        for session in sessions:
            session.close()
    return fp32_s, int8_s


def _in_turns(sessions: list[Session], feed: Mapping[str, Any]) -> list[float]:
    """The least CPU seconds per call of each, over some short windows in turns, the first of which warms up."""
    least = [float("inf")] * len(sessions)
    for number in range(_WINDOWS + 1):
        for at, session in enumerate(sessions):
            calls, until, before = 0, time.perf_counter() + _WINDOW_S, time.process_time()
            while time.perf_counter() < until:
                session.run(feed)
                calls += 1
            if number:
                least[at] = min(least[at], (time.process_time() - before) / calls)
    return least
