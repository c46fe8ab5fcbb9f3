"""What is no classification is told in one sentence."""

from __future__ import annotations

from paredown.core.unsupported import REGRESSION, SEVERAL, SPANS, TOKENS, one_number, refusal, several_inputs


def test_the_sentence_names_the_kind_what_showed_it_and_what_to_do() -> None:
    for kind in (REGRESSION, SEVERAL, TOKENS, SPANS):
        said, do = refusal(kind, "here").split("\n")
        assert said.startswith(f"here: {kind}, ")
        assert said.endswith("; a classification answers with one class per row.")
        assert do.startswith("  ")
        assert do.endswith(".")


def test_one_number_may_stand_for_two_classes_but_not_for_three() -> None:
    assert one_number("m", 3).startswith(
        "m answers with 1 number per row, and the labels have 3 values: regression, the answer is a number;"
    )
    assert several_inputs("X is 2 arrays").startswith("X is 2 arrays; one input is taken now.\n  Put them side by side, `X = np.conc")
    assert "torch.cat([1 - p, p], 1)" in one_number("m", 2)
