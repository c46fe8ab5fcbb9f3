"""What the README shows is what the project has: commands, options, job entries."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from paredown.cli import COMMANDS
from paredown.core.recipe import parse
from paredown.study.jobfile import read_job

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.S)


def unknown_commands(text: str) -> list[str]:
    return [name for name in re.findall(r"\bparedown ([a-z]+)", text) if name not in COMMANDS]


def test_every_command_of_the_readme_exists() -> None:
    shell = "\n".join([*blocks("sh"), *re.findall(r"`(paredown [^`]*)`", README)])
    assert len(re.findall(r"\bparedown ", shell)) > 5
    assert not unknown_commands(shell)


def test_a_command_that_does_not_exist_would_be_seen() -> None:
    assert unknown_commands("paredown run a\nparedown frobnicate b") == ["frobnicate"]


def test_the_job_of_the_readme_is_a_job(tmp_path: Path) -> None:
    (job,) = blocks("yaml")
    for name in ("weights.safetensors", "train.npz", "test.npz", "my_model.py"):
        (tmp_path / name).touch()
    (tmp_path / "job.yaml").write_text(job)
    read = read_job(tmp_path / "job.yaml")
    assert (read.name, read.model.kind, read.policy.minimize) == ("defects", "python", "cpu_time")


def test_the_recipes_of_the_readme_are_recipes() -> None:
    recipes = re.findall(r'paredown apply "([^"]*)"', README)
    assert recipes
    for recipe in recipes:
        parse(recipe)


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`((?:docs|examples|benchmarks)/[\w./-]+)`", README))))
def test_every_file_that_the_readme_names_is_there(path: str) -> None:
    assert (ROOT / path).exists()
