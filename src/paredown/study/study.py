"""One job's folder: opened under its lock, continued where it ended."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

from paredown.core.errors import BadData, BadModel, Damaged, OtherJob, UsageError
from paredown.core.job import Job
from paredown.core.policy import Policy
from paredown.core.trial import Spent, Trial, trial_from_json
from paredown.ground.checks import is_either, is_list, is_mapping, is_none, is_number, is_record, is_text
from paredown.ground.digests import of_file
from paredown.ground.documents import write
from paredown.ground.files import PART, remove, remove_parts, writable, write_atomic
from paredown.study.ledger import Ledger, Record, SpanEntry
from paredown.study.lock import StudyLock
from paredown.study.schema import damaged

FORMAT = 1
JOB_LOCK = "job.lock.yaml"
ENDED = ("result.json", "artifact", "nearest-miss")
"""What only a run that came to its end leaves."""
LEDGER = "ledger.sqlite"
GIVEN = "given"
"""What a study was given from memory: model, rows and job file; `--fresh` keeps it, as it keeps a job file elsewhere."""
OURS = (
    *(f"{LEDGER}{end}" for end in ("", "-wal", "-shm", "-journal")),
    *("cache", "artifact", "nearest-miss", "evidence", "review", "report.html", "result.json"),
    JOB_LOCK,
)
"""What `--fresh` deletes, in this order: while the last one stands, the folder is a study."""


@dataclass(frozen=True, kw_only=True)
class Study:
    """One job's folder and what is known in it; made by `Study.open`.

    Args:
        folder: The study folder.
        job: The job as it is now.
        digests: All that can change a result, by name; equal in every run of the study.
        ledger: The recorded facts and the work they cost.
        lost: Work that an earlier run began and did not close; booked at this opening.
        policy: The record of this job's policy.
        read: What work has read of the user's so far, path (from the job's folder on where it lies there) -> digest: the files that models,
            metrics and students were made of, under whatever name.
    """

    folder: Path
    job: Job
    digests: Mapping[str, str]
    ledger: Ledger
    lost: tuple[SpanEntry, ...]
    policy: Record
    read: dict[str, str]

    @classmethod
    @contextmanager
    def open(cls, folder: Path, job: Job, digests: Mapping[str, str], fresh: bool = False, wait_s: float = 0.0) -> Iterator[Self]:
        """Start a study, or go on with it where it ended, however it ended.

        A changed policy or budget goes on from the recorded trials. Task, metric, seed, scenario, batch and every entry of `digests` have
        to be what they were, unless model or data were refused before anything was tried: then the corrected job takes the folder.

        Args:
            folder: The study folder; created when it is not there.
            job: The job.
            digests: Name -> digest of what else can change a result: the model, each data split.
            fresh: True deletes what an earlier study left here and starts again; files that paredown does not know stay.
            wait_s: How long to wait in seconds for another run of this study to end.

        Raises:
            OtherJob: The folder holds a study of another job; says which entries differ, old and new.
            StudyBusy: Another run holds the study.
            UsageError: The folder is not empty and holds no study; it cannot be written; a newer paredown wrote it.
            Damaged: The lock file or the ledger is not what was written.
        """
        refuse_foreign(folder)
        with StudyLock(folder, wait_s):
            remove_parts(folder)
            if fresh:
                _clear(folder)
            now = {"task": job.task, "metric": job.metric, "seed": str(job.search.seed)}
            now |= {"scenario": job.deploy.scenario, "batch": str(job.deploy.batch)} | dict(digests)
            before, read = _read_lock(folder), dict[str, str]()
            if before is not None:
                read = before.read
                changed = _differences(before.digests | read, now | _now(job.folder, read))
                if changed and _was_refused(folder):
                    _clear(folder)
                    before, read = None, {}
                elif changed:
                    raise OtherJob(_other(folder, changed))
            mine = version("paredown")
            if before is None:
                write_atomic(folder / JOB_LOCK, _locked(job, now, read))  # the first of its files: from then on the folder is a study
            with writable(folder):
                for name in ("store", "data", "artifacts"):
                    (folder / "cache" / name).mkdir(parents=True, exist_ok=True)
            with Ledger.open(folder / LEDGER) as ledger:
                lost, policy = tuple(ledger.book_lost()), _record_policy(ledger, job.policy)
                study = cls(folder=folder, job=job, digests=now, ledger=ledger, lost=lost, policy=policy, read=read)
                study._write_lock()
                if before is not None and before.writer != mine:
                    study.note(f"paredown {mine} went on with what paredown {before.writer} had recorded.")
                try:
                    yield study
                except (BadData, BadModel) as error:
                    study._keep("refused", type(error).__name__)  # its text may quote a cell, and the ledger holds none
                    raise

    @property
    def seed(self) -> int:
        """Root of all random streams."""
        return self.job.search.seed

    @property
    def cache(self) -> Path:
        """What can be made again."""
        return self.folder / "cache"

    @property
    def store_folder(self) -> Path:
        """Candidates by digest."""
        return self.cache / "store"

    @property
    def data_folder(self) -> Path:
        """Encoded splits and stored outputs."""
        return self.cache / "data"

    @property
    def artifacts_folder(self) -> Path:
        """Packed artifacts by digest."""
        return self.cache / "artifacts"

    def trials(self) -> list[Trial]:
        """All recorded trials, oldest first, each with its ledger number as id."""
        return trials(self.ledger)

    def note_read(self, found: Mapping[str, str]) -> None:
        """Write down what work has read, before its fact is recorded.

        Args:
            found: Absolute path -> digest of what was read.

        Raises:
            OtherJob: Earlier work of this study has read something else under that path.
        """
        named = {_from_job(path, self.job.folder): digest for path, digest in found.items()}
        if changed := _differences({path: self.read.get(path, digest) for path, digest in named.items()}, named):
            raise OtherJob(_other(self.folder, changed))
        if named.keys() - self.read.keys():
            self.read.update(named)
            self._write_lock()

    def refuse_changed(self) -> None:
        """Refuse to go on with what was made of files that are others now.

        Raises:
            OtherJob: A file that work has read has changed, or is gone; says which.
        """
        if changed := _differences(self.read, _now(self.job.folder, self.read)):
            raise OtherJob(_other(self.folder, changed))

    def _write_lock(self) -> None:
        lock = _locked(self.job, self.digests, self.read)
        key = hashlib.sha256(lock).hexdigest()
        if self.ledger.find("job", key) is None:
            self.ledger.add("job", key, version("paredown"))  # known before it stands there: a lock that no run wrote was edited
        write_atomic(self.folder / JOB_LOCK, lock)

    def note(self, text: str) -> None:
        """Keep a sentence for the report; the same sentence is kept once."""
        self._keep("note", text)

    def _keep(self, kind: str, text: str) -> None:
        key = hashlib.sha256(text.encode()).hexdigest()
        if self.ledger.find(kind, key) is None:
            self.ledger.add(kind, key, text)

    def notes(self) -> list[str]:
        """The sentences for the report, oldest first."""
        return [record.value for record in self.ledger.records("note")]

    def spent(self) -> Spent:
        """What all work since the baseline existed has cost, failed and lost work included."""
        return self.ledger.spent()

    def policies(self) -> list[Record]:
        """Every policy this study was run with, oldest first; the value holds name, policy and test_reads_before."""
        return self.ledger.records("policy")

    @property
    def post_hoc(self) -> bool:
        """True when this job's policy was first used after the test split had been read."""
        return bool(self.policy.value["test_reads_before"] > 0)


def rows_file(data: Path, split: str, digest: str) -> Path:
    """Where a study keeps the rows of a split with this digest.

    Args:
        data: Its `data_folder`.
    """
    return data / f"{split}-{digest[:16]}.npz"


def outputs_file(data: Path, artifact: str, split: str) -> Path:
    """Where a study keeps the answers of a packed artifact, named by its digest, to a split.

    Args:
        data: Its `data_folder`.
    """
    return data / f"outputs-{artifact[:16]}-{split}.npy"


def _locked(job: Job, digests: Mapping[str, str], read: Mapping[str, str]) -> bytes:
    """The content of job.lock.yaml."""
    made_of = {"digests": dict(digests), "read": dict(sorted(read.items()))}
    return write({"format": FORMAT, "name": job.name, "paredown": version("paredown"), **made_of, "job": job.document})


def trials(ledger: Ledger) -> list[Trial]:
    """All trials of a ledger, oldest first, each with its ledger number as id.

    Raises:
        Damaged: A record is no trial.
    """
    return [_trial(ledger, record) for record in ledger.records("trial")]


def _trial(ledger: Ledger, record: Record) -> Trial:
    try:
        _TRIAL(record.value, "")
        return trial_from_json(record.value | {"id": record.id})
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise damaged(ledger.path, f"record {record.id} is no trial: it {error}") from error


_READINGS = is_mapping(is_either(is_record({"value": is_number()}), is_record({"missing": is_text}), "a reading"))
_TRIAL = is_record(
    {"recipe": is_text, "readings": _READINGS, "ratios": _READINGS, "notes": is_list(is_text)},
    {
        **dict.fromkeys(("role", "state", "reason", "artifact", "why"), is_text),
        "quality": is_either(is_number(), is_none, "a number or null"),
        "drop": is_mapping(is_number(high=math.inf, low=-math.inf)),
        "energy_j": is_number(),
        "wall_s": is_number(),
    },
)


def policy_digest(policy: Policy) -> str:
    """Over what a policy demands: its name, the lines it stands on and the way limits are spelled do not count."""
    return hashlib.sha256(json.dumps(_demands(policy), sort_keys=True).encode()).hexdigest()


def _demands(policy: Policy) -> Any:
    demands = json.loads(json.dumps(asdict(policy), default=str, allow_nan=False))
    del demands["name"]
    for rule in demands["rules"]:
        del rule["where"]
        if rule["limit"]:
            del rule["limit"]["text"]
    return demands


def _record_policy(ledger: Ledger, policy: Policy) -> Record:
    key = policy_digest(policy)
    reads = len(ledger.records("test_read"))
    value = {"name": policy.name, "policy": _demands(policy), "test_reads_before": reads}
    return ledger.find("policy", key) or ledger.add("policy", key, value)


def refuse_foreign(folder: Path) -> None:
    """Nothing of ours goes into a folder that is somebody else's.

    Raises:
        UsageError: It is a file, or holds something and no study.
    """
    if not folder.exists():
        return
    if not folder.is_dir():
        raise UsageError(f"{folder} is a file; a study needs a folder.\n  Choose another with `--study DIR`.")
    names = sorted(path.name for path in folder.iterdir() if path.name not in (".lock", GIVEN) and not path.name.endswith(PART))
    if names and JOB_LOCK not in names and LEDGER not in names:
        some = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
        raise UsageError(f"{folder} is not empty and holds no study; found {some}.\n  Choose a new or empty folder with `--study DIR`.")


def _clear(folder: Path) -> None:
    for name in OURS:
        remove(folder / name)


def _was_refused(folder: Path) -> bool:
    """Whether a study's model or data were refused before the first trial, so that nothing in it is worth keeping."""
    if not (folder / LEDGER).exists():
        return False
    with Ledger.open(folder / LEDGER, read_only=True) as ledger:
        return bool(ledger.records("refused")) and not ledger.records("trial")


@dataclass(frozen=True)
class _Lock:
    """What a study was made with: digests by name and by path, and the version that wrote them."""

    digests: dict[str, str]
    read: dict[str, str]
    writer: str


def _read_lock(folder: Path) -> _Lock | None:
    """What the lock file says; None for a new study."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    path = folder / JOB_LOCK
    way_out = "\n  Put back a copy of it, or start again with `--fresh`; that gives up what the study held."
    if not path.exists():
        if (folder / LEDGER).exists():
            raise Damaged(f"{folder} holds {LEDGER} and no {JOB_LOCK}, so its job is not known.{way_out}")
        return None
    try:
        document = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
        found, writer = document["format"], str(document["paredown"])
        digests, read = ({str(key): str(value) for key, value in part.items()} for part in (document["digests"], document.get("read", {})))
    except (YAMLError, UnicodeDecodeError, KeyError, TypeError, AttributeError) as error:
        raise Damaged(f"{path} is damaged: {type(error).__name__}: {str(error).partition(chr(10))[0]}.{way_out}") from error
    ended = [name for name in ENDED if (folder / name).exists()]
    if ended and not (folder / LEDGER).exists():
        raise Damaged(f"{folder} holds {ended[0]} and no {LEDGER}; what its runs recorded is gone.{way_out}")
    if found != FORMAT:
        raise UsageError(
            f"{path} has format {found}; this paredown reads {FORMAT}.\n  Update paredown, or use another folder with `--study DIR`."
        )
    return _Lock(digests, read, writer)


def _from_job(path: str, folder: Path) -> str:
    """A path from the job's folder on, where it lies there."""
    home = folder.resolve()
    return Path(path).relative_to(home).as_posix() if Path(path).is_relative_to(home) else path


def _now(folder: Path, read: Mapping[str, str]) -> dict[str, str]:
    """The digests that the same paths have now."""
    return {path: of_file(folder / path) if (folder / path).is_file() else "gone" for path in read}


def _differences(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    names = [*before, *(name for name in now if name not in before)]
    return [f"  {name}: {before.get(name, 'none')} -> {now.get(name, 'none')}" for name in names if before.get(name) != now.get(name)]


def _other(folder: Path, changed: Sequence[str]) -> str:
    lines = "\n".join(changed)
    return (
        f"{folder} holds the study of another job; these entries differ (old -> new):\n{lines}\n"
        "  Use another folder with `--study DIR`, or give up what is there and start again with `--fresh`."
    )
