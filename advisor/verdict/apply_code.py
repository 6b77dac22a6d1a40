"""The recommended training as one script: data, model, techniques, recipe, epochs and seed."""

from __future__ import annotations

import json
import os
import textwrap
from collections.abc import Iterator
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any

from advisor import __version__
from advisor.loading.files import load_file
from advisor.loading.references import Reference
from advisor.search.arm import techniques_in
from advisor.search.plan import DECAY, RATE, Plan
from advisor.study import Study, Task
from advisor.verdict.candidates import Candidate
from advisor.verdict.expressions import Expressions
from advisor.work.prepare import Prepared
from advisor.work.study_ref import StudyRef

PATHS = ("data", "train", "valid", "test", "unlabeled", "vectors")
"""The arguments of `Task` that may be paths."""
SETTINGS = ("seed", "epochs", "noise", "reach")
"""The settings of a study that a training depends on."""
WORDS = {RATE: "lr", DECAY: "weight_decay"}
"""What learning rate and weight decay are called as arguments."""
COLUMNS = 97
"""The letters in a line of a comment, at most."""
USUAL = "recipe: torch.optim.AdamW at a constant rate; no schedule, no clipping."
"""How a study trains that says nothing of it."""


def apply_code(
    prepared: Prepared, plan: Plan, chosen: Candidate, rates: list[str], measured: tuple[int, float]
) -> str:
    """A script that trains the recommended arm. It needs no database.

    Arguments:
        prepared: the study, opened.
        plan: of the study.
        chosen: the arm that is recommended.
        rates: which of learning rate and weight decay a training reads.
        measured: the first measuring seed, and the score that it gave.
    """
    words = Expressions(study_in(prepared.ref))
    task = list(task_lines(prepared, words, rates))
    metric = prepared.criterion.name
    paragraphs = [
        head(prepared, f"{metric} {measured[1]:.10g}", measured[0]),
        [*words.imports()],
        words.loads(),
        [*notes(prepared), *task],
        study_lines(prepared),
        technique_lines(prepared, chosen),
        training_lines(prepared, plan, chosen, rates, measured[0]),
        [f'print(f"{metric} {{trained.score:.10g}}")', "model = trained.model"],
    ]
    text = "\n\n".join("\n".join(lines) for lines in paragraphs if lines) + "\n"
    # What lies beside the study is named from there, so that the same study has the same script.
    return text.replace(f"{prepared.ref.folder().resolve()}{os.sep}", "")


def head(prepared: Prepared, score: str, seed: int) -> list[str]:
    """What the script says of itself."""
    text = (
        f"Run it in the folder {where(prepared.ref)}. It reads no database. Seed {seed} is the "
        f"first that measured; it gave {score}. Other seeds draw other rows and initial weights."
    )
    name = json.dumps(prepared.study.name, ensure_ascii=False).replace('"""', "")
    title = f"The recommended training of study {name}, as advisor {__version__} wrote it."
    return [f'r"""{title}', "", *textwrap.wrap(text, COLUMNS), '"""']


def where(ref: StudyRef) -> str:
    """The folder from which its files are named, as the end of a sentence."""
    if ref.file is None:
        return "where the study was asked"
    return f"of {Path(Reference.parse(ref.file).place).name}"


def comment(*sentences: str) -> list[str]:
    """Sentences as comments."""
    lines: list[str] = []
    for sentence in sentences:
        plain = " ".join(sentence.split())
        lines += textwrap.wrap(plain, COLUMNS, initial_indent="# ", subsequent_indent="#   ")
    return lines


def notes(prepared: Prepared) -> list[str]:
    """What was understood of the task, and how it is trained."""
    told = [f"- {each}" for each in prepared.notes if each not in prepared.recipe.told]
    return comment("The data and the model, as the study understood them:", *told) if told else []


# --- the task -----------------------------------------------------------------------------------


def study_in(ref: StudyRef) -> str | None:
    """A call that loads the study from its file; None where it has none."""
    if ref.file is None:
        return None
    reference = Reference.parse(ref.file)
    name, path = reference.name, Path(reference.place).expanduser().resolve()
    if not name:
        values = vars(load_file(path, "study"))
        name = next(key for key, value in values.items() if isinstance(value, Study))
    return f"advisor.load({f'{path}:{name}'!r})"


def task_lines(prepared: Prepared, words: Expressions, rates: list[str]) -> Iterator[str]:
    """The task, with all that the user has said of it; a loop's rates as far as it reads them."""
    unread = [word for name, word in WORDS.items() if prepared.loop and name not in rates]
    yield "task = advisor.Task("
    for name, value in said(prepared.study.task):
        if name in unread:
            continue
        known = moved(value, prepared.ref) if name in PATHS else value
        text, hint, rest = expression(prepared, words, name, known).partition("  # ")
        yield f"    {name}={text},{hint}{rest}"
    yield ")"


def said(task: Task) -> Iterator[tuple[str, Any]]:
    """The arguments of a task that have another value than usual."""
    for each in fields(task):
        value = getattr(task, each.name)
        if each.name == "build":
            yield each.name, task.models or task.build
        elif each.name != "models" and not is_usual(value, each):
            yield each.name, value


def is_usual(value: Any, each: Field[Any]) -> bool:
    """Whether an argument has its usual value: None, a number, or an empty container."""
    usual = {} if each.default is MISSING else each.default
    if usual is None:
        return value is None
    is_plain = isinstance(value, int | tuple | list | dict)
    return is_plain and (value == usual or not (value or usual))


def expression(prepared: Prepared, words: Expressions, name: str, value: Any) -> str:
    """An argument of the task as the script writes it."""
    flags = json.loads(prepared.ref.flags or "{}")
    # A file of which only the definitions run is loaded so again.
    if name == "build" and flags.get("definitions_only"):
        model = Reference.parse(flags["model"])
        return f"advisor.load({f'{model.place}:{model.name}'!r}, definitions_only=True)"
    return words.field("models" if value is prepared.study.task.models else name, value)


def moved(value: Any, ref: StudyRef) -> Any:
    """A whole path; anything else as it is."""
    if not isinstance(value, str | Path):
        return value
    reference = Reference.parse(str(value))
    path = ref.folder() / Path(reference.place).expanduser()
    if not path.exists():
        return str(value)
    place = str(path.resolve())
    return f"{place}:{reference.name}" if reference.name else place


# --- the training -------------------------------------------------------------------------------


def study_lines(prepared: Prepared) -> list[str]:
    """The study, with the settings that a training depends on."""
    study = prepared.study
    given = [(name, getattr(study, name)) for name in SETTINGS]
    settings = [f"{name}={value!r}" for name, value in given if value is not None]
    name = json.dumps(study.name, ensure_ascii=False)
    return [f"study = advisor.Study({', '.join([name, 'task', *settings])})"]


def technique_lines(prepared: Prepared, chosen: Candidate) -> list[str]:
    """The techniques, each with its parameters and its paper."""
    if not chosen.changes:
        return [*comment("The model is left as it is."), "techniques = {}"]
    lines = ["techniques = {"]
    for slot, name in techniques_in(chosen.arm):
        technique = prepared.host.find(slot, name)
        lines.append(f"    {slot!r}: {name!r},  # {getattr(technique, 'cite', '')}")
        own = f"{slot}.{name}."
        for key, value in chosen.params.items():
            if key.startswith(own):
                lines.append(f"    {key!r}: {value!r},")
    return [*lines, "}"]


def training_lines(
    prepared: Prepared, plan: Plan, chosen: Candidate, rates: list[str], seed: int
) -> list[str]:
    """The call that trains, with every number."""
    # A learning rate that a technique brings stands beside the technique.
    numbers = [(WORDS[name], chosen.params[name]) for name in rates if name in WORDS]
    numbers += [("epochs", plan.epochs), ("batch", plan.batch), ("seed", seed)]
    ref = prepared.ref
    files = [str(Path(file).resolve()) for file in ref.plugins]
    others = [("plugins", files), ("without", list(ref.without)), ("device", str(prepared.device))]
    kept = [(name, value) for name, value in others if value not in ([], "cpu")]
    told = prepared.recipe.told or (USUAL,)
    if prepared.loop is not None and prepared.study.task.fit is not None:
        told = (f"recipe: your own loop {prepared.loop.name}.",)
    arguments = [f"    {name}={value!r}," for name, value in [*numbers, *kept]]
    return [
        *comment(*told),
        "trained = advisor.train(",
        "    study,",
        "    techniques,",
        *arguments,
        ")",
    ]
