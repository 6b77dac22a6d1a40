"""What a task may hold, as far as it shows before anything is opened."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from advisor.errors import near
from advisor.technique import KEEP
from advisor.values import (
    MOST_COUNTED,
    Rule,
    are_texts,
    broken,
    is_function,
    is_number,
    is_path,
    is_text,
    is_whole,
    shown,
)

if TYPE_CHECKING:
    from advisor.study import Task

NAME_OF_MODEL = re.compile(r"[A-Za-z_][\w-]*")
"""What one of several models may be called."""
KINDS = ("classification", "binary", "regression", "multilabel")
"""Kinds of tasks."""


def _is_key(value: object) -> bool:
    """Whether this can be a column, a key, or a position, or several columns."""
    return is_text(value) or is_whole(value, -MOST_COUNTED) or (are_texts(value) and bool(value))


def _are_arguments(value: object) -> bool:
    """Whether this is a mapping of keywords."""
    return isinstance(value, Mapping) and all(isinstance(key, str) for key in value)


def _names_rows(value: object) -> bool:
    """Whether this is the name of a column, or has entries for the rows."""
    return hasattr(value, "__len__") and bool(len(value))


def _is_called_or_named(value: object) -> bool:
    """Whether this is a function, a class or the name of one."""
    return callable(value) or is_text(value)


PATTERNS = "a list of patterns"
"""What `include` and `exclude` must be."""
COLUMN = "the name of a column, or an array with one entry for each row"
"""What `group`, `time` and, among others, `weights` must be."""
TASK_RULES = (
    Rule("vectors", is_path, "the path of a file of word vectors"),
    Rule("target", _is_key, "the name of a column or key, or a position"),
    Rule("group", _names_rows, COLUMN),
    Rule("time", _names_rows, COLUMN),
    Rule("weights", _names_rows, f"'balanced', a weight by class, {COLUMN}"),
    Rule("loss", is_function, "a function (output, target) -> scalar tensor"),
    Rule(
        "metric",
        lambda value: is_text(value) or is_function(value),
        "the name of a metric, or a function (output, target) -> float",
    ),
    Rule("batch", lambda value: is_whole(value, 1), "a whole number, at least one row"),
    Rule(
        "optimizer",
        _is_called_or_named,
        "a class such as torch.optim.SGD, a partial of one, a function (groups, lr, weight_decay) "
        "-> optimizer, or a text such as 'sgd:momentum=.9,lr=.1'",
    ),
    Rule(
        "scheduler",
        _is_called_or_named,
        "a function (optimizer, steps) -> scheduler, a class of torch.optim.lr_scheduler, or "
        "cosine, onecycle, linear or constant",
    ),
    Rule("clip", lambda value: is_number(value, 0) and value != 0, "a number above 0"),
    Rule(
        "accumulate",
        lambda value: is_whole(value, 1),
        "a whole number, at least one mini-batch a step",
        is_optional=False,
    ),
    Rule("precision", lambda value: value == "bf16", "'bf16', or leave it out"),
    Rule("augment", callable, "a function inputs -> inputs"),
    Rule("lr", lambda value: is_number(value, 0) and value != 0, "a number above 0"),
    Rule("weight_decay", lambda value: is_number(value, 0), "0 or more, a finite number"),
    Rule("fit", is_function, "a training loop of your own: a function such as fit(run)"),
    Rule("arguments", _are_arguments, "a mapping of keyword arguments", is_optional=False),
    Rule(
        "output",
        lambda value: is_text(value) or is_whole(value, -MOST_COUNTED),
        "the position or the name of one of the model's outputs",
    ),
    Rule("include", are_texts, PATTERNS, is_optional=False),
    Rule("exclude", are_texts, PATTERNS, is_optional=False),
)
"""What the fields of a task may hold, as far as it shows before anything is opened."""


THE_LOOPS_OWN = ("optimizer", "scheduler", "clip", "accumulate", "precision", "weights")
"""What a training loop of the user's own does itself."""


def task_faults(task: Task) -> Iterator[str]:
    """What is wrong with a task, a sentence each, as far as it shows before anything is opened."""
    if isinstance(task.build, Mapping):
        yield from _model_faults(task.build)
    elif not callable(task.build):
        yield (
            "Task(build=…) needs a class or a function that returns a model, "
            f"got {shown(task.build)}."
        )
    if task.kind is not None and task.kind not in KINDS:
        hint = near(task.kind, KINDS) if isinstance(task.kind, str) else ""
        yield f"Task(kind={shown(task.kind)}): the kinds are {', '.join(KINDS)}.{hint}"
    for rule in broken(TASK_RULES, vars(task)):
        value = vars(task)[rule.name]
        yield f"Task({rule.name}={shown(value)}): give {rule.wanted}{_meant(rule, value)}."
    if (task.data is None) == (task.train is None):
        yield "Task needs either data=… or train=… (the user's own training split), and not both."
    yield from _training_faults(task)


def _training_faults(task: Task) -> Iterator[str]:
    """What says twice how a task is trained, a sentence each."""
    if task.fit is not None:
        for name in THE_LOOPS_OWN:
            if vars(task)[name] not in (None, 1):
                yield (
                    f"Task(fit=…, {name}={shown(vars(task)[name])}): your own loop trains as it "
                    f"does itself. Leave {name} out, and have the loop do it."
                )
    elif task.optimizer is not None:
        for name in ("lr", "weight_decay"):
            if vars(task)[name] is not None:
                yield (
                    f"Task(optimizer=…, {name}={shown(vars(task)[name])}): say the rate once, in "
                    f"the optimizer: functools.partial(torch.optim.SGD, {name}=…)."
                )


def _model_faults(models: Mapping[Any, Any]) -> Iterator[str]:
    """What is wrong with a choice of models."""
    if len(models) < 2:
        yield f"Task(build={shown(models)}): a choice needs two models at least, by name."
    for name, build in models.items():
        is_plain = isinstance(name, str) and NAME_OF_MODEL.fullmatch(name) and name != KEEP
        if not is_plain:
            yield (
                f"Task(build=…): a model cannot be called {shown(name)}; give letters, digits, _ "
                f"and -, and not {KEEP}."
            )
        elif not callable(build):
            yield (
                f"Task(build=…): {name!r} needs a class or a function that returns a model, got "
                f"{shown(build)}."
            )


def _meant(rule: Rule, value: object) -> str:
    """What someone who gave this most likely means, as the end of a sentence."""
    if isinstance(value, type):
        return f", such as an object of the class: {value.__name__}()"
    if rule.wanted == PATTERNS and isinstance(value, str):
        return f", [{value!r}]"
    if rule.name == "loss" and isinstance(value, str):
        return ", such as torch.nn.functional.mse_loss, or leave it out"
    return ""
