"""`paredown whatif` on a study that was really run, as typed."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from paredown.cli.whatif import rate_of
from paredown.core.errors import UnknownName, UsageError
from paredown.ground.amounts import BadAmount
from tiny_cli import bare, leave
from tiny_study import TinyStudy

WIDE = 100


@pytest.fixture
def folder(tiny_study: TinyStudy, tmp_path: Path) -> Path:
    """A study of which result.json and the job's lock are left."""
    for name in ("result.json", "job.lock.yaml"):
        shutil.copy(tiny_study.folder / name, tmp_path)
    return tmp_path


def test_all_machines_in_the_order_of_their_energy(folder: Path, capfd) -> None:
    code, out, err = leave(capfd, "whatif", folder)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].startswith("tiny: quantize_dynamic() @")
    assert lines[2].split() == ["machine", "chip", "latency", "energy", "above", "idle", "as", "given"]
    assert lines[3].startswith("measured here")
    assert max(map(len, lines)) <= WIDE
    assert "raspberry-pi-4" in out
    assert "g4dn.xlarge       T4               ≥" in out
    assert "no idle watts of it could be cited" in out
    assert "Nothing here was measured on the other machines" in out


def test_a_load_shows_machines_before_and_after(folder: Path, capfd) -> None:
    words = ("whatif", folder, "--machine", "c6g.large", "--machine", "raspberry-pi-4", "--rate", "1000000 /s")
    code, out, _ = leave(capfd, *words, "--transfer", "12 kB x 0.06 kWh/GB", "--utilization", "50 %")
    assert code == 0
    assert "at 1.0M inferences per second, machines busy at most 50% of the time" in out
    table = [line for line in out.splitlines() if line.startswith("c6g.large")]
    assert len(table) == 1
    assert re.search(r"\d(→| \[)", table[0])  # one number where both need as many
    assert "On c6g.large, the server that draws least, the model" in out
    assert "Edge against cloud, per inference:" in out
    assert max(map(len, out.splitlines())) <= WIDE


def test_json_is_one_document_with_sources(folder: Path, capfd) -> None:
    code, out, _ = leave(capfd, "whatif", folder, "--machine", "c7g.large", "--rate", "2e6 / month", "--price", "0.05 EUR/h", "--json")
    found = json.loads(out)
    assert code == 0
    assert found["rate"] == pytest.approx(2e6 / (365.25 / 12 * 86400))
    one = found["machines"][1]
    assert (one["name"], one["chip"], one["currency"]) == ("c7g.large", "Neoverse V1", "EUR")
    assert one["model"]["month_cost"]["value"] == pytest.approx(0.05 * 365.25 / 12 * 24)
    assert "c7g.large" in one["model"]["latency_p50"]["source"]


def test_it_needs_no_extra(folder: Path) -> None:
    done = bare("whatif", folder, "--machine", "c6g.large", absent=("torch", "sklearn", "onnx", "safetensors", "sqlalchemy"))
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--machine", "c6gn.large"), "no machine 'c6gn.large'. Did you mean 'c6g.large'?"),
        (("--rate", "200"), "--rate is '200'; it needs a unit.\n  Write `200 /s` or `2e6 / month`."),
        (("--rate", "1e300 /s"), "--rate is '1e300 /s'; it may be 1e+15 /s at most."),
        (("--rate", "0 /s"), "--rate is '0 /s'; it needs to be above 0."),
        (("--rate", "many / month"), "--rate is 'many / month'; it needs a number per period"),
        (("--price", "0.05 EUR/h"), "--price is the price of one machine, and no --machine is given.\n  Give one `--machine NAME`."),
        (("--machine", "c5.large", "--machine", "c6g.large", "--price", "1 EUR/h"), "and 2 --machine is given"),
        (("--machine", "c5.large", "--price", "0.05"), "--price is '0.05'; it needs a currency of three capitals."),
        (("--transfer", "12 kB"), "--transfer is '12 kB'; it needs bytes and what moving them takes.\n  Write `12 kB x 0.06 kWh/GB`."),
        (("--transfer", "12 s x 0.06 kWh/GB"), "--transfer is '12 s x 0.06 kWh/GB'; that is a time, not an amount of bytes."),
        (("--utilization", "0 %"), "--utilization is '0 %'; it needs a share above 0 and up to 100 %."),
    ],
)
def test_bad_input_says_what_to_write(folder: Path, words: tuple[str, ...], message: str, capfd) -> None:
    code, out, err = leave(capfd, "whatif", folder, *words)
    assert (code, out) == (2, "")
    assert message in err


def test_a_folder_without_a_study(tmp_path: Path, capfd) -> None:
    code, _, err = leave(capfd, "whatif", tmp_path)
    assert (code, "holds no study" in err) == (2, True)


def test_a_rate_is_per_second_or_per_period() -> None:
    assert rate_of("200 /s") == 200
    assert rate_of("86400 / day") == pytest.approx(1.0)
    with pytest.raises(BadAmount, match=r"it needs to be above 0\."):
        rate_of("0 / month")


def test_the_catalogue_is_listed(capfd) -> None:
    code, out, _ = leave(capfd, "list", "machines")
    assert code == 0
    assert "c6g.large" in out
    assert "8 cards of A100 40 GB, 22 USD/h" in out
    code, out, _ = leave(capfd, "list", "machines", "--json")
    assert json.loads(out)["machines"][0]["source"].startswith("cloud.google.com")


def test_an_error_is_what_the_house_raises(folder: Path) -> None:
    from paredown.cli.whatif import command

    with pytest.raises(UsageError, match=r"--rate is '5 kg'; that is a mass, not a rate\."):
        command.main([str(folder), "--rate", "5 kg"], standalone_mode=False)
    with pytest.raises(UnknownName, match=r"no machine 'nothing like it'\. Known: c3d-standard-4, "):
        command.main([str(folder), "--machine", "nothing like it"], standalone_mode=False)
