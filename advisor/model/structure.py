"""What a built model is made of, as plain text: its layers with their numbers and words."""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

Structure = Mapping[str, Mapping[str, str]]
"""By the name of each module (empty for the model itself), its attributes as text; its class is the
attribute `CLASS`.
"""
CLASS = "class"
"""The attribute of a module that is its class; no Python attribute can have this name."""

# What every module has, and what says no more about it.
_OF_EVERY_MODULE = frozenset(vars(nn.Module()))

# Characters of a word above which it is no setting.
_LONGEST = 80

# Digits in a word above which it is a time, an address, or another thing that is new each time.
_MOST_DIGITS = 5

# How many objects inside objects are opened: a model's configuration may hold that of a part.
_DEPTH = 2

# Characters of an attribute's text above which its digest stands for it.
_LONGEST_TEXT = 200

# Where models are computed, which a study may change.
_DEVICES = ("cpu", "cuda", "mps", "xpu")


def structure_of(model: nn.Module) -> Structure:
    """The modules of a model, each with its class, the shapes of its own parameters, and its
    attributes that are numbers, words, flags, or lists and objects of them.

    Nothing in it depends on the process or the device, or on the values of parameters.
    """
    reader = _AttributeReader()
    return {name: reader.read(module) for name, module in model.named_modules()}


def in_both(one: Structure, other: Structure) -> Structure:
    """What two builds of one model have in common; the rest is drawn, counted or timed."""
    common: dict[str, dict[str, str]] = {}
    for name, attributes in one.items():
        others = other.get(name)
        if others is not None:
            equal = attributes.items() & others.items()
            common[name] = dict(sorted(equal))
    return common


@dataclass
class _AttributeReader:
    """Reads the attributes of the modules of one model.

    Attributes:
        seen: the objects that were opened, by their id; what several modules hold is read once.
    """

    seen: dict[int, Any] = field(default_factory=dict)

    def read(self, module: nn.Module) -> dict[str, str]:
        """The attributes of one module as text, by their names."""
        texts = {CLASS: type(module).__name__}
        # A user's model may have an attribute that is called `parameters`, so the class is asked.
        for name, parameter in nn.Module.named_parameters(module, recurse=False):
            texts[name] = _described(parameter)
        for name, buffer in nn.Module.named_buffers(module, recurse=False):
            texts[name] = _described(buffer)
        for name, value in vars(module).items():
            if name not in _OF_EVERY_MODULE:
                texts.update(self._texts(name, value, _DEPTH))
        return texts

    def _texts(self, name: str, value: Any, depth: int) -> Iterator[tuple[str, str]]:
        """An attribute as text, or those of the object that it is; nothing for anything else."""
        text = plain_text(value)
        if text is not None:
            yield name, text if len(text) <= _LONGEST_TEXT else _digest_of_text(text)
        elif depth and _is_record(value) and id(value) not in self.seen:
            self.seen[id(value)] = value  # which keeps it alive, so that no other has its id
            for inner, part in vars(value).items():
                yield from self._texts(f"{name}.{inner}", part, depth - 1)


def plain_text(value: Any) -> str | None:
    """A number, word, flag, class or function, or a list or dictionary of them, as text; None for
    anything else, and for what is another in each process.
    """
    if value is None or isinstance(value, (bool, complex)):
        return repr(value)
    if isinstance(value, (int, float)) and not isinstance(value, enum.Enum):
        # NumPy's numbers are written as Python's.
        return repr(int(value) if isinstance(value, int) else float(value))
    if isinstance(value, str):
        return repr(value) if _is_setting(value) else None
    if isinstance(value, (enum.Enum, torch.dtype)):
        return str(value)
    if isinstance(value, (tuple, list)):
        return _joined(map(plain_text, value))
    if isinstance(value, (set, frozenset)):
        return _joined(sorted(map(plain_text, value), key=str))
    if isinstance(value, Mapping):
        return _joined(plain_text(part) for item in value.items() for part in item)
    # A function or class; what is made by `partial` has no name.
    name = getattr(value, "__qualname__", None)
    return name if isinstance(name, str) else None


def _joined(texts: Iterable[str | None]) -> str | None:
    parts = []
    for text in texts:
        if text is None:
            return None
        parts.append(text)
    return f"({', '.join(parts)})"


def _digest_of_text(text: str) -> str:
    """A short digest of a long text, for a message."""
    return f"a text with the digest {hashlib.sha256(text.encode()).hexdigest()[:12]}"


def _is_setting(word: str) -> bool:
    """Whether a word may be a setting of a model, and no path, time, address or device."""
    digits = sum(letter.isdigit() for letter in word)
    is_place = "/" in word or "\\" in word or word.split(":")[0] in _DEVICES
    return len(word) <= _LONGEST and digits <= _MOST_DIGITS and not is_place


def _is_record(value: Any) -> bool:
    """Whether an object holds settings: it has attributes, and is no part of PyTorch or a model."""
    is_torch = type(value).__module__.partition(".")[0] == "torch"
    return hasattr(value, "__dict__") and not is_torch and not isinstance(value, nn.Module)


def _described(tensor: torch.Tensor) -> str:
    """The shape of a parameter or buffer, and whether it is trained."""
    # Layers that learn their sizes from a batch have no shape before.
    shape = "?" if isinstance(tensor, nn.UninitializedParameter) else tuple(tensor.shape)
    frozen = isinstance(tensor, nn.Parameter) and not tensor.requires_grad
    return f"{shape} {'frozen' if frozen else ''}".strip()
