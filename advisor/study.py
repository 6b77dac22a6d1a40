"""What the user brings (a Task) and what they ask of it (a Study)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from advisor.calls import arguments_told
from advisor.errors import InputError

KINDS = ("classification", "binary", "regression", "multilabel")
"""Kinds of tasks."""


@arguments_told
@dataclass(frozen=True)
class Task:
    """A way to build the model, the data, and what counts as good.

    Arguments:
        build: a class, function or lambda that returns a fresh `torch.nn.Module`.
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
        metric: a name (`accuracy`, `macro_f1`, `auc`, `r2`, `rmse`, `loss`), a function `(output,
            target) -> float` (higher is better unless it has `higher_is_better = False`), or None
            to infer it.
        batch: rows in a mini-batch, or None for a size that fits the number of rows.
        kind: `classification`, `binary`, `regression` or `multilabel` (any number of labels a row:
            columns of 0 and 1, or words as in `red|round`), or None to infer it.
        arguments: keyword arguments for `build`; what it requires and is not here is inferred by
            name from the data.
        output: which tensor is the prediction, of a model that returns several: its position, key
            or attribute (`1`, `"logits"`, `"heads.0"`); None takes the first whose first dimension
            is the batch.
        include, exclude: patterns (`"layer1.*"`) of activation sites, by their ids, to swap or to
            leave alone.

    Example:
        >>> import advisor
        >>> from sklearn.datasets import load_iris
        >>> from torch import nn
        >>> def net():
        ...     return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
        >>> task = advisor.Task(net, data=lambda: load_iris(return_X_y=True), metric="accuracy")
        >>> tables = advisor.Task(net, train="train.csv", valid="valid.csv", target="species")
    """

    build: Callable[..., Any]
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
    kind: str | None = field(default=None, kw_only=True)
    arguments: Mapping[str, Any] = field(default_factory=dict, kw_only=True)
    output: int | str | None = field(default=None, kw_only=True)
    include: Sequence[str] = field(default=(), kw_only=True)
    exclude: Sequence[str] = field(default=(), kw_only=True)

    def __post_init__(self) -> None:
        for fault in _task_faults(self):
            raise InputError(fault)


def _task_faults(task: Task) -> Iterator[str]:
    """What is wrong with a task, a sentence each, as far as it shows before anything is opened."""
    if not callable(task.build):
        yield (
            f"Task(build=…) needs a class or a function that returns a model, got {task.build!r}."
        )
    if (task.data is None) == (task.train is None):
        yield "Task needs either data=… or train=… (the user's own training split), and not both."
    if task.kind is not None and task.kind not in KINDS:
        yield f"Task(kind={task.kind!r}): the kinds are {', '.join(KINDS)}."
    if task.batch is not None and not _is_whole(task.batch, at_least=1):
        yield f"Task(batch={task.batch!r}): a mini-batch has at least one row."
    if not isinstance(task.vectors, str | Path | None):
        yield f"Task(vectors={task.vectors!r}): give the path of a file of word vectors."
    for name, key in (("group", task.group), ("time", task.time)):
        if key is not None and not (hasattr(key, "__len__") and len(key)):
            yield (
                f"Task({name}={key!r}): give the name of a column, or an array with one entry for "
                "each row."
            )
    if task.weights is not None and not (hasattr(task.weights, "__len__") and len(task.weights)):
        yield (
            f"Task(weights={task.weights!r}): give 'balanced', a weight by class, the name of a "
            "column, or an array with one entry for each row."
        )
    # True and False are numbers to Python, and no positions to a person.
    if isinstance(task.output, bool) or not isinstance(task.output, int | str | None):
        yield (
            f"Task(output={task.output!r}): "
            "give the position or the name of one of the model's outputs."
        )
    for name, patterns in (("include", task.include), ("exclude", task.exclude)):
        if isinstance(patterns, str):
            yield f"Task({name}={patterns!r}): give a list of patterns, [{patterns!r}]."


def _is_whole(value: object, at_least: int) -> bool:
    return isinstance(value, int) and value >= at_least


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
        seeds: fresh seeds that the recommendation rests on, at least 3.
        only: techniques to try per slot, `{"activation": ["elu"]}`; `keep` is always among them.
        min_gain: the smallest gain worth changing a model for, in units of the metric; None for the
            metric's default.
        reach: a score to reach; arms are then compared by the number of epochs that they need for
            it.
        noise: score under Gaussian noise on the inputs, of this share of each input's deviation;
            None for none.

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
    seeds: int = field(default=5, kw_only=True)
    only: Mapping[str, Sequence[str]] | None = field(default=None, kw_only=True)
    min_gain: float | None = field(default=None, kw_only=True)
    reach: float | None = field(default=None, kw_only=True)
    noise: float | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        for fault in _study_faults(self):
            raise InputError(fault)


def _study_faults(study: Study) -> Iterator[str]:
    """What is wrong with a study, a sentence each."""
    if not isinstance(study.name, str) or not study.name.strip():
        yield f"Study(name={study.name!r}): a study needs a name."
    who = f"Study {study.name!r}"
    if not isinstance(study.task, Task):
        yield f"{who}: task must be an advisor.Task, got {study.task!r}."

    # The budget.
    counts = (("trials", study.trials, 1), ("seeds", study.seeds, 3), ("epochs", study.epochs, 1))
    for name, count, least in counts:
        if count is not None and not _is_whole(count, least):
            yield f"{who}: {name} must be at least {least}, got {count!r}."
    for name, minutes in (("minutes", study.minutes), ("trial_minutes", study.trial_minutes)):
        if minutes is not None and not minutes > 0:
            yield f"{who}: {name} must be above 0, got {minutes}."

    # What counts as a gain.
    for name, number in (("min_gain", study.min_gain), ("noise", study.noise)):
        if number is not None and not number >= 0:
            yield f"{who}: {name} must be 0 or more, got {number}."

    # Which techniques are tried; their names are checked when the plugins are loaded.
    if study.only is not None and not isinstance(study.only, Mapping):
        yield (f"{who}: only maps a slot to names, {{'activation': ['elu']}}; got {study.only!r}.")
    for slot, names in (study.only or {}).items():
        if isinstance(names, str):
            yield f"{who}: only[{slot!r}] must be a list of names, [{names!r}], got {names!r}."
