"""Finds which techniques make *my* model, on *my* data, train better, with an answer that can be
trusted.

Importing this package loads nothing heavy: every public name is fetched from its module when it is
first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"

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
    "MachineError": "advisor.errors",
    "PluginError": "advisor.errors",
    "SearchError": "advisor.errors",
    "hookimpl": "advisor.host.hookspecs",
    "NamedQuery": "advisor.named_query",
    "Finding": "advisor.diagnosis.finding",
    "Run": "advisor.training.run",
    "Stop": "advisor.training.ended",
    "Activation": "advisor.slots.activation.base",
    "Initializer": "advisor.slots.initializer.base",
    "Fans": "advisor.slots.initializer.base",
    "Layer": "advisor.model",
    "Pretraining": "advisor.slots.pretraining.base",
    "Segment": "advisor.slots.pretraining.segments",
    "Learnt": "advisor.slots.pretraining.base",
    "Embedding": "advisor.slots.embedding.base",
    "Event": "advisor.events",
    "StudyOpened": "advisor.events",
    "TrialEnded": "advisor.events",
    "SeedEnded": "advisor.events",
    "VerdictGiven": "advisor.events",
    "Recommendation": "advisor.verdict.recommendation",
    "Comparison": "advisor.comparing.comparison",
    "compare": "advisor.api.compare",
    "diagnose": "advisor.api.diagnose",
    "tune": "advisor.api.tune",
    "dry_run": "advisor.api.dry_run",
    "recommendation": "advisor.api.answered",
    "train": "advisor.api.train",
    "load": "advisor.api.train",
    "Trained": "advisor.work.replay",
    "export": "advisor.exporting.folder",
    "predict": "advisor.exporting.predictions",
    "Arm": "advisor.script",
    "arm": "advisor.script",
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
    "MachineError",
    "PluginError",
    "SearchError",
    "hookimpl",
    "NamedQuery",
    "Finding",
    "Run",
    "Stop",
    "Activation",
    "Initializer",
    "Fans",
    "Layer",
    "Pretraining",
    "Segment",
    "Learnt",
    "Embedding",
    "Event",
    "StudyOpened",
    "TrialEnded",
    "SeedEnded",
    "VerdictGiven",
    "Recommendation",
    "Comparison",
    "compare",
    "diagnose",
    "tune",
    "dry_run",
    "recommendation",
    "train",
    "load",
    "Trained",
    "export",
    "predict",
    "Arm",
    "arm",
]

if TYPE_CHECKING:
    from advisor.api.answered import recommendation
    from advisor.api.compare import compare
    from advisor.api.diagnose import diagnose
    from advisor.api.dry_run import dry_run
    from advisor.api.train import load, train
    from advisor.api.tune import tune
    from advisor.comparing.comparison import Comparison
    from advisor.diagnosis.finding import Finding
    from advisor.errors import AdvisorError, InputError, MachineError, PluginError, SearchError
    from advisor.events import Event, SeedEnded, StudyOpened, TrialEnded, VerdictGiven
    from advisor.exporting.folder import export
    from advisor.exporting.predictions import predict
    from advisor.host.hookspecs import hookimpl
    from advisor.model import Layer
    from advisor.named_query import NamedQuery
    from advisor.script import Arm, arm
    from advisor.slots.activation.base import Activation
    from advisor.slots.embedding.base import Embedding
    from advisor.slots.initializer.base import Fans, Initializer
    from advisor.slots.pretraining.base import Learnt, Pretraining
    from advisor.slots.pretraining.segments import Segment
    from advisor.space import Choice, Float, Int
    from advisor.study import Study, Task
    from advisor.technique import Slot, Technique
    from advisor.training.ended import Stop
    from advisor.training.run import Run
    from advisor.verdict.recommendation import Recommendation
    from advisor.work.replay import Trained


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(
            f"module 'advisor' has no attribute {name!r}; it has {', '.join(sorted(_HOME))}"
        )
    from advisor.imports import uncollected

    with uncollected():
        module = importlib.import_module(_HOME[name])
    return getattr(module, name)


def __dir__() -> list[str]:
    return sorted(__all__)
