import random

from paredown.report.plot import Axis, axes, pareto
from paredown.report.words import load


def axis(name, better, values):
    return Axis(name, name, better, (), dict(enumerate(values)))


def test_the_front_is_what_brute_force_finds_for_all_four_directions():
    rng = random.Random(3)
    xs, ys = [rng.random() for _ in range(60)], [rng.random() for _ in range(60)]
    for right in ("lower", "higher"):
        for up in ("lower", "higher"):
            sx, sy = (1 if right == "higher" else -1), (1 if up == "higher" else -1)
            front = {(x, y) for x, y in zip(xs, ys) if not any(sx * a > sx * x and sy * b > sy * y for a, b in zip(xs, ys))}
            line = pareto(axis("x", right, xs), axis("y", up, ys))
            assert front <= set(line)
            assert [x for x, _ in line] == sorted(x for x, _ in line)
            assert len(line) == 2 * len(front) - 1
            corners = set(line) - front
            assert all(any(sx * a >= sx * x and sy * b >= sy * y for a, b in front) for x, y in corners)


def test_points_keep_their_order_and_stay_inside(sample):
    result = sample("pass")
    done = [trial for trial in result["trials"] if trial["state"] == "done"]
    for one in axes(result, load()):
        values = {trial["id"]: trial["quality"] if one.name == "quality" else trial["readings"][one.name]["value"] for trial in done}
        ranked = sorted(values, key=values.get)
        places = [one.places[key] for key in ranked]
        assert places == sorted(places)
        assert 0 < places[0] <= places[-1] < 1
        assert [place for place, _ in one.ticks] == sorted(place for place, _ in one.ticks)
        assert len(one.ticks) >= 1


def test_equal_values_and_a_perfect_quality_still_make_axes():
    trials = [{"id": key, "quality": 1.0, "readings": {"cpu_time": {"value": 0.0}}} for key in (1, 2)]
    assert [one.places for one in axes({"trials": trials}, load())] == [{1: 0.5, 2: 0.5}, {1: 0.5, 2: 0.5}]


def test_a_tick_lies_where_its_value_lies():
    trials = [{"id": key, "quality": 0.9, "readings": {"cpu_time": {"value": value}}} for key, value in ((1, 1e-5), (2, 2e-5), (3, 1e-3))]
    cpu = next(one for one in axes({"trials": trials}, load()) if one.name == "cpu_time")
    ticks = {text: place for place, text in cpu.ticks}
    assert abs(ticks["10 µs"] - cpu.places[1]) < 1e-9
    assert abs(ticks["1 ms"] - cpu.places[3]) < 1e-9


def test_a_quantity_that_one_trial_has_is_no_axis():
    trials = [{"id": 1, "quality": 0.9, "readings": {"size": {"value": 5}}}, {"id": 2, "quality": 0.8, "readings": {}}]
    assert [one.name for one in axes({"trials": trials}, load())] == ["quality"]
