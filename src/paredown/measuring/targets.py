"""What a command's TARGET means: the folder of an artifact or of a study. Light: a database is only opened before a run has ended."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from paredown.artifact.manifest import MANIFEST, cores
from paredown.core.errors import Damaged, UsageError
from paredown.core.reading import Missing, reading_from_json
from paredown.evidence.bound import JOB_LOCK, LEDGER, NEAREST, RELEASED, RESULT, knows_lock
from paredown.evidence.bundle import refuse_changed
from paredown.ground import trust
from paredown.ground.amounts import is_finite
from paredown.ground.checks import is_any, is_list, is_mapping, is_number, is_one_of, is_record, is_text
from paredown.ground.digests import is_digest, of_file
from paredown.ground.untrusted import read_json

BASELINE = "baseline"
_SIDES = ("baseline", "baseline_as_found", "fastest_fp32", "chosen", "nearest")


def is_study(folder: Path) -> bool:
    """True for a folder that a run has begun."""
    return not (folder / MANIFEST).exists() and ((folder / RESULT).exists() or (folder / LEDGER).exists())


_ENTRIES = ("verdict", "policy", "baseline", "baseline_as_found", "chosen", "nearest", "trials", "findings", "rows", "noise_floor")


def result_of(study: Path) -> dict[str, Any]:
    """The content of a study's result.json, which is what its evidence binds; where no evidence does, `evidence.bundle.uncovered` says so.

    Raises:
        UsageError: The folder is not there, holds no study, or a study whose run has not ended; or a newer paredown wrote it.
        Damaged: The file is not JSON, not a result, or not the one that the evidence binds.
    """
    _refuse_absent(study)
    path = study / RESULT
    if not path.is_file():
        if is_study(study):
            raise UsageError(
                f"{study} has no {RESULT} yet: its run has not ended, or was stopped.\n  Wait for it, or go on with `paredown run JOB`."
            )
        raise UsageError(f"{study} holds no study: it has no {RESULT}.\n  Give the folder of a study, as `runs/digits`.")
    refuse_changed(study, RESULT)
    try:
        result = read_json(path, finite=False)
    except (OSError, ValueError) as error:
        raise Damaged(f"{path} {error}.\n  `paredown run JOB` writes it again from the recorded trials.") from None
    found = result.get("format") if isinstance(result, dict) else None
    if found != 1:
        if isinstance(found, int):
            raise UsageError(f"{path} has format {found}; this paredown reads 1.\n  Update paredown.")
        raise Damaged(f"{path} is not a result: it has no `format`.\n  `paredown run JOB` writes it again from the recorded trials.")
    lacking = [key for key in _ENTRIES if key not in result]
    if lacking:
        raise Damaged(f"{path} lacks {', '.join(lacking)}.\n  `paredown run JOB` writes it again from the recorded trials.")
    try:
        wrong = _wrong(result)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        wrong = f"was edited or cut ({type(error).__name__}: {error})"
    if wrong:
        raise Damaged(f"{path} {wrong}.\n  `paredown run JOB` writes it again from the recorded trials.")
    return dict(result)


def refuse_changed_lock(study: Path) -> None:
    """Refuse a job.lock.yaml that is neither the one that the evidence binds nor one that a later run wrote.

    Raises:
        Damaged: It was edited.
    """
    if not later_lock(study):
        refuse_changed(study, JOB_LOCK)


def later_lock(study: Path) -> bool:
    """Whether a study's job.lock.yaml is one that a run wrote, by the ledger; a later run's is not covered by the evidence."""
    lock = study / JOB_LOCK
    return lock.is_file() and knows_lock(study / LEDGER, of_file(lock))


_READINGS = is_mapping(is_record({}))
_MODEL = is_record(
    {
        **dict.fromkeys(("recipe", "digest"), is_text),
        **dict.fromkeys(("readings", "ratios", "ratios_as_found"), _READINGS),
        "split": is_one_of("test", "validation"),
    }
)
_RESULT = is_record(
    {
        **dict.fromkeys(("trials", "findings"), is_list(is_any)),
        **dict.fromkeys(("policy", "rows"), is_mapping(is_any)),
        "verdict": is_text,
        "baseline": is_record({"artifact": is_text, "readings": _READINGS}),
        "baseline_as_found": is_record({"readings": _READINGS}),
        "noise_floor": is_record({"cpu_time": is_record({"value": is_number()})}),
    }
)


def _wrong(result: Mapping[str, Any]) -> str:
    """The first reading that is no number; empty when all are. A part that is not there, or of another kind, raises."""
    _RESULT(result, "")
    for name in ("chosen", "nearest"):
        if result[name] is not None:
            _MODEL(result[name], name)
    sides = {name: result[name] for name in _SIDES if result.get(name) is not None} | {
        f"trial {at}": one for at, one in enumerate(result["trials"])
    }
    for side, part in sides.items():
        for name, data in (part["readings"] or {}).items():
            found = reading_from_json(name, dict(data))
            ends = () if isinstance(found, Missing) else (found.value, found.low, found.high)
            if not all(end is None or is_finite(end) for end in ends):
                return f"has no number for {name} of {side}"
    for place, data in _all_readings(result, ""):
        try:
            reading_from_json("cpu_time", data)  # any quantity: what it is of is told by where it stands
        except (KeyError, TypeError, ValueError) as error:
            return f"has no reading at {place} ({type(error).__name__}: {error})"
    search = result.get("search")
    sums = {} if search is None else {"the seconds of the search": search["wall_s"], **search.get("hourly_j", {})}
    odd = [name for name, value in sums.items() if not is_finite(value)]
    return f"has no number for {odd[0]}" if odd else ""


def _all_readings(value: Any, place: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Whatever looks like a reading, with where it stands."""
    if isinstance(value, dict) and ("missing" in value or value.keys() >= {"value", "how", "unit"}):
        yield place, value
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from _all_readings(item, f"{place}.{key}" if place else str(key))


def artifact_of(target: Path, *, nearest: bool = False) -> Path:
    """The artifact that a target means: itself, or what a study released.

    Args:
        target: Folder of an artifact or of a study.
        nearest: True takes a study's nearest miss where nothing was released.

    Raises:
        UsageError: It is neither, or the study has released nothing.
        Damaged: The study says that it released one, and it is gone.
    """
    _refuse_absent(target)
    if (target / MANIFEST).exists():
        return target
    if not is_study(target):
        raise UsageError(
            f"{target} is neither an artifact nor a study: it has no {MANIFEST} and no {RESULT}.\n"
            "  Give the folder of one, as `runs/digits` or `runs/digits/artifact`."
        )
    released = result_of(target)["chosen"] is not None
    folder = target / (RELEASED if released else NEAREST)
    if released or nearest:
        if not (folder / MANIFEST).is_file():
            raise Damaged(f"{folder} is gone; {target / RESULT} says that it was written.\n  `paredown run JOB` writes it again.")
        return folder
    raise UsageError(f"{target} has released nothing: its verdict is {result_of(target)['verdict']}.\n  Its nearest miss is in {folder}.")


def baseline_of(study: Path) -> Path:
    """The artifact of a study's model as given; it is there before the study's run has ended.

    Raises:
        UsageError: The folder holds no study, or one whose baseline does not exist yet.
        Damaged: The artifact is gone from the study's cache, or result.json or the ledger is damaged.
    """
    if (study / RESULT).is_file() or not is_study(study):
        digest = result_of(study)["baseline"]["artifact"]
    else:
        from paredown.study.ledger import Ledger
        from paredown.study.study import trials

        with Ledger.open(study / LEDGER, read_only=True) as ledger:
            found = [trial.artifact for trial in trials(ledger) if trial.role == "baseline"]
        if not found:
            raise UsageError(f"{study} has no baseline yet: its run has only begun.\n  Wait for it, or go on with `paredown run JOB`.")
        digest = found[0]
    if not is_digest(digest):
        raise Damaged(f"{study} names {digest!r:.80} as the baseline's artifact, which is no digest.\n  Run the job again with `--fresh`.")
    folder: Path = study / "cache" / "artifacts" / digest
    if not (folder / MANIFEST).is_file():
        raise Damaged(f"{folder}, the baseline's artifact, is gone from the study's cache.\n  Run the job again with `--fresh`.")
    return folder


def given_beside(artifacts: Iterable[Path]) -> dict[str, str]:
    """The variable that says where the studies of packed models as given keep what they were given from memory."""
    return {trust.GIVEN: os.pathsep.join(str(artifact.resolve().parent.parent.parent / "given") for artifact in artifacts)}


def other_of(against: str | Path, target: Path) -> Path:
    """The artifact that `--against` means.

    Args:
        against: "baseline", the folder of an artifact, or of a study: its model as given.
        target: What is measured; "baseline" is the one of the study that it is or lies in.

    Raises:
        UsageError: There is no such folder, or `target` belongs to no study.
        Damaged: A file that a study names is gone.
    """
    if str(against) != BASELINE:
        return baseline_of(Path(against)) if is_study(Path(against)) else artifact_of(Path(against))
    study = target if is_study(target) else target.resolve().parent
    if not is_study(study):
        raise UsageError(f"{target} lies in no study, so that its baseline is not known.\n  Give a folder: `--against runs/digits`.")
    return baseline_of(study)


def other_class(manifests: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """A warning for each artifact that was measured on another class of CPU when it was made, or with more threads than there are cores."""
    from paredown.ground.host import host

    here, most = host().isa, cores()
    for manifest in manifests:
        threads = max(graph["placement"].get("threads", 1) for graph in manifest["graphs"])
        if threads > most:
            yield f"{manifest['recipe']} is packed for {threads} threads; this machine has {most} cores, and no more threads are used."
        made = manifest["measured_on"]["isa"]
        if made != here:
            yield (
                f"{manifest['recipe']} was made and measured on a CPU of class {made}; this one is {here}. 8-bit answers and speeds differ "
                "between classes."
            )


def _refuse_absent(folder: Path) -> None:
    if not folder.exists():
        raise UsageError(f"{folder} does not exist.\n  Give the folder of an artifact or of a study, as `runs/digits`.")
    if not folder.is_dir():
        raise UsageError(f"{folder} is a file.\n  Give the folder of an artifact or of a study, as `runs/digits`.")
