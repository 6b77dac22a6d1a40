"""The recommendation: verdict, the chosen arm, the evidence for it, what it costs, and how to apply
it.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

from advisor.errors import InputError
from advisor.technique import KEEP

if TYPE_CHECKING:
    from torch import nn

    from advisor.work.study_ref import StudyRef


@dataclass
class Recommendation:
    """What `advisor` says about a study. `to_json` gives the documented keys.

    Attributes:
        study, metric, direction: of the study.
        verdict: `change`, `keep` or `undecided`.
        choices: the recommended technique per slot; all `keep` unless the verdict is `change`.
        params: learning rate, weight decay and the techniques' own parameters that go with the
            choices.
        epochs: of a training; the answer holds for trainings of about this length.
        baseline, recommended: `scores` on fresh seeds (paired: the i-th of each used the same
            seed), their `mean`, `test` score, `seconds` per training, and `params`.
        gain: of the best other arm (`arm`) over the baseline: `mean` with 95 % interval `low`,
            `high`, `p`, `seeds`, `detectable` difference, and `searched`, the same gain as the
            search saw it, too good by selection.
        alternatives: other arms that were confirmed, with `why_not`.
        reasons, findings, skipped, trials, seconds, versions, warnings: the evidence in words and
        counts.
        min_gain: the smallest gain worth a change, in units of the metric.
        isolation: what each technique reached alone in the search, over all learning rates, with
            its number of trials and its gain over the baseline with the interval that one seed
            allows.
        importance: of each slot for being among the best trials (PED-ANOVA).
        costs: score and seconds of every confirmed arm and of the model as it is, on the same
            seeds.
        pruned: trials that were cut, with the number that decided.
    """

    study: str
    verdict: str
    metric: str
    direction: str
    choices: dict[str, str]
    params: dict[str, Any]
    epochs: int
    baseline: dict[str, Any]
    recommended: dict[str, Any]
    gain: dict[str, Any]
    min_gain: float
    alternatives: list[dict[str, Any]] = field(default_factory=list)
    isolation: list[dict[str, Any]] = field(default_factory=list)
    importance: dict[str, float] = field(default_factory=dict)
    costs: list[dict[str, Any]] = field(default_factory=list)
    pruned: list[dict[str, Any]] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    findings: list[dict[str, Any]] = field(default_factory=list)
    skipped: list[dict[str, str]] = field(default_factory=list)
    trials: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    apply_with: list[str] = field(default_factory=list)

    def to_json(self) -> str:
        """The documented keys as JSON text."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False)

    @property
    def sign(self) -> float:
        """What turns a score into *higher is better*."""
        return 1.0 if self.direction == "maximize" else -1.0

    def front(self) -> list[dict[str, Any]]:
        """The rows of `costs` that no other one beats in both score and seconds (the Pareto front),
        cheapest first.
        """
        ordered = sorted(self.costs, key=lambda row: (row["seconds"], -self.sign * row["mean"]))
        scores = [self.sign * row["mean"] for row in ordered]
        return [
            row for i, row in enumerate(ordered) if all(scores[i] > other for other in scores[:i])
        ]

    @classmethod
    def from_json(cls, text: str, question: StudyRef | None = None) -> Recommendation:
        """The recommendation that `to_json` wrote, also of another version, with the study that it
        is about, for `apply`.
        """
        known = {one.name for one in fields(cls)}
        found = cls(**{key: value for key, value in json.loads(text).items() if key in known})
        found._question = question
        return found

    @property
    def changed(self) -> dict[str, str]:
        """The slots that are not left as they are."""
        return {slot: name for slot, name in self.choices.items() if name != KEEP}

    def apply(self, model: nn.Module, *, seed: int = 0) -> nn.Module:
        """Apply the chosen techniques to `model`, which is changed in place where that is possible,
        and return it.

        The study's own training data are read for the techniques that look at them. Parameters that
        a technique freezes for good are frozen in the model returned, those that it freezes for a
        part of the training are not. Raises `InputError` when the study was made in a notebook that
        is gone, or when a technique raises.
        """
        from advisor.work.apply import apply_choices  # torch is needed only here

        if not self.changed:
            return model
        return apply_choices(self._asked(), {**self.choices, **self.params}, model, seed)

    def recipe(self) -> list[dict[str, Any]]:
        """The change of activations as plain data, for `advisor.model.apply_recipe`; empty where
        none is changed.
        """
        from advisor.model import recipe  # torch is needed only here
        from advisor.work.apply import swaps_of

        swaps = swaps_of(self._asked(), {**self.choices, **self.params}) if self.changed else []
        return [recipe(report) for report in swaps]

    def diff(self, root: str = ".") -> str:
        """The change of activations as a unified diff of the user's file, with paths from `root`;
        empty where none is.
        """
        from advisor.work.apply import diff_of  # torch is needed only here

        return diff_of(self._asked(), {**self.choices, **self.params}, root) if self.changed else ""

    def _asked(self) -> StudyRef:
        if self._question is None:
            raise InputError(
                f"Study {self.study!r} does not know where its model and data are; use what advisor.tune() returned."
            )
        return self._question

    def __post_init__(self) -> None:
        self._question: StudyRef | None = None
