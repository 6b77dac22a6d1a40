"""`advisor.diagnose`: open the study, examine its model, ask the techniques. Nothing is stored."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

from torch import nn

from advisor.api.arguments import check_arguments
from advisor.diagnosis.diagnose import Diagnosis
from advisor.diagnosis.finding import Finding
from advisor.diagnosis.measure import Measured, Signal
from advisor.diagnosis.technique_findings import diagnose_with
from advisor.model import Anatomy
from advisor.notebook import InNotebook
from advisor.randomness import isolated
from advisor.search.plan import Plan, make_plan
from advisor.study import Study
from advisor.training.floor import Floor
from advisor.training.floors import floors
from advisor.training.loop import evaluate
from advisor.training.run import Run
from advisor.user_code import interrupts_told_apart, kept_from_exiting
from advisor.work.prepare import Prepared, prepare
from advisor.work.study_ref import StudyRef
from advisor.work.threads import one_thread

OUTPUTS = {"log_probabilities": "log-probabilities", "probability": "probabilities"}
"""Kinds of output that are written otherwise than an anatomy names them."""
SITE_KEYS = ("id", "kind", "label", "reason", "calls", "place")
"""What the JSON says of an activation site."""
TABLE_KEYS = ("name", "rows", "width", "padding_idx", "source", "tied")
"""What the JSON says of an embedding table."""


def diagnose(
    study: Study | StudyRef | Prepared | str | Path,
    *,
    steps: int = 0,
    device: str = "cpu",
    plugins: Sequence[str] = (),
) -> DiagnosisReport:
    """Examine a task's model before it is trained.

    The report says what the model is made of, what is wrong with it, and which techniques fit.

    Arguments:
        study: an `advisor.Study`, or the path of a study file.
        steps: also train that many mini-batches, on weights that are put back, and judge the
            updates.
        device: a torch device.
        plugins: plugin files to load besides the installed plugins.

    Example:
        >>> import advisor, torch
        >>> from torch import nn
        >>> def net():
        ...     return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3), nn.Softmax(dim=1))
        >>> data = (torch.randn(60, 4), torch.arange(60) % 3)
        >>> task = advisor.Task(net, data, loss=nn.CrossEntropyLoss())  # which takes logits
        >>> report = advisor.diagnose(advisor.Study("small", task))
        >>> [finding.kind for finding in report.findings]
        ['output_misfit']

    Raises:
        InputError: the task is at fault.
    """
    given = {"study": study, "steps": steps, "device": device, "plugins": plugins}
    check_arguments("diagnose", given)
    one_thread()
    prepared = study
    with interrupts_told_apart(), kept_from_exiting():
        if not isinstance(prepared, Prepared):
            prepared = prepare(StudyRef.of(prepared, tuple(plugins)), device)

        # The techniques that fit are asked what they find, beyond what every diagnosis looks for.
        plan = make_plan(prepared)
        seed = prepared.study.seed
        run = prepared.run(seed, seed)
        by_slot = prepared.host.techniques
        techniques = [by_slot[slot][name] for slot, name in plan.techniques]
        diagnosis = diagnose_with(run, techniques, steps)
    return DiagnosisReport(prepared, run, diagnosis, plan)


@dataclass(frozen=True)
class DiagnosisReport(InNotebook):
    """What `advisor diagnose` shows about a task.

    Attributes:
        prepared: the study, opened.
        run: the user's model as it starts, with its data and loss.
        diagnosis: what was measured, and what is wrong.
        plan: the techniques that fit, and why others do not.
    """

    prepared: Prepared
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
        # An output without bounds is a number to regress on, or one for each class.
        kind = self.anatomy.output
        if kind == "raw":
            return "raw" if self.prepared.objective.kind == "regression" else "logits"
        return OUTPUTS.get(kind, kind)

    @cached_property
    def floors(self) -> tuple[Floor, ...]:
        """What simple models reach on the validation rows."""
        prepared = self.prepared
        valid = prepared.splits(prepared.study.seed).valid
        return tuple(floors(self.run, valid, prepared.batch))

    @cached_property
    def score(self) -> float | None:
        """What the model reaches there before it is trained; None where that is no number."""
        prepared, seed = self.prepared, self.prepared.study.seed
        try:
            # A model of its own, as scoring one puts it into another mode.
            with isolated(0):
                run = prepared.run(seed, seed)
                return evaluate(run, prepared.splits(seed).valid, prepared.batch)
        except Exception:  # the user's own metric or forward may raise anything
            return None

    @property
    def fits(self) -> dict[str, dict[str, str | None]]:
        """By slot, every technique with None where it fits, else why it does not."""
        # Those that fit come first in each slot, in the order in which the host has them.
        fits: dict[str, dict[str, str | None]] = {slot: {} for slot in self.plan.options}
        for slot, name in self.plan.techniques:
            fits[slot][name] = None
        for skip in self.plan.skipped:
            fits[skip.slot][skip.technique] = skip.why
        return fits

    @property
    def parameters(self) -> int:
        """How many numbers the model's parameters hold."""
        # A user's model may have an attribute that is called `parameters`, so the class is asked.
        return sum(parameter.numel() for parameter in nn.Module.parameters(self.model))

    def to_json(self) -> str:
        """The documented keys as JSON text; numbers that are not finite are null."""
        # What one batch showed, besides what it showed of each layer.
        measured, steps = self.diagnosis.measured, self.diagnosis.steps
        plain = {
            "study": self.prepared.study.name,
            "model": type(self.model).__name__,
            "parameters": self.parameters,
            "output": self.output,
            "output_shape": list(self.anatomy.output_shape),
            "sites": [picked(site, SITE_KEYS) for site in self.anatomy.sites],
            "layers": [layer_keys(signal) for signal in measured.signals],
            "embeddings": [picked(table, TABLE_KEYS) for table in self.anatomy.tables],
            "unused": list(self.anatomy.unused),
            "raw": list(self.anatomy.raw),
            "signal": signal_keys(measured),
            "shares": dict(self.prepared.facts.shares),
            "floors": {
                "metric": self.prepared.objective.metric.name,
                "rows": self.prepared.facts.sizes["valid"],
                "model": self.score,
                "simple": [asdict(floor) for floor in self.floors],
            },
            "steps": asdict(steps) if steps else None,
            "findings": [finding.to_json() for finding in self.findings],
            "fits": self.fits,
            "notes": list(self.prepared.notes),
            "warnings": list(self.prepared.warnings),
            "seconds": round(self.diagnosis.seconds, 3),
        }
        return json.dumps(finite(plain), indent=2, ensure_ascii=False)


def picked(thing: object, keys: Sequence[str]) -> dict[str, object]:
    """Attributes of a thing by their names."""
    return {key: getattr(thing, key) for key in keys}


def signal_keys(measured: Measured) -> dict[str, object]:
    """What the JSON says of the signal that reaches the end of the model."""
    return {
        "rows": measured.rows,
        "features_std": measured.features,
        "features_cosine": measured.cosine,
        "output_std": measured.output_std,
        "loss": measured.loss,
    }


def layer_keys(signal: Signal) -> dict[str, object]:
    """What the JSON says of a layer, with the signal in it before training."""
    # Only a layer that an activation follows has units that can be dead or saturated.
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


def finite(value: object) -> object:
    """A value without NaN and infinities, which JSON does not have."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return value
