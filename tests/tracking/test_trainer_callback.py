"""A real training by transformers' Trainer leaves its record."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import paredown
from paredown.core.errors import UnknownName
from paredown.core.record import record_from_json
from paredown.testing import tiny

ROWS = 24


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("accelerate")
    return tiny.pretrained(tmp_path_factory.mktemp("bert"), labels=("card", "loan", "visit"), layers=1)


def train(model: Path, folder: Path, *callbacks: object, **arguments: object) -> object:
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(model)
    rows = tiny.texts(ROWS)
    encoded = [{**tokenizer(text), "label": int(label)} for text, label in zip(rows.inputs, rows.labels)]
    plain = {
        "per_device_train_batch_size": 5,
        "num_train_epochs": 2,
        "logging_steps": 2,
        "report_to": [],
        "disable_tqdm": True,
        "use_cpu": True,
    }
    trainer = transformers.Trainer(
        model=transformers.AutoModelForSequenceClassification.from_pretrained(model),
        args=transformers.TrainingArguments(output_dir=str(folder), dataloader_pin_memory=False, **(plain | arguments)),
        train_dataset=encoded,
        data_collator=transformers.DataCollatorWithPadding(tokenizer),
        callbacks=[*callbacks],
    )
    trainer.train()
    return trainer


def test_a_training_leaves_its_record_and_its_joules_in_the_logs(model: Path, tmp_path: Path) -> None:
    callback = paredown.TrackCallback(activity="fine-tuning", grid="100 g/kWh")
    trainer = train(model, tmp_path / "out", callback, save_strategy="no")
    record = record_from_json(json.loads((tmp_path / "out" / "paredown_energy.json").read_text()))
    assert record.json() == callback.record.json()
    assert (record.activity, record.subject, record.unit, record.count) == ("fine-tuning", "out", "sample", 2 * ROWS)
    assert record.readings["cpu_time"].value > 0
    logged = [log["energy_j"] for log in trainer.state.log_history]
    assert len(logged) >= 5
    assert logged == sorted(logged)
    assert 0 < logged[0] < logged[-1] <= sum(record.hourly_j.values())
    assert trainer.state.log_history[-1]["carbon_g"] > 0


def test_tokens_are_the_unit_where_the_trainer_counts_them(model: Path, tmp_path: Path) -> None:
    callback = paredown.TrackCallback("bert")
    trainer = train(model, tmp_path, callback, save_strategy="no", include_num_input_tokens_seen="all", num_train_epochs=1)
    assert (callback.record.subject, callback.record.unit) == ("bert", "token")
    assert callback.record.count == trainer.state.num_input_tokens_seen > ROWS


def test_a_training_that_breaks_off_leaves_what_its_last_checkpoint_knew(model: Path, tmp_path: Path) -> None:
    import transformers

    class Fails(transformers.TrainerCallback):
        def on_step_begin(self, args: object, state: transformers.TrainerState, control: object, **_: object) -> None:
            if state.global_step == 4:
                raise ZeroDivisionError

    callback = paredown.TrackCallback()

    with pytest.raises(ZeroDivisionError):
        train(model, tmp_path, callback, Fails(), save_strategy="steps", save_steps=3)
    record = record_from_json(json.loads((tmp_path / "paredown_energy.json").read_text()))
    assert record.count == pytest.approx(15, abs=1)
    train(model, tmp_path / "again", callback, save_strategy="no")
    assert callback.record.count == 2 * ROWS
    assert not callback.record.notes


def test_a_wrong_setting_is_said_before_the_training() -> None:
    with pytest.raises(UnknownName, match="no activity 'trainig'"):
        paredown.TrackCallback(activity="trainig")
