"""Jobs over saved images, for tests of splits."""

import numpy as np

from paredown.core.job import DataSpec, Job, ModelSpec
from paredown.core.policy import Policy


def job(folder, task="image-classification", /, *, columns=None, labels=(), shares=None, **sources):
    data = DataSpec(sources=sources, columns=columns or {}, labels=labels, shares=shares or {})
    model, policy = ModelSpec(kind="builtin", value="x"), Policy(name="p")
    return Job(name="j", model=model, task=task, data=data, metric="accuracy", policy=policy, folder=folder)


def images(count, classes=3, seed=0, name="x"):
    random = np.random.default_rng(seed)
    return random.integers(0, 256, (count, 4, 4)).astype(np.uint8), np.arange(count) % classes
