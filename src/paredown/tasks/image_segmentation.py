"""Images in, the class of each pixel out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from paredown.core.errors import BadData
from paredown.core.rows import Rows
from paredown.encoders.pictures import RESAMPLE, middle, resized
from paredown.ground.lazy import need
from paredown.kinds.known import kind_named
from paredown.kinds.places import NOTHING
from paredown.tasks.images import Images, changes_of

_PROBES = 2


class ImageSegmentation(Images):
    """Images of one size, or files of any size where the job resizes them; one of several classes for each pixel of what the model sees.

    Masks are resized as the images are, by nearest neighbours. A model that takes any height and width is fed those that are declared.
    """

    kind = "map"

    def sized(self, targets: Any, rows: Rows, options: Mapping[str, Any]) -> Any:
        """Masks in the height and width that the model sees.

        Raises:
            BadData: Images are not resized, and a mask has another size than they have.
        """
        changes = changes_of(options, rows.inputs)
        shape, resize = changes["shape"][:2], changes.get("resize")

        def lay(mask: np.ndarray) -> np.ndarray:
            if resize is None:
                if list(mask.shape) != list(shape):
                    found = f"a mask has {mask.shape[0]} x {mask.shape[1]} pixels, and the images have {shape[0]} x {shape[1]}"
                    raise BadData(f"{found}.\n  Give masks of the size of their images.")
                return mask
            return middle(nearest(mask, *resized(resize, *mask.shape)) - NOTHING, tuple(shape)) + NOTHING  # what is padded has no class

        return targets.laid(shape, lay)

    def decoder(self, names: tuple[str, ...], encoder: Mapping[str, Any]) -> dict[str, Any]:
        """The class of each pixel, in the height and width that the model is fed."""
        return kind_named(self.kind).decoder(names, [int(side) for side in encoder["shape"][:2]])

    def probe(self, encoder: Mapping[str, Any], seed: int) -> np.ndarray:
        """Two images of random pixels, as of all images: of each there are answers for all pixels."""
        return super().probe(encoder, seed)[:_PROBES]


def nearest(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """Pixels (h, w) as (height, width), each the nearest, as Pillow finds it: in images and masks that are resized alike."""
    image = need("PIL.Image", "masks that are resized").fromarray(pixels.astype(np.int32))
    return np.asarray(image.resize((width, height), RESAMPLE["nearest"])).astype(pixels.dtype)
