"""The recommendation: verdict, the chosen arm, the evidence for it, its cost, how to apply it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any, TypeVar

from advisor.content.study_content import Content
from advisor.diagnosis.finding import Finding
from advisor.errors import InputError
from advisor.notebook import InNotebook
from advisor.search.arm import Arm, Skip
from advisor.store.location import storage_option
from advisor.store.read_back import check_types, json_object, read_back, study_in, version_in
from advisor.technique import DECAY, KEEP, RATE
from advisor.training.ended import Ended
from advisor.training.floor import Floor, Simple
from advisor.verdict.records import (
    Alternative,
    ArmResult,
    BaselineResult,
    Cost,
    CutTrial,
    Evidence,
    Interval,
    LayerSignal,
    LayerSignals,
    MeasuredGain,
    RowGain,
    Seconds,
    SelectedGain,
    SingleTechnique,
    Start,
    TrainRows,
    TrialCounts,
    Verdict,
)
from advisor.verdict.version_0_1 import metric_of_test_rows, reason_of

if TYPE_CHECKING:
    from torch import nn

    from advisor.work.replay import Trained
    from advisor.work.study_ref import StudyRef
    from advisor.work.trust import Trust

T = TypeVar("T")


@dataclass
class Recommendation(InNotebook):
    """What `advisor` says about a study. `to_json` gives the documented keys.

    Attributes:
        study, metric, direction: of the study.
        verdict: `change`, `keep` or `undecided`.
        evidence: what was shown: `better`, `worse`, `equivalent`, `not_better` or `open`; None in
            answers of versions that did not say so.
        choices: the recommended technique per slot; all `keep` unless the verdict is `change`.
        params: learning rate, weight decay and the techniques' own parameters for the choices.
        epochs: of a training; the answer holds for trainings of about this length.
        baseline, recommended: the model as it is and the chosen arm on fresh seeds; their scores
            are paired: the i-th of each used the same seed.
        gain: of the best other arm over the baseline.
        min_gain: the smallest gain worth a change, in units of the metric.
        alternatives: other arms that were confirmed.
        isolation: what each technique reached alone in the search; the model as it is comes first.
        importance: what leaving each change of the chosen arm out costs, by slot, in units of the
            metric; it has no part in the verdict. In answers of versions before 0.3, the share of
            each slot in being among the best trials.
        costs: score and seconds of every confirmed arm and of the model as it is.
        pruned: trials that were cut or failed.
        reasons: why, in sentences that rest on this study's numbers.
        findings: what is wrong with the model before it is trained.
        skipped: techniques that do not fit.
        trials, seconds, versions, warnings: what the answer cost and rests on.
        apply_with: lines of Python that apply it, four at most.
        apply_code: the whole training as a script that needs no database; empty where the user's
            own script trains, and in answers of versions that did not write it.
        shares: by class or label, the share of the rows outside test that have it.
        floors: what simple models reach on the test rows.
        test_metric: the metric that test rows are scored by; empty in answers of version 0.1.
        signals: what each layer gives before training, without and with the changes.
        batch: rows in a mini-batch; 0 in answers of versions that did not keep it.
        rates: which of learning rate and weight decay a training reads, by their names in `params`.
        measuring_seeds: those of the scores of `baseline` and `recommended`, in their order; empty
            in answers of versions that did not keep them.
        train_rows: the share of the training rows that the time had room for; None for all.

    Example:
        >>> import advisor, torch
        >>> from torch import nn
        >>> def net():
        ...     return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
        >>> task = advisor.Task(net, (torch.randn(60, 4), torch.arange(60) % 3))
        >>> study = advisor.Study("small", task, trials=4, epochs=1, seeds=3)
        >>> recommendation = advisor.tune(study)
        >>> recommendation.verdict in ("change", "keep", "undecided")
        True
        >>> model = recommendation.apply(net())  # with the chosen techniques in it
    """

    study: str
    verdict: Verdict
    metric: str
    direction: str
    choices: Arm
    params: dict[str, Any]
    epochs: int
    baseline: BaselineResult
    recommended: ArmResult
    gain: MeasuredGain
    min_gain: float
    alternatives: list[Alternative] = field(default_factory=list)
    isolation: list[SingleTechnique] = field(default_factory=list)
    importance: dict[str, float] = field(default_factory=dict)
    costs: list[Cost] = field(default_factory=list)
    pruned: list[CutTrial] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    skipped: list[Skip] = field(default_factory=list)
    trials: TrialCounts = field(default_factory=TrialCounts)
    seconds: Seconds = field(default_factory=Seconds)
    versions: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    apply_with: list[str] = field(default_factory=list)
    test_metric: str = ""
    shares: dict[str, float] = field(default_factory=dict)
    floors: list[Floor] = field(default_factory=list)
    evidence: Evidence | None = None
    signals: LayerSignals = field(default_factory=LayerSignals)
    apply_code: str = ""
    batch: int = 0
    rates: list[str] = field(default_factory=lambda: [RATE, DECAY])
    measuring_seeds: list[int] = field(default_factory=list)
    train_rows: TrainRows | None = None

    def __post_init__(self) -> None:
        self._ref: StudyRef | None = None
        self._content: Content | None = None
        self._trust: Trust | None = None
        self._url: str | None = None

    def to_json(self) -> str:
        """The documented keys as JSON text."""
        plain = asdict(self)
        for technique in plain["isolation"]:
            # The model as it is gains nothing over itself.
            if technique["slot"] is None:
                del technique["gain"]
        return json.dumps(plain, indent=2, ensure_ascii=False)

    @classmethod
    def from_json(
        cls,
        text: str,
        ref: StudyRef | None = None,
        content: Content | None = None,
        trust: Trust | None = None,
        url: str | None = None,
    ) -> Recommendation:
        """The recommendation that `to_json` wrote, also of another version.

        Arguments:
            text: the JSON.
            ref: the study that it is about, which `apply` needs.
            content: what the study was made of, so that `apply` says what has changed.
            trust: what the reference may run; None where the user has given the reference.
            url: of the database that has it.

        Raises:
            InputError: the text is damaged, or a newer version wrote what this one does not know.
        """
        with read_back(study_in(text), "recommendation", version_in(text)):
            recommendation = cls(**_parts_of(json_object(text)))
            check_types(recommendation)
        recommendation._ref, recommendation._content = ref, content
        recommendation._trust, recommendation._url = trust, url
        return recommendation

    @property
    def sign(self) -> float:
        """What turns a score into *higher is better*."""
        return 1.0 if self.direction == "maximize" else -1.0

    @property
    def changed(self) -> Arm:
        """The slots that are not left as they are."""
        return {slot: name for slot, name in self.choices.items() if name != KEEP}

    @property
    def has_other_rate(self) -> bool:
        """Whether a technique of its brings the learning rate, in the place of `training.lr`."""
        return bool(set(self.rates) - {RATE, DECAY})

    @property
    def lines_to_apply(self) -> list[str]:
        """`apply_with`, with the database that has the study and the files that it runs."""
        from advisor.verdict.apply_where import said_where  # needed only where they are printed

        if self._url is None:
            return self.apply_with
        return said_where(self.apply_with, self._url, self._ref)

    @property
    def show_command(self) -> str:
        """The command that shows this answer."""
        return f"advisor show {shlex.quote(self.study)}{storage_option(self._url)}"

    def front(self) -> list[Cost]:
        """The costs that no other arm beats in both score and seconds, cheapest first.

        That is the Pareto front.
        """
        # Whoever costs more must be better than all that cost less.
        front: list[Cost] = []
        for cost in sorted(self.costs, key=lambda cost: (cost.seconds, -self.sign * cost.mean)):
            if all(self.sign * cost.mean > self.sign * other.mean for other in front):
                front.append(cost)
        return front

    def apply(self, model: nn.Module, batch: Any = None, *, seed: int = 0) -> nn.Module:
        """Apply the chosen techniques to `model` and return it, changed in place where possible.

        The study's own training data are read for the techniques that look at them. Parameters that
        a technique freezes for good are frozen in the model returned, those that it freezes for a
        part of the training are not. Where the study's code or data have changed since it was
        begun, a warning says what. In a script `batch` is what the model is called with, as in
        `arm.apply(model, batch)`; elsewhere it is left out.

        Raises `InputError` when the study was made in a notebook that is gone, when a technique
        raises, or when the study comes from a database that names code which the user has not.
        """
        from advisor.work.apply import apply_choices  # torch is needed only here

        if not self.changed:
            return model
        return apply_choices(self._study(), self._params(), model, seed, self._content, batch)

    def train(self, seed: int | None = None, *, device: str = "cpu") -> Trained:
        """Train the recommended model as the study did: data, model, techniques, recipe or loop.

        A measuring seed is replayed and gives its recorded score again; any other draws rows and
        initial weights of its own, as a measuring seed does. Where the study's code or data have
        changed since it was begun, a warning says what.

        Arguments:
            seed: of the training; None for the first measuring seed.
            device: a torch device.

        Raises:
            InputError: as for `apply`; and for a study of a script, which trains by itself.
            SearchError: the training broke.

        Example:
            >>> import advisor, torch
            >>> from torch import nn
            >>> def net():
            ...     return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
            >>> task = advisor.Task(net, (torch.randn(60, 4), torch.arange(60) % 3))
            >>> best = advisor.tune(advisor.Study("small", task, trials=4, epochs=1, seeds=3))
            >>> best.train().score == best.recommended.scores[0]
            True
        """
        from advisor.work.apply import Answered, train_choices  # torch is needed only here

        if seed is None and self.measuring_seeds:
            seed = self.measuring_seeds[0]
        rows = None if self.train_rows is None else self.train_rows.used
        how = Answered(self.batch, self.epochs, self.metric, seed, device, rows)
        return train_choices(self._study(), self._params(), how, self._content)

    def recipe(self) -> list[dict[str, Any]]:
        """The change of activations as plain data, for `advisor.model.apply_recipe`."""
        from advisor.work.apply import recipes_of  # torch is needed only here

        if not self.changed:
            return []
        return recipes_of(self._study(), self._params(), self._content)

    def diff(self, root: str = ".") -> str:
        """The change of activations as a unified diff of the user's file, with paths from `root`;
        and that of an initializer, where functions of `torch.nn.init` do the same.

        It is empty where neither is changed.
        """
        from advisor.work.apply import diff_of  # torch is needed only here

        if not self.changed:
            return ""
        return diff_of(self._study(), self._params(), root, self._content)

    def _params(self) -> dict[str, Any]:
        return {**self.choices, **self.params}

    def _study(self) -> StudyRef:
        if self._ref is None:
            raise InputError(
                f"Study {self.study!r} does not know where its model and data are; "
                "use what advisor.tune() returned."
            )
        if self._trust is not None:
            self._trust.check(self._ref, self.study)
        return self._ref


# --- reading the JSON ---------------------------------------------------------------------------


def _parts_of(plain: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of a recommendation from its JSON."""
    # Keys of a newer version are left out, and parts that an older one lacks are empty.
    parts = {key: plain[key] for key in _names(Recommendation) if key in plain}
    for key, kind in _SINGLE.items():
        if key in parts:
            parts[key] = kind(parts[key])
    for key, kind in _LISTS.items():
        parts[key] = [kind(each) for each in parts.get(key, [])]
    parts.setdefault("test_metric", metric_of_test_rows(plain["metric"]))
    return parts


def _names(kind: type) -> list[str]:
    return [each.name for each in fields(kind)]


def _read(kind: type[T], plain: Mapping[str, Any], **parts: Any) -> T:
    """A record from its JSON; keys of other versions are left out, `parts` replace keys."""
    values = {name: plain[name] for name in _names(kind) if name in plain}
    values.update(parts)
    record = kind(**values)
    check_types(record)
    return record


def _read_baseline(plain: Mapping[str, Any]) -> BaselineResult:
    # Versions before the rates at the start were kept have no "given".
    start = plain.get("given") or {"params": plain["params"], "searched": plain.get("searched")}
    return _read(BaselineResult, plain, given=_read(Start, start))


def _read_gain(plain: Mapping[str, Any]) -> MeasuredGain:
    test = plain.get("test") and _read(RowGain, plain["test"])
    return _read(MeasuredGain, plain, test=test)


def _read_alternative(plain: Mapping[str, Any]) -> Alternative:
    gain = plain.get("gain")
    return _read(Alternative, plain, gain=gain and _read(SelectedGain, gain))


def _read_technique(plain: Mapping[str, Any]) -> SingleTechnique:
    gain = plain.get("gain")
    return _read(SingleTechnique, plain, gain=gain and _read(Interval, gain))


def _read_signals(plain: Mapping[str, Any]) -> LayerSignals:
    layers = {key: [_read(LayerSignal, each) for each in plain[key]] for key in plain}
    return _read(LayerSignals, layers)


def _read_floor(plain: Mapping[str, Any]) -> Floor:
    return _read(Floor, plain, model=Simple(plain["model"]))


def _read_cut_trial(plain: Mapping[str, Any]) -> CutTrial:
    if "ended" in plain:
        return _read(CutTrial, plain, ended=Ended(plain["ended"]))
    ended, epochs = reason_of(plain["why"])
    return _read(CutTrial, plain, ended=ended, epochs=epochs)


_SINGLE: dict[str, Any] = {
    "verdict": Verdict,
    "evidence": lambda plain: plain and Evidence(plain),
    "baseline": _read_baseline,
    "recommended": lambda plain: _read(ArmResult, plain),
    "gain": _read_gain,
    "trials": lambda plain: _read(TrialCounts, plain),
    "seconds": lambda plain: _read(Seconds, plain),
    "signals": _read_signals,
    "train_rows": lambda plain: plain and _read(TrainRows, plain),
}
"""How the parts of a recommendation that are records are read, and its verdict."""
_LISTS: dict[str, Any] = {
    "alternatives": _read_alternative,
    "isolation": _read_technique,
    "costs": lambda plain: _read(Cost, plain),
    "pruned": _read_cut_trial,
    "floors": _read_floor,
    "findings": lambda plain: _read(Finding, plain),
    "skipped": lambda plain: _read(Skip, plain),
}
"""How the elements of the parts that are lists are read."""
