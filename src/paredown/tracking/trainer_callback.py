"""`TrackCallback`: what a training by transformers' Trainer takes. The trainer calls it by name; it inherits and imports nothing of it."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paredown.core.record import EnergyRecord
from paredown.ground.files import write_atomic
from paredown.tracking.tracker import Track, track
from paredown.tracking.usage import Usage

if TYPE_CHECKING:
    from transformers import TrainerControl, TrainerState, TrainingArguments

FILE = "paredown_energy.json"


class TrackCallback:
    """Track a training: `Trainer(..., callbacks=[paredown.TrackCallback(grid="NO")])`.

    Counted is the process from the first step to the end of `train()`, evaluation and saving included. Every log of the trainer gets
    `energy_j`, and `carbon_g` where a place is given. The record is written to `paredown_energy.json` in the output folder at each
    checkpoint and at the end, for `paredown export`; it is `record` here, too. Its unit is the token where the trainer counts them
    (`include_num_input_tokens_seen`), else the sample, each as often as it was seen.

    Args:
        name: What the record calls it; the output folder's name when None.
        activity: training, fine-tuning, ...
        grid, pue: As `track()` takes them.
    """

    def __init__(
        self, name: str | None = None, *, activity: str = "training", grid: str | Path | None = None, pue: float | None = None
    ) -> None:
        self.record: EnergyRecord | None = None
        self._name, self._block = name, partial(track, activity=activity, grid=grid, pue=pue)
        self._open: tuple[Track, Usage] | None = None
        self._begun = (0.0, 0, 0)
        self._block()  # what is wrong with them is said now

    def __getattr__(self, event: str) -> Any:
        """The events in which there is nothing to do."""
        if event.startswith("on_"):
            return _nothing
        raise AttributeError(f"TrackCallback has no attribute {event!r}")

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Begin; a training before that was broken off ends here."""
        self._close()
        self._begun = (float(state.epoch or 0), state.global_step, state.num_input_tokens_seen)
        block = self._block(self._name or Path(str(args.output_dir)).name, unit=self._unit(args))
        self._open = block, block.__enter__()
        if args.world_size > 1:
            self._open[1].note(f"process {args.process_index} of {args.world_size}; what the others took is not in it")

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, logs: dict[str, Any] | None = None, **kwargs: Any
    ) -> None:
        """Put what was taken so far into the trainer's log."""
        if self._open is None:
            return
        took = self._open[1]
        carbon = took.readings["carbon"].json()
        found = {"energy_j": took.energy_j} | ({"carbon_g": carbon["value"]} if "value" in carbon else {})
        for log in (logs, state.log_history[-1] if state.log_history else None):
            if log is not None:
                log.update(found)

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Write what was taken until this checkpoint, in case that there is no end."""
        self._write(args, state, kwargs)

    def on_train_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """End, and write the record."""
        took = self._close()
        if took is not None:
            self._write(args, state, kwargs, took)

    def _close(self) -> Usage | None:
        if self._open is None:
            return None
        (block, took), self._open = self._open, None
        block.__exit__(None, None, None)
        return took

    def _write(self, args: TrainingArguments, state: TrainerState, given: dict[str, Any], ended: Usage | None = None) -> None:
        took = ended or (self._open[1] if self._open else None)
        if took is None:
            return
        took.count = max(1, self._count(args, state, given.get("train_dataloader")))
        self.record = took.record
        if state.is_world_process_zero:
            folder = Path(str(args.output_dir))
            folder.mkdir(parents=True, exist_ok=True)
            text = json.dumps(self.record.json(), indent=2, ensure_ascii=False) + "\n"
            write_atomic(folder / FILE, text.encode(errors="backslashreplace"))

    @staticmethod
    def _unit(args: TrainingArguments) -> str:
        return "sample" if str(args.include_num_input_tokens_seen) in ("no", "False") else "token"

    def _count(self, args: TrainingArguments, state: TrainerState, loader: Any) -> int:
        """Tokens or samples since the training began."""
        epoch, step, tokens = self._begun
        if self._unit(args) == "token":
            return int(state.num_input_tokens_seen) - tokens
        try:
            return round((float(state.epoch or 0) - epoch) * len(loader.dataset))
        except (AttributeError, TypeError):  # a stream has no length; its last batch may be shorter
            return int((state.global_step - step) * args.train_batch_size * args.gradient_accumulation_steps * args.world_size)


def _nothing(*given: Any, **named: Any) -> None:
    return None
