"""What the README shows is what the project has, and its blocks do what they say, in the order in which they stand."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from paredown.cli import COMMANDS
from paredown.core.recipe import parse
from paredown.ground import documents
from paredown.planning.dry_run import plan
from paredown.study.jobfile import read_job
from readme_folder import words_of, write_hugging_face, write_instrument, write_onnx, write_torch
from tiny_cli import bare_script, leave
from tiny_study import TinyStudy, shorten

ROOT = Path(__file__).parents[2]
README, CHINESE = ((ROOT / name).read_text("utf-8") for name in ("README.md", "README.zh.md"))
SECTIONS = {part.partition("\n")[0]: part for part in re.split(r"^##+ ", README, flags=re.M)[1:]}
PATHS = {"Your Hugging Face model": write_hugging_face, "Your ONNX file": write_onnx, "Your torch model": write_torch}
LONG = {"Your Hugging Face model": pytest.mark.slow, "Your torch model": pytest.mark.slow}
NOT_WALKED = {
    "make demo": "the slow test of tests/running/test_digits.py runs the same job",
    "make test": "it is what runs these tests",
    "python3 -m venv": "the slow test below installs",
    ". .": "the slow test below installs",
    "pip install": "the slow test below installs",
    "paredown verify runs/digits": "the demo's study; the same command is walked under Into production",
    "paredown measure runs/digits": "the demo's study; tests/cli/test_cli_measure.py measures against a baseline",
}


ENDS = {"check": (0, 1, 3), "run": (0, 3, 4), "measure": (0, 1, 3)}
"""Exit codes that a walk accepts besides 0: another policy may not hold, and short measurements on a busy machine may show no saving."""


def blocks(text: str, language: str = r"\w+") -> list[tuple[str, str]]:
    """(language, content) of the code blocks."""
    return re.findall(rf"^```({language})\n(.*?)^```", text, flags=re.S | re.M)


def all_commands() -> list[str]:
    inline = re.findall(r"`(paredown [^`]*)`", README)
    return [" ".join(words) for _, block in blocks(README, "sh") for words in words_of(block)] + inline


def unknown_commands(text: str) -> list[str]:
    return [name for name in re.findall(r"\bparedown ([a-z]+)", text) if name not in COMMANDS]


def test_every_command_of_the_readme_exists() -> None:
    shell = "\n".join(all_commands())
    assert len(re.findall(r"\bparedown ", shell)) > 10
    assert not unknown_commands(shell)


def test_a_command_that_does_not_exist_would_be_seen() -> None:
    assert unknown_commands("paredown run a\nparedown frobnicate b") == ["frobnicate"]


def test_the_recipes_of_the_readme_are_recipes() -> None:
    recipes = re.findall(r"paredown apply '([^']*)'", README)
    assert recipes
    for recipe in recipes:
        parse(recipe)


@pytest.mark.parametrize("path", sorted(set(re.findall(r"[`(]((?:docs|examples|benchmarks)/[\w./-]+)[`)]", README))))
def test_every_file_that_the_readme_names_is_there(path: str) -> None:
    assert (ROOT / path).exists()


def test_both_languages_have_the_same_blocks_parts_and_figures() -> None:
    assert [uncommented(block) for block in blocks(CHINESE)] == [uncommented(block) for block in blocks(README)]
    assert [line.count("#") for line in re.findall(r"^##* ", CHINESE, re.M)] == [
        line.count("#") for line in re.findall(r"^##* ", README, re.M)
    ]
    assert rows_of_figures(CHINESE) == rows_of_figures(README)


def uncommented(block: tuple[str, str]) -> tuple[str, list[str]]:
    """A block without its comments, which are in the page's language."""
    return block[0], [re.sub(r"\s+#.*", "", line) for line in block[1].splitlines()]


def rows_of_figures(text: str) -> list[list[str]]:
    """The numbers of each row of a table."""
    return [re.findall(r"\d+(?:\.\d+)?", line.replace("1/", "")) for line in text.splitlines() if line.startswith("|")]


def walk(capfd: pytest.CaptureFixture[str], language: str, block: str) -> None:
    """Do what a block says, here; each command has to end well."""
    if language == "python":
        exec(compile(block, "README.md", "exec"), {"__name__": "__main__"})
    for words in words_of(block) if language == "sh" else ():
        if any(" ".join(words).startswith(known) for known in NOT_WALKED):
            continue
        if words[0] == "python":
            done = bare_script(*words[1:])
            assert (done.returncode, done.stderr) == (0, "")
            assert len(done.stdout.split()) == 2
            continue
        assert words[0] == "paredown", words
        code, out, err = leave(capfd, *words[1:])
        assert code in ENDS.get(words[1], (0,)), f"{words}\n{out}\n{err}"
        if words[1] == "init":
            order = Path("job.yaml").read_text().replace("  # labels: [", "  labels: [")  # what is to fill in, filled in
            Path("job.yaml").write_text(order)


@pytest.fixture
def cut_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder; measurements are short, one technique and one engine are there, frugal asks nothing that short ones cannot show."""
    from paredown.measuring import side_by_side
    from paredown.planning import dry_run, estimate
    from paredown.policy import parse
    from paredown.running import setup
    from paredown.runtimes.openvino import Openvino

    monkeypatch.setattr(Openvino, "ready", lambda self, host: "one engine is enough here.")
    shorten(monkeypatch, tmp_path / "state")
    (tmp_path / "calm.yaml").write_text("minimize: size\nrules: [{quality: {drop: 1 %}}]\n")
    built_in = {**parse._built_in(), "frugal": tmp_path / "calm.yaml"}
    monkeypatch.setattr(parse, "_built_in", lambda: built_in)
    usable, measure = setup.usable, side_by_side.measure

    def one(exclude: list[str], *, trainable: bool) -> list:
        return [unit for unit in usable(exclude, trainable=trainable) if unit.name() == "quantize_dynamic"]

    for module in (dry_run, estimate, setup):
        monkeypatch.setattr(module, "usable", one)
    monkeypatch.setattr(side_by_side, "measure", lambda *given, **named: measure(*given, **named | {"seconds": 1.0}))
    monkeypatch.setenv("COLUMNS", "300")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


@pytest.mark.parametrize(("section", "make"), [pytest.param(*path, marks=LONG.get(path[0], ())) for path in PATHS.items()])
def test_each_path_leads_to_a_report(section: str, make: Callable[[Path], None], cut_down: Path, monkeypatch, capfd) -> None:
    make(cut_down)
    monkeypatch.syspath_prepend(cut_down)
    found = blocks(SECTIONS[section])
    assert found
    for language, block in found:
        if language == "yaml":
            assert plan(documents.parse(block, "README.md").data)["rows"]["test"] == 600
        walk(capfd, language, block)
    assert [*cut_down.glob("runs/*/report.html")]
    if section == "Your Hugging Face model":
        assert Path("runs/my-model/artifact/artifact.json").is_file()
        for language, block in blocks(SECTIONS["Into production"]):
            walk(capfd, language, block)
    sys.modules.pop("my_training", None)


def test_the_instrument_measures_what_the_readme_says(cut_down: Path, tiny_study: TinyStudy, monkeypatch, capfd) -> None:
    write_instrument(cut_down, tiny_study)
    monkeypatch.syspath_prepend(cut_down)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    found = blocks(SECTIONS["Measure anything"])
    assert {language for language, _ in found} == {"sh", "python", "yaml"}
    for language, block in found:
        if language == "yaml":
            order = documents.parse(Path("job.yaml").read_text(), "job.yaml").data
            deploy = read_job({**order, **documents.parse(block, "README.md").data}, cut_down).deploy
            assert (deploy.grid.zone, deploy.machine.vcpus) == ("NO", 2)
        walk(capfd, language, block)
    assert Path("runs/my-model/report.SE.html").is_file()
    assert "paredown_inference_energy_joules_total" in Path("energy.prom").read_text()
    assert json.loads(Path("energy.jsonl").read_text())["subject"] == "training"
    sys.modules.pop("my_training", None)


def test_what_is_not_walked_stands_in_the_readme() -> None:
    lines = [" ".join(words) for _, block in blocks(README, "sh") for words in words_of(block)]
    for known in NOT_WALKED:
        assert any(line.startswith(known) for line in lines), known


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what pip needs, with both environments that the README makes, by its own lines."""
    folder = tmp_path_factory.mktemp("clone")
    for name in ("pyproject.toml", "constraints.txt", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for section in ("Your own model", "Into production"):
        install = next(block for _, block in blocks(SECTIONS[section], "sh") if "pip install" in block)
        done = shell(install, folder)
        if done.returncode and re.search("No matching distribution|[Cc]onnection|resolve host", done.stderr):
            pytest.skip("pip reaches no package index here.")
        assert done.returncode == 0, done.stderr[-2000:]
    return folder


def shell(block: str, folder: Path, environment: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a block with bash in an active environment, without this process's path of modules."""
    enter = f". {environment}/bin/activate\n" if environment else ""
    clean = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
    return subprocess.run(["bash", "-ec", enter + block], cwd=folder, env=clean, capture_output=True, text=True, check=False)


@pytest.mark.slow
@pytest.mark.timeout(3000)
@pytest.mark.parametrize(("section", "make"), PATHS.items())
def test_each_path_works_as_written_in_a_fresh_environment(section: str, make, clone: Path, tmp_path: Path, monkeypatch) -> None:
    """With real measuring times; the search alone is cut to a minute, as the README says how."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    here = tmp_path / "here"
    here.mkdir()
    make(here)
    for language, block in blocks(SECTIONS[section], "sh|python"):
        (here / "block.py").write_text(block.replace("20 min", "1 min"))
        for line in block.splitlines() if language == "sh" else ["python block.py"]:
            done = shell(line, here, clone / ".venv")
            assert done.returncode == 0, f"{line}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
            if " init " in line:
                job = (here / "job.yaml").read_text().replace("  # labels: [", "  labels: [").replace("# budget: 30 min", "budget: 6 min")
                (here / "job.yaml").write_text(job)
    assert [*here.glob("runs/*/report.html")]
    if section == "Your Hugging Face model":
        assert shell("python -c 'import torch'", here, clone / ".service").returncode == 1
        for language, block in blocks(SECTIONS["Into production"], "sh|python"):
            (here / "block.py").write_text(block)
            for line in [] if "pip install" in block else block.splitlines() if language == "sh" else ["python block.py"]:
                done = shell(line, here, clone / ".service")
                assert done.returncode in (ENDS["check"] if " check " in line else (0,)), f"{line}\n{done.stderr[-3000:]}"
