"""Image files to tensors of one size."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError

from advisor.data.inputs import Body
from advisor.data.layout import Rows
from advisor.data.raw import Raw, Told
from advisor.data.splits import Part, TensorPart
from advisor.errors import InputError

MEMORY = 4 * 2**30  # bytes of float32 pixels; larger sets are shrunk
GREY = ("1", "L", "LA", "I;16", "I", "F")


class Images(Body):
    """Pixels of all files, uint8 (N, C, H, W), normalised per channel for each view."""

    def __init__(self, raws: Sequence[Raw], pool: Rows, told: Told) -> None:
        files: list[Path] = [path for raw in raws for path in raw.body]
        heads = [_head(path) for path in files]
        mode = "L" if all(heads[row][0] in GREY for row in pool) else "RGB"
        sizes = [size for _, size in heads]
        width, height = (int(np.median([sizes[row][axis] for row in pool])) for axis in (0, 1))
        width, height = _shrunk(width, height, len(files) * len(mode), told)
        if any(size != (width, height) for size in sizes):
            told.note(
                f"images of differing sizes are resized to {width} × {height} (width × height)"
            )
        pixels = np.stack([_pixels(path, mode, (width, height)) for path in files])
        self.pixels = (
            torch.from_numpy(pixels.reshape(len(files), height, width, len(mode)))
            .permute(0, 3, 1, 2)
            .contiguous()
        )
        told.note("images are scaled to [0, 1], then to mean 0 and deviation 1 per channel (train)")

    def view(self, train: Rows) -> Part:
        """float32 (N, C, H, W), normalised by the mean and deviation per channel of the rows
        `train`.
        """
        mean, deviation = _moments(self.pixels, train)
        pixels = self.pixels.float().div_(255)
        return TensorPart((pixels.sub_(mean.view(1, -1, 1, 1)).div_(deviation.view(1, -1, 1, 1)),))

    def keys(self) -> Any:
        """The pixels of each image."""
        return [hash(row.tobytes()) for row in self.pixels.numpy()]

    def limited(self, rows: int) -> Body:
        """Images have no ids."""
        del rows
        return copy.copy(self)


def _head(path: Path) -> tuple[str, tuple[int, int]]:
    try:
        with Image.open(path) as image:
            return image.mode, image.size
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise InputError(
            f"{path} cannot be read as an image: {error}. Remove or replace it."
        ) from error


def _pixels(path: Path, mode: str, size: tuple[int, int]) -> np.ndarray[Any, Any]:
    try:
        with Image.open(path) as image:
            picture = _eight_bits(image).convert(mode)
            return np.asarray(
                picture if picture.size == size else picture.resize(size, Image.Resampling.BILINEAR)
            )
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(
            f"{path} cannot be read as an image: {error}. Remove or replace it."
        ) from error


def _eight_bits(image: Image.Image) -> Image.Image:
    """Images of 16 bits scaled to 8, which `convert` would cut off at white."""
    return (
        Image.fromarray((np.asarray(image) // 257).astype(np.uint8))
        if image.mode.startswith("I")
        else image
    )


def _shrunk(width: int, height: int, planes: int, told: Told) -> tuple[int, int]:
    """A size at which all pixels fit into memory."""
    size = width * height * planes * 4
    if size <= MEMORY:
        return width, height
    factor = math.sqrt(MEMORY / size)
    told.warn(
        f"the images would take {size / 2**30:.1f} GiB; they are shrunk by {1 / factor:.1f} in both directions"
    )
    return max(1, int(width * factor)), max(1, int(height * factor))


def _moments(pixels: torch.Tensor, train: Rows) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and deviation per channel, in [0, 1]; from counts of the 256 values, so in exact
    integers.
    """
    counts = torch.stack(
        [
            torch.bincount(plane[torch.as_tensor(train)].flatten(), minlength=256)
            for plane in pixels.unbind(1)
        ]
    )
    share, values = counts.double() / counts.sum(1, keepdim=True), torch.arange(256).double() / 255
    mean = (share * values).sum(1)
    deviation = ((share * values**2).sum(1) - mean**2).clamp_min(0).sqrt()
    return mean.float(), torch.where(deviation > 1e-6, deviation, 1.0).float()
