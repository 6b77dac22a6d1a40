"""What the user brings (a Task) and what they ask of it (a Study)."""

from __future__ import annotations

import numbers
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from advisor.calls import arguments_told
from advisor.errors import InputError
from advisor.task_rules import task_faults
from advisor.values import (
    LONGEST_NAME,
    MOST_COUNTED,
    Rule,
    are_texts,
    broken,
    is_name,
    is_number,
    is_whole,
    shown,
)


@arguments_told
@dataclass(frozen=True)
class Task:
    """A way to build the model, the data, and what counts as good.

    Arguments:
        build: a class, function or lambda that returns a fresh `torch.nn.Module`; or several of
            them by name, `{"small": Small, "deep": Deep}`, of which the first is the baseline and
            the others are tried in its place.
        data: a path (CSV, Parquet, `.npz`, a folder with one sub-folder of images per class), a
            pair `(x, y)` of arrays or tensors (`x` may be a tuple or a dictionary of them), a
            pandas `DataFrame`, a torch `Dataset` or `DataLoader`, or a function that returns one of
            these or a dictionary of the splits below. What is not given as `valid` and `test` is
            split off, stratified and seeded.
        train, valid, test: the user's own splits, each like `data`.
        unlabeled: inputs without targets, like `data`.
        group: rows that belong together, such as those of one patient: the name of a column or of
            a key, or an array with one entry for each row. Groups are split as a whole, and the
            error of a gain counts them.
        time: when the rows were, given like `group`, as numbers or dates: the model is trained on
            the earlier rows, and later ones validate and test.
        vectors: a file of word vectors for the model's word tables: `.txt` or `.vec` (with or
            without a first line of sizes, as word2vec and GloVe write them), `.bin` (word2vec's or
            Facebook's fastText) or gensim's `.kv`.
        target: what to predict: the column of a table, or several columns (`["a", "b"]` or
            `"a,b"`); the key of items that are dictionaries, or the position in items that are
            tuples (the last, if not said).
        weights: how much rows count in training: `balanced` (every class alike), a weight by class
            (`{"no": 1, "yes": 20}`), the name of a column or key of weights, or an array with one
            entry for each row to train on.
        loss: `(output, target) -> scalar tensor`, or None to infer it from the model's output and
            the target. It gets what the model returns, or the tensor that `output` chooses; losses
            of torch always get a tensor.
        metric: a name, a function `(output, target) -> float` (higher is better unless it has
            `higher_is_better = False`), or None. Of classes there are `accuracy`,
            `balanced_accuracy`, `f1` (of two classes: the second one, or `f1:CLASS`), `macro_f1`,
            `auc` and `log_loss`, of numbers `r2`, `rmse` and `mae`, of all `loss`. None
            for `accuracy` of classes, `macro_f1` where a class is rare, and `r2` of numbers.
        batch: rows in a mini-batch, or None for a size that fits the number of rows.
        optimizer: how you train: a class of `torch.optim`, a `partial` of one, a function of
            `parameters`, of `model`, or of `groups, lr, weight_decay` that returns an optimizer, or
            a text (`"sgd:momentum=.9,lr=.1"`). The rates that it brings are those of trial 0, and
            what is searched multiplies them. None for AdamW at 0.001.
        scheduler: how the rate moves in a full training: `(optimizer, steps) -> LRScheduler`,
            stepped after each optimizer step; `(optimizer, epochs) -> LRScheduler`, stepped after
            each epoch; a class or `partial` of one, whose length is filled in; or `cosine`,
            `onecycle`, `linear`, `constant`. None for a constant rate.
        clip: the largest norm of the gradient of a step, or None.
        accumulate: mini-batches whose gradients make one optimizer step.
        precision: `"bf16"` for mixed precision while training, or None.
        augment: what is done to each mini-batch of training rows: `inputs -> inputs`, or `(inputs,
            target) -> (inputs, target)`. What it draws from torch, NumPy or Python is the same for
            all arms of a seed.
        lr, weight_decay: those of the first trial, where neither `optimizer` nor `fit` brings any.
        fit: your own training loop, `fit(run)` or a function of what it needs by name, such as
            `(model, train, valid, lr=0.01, epochs=6)`. After each epoch it yields a score, or None
            to be scored, or it calls `run.report`; it may return the model that is scored at the
            end. See `docs/own_loop.md`.
        kind: `classification`, `binary`, `regression` or `multilabel` (any number of labels a row:
            columns of 0 and 1, or words as in `red|round`), or None to infer it.
        arguments: keyword arguments for `build`; what it requires and is not here is inferred by
            name from the data.
        output: which tensor is the prediction, of a model that returns several: its position, key
            or attribute (`1`, `"logits"`, `"heads.0"`); None takes the first whose first dimension
            is the batch.
        include, exclude: patterns (`"layer1.*"`) of activation sites, by their ids, to swap or to
            leave alone.
        models: all that `build` names, by name; leave it to `build`.

    Example:
        >>> import advisor
        >>> from sklearn.datasets import load_iris
        >>> from torch import nn
        >>> def net():
        ...     return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
        >>> task = advisor.Task(net, data=lambda: load_iris(return_X_y=True), metric="accuracy")
        >>> tables = advisor.Task(net, train="train.csv", valid="valid.csv", target="species")
    """

    build: Any
    data: Any = None
    train: Any = field(default=None, kw_only=True)
    valid: Any = field(default=None, kw_only=True)
    test: Any = field(default=None, kw_only=True)
    unlabeled: Any = field(default=None, kw_only=True)
    vectors: str | Path | None = field(default=None, kw_only=True)
    target: str | Sequence[str] | None = field(default=None, kw_only=True)
    group: Any = field(default=None, kw_only=True)
    time: Any = field(default=None, kw_only=True)
    weights: Any = field(default=None, kw_only=True)
    loss: Callable[..., Any] | None = field(default=None, kw_only=True)
    metric: str | Callable[..., Any] | None = field(default=None, kw_only=True)
    batch: int | None = field(default=None, kw_only=True)
    optimizer: str | Callable[..., Any] | None = field(default=None, kw_only=True)
    scheduler: str | Callable[..., Any] | None = field(default=None, kw_only=True)
    clip: float | None = field(default=None, kw_only=True)
    accumulate: int = field(default=1, kw_only=True)
    precision: str | None = field(default=None, kw_only=True)
    augment: Callable[..., Any] | None = field(default=None, kw_only=True)
    lr: float | None = field(default=None, kw_only=True)
    weight_decay: float | None = field(default=None, kw_only=True)
    fit: Callable[..., Any] | None = field(default=None, kw_only=True)
    kind: str | None = field(default=None, kw_only=True)
    arguments: Mapping[str, Any] = field(default_factory=dict, kw_only=True)
    output: int | str | None = field(default=None, kw_only=True)
    include: Sequence[str] = field(default=(), kw_only=True)
    exclude: Sequence[str] = field(default=(), kw_only=True)
    models: Mapping[str, Callable[..., Any]] = field(default_factory=dict, kw_only=True)

    def __post_init__(self) -> None:
        for fault in task_faults(self):
            raise InputError(fault)
        # Of several models, the first is the one that others are compared with.
        if isinstance(self.build, Mapping):
            object.__setattr__(self, "models", dict(self.build))
            object.__setattr__(self, "build", next(iter(self.build.values())))

    @property
    def other_models(self) -> dict[str, Callable[..., Any]]:
        """By name, the models that may take the place of the first one."""
        return dict(list(self.models.items())[1:])


@arguments_told
@dataclass(frozen=True)
class Study:
    """A question about a task, with a budget.

    Arguments:
        name: the study's name in the database.
        task: what is studied.
        trials: total number of search trials, over all resumes.
        minutes: total time for search and confirmation, over all resumes, or None for no limit.
        trial_minutes: how long one training may take before it is ended as failed; None for 10
            minutes, or 20 trainings of the model as it is where those take longer.
        epochs: training epochs of a full trial, or None for a number that fits the data.
        seed: the same seed gives the same study.
        seeds: pairs of fresh seeds that measure the gain, at least 3; None for 5, 10 or 20, as the
            seeds that choose ask for.
        only: techniques to try per slot, `{"activation": ["elu"]}`; `keep` is always among them.
        also: slots to search that a study does not search unless it names them, `["optimizer"]`.
        min_gain: the smallest gain worth changing a model for, in units of the metric; None for the
            metric's default.
        reach: a score to reach; arms are then compared by the number of epochs that they need for
            it.
        noise: score under Gaussian noise on the inputs, of this share of each input's deviation;
            None for none.
        artefact_share: how many trainings of the model as it is, on as many rows, a pretraining or
            word vectors may cost; their passes over the data are bounded, as they are counted.
        round: trials of combinations that are asked together, as many as there are workers to train
            them; None for 8, or for what the study began with.

    Example:
        >>> import advisor, torch
        >>> from torch import nn
        >>> def net():
        ...     return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
        >>> task = advisor.Task(net, (torch.randn(60, 4), torch.arange(60) % 3))
        >>> study = advisor.Study("small", task, minutes=5, only={"activation": ["elu", "gelu"]})
        >>> study.trials, study.seed
        (60, 0)
    """

    name: str
    task: Task
    trials: int = field(default=60, kw_only=True)
    minutes: float | None = field(default=None, kw_only=True)
    trial_minutes: float | None = field(default=None, kw_only=True)
    epochs: int | None = field(default=None, kw_only=True)
    seed: int = field(default=0, kw_only=True)
    seeds: int | None = field(default=None, kw_only=True)
    only: Mapping[str, Sequence[str]] | None = field(default=None, kw_only=True)
    also: Sequence[str] = field(default=(), kw_only=True)
    min_gain: float | None = field(default=None, kw_only=True)
    reach: float | None = field(default=None, kw_only=True)
    noise: float | None = field(default=None, kw_only=True)
    artefact_share: float = field(default=2.0, kw_only=True)
    round: int | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        for fault in _study_faults(self):
            raise InputError(fault)
        # NumPy's numbers are Python's from here on.
        for rule in SETTING_RULES:
            value = vars(self)[rule.name]
            if isinstance(value, numbers.Real):
                plain = int(value) if isinstance(value, numbers.Integral) else float(value)
                object.__setattr__(self, rule.name, plain)


MOST_MINUTES = 10 * 365 * 24 * 60
"""Ten years; a longer time is no limit, and no clock waits for it."""
NAME = f"a text on one line, in UTF-8, of at most {LONGEST_NAME} letters"
"""What the name of a study must be."""
SEEDS = (-(2**63), 2**63 - 1)
"""The smallest and the largest seed: whole numbers of 64 bits."""
_MINUTES = "a number above 0 and at most ten years; for no limit leave it out"


def _is_duration(value: object) -> bool:
    """Whether this is a number of minutes that a clock can wait for."""
    return is_number(value, 0, MOST_MINUTES) and value != 0


def _count(name: str, least: int, is_optional: bool = False) -> Rule:
    """The rule of a count."""
    wanted = f"a whole number, at least {least} and at most {MOST_COUNTED}"
    return Rule(name, lambda value: is_whole(value, least), wanted, is_optional)


SETTING_RULES = (
    Rule("name", is_name, NAME, is_optional=False),
    _count("trials", 1),
    _count("seeds", 3, is_optional=True),
    _count("epochs", 1, is_optional=True),
    _count("round", 1, is_optional=True),
    Rule("minutes", _is_duration, _MINUTES),
    Rule("trial_minutes", _is_duration, _MINUTES),
    Rule(
        "seed",
        lambda value: is_whole(value, *SEEDS),
        "a whole number of 64 bits, from -2**63 to 2**63 - 1",
        is_optional=False,
    ),
    Rule("min_gain", lambda value: is_number(value, 0), "0 or more, a finite number"),
    Rule("noise", lambda value: is_number(value, 0), "0 or more, a finite number"),
    Rule("reach", is_number, "a finite number"),
    Rule(
        "artefact_share",
        lambda value: is_number(value, 0) and value != 0,
        "a number above 0",
        is_optional=False,
    ),
)
"""What the settings of a study may be, also those that the command line gives."""


def setting_faults(values: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """The settings that are wrong, by name, with what is wrong as the rest of a sentence."""
    for rule in broken(SETTING_RULES, values):
        yield rule.name, f"must be {rule.wanted}, got {shown(values[rule.name])}"


def _study_faults(study: Study) -> Iterator[str]:
    """What is wrong with a study, a sentence each."""
    if not is_name(study.name):
        yield f"Study(name={shown(study.name)}): a study needs a name, {NAME}."
    who = f"Study {shown(study.name)}"
    for name, fault in setting_faults(vars(study)):
        yield f"{who}: {name} {fault}."
    if not isinstance(study.task, Task):
        yield f"{who}: task must be an advisor.Task, got {shown(study.task)}."
    yield from _choice_faults(study, who)


def _choice_faults(study: Study, who: str) -> Iterator[str]:
    """What is wrong with the choice of techniques, whose names are checked with the plugins."""
    if not are_texts(study.also):
        example = f", [{study.also!r}]" if isinstance(study.also, str) else ", ['optimizer']"
        yield f"{who}: also must be a list of slots{example}; got {shown(study.also)}."
    if study.only is not None and not isinstance(study.only, Mapping):
        example = "{'activation': ['elu']}"
        yield f"{who}: only maps a slot to names, {example}; got {shown(study.only)}."
        return
    for slot, names in (study.only or {}).items():
        example = f", [{names!r}]" if isinstance(names, str) else ""
        if not isinstance(slot, str) or not are_texts(names):
            yield (
                f"{who}: only[{shown(slot)}] must be a list of names{example}, got {shown(names)}."
            )
