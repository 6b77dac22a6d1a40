"""The way of a diagnosis: set up, look, ask the techniques; no search, nothing is stored."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import nn

from advisor.diagnosis import Diagnosis, Finding
from advisor.diagnosis.measure import Signal
from advisor.model import Anatomy
from advisor.search.plan import Plan, make_plan
from advisor.study import Study
from advisor.technique import KEEP
from advisor.training.run import Run
from advisor.verdict.technique_findings import look
from advisor.work.executors import one_thread
from advisor.work.prepare import Prepared, setup
from advisor.work.study_ref import StudyRef, host_of

_OUTPUTS = {"log_probabilities": "log-probabilities", "probability": "probabilities"}


@dataclass(frozen=True)
class Report:
    """What `advisor diagnose` tells about a task.

    Attributes:
        shared: the task, set up.
        run: the user's model as it starts, with its data and loss.
        diagnosis: what was measured, and what is wrong.
        plan: the techniques that fit, and why others do not.
    """

    shared: Prepared
    run: Run
    diagnosis: Diagnosis
    plan: Plan

    @property
    def model(self) -> nn.Module:
        """The user's model as it starts."""
        return self.run.model

    @property
    def anatomy(self) -> Anatomy:
        """Its sites, layers, tables and output."""
        return self.run.anatomy

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What is wrong, the gravest first."""
        return self.diagnosis.findings

    @property
    def output(self) -> str:
        """Kind of output: `logits`, `log-probabilities`, `probabilities`, `bounded` or `raw`."""
        kind = self.anatomy.output
        if kind == "raw":
            return "raw" if self.shared.objective.kind == "regression" else "logits"
        return _OUTPUTS.get(kind, kind)

    @property
    def fits(self) -> dict[str, dict[str, str | None]]:
        """By slot, every technique with None where it fits, else why it does not."""
        found: dict[str, dict[str, str | None]] = {
            slot: dict.fromkeys((name for name in names if name != KEEP), None)
            for slot, names in self.plan.options.items()
        }
        for skip in self.plan.skipped:
            found[skip.slot][skip.technique] = skip.why
        return found

    def to_json(self) -> str:
        """The documented keys as JSON text; numbers that are not finite are null."""
        return json.dumps(_finite(self._plain()), indent=2, ensure_ascii=False)

    def _plain(self) -> dict[str, Any]:
        measured, steps = self.diagnosis.measured, self.diagnosis.steps
        return {
            "study": self.shared.study.name,
            "model": type(self.model).__name__,
            "parameters": sum(p.numel() for p in nn.Module.parameters(self.model)),
            "output": self.output,
            "output_shape": list(self.anatomy.output_shape),
            "sites": [
                {
                    key: getattr(site, key)
                    for key in ("id", "kind", "label", "reason", "calls", "place")
                }
                for site in self.anatomy.sites
            ],
            "layers": [_layer(signal) for signal in measured.signals],
            "embeddings": [
                {
                    key: getattr(table, key)
                    for key in ("name", "rows", "width", "padding_idx", "source", "tied")
                }
                for table in self.anatomy.tables
            ],
            "unused": list(self.anatomy.unused),
            "raw": list(self.anatomy.raw),
            "signal": {
                "rows": measured.rows,
                "features_std": measured.features,
                "features_cosine": measured.cosine,
                "output_std": measured.output_std,
                "loss": measured.loss,
            },
            "steps": asdict(steps) if steps else None,
            "findings": [finding.to_json() for finding in self.findings],
            "fits": self.fits,
            "notes": list(self.shared.notes),
            "warnings": list(self.shared.warnings),
            "seconds": round(self.diagnosis.seconds, 3),
        }


def _layer(signal: Signal) -> dict[str, Any]:
    layer, units = signal.layer, signal.units
    return {
        "name": layer.name,
        "kind": layer.kind,
        "followed_by": layer.followed_by,
        "calls": layer.calls,
        "tied": list(layer.tied),
        "std": signal.std,
        "gradient": signal.gradient,
        "units": units.count if units else None,
        "dead": units.dead if units else None,
        "saturated": units.saturated if units else None,
    }


def _finite(value: Any) -> Any:
    """The same without NaN and infinities, which JSON does not have."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, (list, tuple)) else value


def diagnose(
    study: Study | StudyRef | str | Path,
    *,
    steps: int = 0,
    device: str = "cpu",
    plugins: Sequence[str] = (),
) -> Report:
    """Look at a task's model before it is trained: what it is made of, what is wrong with it, which
    techniques fit.

    Arguments:
        study: an `advisor.Study`, or the path of a study file.
        steps: also train that many mini-batches, on weights that are put back, and judge the
            updates.
        device: a torch device.
        plugins: plugin files to load besides the installed plugins.

    Raises `InputError` when the task is at fault.
    """
    question = StudyRef.given(study, tuple(plugins))
    one_thread()
    shared, host = setup(question, device), host_of(question)
    run = shared.run(shared.study.seed, shared.splits(shared.study.seed))
    plan = make_plan(shared, host)
    return Report(shared, run, look(run, plan, host, steps), plan)
