"""A recipe is its text: reading what was written gives the same tree, and what is no recipe is refused at its column."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paredown.core.errors import BadKnob, BadRecipe
from paredown.core.recipe import AS_GIVEN, Chain, Composed, Engine, Plan, Step, functions_of, parse, steps_of
from paredown.core.technique import value_text

_HEX = set("abcdef0123456789")
# a name of 8 or more hex digits would read as a plan's digest, `as_given` as the empty chain
names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,11}", fullmatch=True).filter(
    lambda name: name not in ("as_given", "plan") and not (len(name) > 7 and set(name) <= _HEX)
)
words = st.text(st.characters(exclude_characters='"\\\n', exclude_categories=("Cs",)), max_size=12)
numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
values = numbers | st.booleans() | words
items = st.dictionaries(names, values, max_size=3).map(lambda found: tuple(found.items()))
plans = st.text(st.sampled_from("0123456789abcdef"), min_size=8, max_size=64).map(lambda digest: (("plan", Plan(digest)),))
steps = st.builds(Step, names, items) | st.builds(Step, names, plans)
chains = st.builds(Chain, st.lists(steps, max_size=3).map(tuple), st.builds(Engine, names, items))
recipes = st.recursive(
    chains, lambda inner: st.builds(Composed, names, st.lists(inner, min_size=1, max_size=3).map(tuple), items), max_leaves=5
)


@given(recipes)
def test_the_text_of_a_recipe_reads_back_as_the_recipe(recipe: Chain | Composed) -> None:
    again = parse(str(recipe))
    assert again == recipe
    assert str(again) == str(recipe)
    # equality of 1, 1.0 and True would hide a changed type
    assert repr(again) == repr(recipe)


def test_the_example_of_the_plan() -> None:
    text = 'distill(student="half") > prune_channels(keep=0.6) > recover(epochs=2) > quantize_static() @ onnxruntime(threads=1)'
    recipe = parse(text)
    assert recipe == Chain(
        (Step.of("distill", student="half"), Step.of("prune_channels", keep=0.6), Step.of("recover", epochs=2), Step.of("quantize_static")),
        Engine.of("onnxruntime", threads=1),
    )
    assert recipe.parts == ()
    assert recipe.engine.placement == {"threads": 1}
    assert str(recipe) == text


def test_blanks_and_empty_brackets_do_not_matter() -> None:
    assert parse("  prune( keep = 0.5 )>recover@torch ") == parse("prune(keep=0.5) > recover() @ torch()")
    assert parse("as_given @ torch") == AS_GIVEN
    assert str(AS_GIVEN) == "as_given @ torch"


def test_a_composition_names_its_parts_before_itself() -> None:
    recipe = parse("cascade(distill() > quantize() @ a, inner(prune() @ a, as_given @ b), at=0.93)")
    assert isinstance(recipe, Composed)
    assert recipe.values == {"at": 0.93}
    assert list(steps_of(recipe)) == ["distill", "quantize", "prune", "inner", "cascade"]


def test_functions_are_named_wherever_a_recipe_holds_them() -> None:
    recipe = parse(
        'cascade(distill(student="a.b:f", loss="kl") > cut(at="x: y") @ a, inner(distill(student="c:g") @ a, as_given @ b), at=0.9)'
    )
    assert list(functions_of(recipe)) == ["a.b:f", "c:g"]


@pytest.mark.parametrize("digest", ["3f2a91c0", "12345678", "1e234567", "0" * 64])
def test_a_plan_is_a_digest_without_quotes(digest: str) -> None:
    recipe = parse(f"prune(plan={digest}) @ x")
    assert isinstance(recipe, Chain)
    assert recipe.steps[0].values == {"plan": Plan(digest)}


BAD = [
    ("", r"column 1: found 'the end', expected a name\."),
    ("prune() @", r"column 10: found 'the end', expected a name\."),
    ("prune()", r"column 8: found 'the end', expected @\."),
    ("prune() > @ x", r"column 11: found '@', expected a name\."),
    ("prune(keep) @ x", r"column 11: found '\)', expected @\."),
    ("prune(keep=0.5, at) @ x", r"column 19: found '\)', expected =\."),
    ("prune(keep=) @ x", r"column 12: found '\)', expected a value: a number, true, false or a quoted text\."),
    ("prune(keep=half) @ x", r"column 12: found 'half', expected a value: a number, true"),
    ("prune(keep=0.5 at=1) @ x", r"column 16: found 'at', expected ,\."),
    ("prune(keep=0.5,) @ x", r"column 16: found '\)', expected a name\."),
    ("prune(keep=1, keep=2) @ x", r"column 15: keep is set twice\."),
    ("prune(keep=0.5.1) @ x", r"column 12: '0\.5\.1\) @ x' is not part of a recipe\."),
    ("prune() ; drop() @ x", r"column 9: '; drop\(\) @ x' is not part of a recipe\."),
    ('prune(a="x) @ x', r"column 9: '\"x\) @ x' is not part of a recipe\."),
    ("prune(plan=3f2a) @ x", r"column 12: '3f2a\) @ x' is not part of a recipe\."),
    ("prune(plan=1234) @ x", r"column 12: found '1234', expected the digest of a plan: 8 to 64 hex digits\."),
    ('prune(plan="3f2a91c0") @ x', r"column 12: found '\"3f2a91c0\"', expected the digest of a plan"),
    ("prune() @ x > recover()", r"column 13: found '>' after the end of the recipe\."),
    ("cascade(a @ x, b @ y", r"column 21: found 'the end', expected \)\."),
    ("cascade(a @ x, at=1, b @ y)", r"column 24: found '@', expected =\."),
]


@pytest.mark.parametrize(("text", "message"), BAD, ids=[text or "empty" for text, _ in BAD])
def test_what_is_no_recipe_is_refused_at_its_column(text: str, message: str) -> None:
    with pytest.raises(BadRecipe, match=message) as caught:
        parse(text)
    assert str(caught.value).endswith(f"\n  {text}")


@pytest.mark.parametrize("word", ['a"b', "a\\b", "a\nb"])
def test_a_text_that_cannot_be_written_is_refused(word: str) -> None:
    with pytest.raises(BadKnob, match="holds a quote, a backslash or a line break; a recipe cannot write that"):
        value_text(word)


def test_values_are_written_as_in_yaml() -> None:
    written = [value_text(value) for value in (True, False, 3, 0.5, 1e-05, "ä b", Plan("3f2a91c0"))]
    assert written == ["true", "false", "3", "0.5", "1e-05", '"ä b"', "3f2a91c0"]
    assert set("".join(written)) <= set(string.printable) | {"ä"}
