"""Random changes of a batch of feeds that leave its labels true."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional


def shift(images: Tensor, generator: torch.Generator, share: float = 0.125) -> Tensor:
    """Move each image by up to `share` of its size in both directions; edges are repeated.

    Args:
        images: (N, C, H, W), or (N, H, W, C) with at most four channels. Not modified.
        generator: Source of random numbers.
        share: Largest move as a share of the height and width; at least one pixel.
    """
    if images.shape[3] <= 4 < images.shape[1]:
        return shift(images.permute(0, 3, 1, 2), generator, share).permute(0, 2, 3, 1).contiguous()
    count, _, height, width = images.shape
    reach = max(1, round(min(height, width) * share))
    padded = functional.pad(images, (reach, reach, reach, reach), mode="replicate")
    down = torch.randint(0, 2 * reach + 1, (count, 1, 1, 1), generator=generator) + torch.arange(height).view(1, 1, height, 1)
    right = torch.randint(0, 2 * reach + 1, (count, 1, 1, 1), generator=generator) + torch.arange(width).view(1, 1, 1, width)
    channels = torch.arange(images.shape[1]).view(1, -1, 1, 1)
    return padded[torch.arange(count).view(-1, 1, 1, 1), channels, down, right]


def flip(images: Tensor, generator: torch.Generator) -> Tensor:
    """Mirror half of the images left to right, drawn at random.

    Args:
        images: (N, C, H, W), or (N, H, W, C) with at most four channels. Not modified.
        generator: Source of random numbers.
    """
    across = 2 if images.shape[3] <= 4 < images.shape[1] else 3
    chosen = torch.rand(len(images), 1, 1, 1, generator=generator) < 0.5
    return torch.where(chosen, images.flip(across), images)


def mix(inputs: Tensor, generator: torch.Generator) -> Tensor:
    """Blend each item with a random other one; only for training on a teacher's answers, which fit any input.

    Args:
        inputs: (N, ...), float. Not modified.

    Source: Zhang et al. 2018 (mixup), arXiv:1710.09412; with a teacher: Beyer et al. 2022, arXiv:2106.05237.
    """
    count = inputs.shape[0]
    other = inputs[torch.randperm(count, generator=generator)]
    weight = torch.rand(count, *([1] * (inputs.dim() - 1)), generator=generator)
    return inputs * weight + other * (1 - weight)


def delay(sounds: Tensor, generator: torch.Generator, time: int, share: float = 0.125) -> Tensor:
    """Move each sound by up to `share` of its length along its axis of time and no other; what lies at its ends is repeated.

    Args:
        sounds: (N, ...), waveforms or spectrograms. Not modified.
        generator: Source of random numbers.
        time: The axis of time.
        share: Largest move as a share of the length.
    """
    length = sounds.shape[time]
    reach = round(length * share)
    moves = torch.randint(-reach, reach + 1, (len(sounds), 1), generator=generator)
    places = (torch.arange(length) + moves).clamp(0, length - 1)
    shape = [len(sounds) if axis == 0 else length if axis == time else 1 for axis in range(sounds.dim())]
    return sounds.gather(time, places.view(shape).expand_as(sounds))


def batch(inputs: tuple[Tensor, ...], generator: torch.Generator, *, blend: bool, time: int | None = None) -> tuple[Tensor, ...]:
    """Augment a batch: sounds, which have an axis of `time`, are moved along it; images, by their shape, in both directions; with `blend`
    items of a single float input are mixed."""
    if time is not None:
        changed = tuple(delay(item, generator, time) for item in inputs)
    else:
        changed = tuple(shift(item, generator) if _are_images(item) else item for item in inputs)
    if blend and len(changed) == 1 and changed[0].is_floating_point():
        return (mix(changed[0], generator),)
    return changed


def mirrored(inputs: tuple[Tensor, ...], generator: torch.Generator) -> tuple[Tensor, ...]:
    """A batch with half of its images flipped; what is no image stays."""
    return tuple(flip(item, generator) if _are_images(item) else item for item in inputs)


def with_masks(
    change: Callable[[tuple[Tensor, ...]], tuple[Tensor, ...]], inputs: tuple[Tensor, ...], masks: Tensor
) -> tuple[tuple[Tensor, ...], Tensor]:
    """Move pixels, and what is right of each in the same way.

    Args:
        change: Moves the pixels of images.
        inputs: One input of images, (N, C, H, W), or (N, H, W, C) with at most four channels.
        masks: (N, H * W) class indices.
    """
    (images,) = inputs
    if not _are_images(images):
        return inputs, masks
    last = images.shape[1] * images.shape[2] == masks.shape[1]
    first = images.permute(0, 3, 1, 2) if last else images
    both = torch.cat([first, masks.reshape(len(masks), 1, *first.shape[2:]).to(first.dtype)], 1)
    (moved,) = change((both,))
    parts, right = moved[:, :-1], moved[:, -1:].flatten(1).to(masks.dtype)
    return ((parts.permute(0, 2, 3, 1) if last else parts).contiguous(),), right


def _are_images(inputs: Tensor) -> bool:
    return bool(inputs.dim() == 4 and inputs.is_floating_point())
