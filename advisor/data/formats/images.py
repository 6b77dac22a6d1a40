"""Image files to tensors of one size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from advisor.data.dataset_rows import BatchInputs
from advisor.data.digests import digest_of_rows
from advisor.data.formats.image_files import read_header, read_pixels
from advisor.data.inputs import Inputs, hashes
from advisor.data.layout import RowNumbers
from advisor.data.notes import Notes
from advisor.data.raw import Raw
from advisor.data.splits import Part, TensorPart

# Bytes of float32 pixels above which images are shrunk.
MEMORY = 4 * 2**30

# Modes of Pillow that have no colour.
GREY_MODES = ("1", "L", "LA", "I;16", "I", "F")

# A channel whose deviation is not above it is constant and is not divided by it.
LEAST_DEVIATION = 1e-6

# The note about every folder of images.
IMAGES_ARE_NORMALISED = (
    "images are scaled to [0, 1], then to mean 0 and deviation 1 per channel (train)"
)


class ImageInputs(Inputs):
    """Pixels of all files, uint8 (N, C, H, W), which every part shares."""

    def __init__(self, raws: Sequence[Raw], pool: RowNumbers, notes: Notes) -> None:
        # The headers say how large the images are, before any pixels are read.
        files: list[Path] = [path for raw in raws for path in raw.inputs]
        modes, sizes = zip(*map(read_header, files), strict=True)
        mode = "L" if all(modes[row] in GREY_MODES for row in pool) else "RGB"
        width, height = np.median(np.array(sizes)[pool], axis=0).astype(int).tolist()
        width, height = _shrunk(width, height, len(files) * len(mode), notes)
        if any(size != (width, height) for size in sizes):
            size = f"{width} × {height} (width × height)"
            notes.note(f"images of differing sizes are resized to {size}")
        # One tensor is filled image by image, so that no second copy of all is made.
        pixels = np.empty((len(files), len(mode), height, width), np.uint8)
        for row, path in enumerate(files):
            image = read_pixels(path, mode, (width, height))
            pixels[row] = image.reshape(height, width, len(mode)).transpose(2, 0, 1)
        self._pixels = torch.from_numpy(pixels)
        notes.note(IMAGES_ARE_NORMALISED)

    def part(self, train: RowNumbers) -> Part:
        """float32 (N, C, H, W), normalised by the mean and deviation per channel of the rows
        `train`.
        """
        mean, deviation = _moments(self._pixels, train)
        finish = PixelBatch(mean.view(-1, 1, 1), deviation.view(-1, 1, 1))
        return TensorPart((self._pixels,), finish=finish)

    def keys(self) -> np.ndarray[Any, Any]:
        """A hash of the pixels of each image."""
        return hashes(image.tobytes() for image in self._pixels.numpy())

    def digest(self, rows: slice) -> str:
        """A digest of the pixels of some neighbouring images."""
        return digest_of_rows(self._pixels, rows)


@dataclass(frozen=True)
class PixelBatch:
    """Turns pixels of some images, uint8 (B, C, H, W), into float32 in units of the deviation from
    the mean; both are of each channel, float32 (C, 1, 1).
    """

    mean: torch.Tensor
    deviation: torch.Tensor

    def __call__(self, inputs: BatchInputs) -> BatchInputs:
        """`(pixels,)` as `(normalised pixels,)`."""
        (pixels,) = inputs
        return (pixels.float().div_(255).sub_(self.mean).div_(self.deviation),)


def _shrunk(width: int, height: int, planes: int, notes: Notes) -> tuple[int, int]:
    """A size at which `planes` planes of float32 pixels fit into memory."""
    size = width * height * planes * 4
    if size <= MEMORY:
        return width, height
    factor = math.sqrt(MEMORY / size)
    notes.warn(
        f"the images would take {size / 2**30:.1f} GiB; they are shrunk by {1 / factor:.1f} in "
        "both directions"
    )
    return max(1, int(width * factor)), max(1, int(height * factor))


def _moments(pixels: torch.Tensor, train: RowNumbers) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and deviation per channel, in [0, 1], float32 (C,) each.

    They come from counts of the 256 values, so from exact integers.
    """
    # How often each of the 256 values stands in each channel.
    rows = torch.as_tensor(train)
    counts = torch.stack(
        [torch.bincount(plane[rows].flatten(), minlength=256) for plane in pixels.unbind(1)]
    )
    # A constant channel is moved to 0 and not divided.
    share = counts.double() / counts.sum(1, keepdim=True)
    values = torch.arange(256).double() / 255
    mean = (share * values).sum(1)
    deviation = ((share * values**2).sum(1) - mean**2).clamp_min(0).sqrt()
    deviation = torch.where(deviation > LEAST_DEVIATION, deviation, 1.0)
    return mean.float(), deviation.float()
