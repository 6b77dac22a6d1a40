"""The first run of a script, up to its first optimizer step: what it is, and what fits it."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim.optimizer import register_optimizer_step_pre_hook

from advisor.content.files_read import files_read
from advisor.content.own_files import is_own_file
from advisor.diagnosis.diagnose import diagnose_signal
from advisor.diagnosis.finding import Finding
from advisor.diagnosis.technique_findings import found_by
from advisor.errors import InputError, explain
from advisor.host.host import Host, load
from advisor.model.structure import structure_of
from advisor.randomness import isolated, mix, preserved
from advisor.study import Study
from advisor.technique import Technique, Wanted
from advisor.training.hooks import unheard_hooks
from advisor.training.loop import count_parameters
from advisor.training.optimizers import rates_of
from advisor.training.recipe import optimizer_text
from advisor.training.run import Run
from advisor.user_code import place_in_traceback, user_faults
from advisor.work.content import SETTINGS
from advisor.work.job import Outcome
from advisor.work.scripts.arms import WorkingArm
from advisor.work.scripts.batches import run_of
from advisor.work.scripts.named import TrainingScript
from advisor.work.scripts.running import run_script
from advisor.work.scripts.trials import seed_of
from advisor.work.study_ref import StudyRef


@dataclass
class Rehearsed(Outcome):
    """What is known of a script before it is trained. All of it is plain data.

    Attributes:
        batch: rows in the batch that it gave.
        model: the layers of its model with their settings, as text.
        model_name: the class of its model.
        parameters: how many numbers it trains.
        skipped: by slot and name of each technique that was asked, why it does not fit; None where
            it does.
        findings: what is wrong with the model as it starts.
        broken: a sentence for each technique whose findings raised.
        lr, weight_decay: those that the script asks with; None where it does not ask.
        own_lr: that of its optimizer.
        optimizer: in words; empty where none was seen.
        files: digests of the files of settings that it read.
    """

    batch: int = 0
    model: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    model_name: str = ""
    parameters: int = 0
    skipped: dict[tuple[str, str], str | None] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    broken: tuple[str, ...] = ()
    lr: float | None = None
    weight_decay: float | None = None
    own_lr: float = 0.0
    optimizer: str = ""
    files: Mapping[str, str] = field(default_factory=dict)


def rehearse_script(ref: StudyRef) -> Rehearsed:
    """Run a script until its first optimizer step, in this process, which is not used again.

    Raises:
        InputError: the script, or what it says, is at fault.
    """
    study, script = ref.load(), ref.script
    assert script is not None  # this is a study of a script
    host = load(ref.plugins, ref.without)
    arm = RehearsalArm(study, script, host)
    handle = register_optimizer_step_pre_hook(arm.step)
    try:
        with files_read() as read:
            run_script(script, arm, None)
    except InputError:
        raise
    except user_faults() as problem:  # a script may raise anything
        raise InputError(why_raised(script, problem)) from problem
    finally:
        handle.remove()
    check_end(script, arm)
    return arm.rehearsed(
        read.digests(
            Path(script.path).parent,
            lambda path: path.suffix.lower() in SETTINGS and is_own_file(path),
        )
    )


def check_end(script: TrainingScript, arm: RehearsalArm) -> None:
    """Raise `InputError` where a script said what it must not, or never asked."""
    if isinstance(arm.problem, InputError):
        raise arm.problem
    if arm.problem is not None:
        raise InputError(why_raised(script, arm.problem)) from arm.problem
    if not arm.is_applied:
        raise InputError(
            f"{script.path} ended without asking advisor. Write arm = advisor.arm() and, before "
            "the optimizer is built, model = arm.apply(model, batch); then python "
            f"{Path(script.path).name} runs as before."
        )


def why_raised(script: TrainingScript, problem: BaseException) -> str:
    """What a script raised, with its line, and what to do."""
    place = place_in_traceback(problem.__traceback__) or script.path
    words = " ".join([Path(script.path).name, *script.arguments])
    if isinstance(problem, SystemExit):
        what = f"it ends with exit code {problem.code}"
    else:
        what = f"it raised {explain(problem)}"
    return f"The script ({place}): {what}. It must run by itself: python {words}."


class RehearsalArm(WorkingArm):
    """The arm of a rehearsal: it asks all techniques, and ends the script at its first step.

    Arguments:
        study: what is asked.
        script: that is run.
        host: with the techniques.
    """

    def __init__(self, study: Study, script: TrainingScript, host: Host) -> None:
        super().__init__(seed_of(mix(study.seed, "search")), 0, study.epochs)
        self._study, self._script, self._host = study, script, host
        self._found = Rehearsed(spoils=True)
        self._model: nn.Module | None = None

    def changed(self, model: nn.Module, batch: Any) -> nn.Module:
        """The model as it is, of which everything is noted first."""
        study, found = self._study, self._found
        check_no_optimizer(model)
        with preserved():
            seed = mix(study.seed, "search")
            run = run_of(model, batch, study.task, self._script.measure(), seed, None)
            found.batch = len(run.data.train)
            found.model_name, found.parameters = type(model).__name__, count_parameters(model)
            try:
                _ = run.anatomy
            except InputError as problem:
                why = explain(problem.__cause__ or problem)
                raise InputError(f"the model cannot be called with this batch ({why})") from None
            found.model = structure_of(model)
            fitting = list(self._ask(run))
            findings, broken = found_by(fitting, run)
            try:
                found.findings = tuple(dict.fromkeys((*diagnose_signal(run), *findings)))
            except Exception as problem:  # a model that trains need not be one that is diagnosed
                broken.append(f"The model was not diagnosed: {explain(problem)}")
            found.broken = tuple(broken)
        self._model = model
        return model

    def _ask(self, run: Run) -> Iterator[Technique]:
        """Ask each technique whether it fits; those that do."""
        for slot, techniques in self._host.asked(Wanted.by(vars(self._study))).items():
            for technique in techniques:
                why = why_unfit(technique, run)
                self._found.skipped[slot, technique.name] = why
                if why is None:
                    yield technique

    def step(self, optimizer: torch.optim.Optimizer, *_: object) -> None:
        """Note the optimizer at its first step, and end the script."""
        if self._model is None:
            return  # of another training that comes before
        own = {id(parameter) for parameter in nn.Module.parameters(self._model)}
        trained = {id(each) for group in optimizer.param_groups for each in group["params"]}
        if own.isdisjoint(trained):
            return  # of another model
        self._found.optimizer = optimizer_text(optimizer)
        self._found.own_lr = rates_of(optimizer).lr
        self.end()

    def reported(self) -> None:
        """End a script whose optimizer is none of torch's after its first epoch."""
        self.end()

    def rehearsed(self, files: Mapping[str, str]) -> Rehearsed:
        """What was found, with the digests of the files that were read."""
        self._found.lr, self._found.weight_decay = self.first_rate, self.first_decay
        self._found.files = files
        return self._found


def check_no_optimizer(model: nn.Module) -> None:
    """Raise `InputError` where a model has an optimizer, which trains nothing that is added."""
    own = {id(parameter) for parameter in nn.Module.parameters(model)}
    for each in gc.get_objects():
        if not isinstance(each, torch.optim.Optimizer):
            continue
        groups = getattr(each, "param_groups", ())
        if any(id(parameter) in own for group in groups for parameter in group["params"]):
            raise InputError(
                f"{type(each).__name__} was built for the model before; build the optimizer after "
                "this line, for what it returns"
            )


def why_unfit(technique: Technique, run: Run) -> str | None:
    """Why a technique cannot be tried on a script, in one sentence, or None."""
    if technique.needs_rows:
        return "it needs the training rows, and a script gives one batch"
    try:
        with isolated(run.seed) as run.generator:
            return technique.unfit(run) or unheard_hooks(technique, run)
    except InputError:  # the technique cannot read a file or setting of the user's
        raise
    except user_faults() as problem:  # a plugin's bug costs the technique, not the study
        return f"its unfit() raised {explain(problem)}"
