"""The commands that only look: list, show, doctor; and init, which writes one file."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import pytest
from click.testing import CliRunner

from paredown.cli import doctor, init, show
from paredown.cli import list as listing
from paredown.core.errors import BadKnob, UnknownName, UsageError
from paredown.core.knob import knobs
from paredown.core.trial import Trial
from paredown.ground import registry
from paredown.measuring import eight_bits
from paredown.meters.powercap import Powercap
from paredown.techniques.quantize_dynamic import QuantizeDynamic


def answer(module, *words: str) -> str:
    """What a command prints to stdout."""
    done = CliRunner().invoke(module.command, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def data(module, *words: str):
    """What a command gives with --json."""
    return json.loads(answer(module, *words, "--json"))


def refuse(module, *words: str) -> None:
    """Run a command and let its error through."""
    module.command.main(list(words), standalone_mode=False)


def test_list_has_all_units_by_stage() -> None:
    found = data(listing, "techniques")["techniques"]
    assert {entry["name"] for entry in found} >= set(registry.names("techniques"))
    stages = [registry.get("techniques", entry["name"]).stage for entry in found if entry["error"] is None]
    assert stages == sorted(stages)
    assert all(entry["what"].endswith(".") for entry in found if entry["origin"] == "built-in")


def test_list_without_a_kind_has_all_kinds() -> None:
    found = data(listing)
    assert set(found) == {*listing.kinds()} - {"zones"}
    assert {entry["name"] for entry in found["policies"]} >= {"frugal", "edge"}
    assert [entry["unit"] for entry in found["quantities"] if entry["name"] == "energy"] == ["J"]
    text = answer(listing)
    assert all(f"  {entry['name']} " in text for entries in found.values() for entry in entries)


def test_list_of_zones_has_each_once_with_its_factor_and_source() -> None:
    found = {entry["name"]: entry for entry in data(listing, "zones")["zones"]}
    assert (found["NO"]["unit"], found["NO"]["what"]) == ("30.08 g/kWh", "Norway, 2023")
    assert "CC BY 4.0" in found["NO"]["source"]
    assert {"US-CA", "CN-GD", "gcp:europe-west1", "aws:eu-west-1"} <= set(found)
    assert "  gcp:europe-west1 " in answer(listing, "zones")


def test_list_of_an_unknown_kind() -> None:
    with pytest.raises(UnknownName, match=r"no kind 'technique'\. Did you mean 'techniques'"):
        refuse(listing, "technique")


@dataclass(frozen=True, kw_only=True)
class QuantizeTwice(QuantizeDynamic):
    """A technique that a package of somebody else could bring."""


@pytest.fixture
def stranger(monkeypatch: pytest.MonkeyPatch):
    """Two third-party techniques: one that works and one whose module is not there."""
    points = [
        metadata.EntryPoint(name="quantize_twice", value="test_cli_look:QuantizeTwice", group="paredown.techniques"),
        metadata.EntryPoint(name="broken_one", value="no_such_module_here:Broken", group="paredown.techniques"),
    ]
    monkeypatch.setattr(metadata, "entry_points", lambda group: points if group == "paredown.techniques" else [])
    registry.units.cache_clear()
    yield
    registry.units.cache_clear()


@pytest.mark.usefixtures("stranger")
def test_a_broken_unit_is_shown_with_its_error_and_a_strangers_origin_too() -> None:
    found = {entry["name"]: entry for entry in data(listing, "techniques")["techniques"]}
    assert found["broken_one"]["error"] == "ModuleNotFoundError: No module named 'no_such_module_here'"
    assert found["quantize_twice"]["error"] is None
    assert found["quantize_twice"]["origin"] != "built-in"
    assert "BROKEN: ModuleNotFoundError: No module named 'no_such_module_here'" in answer(listing, "techniques")


def test_show_a_technique_with_all_its_knobs() -> None:
    cls = registry.get("techniques", "distill")
    found = data(show, "distill")
    assert [item["name"] for item in found["knobs"]] == [*knobs(cls)]
    assert found["stage"] == "architecture"
    assert (found["source"], found["use_when"], found["avoid_when"]) == (cls.source, cls.use_when, cls.avoid_when)
    text = answer(show, "distill")
    for key, knob in knobs(cls).items():
        assert key in text
        assert knob.allowed in text


def test_show_a_name_of_two_kinds_shows_both() -> None:
    assert [item["kind"] for item in data(show, "builtin")] == ["model", "dataset"]


def test_show_a_recipe_as_a_tree() -> None:
    recipe = 'cascade(distill(student="half") > quantize_dynamic() @ onnxruntime(threads=1), as_given @ torch, at=0.8)'
    found = data(show, recipe)
    assert found["recipe"] == recipe
    assert found["compose"]["knobs"] == {"at": 0.8}
    first, second = found["parts"]
    assert [step["name"] for step in first["steps"]] == ["distill", "quantize_dynamic"]
    assert first["steps"][0]["knobs"]["student"] == "half"
    assert (first["runtime"], first["placement"]) == ("onnxruntime", {"threads": 1})
    assert (second["steps"], second["runtime"]) == ([], "torch")
    lines = answer(show, recipe).splitlines()
    assert lines[0] == recipe
    assert lines[3] == "├── runs on onnxruntime(threads=1)"
    assert lines[4].startswith('│   ├── distill(student="half", ')
    assert lines[-1] == "    └── the model as given"


def test_show_refuses_wrong_recipes_and_names() -> None:
    with pytest.raises(BadKnob, match=r"prune_channels: keep is 7; it needs a number from [\d.]+ up to 1"):
        refuse(show, "prune_channels(keep=7) @ onnxruntime")
    with pytest.raises(UnknownName, match=r"no technique 'distil'\. Did you mean 'distill'"):
        refuse(show, "distil() @ onnxruntime")
    with pytest.raises(UnknownName, match=r"no runtime 'onnx'\. Did you mean 'onnxruntime'"):
        refuse(show, "distill() @ onnx")
    with pytest.raises(UnknownName, match=r"no unit 'quantize_statik'\. Did you mean 'quantize_static'"):
        refuse(show, "quantize_statik")


def test_show_a_study_with_its_trials(tmp_path: Path) -> None:
    from paredown.study.ledger import Ledger

    with pytest.raises(UsageError, match=r"holds no study: it has no ledger\.sqlite"):
        refuse(show, str(tmp_path))
    with Ledger.open(tmp_path / "ledger.sqlite") as ledger:
        ledger.add("trial", "a", Trial(id=0, recipe="as_given @ torch", role="baseline", quality=0.975).json())
        ledger.add("trial", "b", Trial(id=0, recipe="distill() @ onnxruntime", state="failed", reason="out of memory").json())
    found = data(show, str(tmp_path))["trials"]
    assert [(trial["recipe"], trial["state"]) for trial in found] == [("as_given @ torch", "done"), ("distill() @ onnxruntime", "failed")]
    text = answer(show, str(tmp_path))
    assert "2 trials, 1 of them failed" in text
    assert "distill() @ onnxruntime: out of memory" in text
    assert "as_given @ torch (baseline)" in text


def test_doctor_says_what_is_ready_and_what_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    found = data(doctor)
    assert found["host"]["cores"] >= 1
    assert {entry["name"]: entry["ready"] for entry in found["engines"]}["onnxruntime"] is True
    assert found["energy"]["active_w"]["how"] == "estimated"
    assert found["energy"]["active_w"]["value"] > 0
    assert "vcpu_curve" in found["energy"]["estimators"]
    cls = registry.get("runtimes", "onnxruntime")
    monkeypatch.setattr(cls, "ready", lambda self, host: "the engine wants a newer CPU.")
    assert "onnxruntime  not ready: the engine wants a newer CPU." in answer(doctor, "--quick")
    untried = {"engine": "onnxruntime", "products": "conv", "fp32_s": None, "int8_s": None, "ratio": None}
    monkeypatch.setattr(eight_bits, "tried_apart", lambda: [untried | {"reason": "the engine wants a newer CPU."}])
    (line,) = [line for line in answer(doctor).splitlines() if "onnxruntime, conv" in line]
    assert "not tried: the engine wants a newer CPU." in line


def test_doctor_names_each_estimator_with_its_watts_the_spread_and_the_boundary() -> None:
    text, energy = answer(doctor, "--quick"), data(doctor, "--quick")["energy"]
    for name, one in energy["estimators"].items():
        (line,) = [line for line in text.splitlines() if one["source"] in line]
        assert {"vcpu_curve": "vCPU curve: ", "tdp_share": "TDP share: ", "load_profile": "load profile: "}[name] in line
        assert one["note"] in line
    assert f"its ends a factor of {energy['spread']:.1f} apart" in text
    assert energy["boundary"] in text


def test_doctor_times_int8_in_each_engine() -> None:
    found = data(doctor)["int8"]
    assert found["instructions"]["class"] == data(doctor, "--quick")["host"]["isa"]
    for entry in found["tried"]:
        if entry["reason"] is None:
            assert entry["ratio"] == pytest.approx(entry["fp32_s"] / entry["int8_s"])
            assert 0 < entry["int8_s"] < 0.1
    assert [entry["products"] for entry in found["tried"] if entry["engine"] == "onnxruntime"] == ["matmul", "conv"]
    assert data(doctor, "--quick")["int8"]["tried"] == []


def test_doctor_without_onnx_goes_by_the_instruction_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eight_bits, "missing", lambda module, purpose: "a sample graph needs the package onnx.")
    assert {entry["reason"] for entry in eight_bits.tried({}) if entry["engine"] == "onnxruntime"} == {
        "a sample graph needs the package onnx."
    }
    assert eight_bits.instructions("avx512_vnni")["fused"] is True
    assert eight_bits.instructions("generic") == {
        "class": "generic", "fused": False, "text": "shows no instruction for 8-bit products; int8 may be slower than fp32",
    }  # fmt: skip


def test_doctor_reads_steal_from_the_kernel(tmp_path: Path) -> None:
    assert doctor.steal(tmp_path) is None
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/stat").write_text("cpu  60 0 20 10 0 0 0 10 0 0\ncpu0 1\n")
    assert doctor.steal(tmp_path) == 0.1


def test_doctor_asks_each_meter_what_it_reads_and_what_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "sys/class/powercap/intel-rapl:0"
    assert doctor.asked(Powercap(tmp_path))["reason"].startswith("no energy counter in ")
    folder.mkdir(parents=True)
    (folder / "name").write_text("package-0\n")
    (folder / "energy_uj").mkdir()  # what cannot be read, for root too
    shut = doctor.asked(Powercap(tmp_path))
    assert "sudo chmod a+r /sys/class/powercap/*/energy_uj" in shut["reason"]
    (folder / "energy_uj").rmdir()
    (folder / "energy_uj").write_text("123\n")
    found = doctor.asked(Powercap(tmp_path))
    assert (found["name"], found["found"], found["reason"]) == ("powercap", ["package-0"], None)
    plain = {"name": "cpu_time", "quantities": ["cpu_time"], "found": None, "reason": None}
    monkeypatch.setattr(doctor, "meters", lambda: [plain, found])
    text = answer(doctor, "--quick")
    assert re.search(r"^counters +powercap reads package-0$", text, re.MULTILINE)
    assert re.search(r"^ +powercap +package_energy, dram_energy, platform_energy of package-0$", text, re.MULTILINE)
    assert re.search(r"^ +cpu_time +cpu_time$", text, re.MULTILINE)
    monkeypatch.setattr(doctor, "meters", lambda: [plain, shut])
    text = answer(doctor, "--quick")
    assert "none can be read: energy is estimated; what powercap need stands below" in text
    assert "powercap is there or was named, and FAILS" in text
    assert "not ready: package-0 cannot be read (Is a directory)" in text


def test_doctor_names_the_packages_of_an_extra_that_are_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        metadata, "requires", lambda name: ['torch>=2.9; extra == "compress"', 'no-such-package>=1; extra == "compress"', "numpy>=2"]
    )
    assert doctor.extras() == [{"name": "compress", "install": "pip install 'paredown[compress]'", "missing": ["no-such-package"]}]


def test_init_writes_the_example_once(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "digits"
    assert data(init, "--example", "digits", str(folder)) == {"written": str(folder / "job.yaml"), "example": "digits"}
    text = (folder / "job.yaml").read_text()
    assert "builtin: digits-cnn" in text
    (folder / "job.yaml").write_text("mine")
    with pytest.raises(UsageError, match=r"job\.yaml exists already and is kept as it is"):
        refuse(init, "--example", "digits", str(folder))
    assert (folder / "job.yaml").read_text() == "mine"
    with pytest.raises(UsageError, match=r"job\.yaml is a file, not a folder"):
        refuse(init, "--example", "digits", str(folder / "job.yaml"))


def test_the_example_is_a_job(tmp_path: Path) -> None:
    from paredown.study.jobfile import read_job

    answer(init, "--example", "digits", str(tmp_path))
    job = read_job(tmp_path / "job.yaml")
    assert (job.name, job.model.value, job.metric, job.search.strategy, job.search.seed) == (
        "digits",
        "digits-cnn",
        "accuracy",
        "ladder",
        0,
    )
    assert job.policy.drop.limit.value == pytest.approx(0.02)
    assert job.policy.minimize == "cpu_time"
