"""Reads image files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from advisor.errors import DataError


def read_header(path: Path) -> tuple[str, tuple[int, int]]:
    """Mode and size (width, height) of an image, from the first bytes of its file. Raises
    `DataError` when it is no image.
    """
    try:
        with Image.open(path) as image:
            return image.mode, image.size
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise _unreadable(path, error) from error


def read_pixels(path: Path, mode: str, size: tuple[int, int]) -> np.ndarray[Any, Any]:
    """An image of `size` (width, height), uint8 (H, W) or (H, W, 3). Raises `DataError` when it is
    damaged.
    """
    try:
        with Image.open(path) as image:
            picture: Image.Image = image
            # Shades of 16 bits are scaled to 8, because `convert` would cut them off at white.
            if image.mode.startswith("I"):
                picture = Image.fromarray((np.asarray(image) // 257).astype(np.uint8))
            picture = picture.convert(mode)
            if picture.size != size:
                picture = picture.resize(size, Image.Resampling.BILINEAR)
            return np.asarray(picture)
    except (OSError, SyntaxError, ValueError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> DataError:
    return DataError(f"{path} cannot be read as an image: {error}. Remove or replace it.")
