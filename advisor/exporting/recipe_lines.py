"""How a script says the recipe: optimizer, schedule, loss and metric."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from torch import Tensor

from advisor.exporting.own_names import OwnNames
from advisor.exporting.source_text import SourceText, UnwritableError
from advisor.model.call import call
from advisor.training.criterion import count_last, epochs_to_reach
from advisor.training.metrics import METRICS
from advisor.training.objective import Objective
from advisor.training.optimizers import OwnOptimizer, adamw
from advisor.training.run import Run
from advisor.training.schedules import OwnSchedule, wants_highest_rate
from advisor.work.prepare import Prepared


@dataclass
class RecipeLines:
    """The parts of a training loop as a script says them.

    Attributes:
        optimizer: what makes the optimizer; None for AdamW.
        optimizer_takes: the words that it is called with, by place and by name.
        schedule: the call that makes the schedule of `optimizer`; None for a constant rate.
        schedule_counts: `steps` or `epochs`.
        factor: what the schedule's rates are multiplied by.
        lr, weight_decay: those that the optimizer is built with.
        loss, answer, metric: expressions.
        sign: 1 where a higher score is better, else -1.
        last: how many last epochs the score is the mean over.
        reach: what a score must reach, where the epochs to it are the score; else None.
        augment: the user's change of each mini-batch; None for none.
        reasons: why advisor itself trains; empty where the lines do it.
    """

    optimizer: str | None = None
    optimizer_takes: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
    schedule: str | None = None
    schedule_counts: str = "steps"
    factor: float = 1.0
    lr: float = 0.0
    weight_decay: float = 0.0
    loss: str = ""
    answer: str = ""
    metric: str = ""
    sign: float = 1.0
    last: int = 1
    reach: float | None = None
    augment: str | None = None
    reasons: list[str] = field(default_factory=list)


def recipe_lines(
    prepared: Prepared,
    run: Run,
    lr: float,
    weight_decay: float,
    epochs: int,
    names: OwnNames,
    text: SourceText,
) -> RecipeLines:
    """The recipe of a study at the rates of an arm.

    Arguments:
        prepared: the study.
        run: with the techniques applied.
        lr: learning rate of the arm.
        weight_decay: of the arm.
        epochs: of a training.
        names: says what is the user's.
        text: gets what the lines need above them.
    """
    criterion = prepared.criterion
    # A technique may bring a learning rate of its own.
    lines = RecipeLines(lr=lr if run.rate is None else run.rate, weight_decay=weight_decay)
    lines.sign, lines.reach = criterion.metric.sign, criterion.reach
    lines.last = count_last(epochs)
    lines.reasons += list(why_not_plain(prepared, run))
    if lines.reasons:
        return lines
    try:
        set_steps(lines, run, names, text)
        set_objective(lines, prepared, names, text)
        if lines.reach is not None:
            text.add(epochs_to_reach)
    except UnwritableError as why:
        lines.reasons.append(f"the recipe: {why}")
    return lines


def set_steps(lines: RecipeLines, run: Run, names: OwnNames, text: SourceText) -> None:
    """Note what a step is made of. Raises `UnwritableError`."""
    recipe, given = run.recipe, run.given
    if isinstance(run.optimizer, OwnOptimizer):
        lines.optimizer = names.said(run.optimizer.make, "optimizer")
        lines.optimizer_takes = (run.optimizer.positional, run.optimizer.named)
    elif run.optimizer is not adamw:
        lines.optimizer = said_of_technique(run.optimizer, text)
        asked = inspect.signature(run.optimizer).parameters
        names_model = ("model",) if "model" in asked else ()
        lines.optimizer_takes = (("groups", "LR", "WEIGHT_DECAY"), names_model)
    if recipe.schedule is not None:
        make, is_given = recipe.schedule.make, recipe.schedule is given.recipe.schedule
        said = names.said(make, "scheduler") if is_given else said_of_technique(make, text)
        set_schedule(lines, recipe.schedule, said)
        lines.lr, lines.factor = recipe.lr, lines.lr / recipe.lr
    if recipe.augment is not None:
        lines.augment = names.said(recipe.augment.change, "augment")


def why_not_plain(prepared: Prepared, run: Run) -> list[str]:
    """Why a training is more than what the script's own loop does, one sentence each."""
    reasons = []
    if prepared.loop is not None:
        reasons.append("your own training loop gets its `run` object from advisor")
    if run.each_step or run.batch is not None or run.scored is not None or run.keep:
        reasons.append("a technique acts while the model is trained")
    if run.data.weights is not None:
        reasons.append("rows have weights in the loss")
    if prepared.objective.noise:
        reasons.append("scores are taken under noise on the inputs")
    if run.loss is not prepared.objective.loss:
        reasons.append("a technique brings its own loss")
    if not reasons and not isinstance(call(run.model, run.example()), Tensor):
        reasons.append("the model returns more than one tensor, of which one is picked")
    return reasons


def said_of_technique(made: Any, text: SourceText) -> str:
    """How a script says a function of a technique, or a `partial` of one, whose source it gets.

    Raises `UnwritableError`.
    """
    if not isinstance(made, partial) or made.args:
        return text.add(made)
    inside = "".join(f", {key}={text.value(value)}" for key, value in made.keywords.items())
    text.imports["from functools import partial"] = None
    return f"partial({text.add(made.func)}{inside})"


def set_schedule(lines: RecipeLines, schedule: OwnSchedule, said: str) -> None:
    """Note a schedule, which a script says so."""
    given = ["optimizer", *schedule.asks]
    if schedule.length is not None:
        given.append(f"{schedule.length}={schedule.each}")
    if wants_highest_rate(schedule.make):
        given.append('max_lr=[group["lr"] for group in optimizer.param_groups]')
    lines.schedule, lines.schedule_counts = f"{said}({', '.join(given)})", schedule.each


def set_objective(
    lines: RecipeLines, prepared: Prepared, names: OwnNames, text: SourceText
) -> None:
    """Note loss, answer and metric. Raises `UnwritableError`."""
    task, objective = prepared.study.task, prepared.objective
    lines.loss = f"{inner_function(objective, 'loss', text)}(output, target)"
    if task.loss is not None:
        lines.loss = f"{names.said(task.loss, 'loss')}(output, target)"
        of_torch = str(getattr(task.loss, "__module__", "")).startswith("torch.")
        if of_torch and objective.kind in ("binary", "regression"):
            target = "target.to(output.dtype).reshape(output.shape)"
            lines.loss = f"{names.said(task.loss, 'loss')}(output, {target})"
    lines.answer = f"{inner_function(objective, 'answer', text)}(output, target)"
    set_metric(lines, prepared, names, text)


def set_metric(lines: RecipeLines, prepared: Prepared, names: OwnNames, text: SourceText) -> None:
    """Note how answers are scored. Raises `UnwritableError`."""
    task, objective = prepared.study.task, prepared.objective
    if callable(task.metric):
        lines.metric = f"float({names.said(task.metric, 'metric')}(output, target))"
    elif objective.metric.name in METRICS:
        lines.metric = f"{text.add(METRICS[objective.metric.name].score)}(output, target)"
        scale = prepared.source.target_scale
        if objective.metric.in_target_units and scale is not None:
            lines.metric = f"{scale[1]!r} * {lines.metric}"
    else:
        lines.metric = f"float({lines.loss})"


def inner_function(objective: Objective, which: str, text: SourceText) -> str:
    """The function of the prediction inside a loss or an answer, written out; empty for the user's
    own. Raises `UnwritableError`.
    """
    function = getattr(objective, which)
    if not hasattr(function, "args") or not function.args:
        return ""
    inner = function.args[0]
    if hasattr(inner, "func") or not str(inner.__module__).startswith("advisor."):
        return ""
    return text.add(inner)
