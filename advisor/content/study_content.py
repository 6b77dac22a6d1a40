"""What a study is made of, as digests that are kept when it begins and compared ever after."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
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
        """The content that `to_json` gave; None for a study that was begun before it was kept."""
        if plain is None:
            return None
        # What a newer version keeps besides is left out.
        return cls(**{each.name: plain[each.name] for each in fields(cls) if each.name in plain})

    def to_json(self) -> dict[str, Any]:
        """The content as plain data."""
        return asdict(self)


@dataclass(frozen=True)
class ContentDigest:
    """What two processes compare. The built model is not part of it: it follows from the rest.

    Attributes:
        code: a digest of the user's own code; empty where that came with the study.
        rows: a digest of the data.
        files: digests of the user's files that were read, by their paths.
        plugins: the loaded plugins, each with its version or its file's hash.
    """

    code: str
    rows: str
    files: Digests
    plugins: str = ""

    def differs_in(self, other: ContentDigest) -> str:
        """`code`, `rows`, `plugins` or `files`, by the first that is another there; or empty.

        A file counts where both have read it: a process that had loaded a module before reads the
        files of that module no more. Code counts where both know theirs.
        """
        for kind in ("code", "rows", "plugins"):
            mine, theirs = getattr(self, kind), getattr(other, kind)
            if mine != theirs and ((mine and theirs) or kind != "code"):
                return kind
        common = self.files.keys() & other.files.keys()
        return "files" if any(self.files[name] != other.files[name] for name in common) else ""


def _digest(parts: Digests) -> str:
    return hashlib.sha256(json.dumps(dict(sorted(parts.items()))).encode()).hexdigest()
