"""Architectures that people bring, tiny and with random weights: what is found in each, cut from it, and whether that is right.

    python benchmarks/zoo.py [NAME ...] [--gains] [--results FILE] [--write]

Each network runs in a process of its own that is ended after two minutes. `right` is tried here without the code that proves cuts: what is
left after a cut of single groups answers like the network in which the columns that read the channels are zero. Where a norm goes over the
channels, the two are apart by what the norm sees; they have to be clearly closer to each other than to the whole. `--gains` goes the
ordinary way with each (zoo_gains.py); `--write` puts the table into docs/zoo.md.
"""

from __future__ import annotations

import argparse
import copy
import json
import multiprocessing
import time
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from architectures import cases
from torch import Tensor, nn
from zoo_gains import WAYS, gains

LIMIT_S = 120
GAINS_S = 1200
KEEP = 0.6


def tried(name: str, pipe: Any) -> None:
    """Child process: one network; sends its row."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    torch.manual_seed(0)
    import transformers

    from paredown.core.errors import ParedownError
    from paredown.pruning import calibrate, couple, widths
    from paredown.pruning.count import multiply_adds

    transformers.logging.set_verbosity_error()
    try:
        module, rows = cases()[name]()
        module = module.eval()
        for layer in module.modules():
            if isinstance(layer, nn.modules.batchnorm._BatchNorm) and layer.running_mean is not None:
                layer.running_mean.normal_(0, 0.2)
                layer.running_var.uniform_(0.5, 2)
        example, some = rows(1), rows(4)
        with torch.no_grad():
            module(*example)
    except Exception as error:
        pipe.send({"said": f"not made: {type(error).__name__}: {str(error)[:90]}"})
        return
    start = time.perf_counter()
    try:
        found = couple.search(
            module, tuple(torch.zeros_like(item) if item.is_floating_point() else torch.ones_like(item) for item in example)
        )
        seconds = time.perf_counter() - start
        wrong = [said for group in found.groups if (said := not_right(couple, module, group, some))]
        before = sum(multiply_adds(module, example).values())
        kept = widths.allocate(module, example, found.groups, calibrate.magnitude(module, found.groups), keep=KEEP, round_to=1)
        small = copy.deepcopy(module)
        couple.cut(small, found.groups, kept, some)
        left = sum(multiply_adds(small, example).values()) / max(before, 1)
    except ParedownError as error:
        pipe.send({"said": f"refused: {error}", "seconds": time.perf_counter() - start})
        return
    except Exception as error:
        pipe.send({"said": f"error: {type(error).__name__}: {str(error)[:120]}", "seconds": time.perf_counter() - start})
        return
    whole = "; ".join(f"{layer.removeprefix('model.')}: {why[:100]}" for layer, why in found.whole.items())
    said = "wrong: " + "; ".join(wrong[:2]) if wrong else "right"
    pipe.send({"groups": len(found.groups), "whole": whole, "count": len(found.whole), "left": left, "seconds": seconds, "said": said})


def not_right(couple: Any, module: nn.Module, group: Any, rows: tuple[Tensor, ...]) -> str:
    """What is wrong with a cut of two channels; empty where nothing is."""
    from paredown.modelkit.surgery import operate

    gone = {1, group.channels - 2} if group.channels > 3 else {group.channels - 1}
    kept = [at for at in range(group.channels) if at not in gone]
    small, silent = copy.deepcopy(module), copy.deepcopy(module)
    for surgery in group.surgeries(kept):
        operate(small, surgery)
    for member in group.members:
        if member.side == "in":
            positions = [row for channel in gone for row in member.rows[channel]]
            getattr(silent.get_submodule(member.layer), member.tensor).data.index_fill_(member.axis, torch.tensor(positions), 0)
    with torch.no_grad():
        whole, mine, theirs = module(*rows), small(*rows), silent(*rows)
    apart, effect = float((mine - theirs).abs().max()), float((theirs - whole).abs().max())
    fine = apart <= 1e-4 * float(whole.abs().max()) + (0.7 if group.normed else 0.01) * effect
    return "" if fine else f"{group.name}: {apart:.1e} apart where silence changes {effect:.1e}"


def gained(name: str, pipe: Any) -> None:
    """Child process: every recipe of one network by the ordinary way; sends the columns."""
    import transformers

    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    with TemporaryDirectory() as folder:
        try:
            pipe.send(gains(name, Path(folder)))
        except Exception as error:
            pipe.send({"brought": f"error: {type(error).__name__}: {str(error)[:200]}"})


def apart(work: Any, name: str, limit_s: float) -> dict[str, Any]:
    """What `work` sends about one network, from a process of its own that is ended after `limit_s`."""
    context = multiprocessing.get_context("fork")
    mine, theirs = context.Pipe(duplex=False)
    process = context.Process(target=work, args=(name, theirs))
    process.start()
    theirs.close()
    try:
        found = mine.recv() if mine.poll(limit_s) else {"said": f"hang: no answer in {limit_s:g} s"}
    except EOFError:
        found = {"said": "error: the process died"}
    process.kill()
    process.join()
    return dict(found)


def summary(rows: list[dict[str, Any]]) -> str:
    """The figures of the table in a few lines."""
    asked = [item for item in rows if not item["said"].startswith("not made")]
    cut = [item for item in asked if item.get("left", 1) <= 0.7]
    bad = [item["name"] for item in asked if not item["said"].startswith(("right", "refused"))]
    slow = max((item.get("seconds", 0) for item in asked), default=0)
    lines = [
        f"{len(asked)} architectures; a proven cut of at least 30 % of the multiply-adds on {len(cut)} of them "
        f"({len(cut) / max(1, len(asked)):.0%}); wrong, hanging or ended by an error: {', '.join(bad) or 'none'}; "
        f"the longest search took {slow:.1f} s.",
        "",
    ]
    tried = [item for item in asked if "gains" in item]
    for column in WAYS:
        right = [item["name"] for item in tried if item["gains"].get(column, "refused")[0].isdigit()]
        unfit = [item["name"] for item in tried if item["name"] not in right and item["gains"].get(column, "refused").startswith("refused")]
        bad = [item["name"] for item in tried if item["name"] not in (*right, *unfit)]
        lines.append(
            f"- {column}: {len(right)} of {len(tried)} ({len(right) / max(1, len(tried)):.0%}); refused: {', '.join(unfit) or 'none'}; "
            f"wrong, hanging or ended by an error: {', '.join(bad) or 'none'}."
        )
    return "\n".join(lines)


def table(rows: list[dict[str, Any]]) -> str:
    """The rows as Markdown."""
    heads = ["architecture", "groups", "multiply-adds left", "seconds", "answers", *WAYS, "stays whole"]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for item in rows:
        left = f"{item['left']:.0%}" if "left" in item else "–"
        seconds = f"{item['seconds']:.1f}" if "seconds" in item else "–"
        whole = item.get("whole", "").replace("|", "/").replace("\n", " ")
        columns = [item.get("gains", {}).get(column, "–").replace("|", "/")[:80] for column in WAYS]
        cells = [item["name"], item.get("groups", "–"), left, seconds, item["said"], *columns, whole[:160]]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def main() -> None:
    """Run what is asked for and print it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("names", nargs="*", help="all when empty; those that the file of results holds are not run again")
    parser.add_argument("--results", type=Path, default=Path("zoo.jsonl"), help="one line per network; runs may come in pieces")
    parser.add_argument("--gains", action="store_true", help="build and ask every recipe as well: minutes per network")
    parser.add_argument("--write", action="store_true", help="write docs/zoo.md from the file of results")
    asked = parser.parse_args()
    import transformers  # noqa: F401  (once, for all processes)

    known = [json.loads(line) for line in asked.results.read_text("utf-8").splitlines()] if asked.results.exists() else []
    rows = {item["name"]: item for item in known}
    for name in asked.names or cases():
        if name not in rows or (asked.gains and "gains" not in rows[name]):
            rows[name] = {"name": name} | apart(tried, name, LIMIT_S)
            if asked.gains and not rows[name]["said"].startswith("not made"):
                rows[name]["gains"] = apart(gained, name, GAINS_S)
            print(rows[name], flush=True)
            asked.results.write_text("".join(json.dumps(item) + "\n" for item in rows.values()), "utf-8")
    print(summary([*rows.values()]))
    if asked.write:
        head = (
            "# Architectures and what they gain\n\n`python benchmarks/zoo.py --gains --write` makes this table: tiny networks with random "
            f"weights, cut to keep={KEEP:g} of the multiply-adds; then every recipe built, packed and asked in its engine. A number is how "
            "far the answers are from those of the same recipe in torch (8 bits: of the model as given), in shares of their spread.\n\n"
        )
        found = [*rows.values()]
        Path(__file__).resolve().parents[1].joinpath("docs", "zoo.md").write_text(f"{head}{summary(found)}\n\n{table(found)}\n", "utf-8")


if __name__ == "__main__":
    main()
