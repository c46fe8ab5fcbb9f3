"""What every work order of one study shares, as plain data that any process can read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from paredown.core.candidate import Candidate
from paredown.core.errors import Unfit
from paredown.core.technique import Context
from paredown.ground.store import FolderStore
from paredown.rows.rowfile import read_rows


@dataclass(frozen=True, kw_only=True)
class BuildSpec:
    """One study as its workers see it.

    Args:
        name: The job's name.
        task: The task's name.
        encode, decode: The task's declarations.
        files: Folder of the files that `encode` names.
        labels: Class names in the model's order.
        store: Folder of candidates.
        artifacts: Folder of packed artifacts.
        data: Split name -> file of rows; the test split is never among them.
        seed: Root of all random streams.
        threads: CPU threads for training.
        isa: Instruction-set class of this machine.
        probe: Synthetic raw inputs, a file of rows.
        teacher: The baseline candidate once it exists.
    """

    name: str
    task: str
    encode: Mapping[str, Any]
    decode: Mapping[str, Any]
    labels: Sequence[str]
    store: str
    artifacts: str
    data: Mapping[str, str]
    seed: int
    threads: int
    isa: str
    probe: str
    files: str = "."
    teacher: Mapping[str, Any] = field(default_factory=dict)

    def json(self) -> dict[str, Any]:
        """As sent in work orders."""
        return asdict(self)

    def context(self, work: Path, progress: Any) -> Context:
        """What a technique gets in this study."""
        from paredown.encoders.feed import make_encoder
        from paredown.encoders.spectrograms import time_axis

        store = FolderStore(Path(self.store))
        teacher = Candidate(**self.teacher) if self.teacher else Candidate(digest="", form="")

        def ask(feed: Mapping[str, Any]) -> Any:
            return _answers(teacher, store, feed, work, self.decode, self.threads)

        return Context(
            data={split: partial(read_rows, Path(path)) for split, path in self.data.items()},
            encode=make_encoder(self.encode, Path(self.files)),
            decode=self.decode,
            teacher=teacher,
            ask=ask,
            store=store,
            seed=self.seed,
            threads=self.threads,
            work=work,
            progress=progress,
            answers={
                split: Path(path).with_name(f"taught-{teacher.digest[:16]}-{Path(path).stem}.npy") for split, path in self.data.items()
            },
            time=time_axis(self.encode),
        )


_OPEN: dict[str, Any] = {}


def _answers(teacher: Candidate, store: FolderStore, feed: Mapping[str, Any], work: Path, decode: Mapping[str, Any], threads: int) -> Any:
    """The teacher's answers before decoding through the first engine that takes its form; the session stays open in this process."""
    from paredown.ground import registry
    from paredown.kinds.decode import decoding, make_decoder
    from paredown.kinds.known import kind_of

    if teacher.digest not in _OPEN:
        engines = registry.engines(teacher.form)
        if not engines:
            raise Unfit(f"no engine here runs a {teacher.form} model, so that it cannot teach.")
        folder = work / "teacher"
        folder.mkdir(exist_ok=True)
        exported = engines[0].export(teacher, store, folder)
        session = engines[0].open(folder, exported["file"], {"threads": threads})
        _OPEN[teacher.digest] = session, make_decoder(decoding(decode, exported["outputs"]))
    session, answers_of = _OPEN[teacher.digest]
    return kind_of(decode).undecoded(answers_of(session.run(feed)), decode)
