"""Policy files."""

from __future__ import annotations

import textwrap
from datetime import date
from importlib import metadata
from pathlib import Path

import pytest

from paredown.core.errors import BadDocument, UnknownName
from paredown.core.finding import Level
from paredown.core.policy import Kind, Limit, Scale
from paredown.core.quantity import quantities
from paredown.core.reading import How
from paredown.policy.parse import load, names


def write(folder: Path, text: str, name: str = "policy.yaml") -> Path:
    path = folder / name
    path.write_text(textwrap.dedent(text), "utf-8")
    return path


WHOLE = """\
    extends: frugal
    minimize: cpu_time
    confidence: 97.5 %
    rules:
      - quality: {drop: 2 %}
      - quality: {id: groups, drop: 3 pp, by: [region, age_band], min_rows: 120}
      - latency_p95: {max: 20 ms}
      - energy: {max: 0.5 x baseline, at_least: measured}
      - size: {max: 50 MB, level: should, refs: [A 1, B 2]}
      - throughput: {min: 100 /s, level: info}
      - parameters: {equals: 60000}
      - cold_start: {present: true}
    waivers:
      - {rule: latency_p95, until: 2027-01-31, reason: "batch use only", by: "ml-platform"}
"""


def test_the_policy_of_the_design_whole(tmp_path: Path) -> None:
    policy = load(write(tmp_path, WHOLE))
    rules = {rule.id: rule for rule in policy.rules}
    assert (policy.name, policy.minimize, policy.confidence) == ("policy.yaml", "cpu_time", 0.975)
    assert list(rules) == [
        "quality", "latency_p95", "energy", "payback_inferences", "groups", "size", "throughput", "parameters", "cold_start",
    ]  # fmt: skip
    assert rules["quality"].limit == Limit(value=0.02, scale=Scale.RELATIVE, text="2 %")
    assert rules["quality"].where == "policy.yaml:5"
    assert policy.drop == rules["quality"]
    assert rules["groups"].limit == Limit(value=0.03, scale=Scale.POINTS, text="3 pp")
    assert (rules["groups"].by, rules["groups"].min_rows) == (("region", "age_band"), 120)
    assert rules["latency_p95"].limit == Limit(value=0.02, scale=Scale.ABSOLUTE, text="20 ms")
    assert rules["energy"].limit == Limit(value=0.5, scale=Scale.BASELINE, text="0.5 x baseline")
    assert rules["energy"].at_least is How.MEASURED
    assert (rules["size"].level, rules["size"].refs) == (Level.SHOULD, ("A 1", "B 2"))
    assert (rules["throughput"].kind, rules["throughput"].level) == (Kind.MIN, Level.INFO)
    assert rules["parameters"].limit == Limit(value=60000.0, scale=Scale.ABSOLUTE, text="60000")
    assert (rules["cold_start"].kind, rules["cold_start"].limit) == (Kind.PRESENT, None)
    assert rules["payback_inferences"].where.startswith("frugal:")
    (waiver,) = policy.waivers
    assert (waiver.rule, waiver.until, waiver.reason, waiver.by) == ("latency_p95", date(2027, 1, 31), "batch use only", "ml-platform")


@pytest.mark.parametrize("name", names())
def test_built_in_policies_speak_of_known_quantities_and_limit_the_drop(name: str) -> None:
    policy = load(name)
    assert policy.name == name
    assert {rule.quantity for rule in policy.rules} <= set(quantities())
    assert policy.drop is not None
    assert policy.drop.limit == Limit(value=0.01, scale=Scale.RELATIVE, text="1 %")
    as_found = [rule for rule in policy.rules if rule.limit and rule.limit.scale is Scale.AS_FOUND]
    assert [(rule.quantity, rule.level) for rule in as_found] == [("latency_p95", Level.MUST)]


def test_edge_is_frugal_and_more() -> None:
    frugal, edge = load("frugal"), load("edge")
    assert tuple(edge.rules[: len(frugal.rules)]) == tuple(frugal.rules)
    assert {"size", "peak_rss"} < {rule.id for rule in edge.rules if rule.level is Level.MUST}


def test_several_parents_and_files_beside_each_other(tmp_path: Path) -> None:
    write(tmp_path, "confidence: 90 %\nrules:\n  - size: {max: 1 MB}\n", "small.yaml")
    (tmp_path / "sub").mkdir()
    write(tmp_path / "sub", "extends: ../small.yaml\nrules:\n  - size: {max: 2 MB}\n  - cold_start: {max: 1 s}\n", "more.yaml")
    policy = load("./top.yaml" if write(tmp_path, "extends: [frugal, sub/more.yaml]\n", "top.yaml") else "", tmp_path)
    assert policy.confidence == 0.9
    assert {rule.id: rule.limit.value for rule in policy.rules if rule.limit and rule.id in ("size", "cold_start")} == {
        "size": 2e6,
        "cold_start": 1.0,
    }


def test_a_mapping_is_a_policy_too() -> None:
    policy = load({"rules": [{"energy": {"max": "20 J"}}]})
    assert (policy.name, policy.minimize, policy.confidence, policy.rules[0].where) == ("policy", "energy", 0.95, "policy")


def problem(tmp_path: Path, text: str) -> list[str]:
    with pytest.raises(BadDocument) as caught:
        load(write(tmp_path, text))
    return [str(item) for item in caught.value.problems]


@pytest.mark.parametrize(
    ("rule", "found", "do"),
    [
        ("quality: {drop: 1.5}", "rules[0].quality.drop is 1.5; it needs a unit.", "Write `1.5 %` (relative) or `1.5 pp` (points)."),
        ("latencyp95: {max: 20 ms}", "no quantity 'latencyp95'. Did you mean 'latency_p95'?", "`paredown list quantities` shows all."),
        ("latency_p95: {max: 20 MB}", "is '20 MB'; that is an amount of bytes, not a time.", "Write `20 ms`"),
        ("size: {drop: 1 %}", "rules[0].size.drop is '1 %'; only quality can drop.", "Write `size: {max: 1 x baseline}`."),
        ("size: {max: 1 MB, min: 1 kB}", "rules[0].size has `max` and `min`; a rule has one limit.", "with an `id:`"),
        ("size: {level: must}", "rules[0].size has no limit.", "Write one of drop, max, min, equals, present."),
        ("size: {present: false}", "rules[0].size.present is false; it has to be true.", "take the rule out"),
        ("size: {max: 1 MB, levle: must}", "no key 'levle' in rules[0].size.", "Did you mean `level`?"),
        ("size: {max: 1 MB, level: must not}", "rules[0].size.level is 'must not'.", "Allowed: must, should or info."),
        ("size: {max: 1 MB, by: region}", "rules[0].size.by makes groups", "Take `by` out."),
        ("quality: {drop: 1 %, min_rows: 5}", "rules[0].quality.min_rows is for groups", "Add `by: [column]`"),
        ("quality: {drop: 1 %, min_rows: -5, by: a}", "rules[0].quality.min_rows is -5.", "greater than or equal to 0"),
        ("quality: {drop: 1 %, at_least: measured}", "rules[0].quality.at_least is about readings", "Take it out."),
        ("quality: {min: 0.9 x baseline}", "a multiple of the baseline does not fit here", "`quality: {drop: 1 %}`"),
        ("size: {equals: 1 x baseline}", "a multiple of the baseline does not fit here", "`max: 1 x baseline`"),
        ("quality: {drop: 1 %, by: [a, [b]]}", "rules[0].quality.by[1] is a list; it has to be a text.", "Write a text."),
        ("size:", "rules[0].size is empty; it has to be a mapping.", "Its keys: id, drop, max"),
        ("size", "rules[0] is 'size'.", "Write one rule as `- energy: {max: 20 J}`."),
        ("{size: {max: 1 MB}, energy: {max: 1 J}}", "rules[0] names 2 quantities.", "Write one rule as"),
    ],
)
def test_what_a_rule_cannot_say(tmp_path: Path, rule: str, found: str, do: str) -> None:
    (said,) = problem(tmp_path, f"rules:\n  - {rule}\n")
    first, second = said.split("\n  ")
    assert first.startswith("policy.yaml:2: ")
    assert found in first
    assert do in second


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("minimize: enrgy", "policy.yaml:1: minimize is 'enrgy': no quantity 'enrgy'. Did you mean 'energy'?"),
        ("minimize: throughput", "policy.yaml:1: minimize is 'throughput', which is better when higher."),
        ("confidence: 0.95", "policy.yaml:1: confidence is 0.95; it needs a unit."),
        ("confidence: 50 %", "policy.yaml:1: confidence is '50 %'."),
        ("extends: frugel", "policy.yaml:1: no policy 'frugel'. Did you mean 'frugal'?"),
        ("extends: ./nix.yaml", "policy.yaml:1: there is no policy file './nix.yaml'."),
        ("extends: policy.yaml", "policy.yaml:1: the policies extend each other in a circle: policy.yaml > policy.yaml."),
        ("rules:\n - size: {max: 1 MB}\n - size: {max: 2 MB}", "policy.yaml:3: rules[1] has the id 'size', as rules[0] has."),
        (
            "rules:\n - size: {max: 1 MB}\n - size: {id: floor, min: 2 MB}",
            "policy.yaml:2: size is at most 1 MB here, but floor at least 2 MB (policy.yaml:3).",
        ),
        ("waivers: [{rule: size, until: 2027-01-31, reason: r, by: b}]", "policy.yaml:1: no rule 'size'."),
        (
            "extends: frugal\nwaivers:\n - {rule: enrgy, until: 2027-01-31, reason: r, by: b}",
            "policy.yaml:3: no rule 'enrgy'. Did you mean 'energy'?",
        ),
        ("extends: frugal\nwaivers: [{rule: size, until: 2027-01-31, reason: r, by: b}]", "policy.yaml:2: no rule 'size'."),
        ("extends: edge\nwaivers: [{rule: size, until: soon, reason: r, by: b}]", "policy.yaml:2: waivers[0].until is 'soon'"),
        ("extends: frugal\nwaivers: [{rule: energy, until: 2027-01-31, reason: r}]", "policy.yaml:2: waivers[0] has no `by`."),
        ("extends: frugal\nwaivers: [{rule: energy, until: 2027-01-31, reason: '', by: b}]", "policy.yaml:2: waivers[0].reason is ''."),
        ("- size", "policy.yaml:1: the document is a list; it has to be a mapping."),
    ],
)  # fmt: skip
def test_what_a_policy_cannot_say(tmp_path: Path, text: str, said: str) -> None:
    found = problem(tmp_path, text)
    assert len(found) == 1
    assert found[0].startswith(said)


def test_all_problems_at_once_in_the_order_of_lines_with_those_of_the_parent(tmp_path: Path) -> None:
    write(tmp_path, "rules:\n  - size: {max: 5}\n", "base.yaml")
    found = problem(tmp_path, "extends: base.yaml\nrules:\n  - quality: {drop: 1}\n  - energy: {max: 1 s, foo: 2}\nminimise: energy\n")
    assert [line.split(" ")[0] for line in found] == [
        "policy.yaml:3:",
        "policy.yaml:4:",
        "policy.yaml:4:",
        "policy.yaml:5:",
        "base.yaml:2:",
    ]


def test_a_name_that_is_none_without_a_file_around_it() -> None:
    with pytest.raises(UnknownName, match=r"no policy 'frugl'\. Did you mean 'frugal'"):
        load("frugl")


def test_policies_of_other_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "other_policies.py").write_text(
        "from pathlib import Path\nSTRICT = {'rules': [{'quality': {'drop': '0.1 %'}}]}\nFILE = Path(__file__).parent / 'house.yaml'\n",
        "utf-8",
    )
    write(tmp_path, "extends: frugal\nrules: [{size: {max: 3 MB}}]\n", "house.yaml")
    monkeypatch.syspath_prepend(tmp_path)
    points = [
        metadata.EntryPoint(name, f"other_policies:{value}", "paredown.policies")
        for name, value in (("strict", "STRICT"), ("house", "FILE"), ("gone", "NIX"))
    ]
    monkeypatch.setattr(
        "paredown.policy.parse.metadata.entry_points", lambda group, name=None: [point for point in points if name in (None, point.name)]
    )
    assert names() == ("edge", "frugal", "strict", "house", "gone")
    assert load("strict").rules[0].limit == Limit(value=0.001, scale=Scale.RELATIVE, text="0.1 %")
    assert [rule.id for rule in load("house").rules][-1] == "size"
    with pytest.raises(BadDocument, match=r"the policy 'gone' cannot be loaded: .*NIX"):
        load("gone")
