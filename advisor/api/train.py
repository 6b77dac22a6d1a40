"""`advisor.train`: one training of an arm, written out, without a database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from advisor.api.arguments import check_arguments
from advisor.errors import InputError
from advisor.loading.files import load_object
from advisor.study import SEEDS, Study
from advisor.technique import DECAY, KEEP, RATE, Technique
from advisor.values import MOST_COUNTED, Rule, broken, is_number, is_whole, shown
from advisor.work.prepare import Prepared, prepare
from advisor.work.replay import Trained, measuring_seed, train_once
from advisor.work.study_ref import StudyRef

COUNT = f"a whole number, at least 1 and at most {MOST_COUNTED}"
"""What a number of epochs or of rows must be."""
RULES = (
    Rule("lr", lambda value: is_number(value, 0) and value != 0, "a number above 0"),
    Rule("weight_decay", lambda value: is_number(value, 0), "0 or more"),
    Rule("epochs", lambda value: is_whole(value, 1), COUNT),
    Rule("batch", lambda value: is_whole(value, 1), COUNT),
    Rule("seed", lambda value: is_whole(value, *SEEDS), "a whole number of 64 bits"),
)
"""What the numbers of a training may be."""


def train(
    study: Study | StudyRef | str | Path,
    techniques: Mapping[str, Any] | None = None,
    *,
    lr: float | None = None,
    weight_decay: float | None = None,
    epochs: int | None = None,
    batch: int | None = None,
    seed: int | None = None,
    device: str = "cpu",
    plugins: Sequence[str] = (),
    without: Sequence[str] = (),
) -> Trained:
    """Train a study's model once, as its measuring seeds do, with techniques in it.

    Each seed draws rows to train on and to hold out, initial weights, and the order of the rows.

    Arguments:
        study: an `advisor.Study`, or the path of a study file (`STUDY.py` or `STUDY.py:NAME`).
        techniques: by slot, `{"activation": "elu"}`, and their parameters by full name,
            `{"activation.elu.alpha": 1.0}`; a parameter that is left out has its default, and a
            slot that is left out keeps what the model has.
        lr: the largest learning rate of the optimizer; None for that of the study's recipe, or of a
            technique that brings one.
        weight_decay: likewise.
        epochs: of the training; None for those of the study.
        batch: rows in a mini-batch; None for that of the study.
        seed: of the training; None for the first measuring seed of the study.
        device: a torch device.
        plugins: plugin files to load besides the installed plugins.
        without: installed plugins to leave out.

    Example:
        >>> import advisor, torch
        >>> from torch import nn
        >>> def net():
        ...     return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
        >>> task = advisor.Task(net, (torch.randn(60, 4), torch.arange(60) % 3))
        >>> study = advisor.Study("small", task)
        >>> trained = advisor.train(study, {"activation": "elu"}, lr=0.01, epochs=2, seed=1)
        >>> 0 <= trained.score <= 1
        True

    Raises:
        InputError: the study, a technique or a number is at fault.
        SearchError: the training broke.
    """
    check_arguments("train", {"study": study, "device": device, "plugins": plugins})
    check_numbers(lr=lr, weight_decay=weight_decay, epochs=epochs, batch=batch, seed=seed)
    ref = StudyRef.of(study, tuple(plugins))
    prepared = prepare(replace(ref, without=(*ref.without, *without)), device)
    recipe = prepared.recipe
    params = with_defaults(prepared, techniques or {})
    params[RATE] = recipe.lr if lr is None else float(lr)
    rate = prepared.host.rate_in(params)
    if rate != RATE and lr is not None:
        params[rate] = float(lr)
    params[DECAY] = recipe.weight_decay if weight_decay is None else float(weight_decay)
    if seed is None:
        seed = measuring_seed(prepared.study.seed, 0)
    return train_once(prepared, params, batch or prepared.batch, epochs or prepared.epochs, seed)


def check_numbers(**numbers: float | None) -> None:
    """Raise `InputError` for a number that no training can have."""
    for rule in broken(RULES, numbers):
        raise InputError(f"train({rule.name}={shown(numbers[rule.name])}): give {rule.wanted}.")


def with_defaults(prepared: Prepared, techniques: Mapping[str, Any]) -> dict[str, Any]:
    """Techniques with all of their parameters, by full name.

    Raises `InputError` for a slot, a technique or a parameter that there is not.
    """
    params: dict[str, Any] = dict.fromkeys(prepared.host.slots, KEEP)
    for slot, name in techniques.items():
        if "." not in slot:
            technique = technique_of(prepared, slot, name)
            defaults = technique.defaults().items()
            params[slot] = name
            params |= {f"{slot}.{name}.{parameter}": value for parameter, value in defaults}
    for name, value in techniques.items():
        if name not in params:
            raise InputError(
                f"train(techniques=…): {name!r} is no parameter of these techniques; write "
                "SLOT.TECHNIQUE.PARAMETER, beside the technique of the slot."
            )
        params[name] = value
    return params


def technique_of(prepared: Prepared, slot: str, name: object) -> Technique:
    """A technique by its slot and name. Raises `InputError` where there is none."""
    found = prepared.host.find(slot, str(name))
    if found is None:
        raise InputError(
            f"train(techniques=…): there is no technique {slot}={shown(name)}; advisor techniques "
            "lists them, and plugins=[…] loads a plugin file."
        )
    return found


def load(name: str, *, definitions_only: bool = False) -> Any:
    """The object that `FILE.py:NAME` or `package.module:NAME` names, as `--model` finds it.

    The file's top-level code runs, beside its siblings.

    Arguments:
        name: of the object; a relative path is looked up in the current folder.
        definitions_only: whether only the imports, functions, classes and constants of the file
            run, as with `--definitions-only`.

    Example:
        >>> import advisor
        >>> advisor.load("torch.nn:Linear").__name__
        'Linear'

    Raises:
        InputError: there is no such file or name, or the file fails.
    """
    return load_object(name, definitions_only=definitions_only)
