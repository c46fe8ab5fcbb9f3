"""Holding what a study recorded against a policy, without a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from paredown.core.errors import Damaged, ParedownError, UsageError
from paredown.core.finding import Finding, Level, Outcome, finding_from_json
from paredown.core.policy import Kind, Limit, Policy, Rule, Scale, Waiver
from paredown.core.quantity import quantity
from paredown.core.reading import How, Missing, Reading, reading_from_json
from paredown.core.rows import Rows
from paredown.evidence.bound import LEDGER, NEAREST, RELEASED
from paredown.evidence.bundle import refuse_changed, uncovered
from paredown.ground.checks import Check, is_either, is_list, is_none, is_number, is_one_of, is_record, is_text, is_whole
from paredown.measuring.targets import refuse_changed_lock, result_of

Readings = dict[str, Reading | Missing]


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
    """Judge what a study recorded at its end again; nothing is run, no code is imported for it and no split is opened.

    Args:
        target: The study's folder.
        policy: A policy, its file, its content or a built-in name; None is the policy of the study's last run.

    Raises:
        UsageError: The folder holds no finished study, nothing was measured in it, or no evidence binds what it says.
        BadDocument: The policy has problems.
        Damaged: A file of the study is not what was written.
    """
    from paredown.policy.parse import load
    from paredown.policy.quality import refuse_unfit
    from paredown.policy.rules import Evidence, judge, verdict
    from paredown.study.study import policy_digest

    study = Path(target)
    if (study / "artifact.json").exists():
        raise UsageError(
            f"{study} is an artifact; what was measured of it is in its study.\n  Give the study, as `paredown check runs/digits`."
        )
    result = result_of(study)
    if without := uncovered(study):
        raise UsageError(f"{study} cannot be judged: {without}")
    model = result["chosen"] or result["nearest"]
    if model is None:
        raise UsageError(f"{study} has no model to judge: no candidate could be built.\n  `paredown show {study}` shows why.")
    if isinstance(policy, Policy):
        judged = policy
    else:
        judged = _recorded_policy(study, result) if policy is None else load(policy)
    split, same = str(model["split"]), policy_digest(judged) == result["policy"].get("digest")
    asked, notes = _answers(study, result, model, split, same)
    if split != "test":
        notes.append(f"Test was not opened in this study: quality is judged on {split}, on which the model was selected.")
    reads = result["rows"].get("test_reads")
    if isinstance(reads, dict):
        notes.append(f"How often test was read on the machine of the run is not known: {reads.get('missing')}")
    if not same and result["rows"]["test_reads_here"]:
        notes.append("Post hoc: this is not the policy of the run, and test had been read before it was asked.")
    if "metric" in asked:
        refuse_unfit(judged, asked["metric"])
    evidence = Evidence(
        readings=_readings(model["readings"]),
        baseline=_readings(result["baseline"]["readings"]),
        as_found=_readings(result["baseline_as_found"]["readings"]),
        ratios=_readings(model["ratios"]),
        ratios_as_found=_readings(model["ratios_as_found"]),
        noise=result["noise_floor"]["cpu_time"]["value"],
        today=datetime.now(UTC).date(),
        **asked,
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


def _answers(study: Path, result: Mapping[str, Any], model: Mapping[str, Any], split: str, same: bool) -> tuple[dict[str, Any], list[str]]:
    """What `Evidence` needs to judge quality, from the study's cache, and what the reader has to know about it.

    Args:
        same: Whether it is judged by the policy of the run, so that what the run found with code of the job stands.
    """

    from paredown.artifact.load import read_manifest
    from paredown.ground import registry
    from paredown.ground.documents import read
    from paredown.kinds.known import kind_named, kind_of
    from paredown.kinds.tensors import Tensors
    from paredown.rows.by_group import blocks_of
    from paredown.rows.columns import judged as in_memory
    from paredown.rows.rowfile import read_rows
    from paredown.study.study import JOB_LOCK, outputs_file, rows_file
    from paredown.study.units import metric_named

    refuse_changed_lock(study)
    lock = read(study / JOB_LOCK).data
    try:
        is_record(
            {
                "job": is_record({"metric": is_text, "task": is_text}, {"data": _PAIRED}),
                "digests": is_record({f"data.{split}": is_text, "seed": is_text}),
            }
        )(lock, "")
        seed = int(lock["digests"]["seed"])
    except ValueError as error:
        raise Damaged(f"{study / JOB_LOCK} {error}.\n  Put back a copy of it.") from None
    metric, data = lock["job"]["metric"], study / "cache" / "data"
    if ":" in metric:
        text = f"The metric {metric} is code of the job, which `paredown check` does not run: "
        if same:
            return {"recorded": [finding_from_json(one) for one in result["findings"]]}, [f"{text}its rules stand as the run found them."]
        return {}, [f"{text}its rules stay inconclusive; `paredown run JOB` with this policy judges them."]
    rows = rows_file(data, split, lock["digests"][f"data.{split}"])
    files = [rows, *(outputs_file(data, digest, split) for digest in (result["baseline"]["artifact"], model["digest"]))]
    open_ = "so that rules on quality stay inconclusive."
    if not all(file.is_file() for file in files):
        return {}, [f"The answers on {split} are gone from the study's cache, {open_}"]
    names = [file.relative_to(study).as_posix() for file in files]
    bound = refuse_changed(study, *names)
    if bound is None or not bound.files.keys() >= {*names}:
        return {}, [f"The answers on {split} in the study's cache are not those that its evidence binds, {open_}"]
    judged = in_memory(read_rows(rows))
    kind = kind_named(registry.get("tasks", lock["job"]["task"]).kind)
    before, after = (_read_answers(file, judged, kind.name) for file in files[1:])
    judge = metric_named(metric, Path(), kind).named(judged.names)
    if kind.name == Tensors.name:  # which outputs there are stands where they are decoded
        decode = read_manifest(study / (NEAREST if result["chosen"] is None else RELEASED))["decode"]
        kind, judge = kind_of(decode), judge.decoded(decode)
    right = kind.as_targets(before) if judge.by_baseline else judged.labels
    spans, named = blocks_of(judged, lock["job"].get("data", {}).get("paired_by") or "", judge.pairs)
    known = {"labels": right, "groups": judged.groups, "blocks": spans, "counted": named, "seed": seed}
    return known | {"metric": judge, "kind": kind.name, "before": before, "after": after}, []


def _read_answers(file: Path, judged: Rows, kind: str) -> Any:
    """Answers to the rows, mapped and not read at once: what a file says of its size is not believed."""
    import numpy as np

    try:
        with np.errstate(all="raise"):
            found = np.lib.format.open_memmap(file, mode="r")
        if found.ndim < 2 or len(found) != len(judged) or found.shape[1] < len(judged.names) or found.dtype.kind != "f":
            raise ValueError(f"it holds {found.dtype} of shape {found.shape} for {len(judged)} rows")
        if judged.labels is None or kind == "vector":  # what is right is what the model as given says, or which rows belong together
            pass
        elif found.ndim == 2 and judged.labels.ndim > 1 and judged.labels.shape[1] != found.shape[1]:
            raise ValueError(f"the rows have {judged.labels.shape[1]} numbers each to be held against its {found.shape[1]}")
        elif judged.labels.dtype.kind == "i" and not ((judged.labels >= -(found.ndim > 2)) & (judged.labels < found.shape[1])).all():
            raise ValueError(f"the labels of the rows are not among its {found.shape[1]} classes")
        if not np.isfinite(found).all():
            raise ValueError("it holds numbers that are not finite")
    except (OSError, ValueError, EOFError, ArithmeticError, MemoryError) as error:
        raise Damaged(f"the answers in {file} cannot be read: {error}.\n  Delete it; rules on quality then stay inconclusive.") from None
    return found


def _recorded_policy(study: Path, result: Mapping[str, Any]) -> Policy:
    """The policy of the run that wrote result.json, as the ledger keeps it: the way its limits were spelled is not kept."""
    from paredown.study.ledger import Ledger
    from paredown.study.schema import damaged

    refuse_changed(study, LEDGER)
    with Ledger.open(study / LEDGER, read_only=True) as ledger:
        record = ledger.find("policy", str(result["policy"].get("digest")))
    if record is None:
        raise UsageError(
            f"{study} was written by an earlier paredown that did not say which policy it ended with.\n  Give one: `--policy FILE`."
        )
    try:
        return _policy_of(record.value)
    except (KeyError, TypeError, ValueError, AttributeError, ParedownError) as error:
        said = f"{type(error).__name__}: {str(error)[:200]}"
        raise damaged(study / LEDGER, f"record {record.id} holds no policy ({said})") from error


def _policy_of(value: Mapping[str, Any]) -> Policy:
    """The inverse of what a study records of its policy; a part that is not there, or of another kind, raises."""
    kept = value["policy"]
    _POLICY({"name": value["name"], **kept}, "")
    for rule in kept["rules"]:
        quantity(rule["quantity"])
        if (rule["limit"] is None) != (rule["kind"] == Kind.PRESENT):
            raise ValueError(f"the rule {rule['id']:.60} of kind {rule['kind']} has the limit {rule['limit']!r:.60}")
    rules = [Rule(**rule | _words(rule)) for rule in kept["rules"]]
    waivers = [Waiver(**waiver | {"until": date.fromisoformat(waiver["until"])}) for waiver in kept["waivers"]]
    return Policy(name=value["name"], rules=rules, waivers=waivers, minimize=kept["minimize"], confidence=kept["confidence"])


def _or_null(check: Check) -> Check:
    return is_either(check, is_none, "that or null")


_PAIRED = is_record({}, {"paired_by": _or_null(is_text)})
_LIMIT = is_record({"value": is_number(), "scale": is_one_of(*Scale)})
_RULE = is_record(
    {
        **dict.fromkeys(("id", "quantity"), is_text),
        **dict.fromkeys(("by", "refs"), is_list(is_text)),
        "kind": is_one_of(*Kind),
        "limit": _or_null(_LIMIT),
        "level": is_one_of(*Level),
        "min_rows": is_whole(0, 1 << 62),
        "at_least": _or_null(is_one_of(*How)),
    }
)
_POLICY = is_record(
    {
        **dict.fromkeys(("name", "minimize"), is_text),
        "confidence": is_number(0.5, 1 - 1e-9, but=0.5),
        "rules": is_list(_RULE),
        "waivers": is_list(is_record(dict.fromkeys(("rule", "until", "reason", "by"), is_text))),
    }
)


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
