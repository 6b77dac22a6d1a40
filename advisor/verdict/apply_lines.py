"""How a recommendation is applied, as lines of Python to copy: four at most."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from advisor.errors import one_line
from advisor.readable import rate_text
from advisor.search.arm import arm_label, techniques_in
from advisor.search.plan import DECAY, RATE, Plan
from advisor.technique import MODEL
from advisor.training.recipe import Recipe
from advisor.verdict.apply_where import ELSEWHERE, quoted
from advisor.verdict.candidates import Candidate
from advisor.work.in_order import techniques_in_order
from advisor.work.model_choice import choice_in
from advisor.work.prepare import Prepared

OBJECT = "your advisor.Study, asked again: it answers at once"
"""What stands for a study that no file has."""
OWN_SCRIPT = "# in your own script:"
"""How the line begins that is for a model which the user trains."""


def apply_lines(prepared: Prepared, plan: Plan, chosen: Candidate) -> list[str]:
    """Lines of Python that train the recommended arm, and what to do in a script of the user's.

    Arguments:
        prepared: the study, opened.
        plan: of the study.
        chosen: the arm that is recommended.
    """
    name, rates = prepared.study.name, rates_read(plan, chosen.arm)
    asked = f"advisor.recommendation({quoted(name)})"
    if prepared.ref.script is not None:
        return lines_in_script(asked, chosen, prepared.recipe, rates)
    if prepared.ref.pickled is not None:
        asked = f"advisor.tune(study)  # {OBJECT}"
    return [
        f"import advisor  # {ELSEWHERE}",
        f"best = {asked}",
        "model = best.train().model",
        f"{OWN_SCRIPT} {in_own_script(prepared, chosen, rates)}",
    ]


def rates_read(plan: Plan, arm: Mapping[str, str]) -> list[str]:
    """The names of learning rate and weight decay that a training of an arm reads, and the search
    has chosen.
    """
    names = [plan.rate_of(arm), DECAY]
    return [name for name in names if not plan.space[name].single()]


# --- a model of the user's own ------------------------------------------------------------------


def in_own_script(prepared: Prepared, chosen: Candidate, rates: Sequence[str]) -> str:
    """What to do in a script that trains the model itself, on one line."""
    model, recipe = model_of(prepared, chosen.arm), prepared.recipe
    others = [pair for pair in techniques_in(chosen.arm) if pair[0] != MODEL]
    line = f"model = best.apply({model})" if others else f"model = {model}"
    known = dict(by_hand(prepared, chosen))
    foreign = {
        slot: name
        for slot, name in others
        if slot not in prepared.host.built_in_slots and slot not in known
    }
    of_training = [name for name in rates if name in (RATE, DECAY)]
    values = keywords({name.partition(".")[2]: number(chosen.params[name]) for name in of_training})
    told = "".join(f"; {text}" for text in known.values())
    if foreign:
        # A slot that advisor does not know may have changed the optimizer.
        return f"{line}; train it with {values or 'your rates'} and {arm_label(foreign)}{told}"
    if chosen.rate_name != RATE:
        # A technique that brings the learning rate says all that it is trained with.
        return f"{line}{told}"
    if recipe.is_own:
        given = f", with {values}" if values else ""
        return f"{line}; train it as you do{given}{times(chosen, recipe, rates)}{told}"
    return f"{line}; train it by torch.optim.AdamW with {values}{told}"


def by_hand(prepared: Prepared, chosen: Candidate) -> Iterator[tuple[str, str]]:
    """By slot, what a script that trains the model itself has to do beside it."""
    for technique, own in techniques_in_order(prepared.host, {**chosen.arm, **chosen.params}):
        own.pop(technique.rate, None)
        said = technique.by_hand(chosen.rate, chosen.params[DECAY], **own)
        if said:
            yield technique.slot, one_line(said)


def times(chosen: Candidate, recipe: Recipe, rates: Sequence[str]) -> str:
    """By what the learning rates of a recipe are multiplied, as the end of a sentence."""
    factor = chosen.params[RATE] / recipe.lr
    if RATE not in rates or factor == 1:
        return ""
    return f": every learning rate of yours times {factor:.3g}"


def model_of(prepared: Prepared, arm: Mapping[str, str]) -> str:
    """A call that builds the model of an arm."""
    task, choice = prepared.study.task, choice_in(prepared.host, arm)
    if choice is None:
        return called(getattr(task.build, "__name__", ""), prepared.arguments)
    arguments = choice.arguments(task, prepared.facts.named())
    return called(getattr(choice.build, "__name__", ""), arguments)


def called(name: str, arguments: Mapping[str, Any]) -> str:
    """A call as Python writes it, or `your_model` for what has no name, such as a lambda."""
    return f"{name}({keywords(arguments)})" if name.isidentifier() else "your_model"


def keywords(arguments: Mapping[str, Any]) -> str:
    """Arguments of a call as Python writes them."""
    return ", ".join(f"{key}={literal(value)}" for key, value in arguments.items())


def literal(value: Any) -> str:
    """A value as Python writes it; classes and functions by their name."""
    if isinstance(value, SimpleNamespace):
        return f"types.SimpleNamespace({keywords(vars(value))})"
    return getattr(value, "__name__", None) or repr(value)


def number(value: float) -> float:
    """A rate with the digits that a person reads."""
    return float(rate_text(value))


# --- a script -----------------------------------------------------------------------------------


def lines_in_script(
    asked: str, chosen: Candidate, recipe: Recipe, rates: Sequence[str]
) -> list[str]:
    """Lines of Python that take the place of those that ask advisor in a script."""
    lines = []
    if chosen.changes:
        lines.append(f"model = {asked}.apply(model, batch)  # in place of arm.apply(model, batch)")
    if RATE in rates:
        lines.append(f"lr = {rate_text(chosen.params[RATE])}  # in place of arm.lr({recipe.lr:g})")
    if DECAY in rates:
        decay = rate_text(chosen.params[DECAY])
        lines.append(
            f"weight_decay = {decay}  # in place of arm.weight_decay({recipe.weight_decay:g})"
        )
    return lines or ["# leave the script as it is"]
