"""Finds which techniques make *my* model, on *my* data, train better, with an answer that can be trusted.

Importing this package loads nothing heavy: every public name is fetched from its module when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOME = {
    "Study": "advisor.study",
    "Task": "advisor.study",
    "Slot": "advisor.technique",
    "Technique": "advisor.technique",
    "Float": "advisor.space",
    "Int": "advisor.space",
    "Choice": "advisor.space",
    "AdvisorError": "advisor.errors",
    "InputError": "advisor.errors",
    "PluginError": "advisor.errors",
    "SearchError": "advisor.errors",
    "hookimpl": "advisor.host.hookspecs",
    "Finding": "advisor.diagnosis.finding",
    "Run": "advisor.training.run",
    "Activation": "advisor.slots.activation",
    "Initializer": "advisor.slots.initializer",
    "Fans": "advisor.slots.initializer",
    "Layer": "advisor.model",
    "Pretraining": "advisor.slots.pretraining",
    "Segment": "advisor.slots.segments",
    "Learnt": "advisor.slots.pretraining",
    "Embedding": "advisor.slots.embedding",
    "Recommendation": "advisor.verdict.recommendation",
    "diagnose": "advisor.verdict.diagnose",
    "tune": "advisor.verdict.tune",
    "recommendation": "advisor.verdict.tune",
}

__all__ = [  # noqa: RUF022  # read by type checkers, in the order of the table
    "__version__",
    "Study",
    "Task",
    "Slot",
    "Technique",
    "Float",
    "Int",
    "Choice",
    "AdvisorError",
    "InputError",
    "PluginError",
    "SearchError",
    "hookimpl",
    "Finding",
    "Run",
    "Activation",
    "Initializer",
    "Fans",
    "Layer",
    "Pretraining",
    "Segment",
    "Learnt",
    "Embedding",
    "Recommendation",
    "diagnose",
    "tune",
    "recommendation",
]

if TYPE_CHECKING:
    from advisor.diagnosis.finding import Finding
    from advisor.errors import AdvisorError, InputError, PluginError, SearchError
    from advisor.host.hookspecs import hookimpl
    from advisor.model import Layer
    from advisor.slots.activation import Activation
    from advisor.slots.embedding import Embedding
    from advisor.slots.initializer import Fans, Initializer
    from advisor.slots.pretraining import Learnt, Pretraining
    from advisor.slots.segments import Segment
    from advisor.space import Choice, Float, Int
    from advisor.study import Study, Task
    from advisor.technique import Slot, Technique
    from advisor.training.run import Run
    from advisor.verdict.diagnose import diagnose
    from advisor.verdict.recommendation import Recommendation
    from advisor.verdict.tune import recommendation, tune


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'advisor' has no attribute {name!r}; it has {', '.join(sorted(_HOME))}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
