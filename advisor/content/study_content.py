"""What a study is made of, as digests that are kept when it begins and compared ever after."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

Digests = Mapping[str, str]
"""Digests by what a person calls the thing: `Net.forward in net.py`, `the test rows`."""


@dataclass(frozen=True)
class Content:
    """The content of a study. All of it is plain data, and the same in every process.

    Attributes:
        code: the user's own functions, classes and constants that the study uses.
        files: the user's files that were read while the study was opened, such as configurations.
        rows: the data with their targets, and how they are split.
        arguments: what the model's constructor is called with, as text.
        model: the layers of the built model with their settings, as text.
    """

    code: Digests = field(default_factory=dict)
    files: Digests = field(default_factory=dict)
    rows: Digests = field(default_factory=dict)
    arguments: Mapping[str, str] = field(default_factory=dict)
    model: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def digest(self) -> ContentDigest:
        """What another process compares with its own."""
        return ContentDigest(_digest(self.code), _digest(self.rows), self.files)

    @classmethod
    def from_json(cls, plain: Mapping[str, Any] | None) -> Content | None:
        """The content that `asdict` gave; None for a study that was begun before it was kept."""
        return None if plain is None else cls(**plain)

    def to_json(self) -> dict[str, Any]:
        """The content as plain data."""
        return asdict(self)


@dataclass(frozen=True)
class ContentDigest:
    """What two processes compare. The built model is not part of it: it follows from the rest.

    Attributes:
        code: a digest of the user's own code.
        rows: a digest of the data.
        files: digests of the user's files that were read, by their paths.
    """

    code: str
    rows: str
    files: Digests

    def differs_in(self, other: ContentDigest) -> str:
        """`code`, `rows` or `files`, by the first that is another there; empty where none is.

        A file counts where both have read it: a process that had loaded a module before reads the
        files of that module no more.
        """
        for kind in ("code", "rows"):
            if getattr(self, kind) != getattr(other, kind):
                return kind
        common = self.files.keys() & other.files.keys()
        return "files" if any(self.files[name] != other.files[name] for name in common) else ""


def _digest(parts: Digests) -> str:
    return hashlib.sha256(json.dumps(dict(sorted(parts.items()))).encode()).hexdigest()
