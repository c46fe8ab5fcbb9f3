"""What models may take and answer with beside what paredown supports now, and the words that refuse it wherever it is seen.

In a model, in its labels, or in its inputs: the same sentence at every entrance.
"""

from __future__ import annotations

REGRESSION, SEVERAL, TOKENS, SPANS = "regression", "multi-label", "token classification", "question answering"
PIXELS = "segmentation"

_MEANS = {
    REGRESSION: ("the answer is a number", "Write `task: ...-regression`, as tabular-regression."),
    SEVERAL: ("each of several labels may hold at once", "Write `task: ...-multilabel`, as text-multilabel."),
    TOKENS: ("each word has a class", "Write `task: token-classification`."),
    PIXELS: ("each pixel has a class", "Write `task: image-segmentation`."),
    SPANS: ("the answer is a part of the text", "Write `task: question-answering`."),
}


def refusal(kind: str, seen: str) -> str:
    """One sentence that says what a model is, and what to do.

    Args:
        kind: REGRESSION, SEVERAL, TOKENS, PIXELS or SPANS.
        seen: Where it was seen, and by what.
    """
    means, do = _MEANS[kind]
    return f"{seen}: {kind}, {means}; a classification answers with one class per row.\n  {do}"


def one_number(model: str, classes: int) -> str:
    """The same for a model that answers with one number per row.

    Args:
        model: What it is called.
        classes: Of the data; one number may stand for two.
    """
    seen = f"{model} answers with 1 number per row"
    if classes > 2:
        return refusal(REGRESSION, f"{seen}, and the labels have {classes} values")
    return (
        f"{seen}; two classes need 2 logits, and a number of its own is regression, as `task: tabular-regression` has it.\n"
        "  For classes wrap it in a module that returns `torch.cat([torch.zeros_like(z), z], 1)` for its logit z, or "
        "`torch.cat([1 - p, p], 1)` for its probability p."
    )


def several_inputs(seen: str) -> str:
    """The same for a model that takes several arrays.

    Args:
        seen: What takes or gives them, and how many.
    """
    return (
        f"{seen}; one input is taken now.\n"
        "  Put them side by side, `X = np.concatenate([a.reshape(len(a), -1), b.reshape(len(b), -1)], 1)`, and give a module whose forward "
        "takes them apart: `a, b = x[:, :A].view(-1, ...), x[:, A:].view(-1, ...)`. In a job `task: tensors` takes several, without labels."
    )
