"""What can be asked of an artifact or a study without a run: measure it, hold it against a policy."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paredown.core.errors import BadData, Damaged, UsageError
from paredown.core.finding import Finding, Level, Outcome
from paredown.core.policy import Kind, Limit, Policy, Rule, Scale, Waiver
from paredown.core.quantity import quantity
from paredown.core.reading import How, Missing, Reading, reading_from_json
from paredown.pipeline.targets import artifact_of, given_of, other_class, other_of, result_of

if TYPE_CHECKING:
    from paredown.core.rows import Rows
    from paredown.protocol.bench import Plan

Readings = dict[str, Reading | Missing]

LONG_S = 60.0
"""A measurement below this is quick: enough to look, never enough for a must-rule."""

_FLOOR_ROUNDS, _FLOOR_S = 16, 0.25
_LEAST_ROUNDS, _WINDOW_S = 10, 1.0


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What `measure` found.

    Args:
        artifact: The folder that was measured.
        recipe: As packed in it.
        readings: Of the artifact, by quantity.
        other, other_recipe, other_readings: The same of the other side; None and empty where there was none.
        ratios: Other over artifact, unit "x": 12.0 is twelve times less.
        noise_floor: Of CPU time as a share, from the other side against its twin; None where there was none.
        windows: Windows per side.
        window_s: Wall seconds of one.
        batch: Rows per call.
        asked: What was asked, in words.
        quick: True when all windows together lasted less than 60 s.
        warnings: What weakens the numbers, one sentence each.
    """

    artifact: Path
    recipe: str
    readings: Readings
    other: Path | None
    other_recipe: str
    other_readings: Readings
    ratios: Readings
    noise_floor: float | None
    windows: int
    window_s: float
    batch: int
    asked: str
    quick: bool
    warnings: Sequence[str]

    def json(self) -> dict[str, Any]:
        """Plain data, in SI units."""

        def side(folder: Path, recipe: str, readings: Readings) -> dict[str, Any]:
            return {"folder": str(folder), "recipe": recipe, "readings": _json(readings)}

        return {
            "target": side(self.artifact, self.recipe, self.readings),
            "against": None if self.other is None else side(self.other, self.other_recipe, self.other_readings),
            "ratios": _json(self.ratios),
            "noise_floor": self.noise_floor,
            "windows": self.windows,
            "window_s": self.window_s,
            "batch": self.batch,
            "asked": self.asked,
            "quick": self.quick,
            "warnings": list(self.warnings),
        }


def _json(readings: Readings) -> dict[str, Any]:
    return {name: reading.json() for name, reading in readings.items()}


def measure(
    target: str | Path,
    against: str | Path | None = None,
    *,
    data: str | Path | None = None,
    seconds: float = LONG_S,
    batch: int = 1,
    tick: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> Measured:
    """Measure an artifact in a fresh light process, alone or interleaved with another one.

    One inference is raw input to decoded answer; each side runs at the thread count that it is packed with.

    Args:
        target: Folder of an artifact, or of a study: what it released.
        against: Folder of an artifact, of a study (its model as given), or "baseline" for that of the study `target` belongs to.
        data: File of rows to ask; without it the artifact's own probe rows are asked.
        seconds: Wall seconds of all windows together, without the noise floor's and the warm-up; 60 or more for a claim.
        batch: Rows per call.
        tick: Called with (what, done, total).

    Raises:
        UsageError: A folder is not what it should be; `seconds` or `batch` is too small.
        BadData: The file cannot be read, or an artifact does not take its rows.
        Damaged: An artifact cannot be opened.
        MissingExtra: An engine is not installed.
    """
    from paredown.artifact.load import read_manifest
    from paredown.ground.rowfile import write_rows
    from paredown.protocol.bench import Bench, Plan, Side
    from paredown.protocol.readings import facts, of_windows, ratios
    from paredown.stats.ratios import noise_floor

    if not seconds >= 1 or batch < 1:
        raise UsageError(f"seconds is {seconds:g} and batch is {batch}; each needs to be 1 or more.")
    artifact = artifact_of(Path(target))
    other = None if against is None else other_of(against, Path(target))
    manifests = [read_manifest(folder) for folder in (artifact, other) if folder is not None]
    rows, asked = _rows(artifact, manifests[0], data, batch)
    count = len(manifests)
    window_s = min(_WINDOW_S, seconds / (count * _LEAST_ROUNDS))
    plan = Plan(rounds=max(2, round(seconds / (count * window_s))), window_s=window_s, warm_s=min(0.5, window_s))
    with tempfile.TemporaryDirectory(prefix="paredown-") as scratch:
        file = Path(scratch) / "rows.npz"
        write_rows(rows, file)
        path = tuple(folder for side in (artifact, other) if side is not None and (folder := given_of(side)).is_dir())
        with Bench(file, batch, Path(scratch) / "worker.log", path) as bench:
            sides = [Side(name="target", artifact=artifact)]
            floor = None
            if other is not None:
                sides.insert(0, Side(name="against", artifact=other))
            for side in sides:
                try:
                    bench.open(side)
                except BadData as error:
                    raise BadData(f"{side.artifact} cannot answer {asked}: {error}") from error
            if other is not None:
                twins = [sides[0], Side(name="twin", artifact=other)]
                short = Plan(rounds=_FLOOR_ROUNDS, window_s=min(_FLOOR_S, window_s), warm_s=plan.warm_s)
                same = bench.measure(twins, short, lambda done, total: tick("noise floor", done, total))
                floor = noise_floor(same.series("against", "cpu_time"), same.series("twin", "cpu_time"))
                bench.close("twin")
            windows = bench.measure(sides, plan, lambda done, total: tick("windows", done, total))
    found = of_windows(windows, "target") | facts(artifact)
    before: Readings = {} if other is None else of_windows(windows, "against") | facts(other)
    return Measured(
        artifact=artifact,
        recipe=manifests[0]["recipe"],
        readings=found,
        other=other,
        other_recipe=manifests[1]["recipe"] if other is not None else "",
        other_readings=before,
        ratios={} if other is None else ratios(windows, "against", "target", before, found),
        noise_floor=floor,
        windows=plan.rounds,
        window_s=window_s,
        batch=batch,
        asked=asked,
        quick=_all_s(plan, count) < LONG_S,
        warnings=[*other_class(manifests), *_disturbed(windows.raw)],
    )


def _all_s(plan: Plan, sides: int) -> float:
    return round(plan.rounds * plan.window_s * sides, 6)


def _rows(folder: Path, manifest: Mapping[str, Any], data: str | Path | None, batch: int) -> tuple[Rows, str]:
    """The rows to ask, and what they are in words."""
    import numpy as np

    from paredown.artifact.load import read_probe
    from paredown.core.rows import Rows

    if data is None:
        probe = read_probe(folder, manifest)["inputs"]
        table = bool(probe) and isinstance(probe[0], Mapping)
        inputs: Any = {name: np.asarray([row[name] for row in probe]) for name in probe[0]} if table else np.asarray(probe)
        rows = Rows(inputs=inputs, labels=None)
        many = np.arange(max(len(rows), batch)) % len(rows)
        return rows.take(many), f"the artifact's own {len(rows)} probe rows in turn"
    from paredown.study.splits import read_rows

    columns: dict[str, Any] = {"label": None, "preprocess": manifest["encode"]}
    if manifest["encode"]["kind"] == "table":
        described = manifest["encode"]["columns"]
        columns["features"] = [column["name"] for column in described]
        columns["numeric"] = [column["name"] for column in described if column["kind"] == "numeric"]
        columns["categorical"] = [column["name"] for column in described if column["kind"] != "numeric"]
    rows = read_rows(str(data), Path(), columns, ())
    if len(rows) < batch:
        raise BadData(f"{data} has {len(rows)} rows; a batch needs {batch}.\n  Give more rows or a smaller `--batch`.")
    return rows, f"the first {min(len(rows), max(256, batch))} rows of {data} in turn"


def _disturbed(raw: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    found = [window["reasons"][0] for window in raw if window["reasons"]]
    if found:
        yield f"{len(found)} of {len(raw)} windows were disturbed and taken again while there were spare ones; the last one: {found[-1]}"


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What a policy says about a study's model.

    Args:
        study: The study's folder.
        policy: The policy's name.
        recipe: Of the model that was judged: the chosen one, else the nearest miss.
        findings: One per rule, and per group.
        outcome: pass, fail or inconclusive.
        split: The rows that quality was judged on: "test" or "validation".
        notes: What the reader has to know, one sentence each.
    """

    study: Path
    policy: str
    recipe: str
    findings: Sequence[Finding]
    outcome: Outcome
    split: str
    notes: Sequence[str]

    def json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "study": str(self.study),
            "policy": self.policy,
            "recipe": self.recipe,
            "verdict": str(self.outcome),
            "split": self.split,
            "findings": [finding.json() for finding in self.findings],
            "notes": list(self.notes),
        }


def check(target: str | Path, policy: Policy | str | Path | Mapping[str, Any] | None = None) -> Checked:
    """Judge what a study recorded at its end again; nothing is run and no split is opened.

    Args:
        target: The study's folder.
        policy: A policy, its file, its content or a built-in name; None is the policy of the study's last run.

    Raises:
        UsageError: The folder holds no finished study, or nothing was measured in it.
        BadDocument: The policy has problems.
        Damaged: A file of the study is not what was written.
    """
    from paredown.policy.parse import load
    from paredown.policy.rules import Evidence, judge, verdict
    from paredown.study.study import policy_digest

    study = Path(target)
    if (study / "artifact.json").exists():
        raise UsageError(
            f"{study} is an artifact; what was measured of it is in its study.\n  Give the study, as `paredown check runs/digits`."
        )
    result = result_of(study)
    model = result["chosen"] or result["nearest"]
    if model is None:
        raise UsageError(f"{study} has no model to judge: no candidate could be built.\n  `paredown show {study}` shows why.")
    if isinstance(policy, Policy):
        judged = policy
    else:
        judged = _recorded_policy(study, result) if policy is None else load(policy)
    split, notes = str(model["split"]), list[str]()
    asked = _answers(study, result, model, split)
    if asked is None:
        notes.append(f"The answers on {split} are gone from the study's cache, so that rules on quality stay inconclusive.")
    if split != "test":
        notes.append(f"Test was not opened in this study: quality is judged on {split}, on which the model was selected.")
    if policy_digest(judged) != result["policy"].get("digest") and result["rows"]["test_reads_here"]:
        notes.append("Post hoc: this is not the policy of the run, and test had been read before it was asked.")
    evidence = Evidence(
        readings=_readings(model["readings"]),
        baseline=_readings(result["baseline"]["readings"]),
        as_found=_readings(result["baseline_as_found"]["readings"]),
        ratios=_readings(model["ratios"]),
        ratios_as_found=_readings(model["ratios_as_found"]),
        noise=result["noise_floor"]["cpu_time"]["value"],
        today=datetime.now(UTC).date(),
        **(asked or {}),
    )
    findings = judge(judged, evidence)
    return Checked(
        study=study,
        policy=judged.name,
        recipe=model["recipe"],
        findings=findings,
        outcome=verdict(findings),
        split=split,
        notes=tuple(notes),
    )


def _readings(data: Mapping[str, Any]) -> Readings:
    return {name: reading_from_json(name, dict(item)) for name, item in data.items()}


def _answers(study: Path, result: Mapping[str, Any], model: Mapping[str, Any], split: str) -> dict[str, Any] | None:
    """What `Evidence` needs to judge quality, from the study's cache; None when it is gone."""
    import numpy as np

    from paredown.ground.documents import read
    from paredown.ground.rowfile import read_rows
    from paredown.pipeline.shop import metric_named
    from paredown.study.study import JOB_LOCK

    lock = read(study / JOB_LOCK).data
    data = study / "cache" / "data"
    rows = data / f"{split}-{lock['digests'][f'data.{split}'][:16]}.npz"
    files = [data / f"outputs-{digest[:16]}-{split}.npy" for digest in (result["baseline"]["artifact"], model["digest"])]
    if not all(file.is_file() for file in (rows, *files)):
        return None
    judged = read_rows(rows)
    try:
        before, after = (np.load(file, allow_pickle=False) for file in files)
    except (OSError, ValueError, EOFError) as error:
        raise Damaged(f"an answer file in {data} cannot be read: {error}.\n  Delete it; rules on quality then stay inconclusive.") from None
    metric = metric_named(lock["job"]["metric"], Path())
    known = {"labels": judged.labels, "groups": judged.groups, "metric": metric, "seed": int(lock["digests"]["seed"])}
    return known | {"before": before, "after": after}


def _recorded_policy(study: Path, result: Mapping[str, Any]) -> Policy:
    """The policy of the run that wrote result.json, as the ledger keeps it: the way its limits were spelled is not kept."""
    from paredown.study.ledger import Ledger

    with Ledger.open(study / "ledger.sqlite", read_only=True) as ledger:
        record = ledger.find("policy", str(result["policy"].get("digest")))
    if record is None:
        raise UsageError(
            f"{study} was written by an earlier paredown that did not say which policy it ended with.\n  Give one: `--policy FILE`."
        )
    kept = record.value["policy"]
    rules = [Rule(**rule | _words(rule)) for rule in kept["rules"]]
    waivers = [Waiver(**waiver | {"until": date.fromisoformat(waiver["until"])}) for waiver in kept["waivers"]]
    fields = {"minimize": kept["minimize"], "confidence": kept["confidence"]}
    return Policy(name=record.value["name"], rules=rules, waivers=waivers, **fields)


def _words(rule: Mapping[str, Any]) -> dict[str, Any]:
    """The entries of a recorded rule that are more than plain data."""
    least = How(rule["at_least"]) if rule["at_least"] else None
    return {"kind": Kind(rule["kind"]), "limit": _limit(rule), "level": Level(rule["level"]), "at_least": least}


def _limit(rule: Mapping[str, Any]) -> Limit | None:
    if rule["limit"] is None:
        return None
    value, scale = rule["limit"]["value"], Scale(rule["limit"]["scale"])
    unit = quantity(rule["quantity"]).unit
    text = {
        Scale.RELATIVE: f"{100 * value:g} %",
        Scale.POINTS: f"{100 * value:g} pp",
        Scale.BASELINE: f"{value:g} x baseline",
        Scale.AS_FOUND: f"{value:g} x baseline as found",
        Scale.ABSOLUTE: f"{value:g}" + (f" {unit}" if unit not in ("", "1") else ""),
    }[scale]
    return Limit(value=value, scale=scale, text=text)
