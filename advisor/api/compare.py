"""`advisor.compare`: open the sides, train them in pairs on fresh seeds, say what that shows."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

from advisor.api.arguments import check_arguments
from advisor.api.beforehand import begin_server
from advisor.api.listening import Heard, comparison_event, verdict_event
from advisor.api.named_sides import side_of
from advisor.comparing.comparison import Comparison
from advisor.comparing.findings import findings_of
from advisor.comparing.first_trainings import FirstTrainings, first_trainings
from advisor.comparing.measured import MeasuredSides, Runs, measured, tuned
from advisor.comparing.question import (
    Question,
    check_begun,
    default_name,
    plan_of,
    still_answers,
)
from advisor.comparing.same_data import check_same, digest_of_measured
from advisor.comparing.sides import OpenSide, distinct, open_sides, rates_to_try
from advisor.comparing.written import written
from advisor.events import NOTE, Event, Listener
from advisor.store.comparison_records import ComparisonRecords
from advisor.store.database import Database
from advisor.store.deaths import StoredDeaths
from advisor.store.folder import folder_of_prints, study_folder
from advisor.store.location import storage_url
from advisor.store.verdict_counts import count_verdict, earlier_verdicts
from advisor.study import Study
from advisor.user_code import interrupts_told_apart
from advisor.verdict.evidence import level_after
from advisor.verdict.looks import refused_look
from advisor.verdict.records import Evidence
from advisor.work.crews import crew
from advisor.work.devices import Staff, staff_for, staff_of
from advisor.work.engines.abroad import hired_of
from advisor.work.executors import Crew
from advisor.work.opened import in_this_process
from advisor.work.prepare import Prepared
from advisor.work.study_ref import StudyRef
from advisor.work.threads import one_thread
from advisor.work.trust import Trust


def compare(
    old: Study | StudyRef | str | Path,
    new: Study | StudyRef | str | Path,
    *more: Study | StudyRef | str | Path,
    name: str | None = None,
    tune: int | None = None,
    seeds: int | None = None,
    min_gain: float | None = None,
    storage: str | None = None,
    workers: int | None = None,
    device: str = "cpu",
    plugins: Sequence[str] = (),
    executor: Executor | str | None = None,
    scratch: str | Path | None = None,
    files: Sequence[str | Path] = (),
    trust: bool = False,
    on: Listener = lambda event: None,
) -> Comparison:
    """Train two or more models in pairs on fresh seeds, without a search.

    The verdict speaks of training sets drawn as here, new rows of the same kind, averaged over
    seeds. What was stopped goes on where it stopped; what is done answers at once.

    Arguments:
        old: the side that the others are compared with: an `advisor.Study`, a study file, or an arm
            of a study in the database (`NAME:baseline`, `NAME:recommended`).
        new: another side on the same data, whose model, loss and recipe may differ.
        more: further sides, each compared with the first; their intervals hold for all at once.
        name: of the comparison in the database; None for one that follows from its content.
        tune: learning rates that are tried for each side before; None for each side's own.
        seeds: pairs that measure, at least 3; None for as many as the first pairs ask for.
        min_gain: the smallest gain worth a change, in units of the metric.
        storage: as for `advisor.tune`.
        workers: processes that train (1); 0 trains in this one.
        device: a torch device, or several as for `tune`.
        plugins: plugin files to load besides the installed plugins.
        executor: who trains instead, as for `advisor.tune`.
        scratch: a folder that all workers of the executor reach, as for `advisor.tune`.
        files: of studies that the database names: files whose code may run, besides modules of
            yours that this process has imported and the study's own files in the current folder.
        trust: whether all may run that the database names.
        on: a listener, as for `advisor.tune`.

    Example:
        >>> import advisor, torch
        >>> from torch import nn
        >>> def narrow():
        ...     return nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 3))
        >>> def wide():
        ...     return nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 3))
        >>> data = (torch.randn(60, 4), torch.arange(60) % 3)
        >>> old, new = (
        ...     advisor.Study(net.__name__, advisor.Task(net, data), epochs=1)
        ...     for net in (narrow, wide)
        ... )
        >>> advisor.compare(old, new, seeds=3).verdict in ("change", "keep", "undecided")
        True

    Raises:
        InputError: a side is at fault, or they have other data.
        SearchError: the first side cannot be trained.
        MachineError: the machine is at fault; the same call goes on where it stopped.
    """
    begin_server(workers, executor, old, new, *more)
    number = 1 if workers is None else workers
    given = {"storage": storage, "workers": number, "device": device, "plugins": plugins}
    hire = {"executor": executor, "scratch": scratch}
    check_arguments("compare", {**given, **hire, "on": on, "tune": tune, "seeds": seeds})
    hired = hired_of(executor, workers, scratch, device)
    url, trusted = storage_url(storage), Trust.in_files(*files, everything=trust).with_loaded()
    sides = [side_of(each, url, trusted, tuple(plugins)) for each in (old, new, *more)]
    question = Question(sides, name, tune, seeds, min_gain)
    device, staff = staff_of(device, workers, usual=1)
    return open_and_compare(question, storage, hired or staff, device, Heard(on))


def open_and_compare(
    question: Question,
    storage: str | None,
    workers: int | Staff | Crew,
    device: str,
    on: Listener,
    opened: Callable[[Prepared], None] | None = None,
) -> Comparison:
    """Open each side once in each process that works on it, and compare them.

    Arguments are those of `compare`, with a crew in place of a number of workers where one is
    hired, and one device, on which the sides are opened here. `opened` is called with the study of
    the first side.
    """

    def tell(text: str) -> None:
        """Show a sentence, such as one about a long wait."""
        on(Event(NOTE, 0, 0, text))

    has_script = any(side.ref.script is not None for side in question.sides)
    hired = workers if isinstance(workers, Crew) else crew(staff_for(workers, has_script))
    with interrupts_told_apart(), hired as workforce:
        workforce.on_wait = tell
        one_thread()
        labels = distinct([side.label for side in question.sides])
        named = [
            replace(side, label=label) for side, label in zip(question.sides, labels, strict=True)
        ]
        sides = open_sides(named, device, workforce, uuid4().hex)
        check_same(sides)
        if opened is not None:
            opened(sides[0].prepared)
        workforce.baseline = {**sides[0].side.choices, **sides[0].params}
        answer = compare_opened(replace(question, sides=named), sides, storage, workforce, on)
        on(verdict_event(answer))
        return answer


def compare_opened(
    question: Question,
    sides: Sequence[OpenSide],
    storage: str | None,
    workforce: Crew,
    on: Listener,
) -> Comparison:
    """Compare sides that are open; or the answer that is there, where it still answers.

    Arguments:
        question: what is asked.
        sides: all of them.
        storage: as for `compare`.
        workforce: runs the trainings.
        on: called with every event.
    """
    asked = plan_of(question, sides)
    name = question.name or default_name(sides, asked["digest"])
    slots = sides[0].prepared.host.standard_slots
    with (
        Database(storage_url(storage), slots) as database,
        study_folder(database, name) as folder,
        workforce,  # no worker writes into the folder when it is not held any more
        in_this_process(*[side.opening for side in sides]),
    ):
        records = ComparisonRecords(database, name)
        clock = Clock(records)
        workforce.deaths = StoredDeaths(database.engine, name)
        workforce.printed = folder_of_prints(database, name)
        on(comparison_event(name, sides[0].prepared, [side.label for side in sides]))
        found = begun(records, sides, asked, folder, workforce, on)
        last = records.answer()
        looks: list[int] = []
        if last is not None:
            answered = Comparison.from_json(last, database.url)
            if still_answers(answered, question):
                refused = refused_look(answered.looks, question.pairs)
                notes = [*other_names(answered, sides), *refused]
                answered.warnings += notes
                return answered
            looks = answered.looks

        # From here on each training is kept, so that a command that is stopped goes on.
        runs = Runs(workforce, database.study(name), folder, on, clock.book)
        trained = []
        for side, epochs in zip(sides, found.epochs, strict=True):
            trained.append(replace(side, epochs=epochs))
        rows = digest_of_measured(sides[0].prepared)
        before = earlier_verdicts(database.engine, rows, asked["digest"])
        level = level_after([Evidence(each) for each in before])
        trained, result = measure_sides(question, trained, found, runs, level, looks)

        findings = [findings_of(side) for side in trained]
        answer = written(name, trained, found.parameters, found.identical, findings, result)
        # What is known to be the same has asked nothing of the rows.
        place = 0
        if result.others:
            shown = answer.evidence
            place = count_verdict(database.engine, rows, asked["digest"], name, shown)
        clock.book()
        answer = replace(answer, measured_rows=rows, verdicts=place, seconds=records.spent())

        # What is returned is read back, so that it is what `show` will say.
        text = answer.to_json()
        records.save(answer.verdict, answer.evidence, text)
        return Comparison.from_json(text, database.url)


def other_names(answered: Comparison, sides: Sequence[OpenSide]) -> list[str]:
    """A sentence where sides of the same content were called otherwise when they were compared."""
    pairs = zip(sides, answered.sides, strict=True)
    renamed = [f"{now.label} as {then.label}" for now, then in pairs if now.label != then.label]
    return [f"The same was compared before: {', '.join(renamed)}."] if renamed else []


class Clock:
    """Books the time that a comparison takes."""

    def __init__(self, records: ComparisonRecords) -> None:
        self._records = records
        self._booked = time.monotonic()

    def book(self) -> None:
        """Add the time since the last call to that of the comparison."""
        now = time.monotonic()
        self._records.spend(now - self._booked)
        self._booked = now


def begun(
    records: ComparisonRecords,
    sides: Sequence[OpenSide],
    asked: Mapping[str, Any],
    folder: Path,
    workforce: Crew,
    on: Listener,
) -> FirstTrainings:
    """What the first trainings of a comparison said, which are done where it begins now.

    Raises `InputError` where its name is taken.
    """
    plan = records.plan()
    if plan is None:
        records.check_free()
        workforce.deaths.forget()  # they were another comparison's
        found = first_trainings(sides, folder, workforce, on)
        criterion = sides[0].prepared.criterion
        records.begin(criterion.name, criterion.direction, {**asked, **found.to_json()})
        return found
    with records.reading("plan"):
        check_begun(records.name, plan, asked)
        return FirstTrainings.from_json(plan)


def measure_sides(
    question: Question,
    sides: Sequence[OpenSide],
    found: FirstTrainings,
    runs: Runs,
    level: float,
    looks: Sequence[int],
) -> tuple[list[OpenSide], MeasuredSides]:
    """The sides with the rates that they were measured at, and what the pairs showed.

    What is known to be the same as the first side is not measured.

    Arguments:
        question: what is asked.
        sides: all of them.
        found: what their first trainings said.
        runs: what the trainings need.
        level: of this verdict, among all that the same rows have given.
        looks: numbers of pairs of the looks that there were at these sides.
    """
    others = []
    for side, same in zip(sides[1:], found.identical, strict=True):
        if same is None:
            others.append(side)
    min_gain = question.min_gain
    if min_gain is None:
        min_gain = sides[0].prepared.study.min_gain
    if not others:
        least = sides[0].prepared.criterion.metric.min_gain if min_gain is None else min_gain
        return list(sides), MeasuredSides({}, [], least)

    paired = [sides[0], *others]
    if question.trials is not None:
        paired = tuned(runs, paired, [rates_to_try(side, question.trials) for side in paired])
    result = measured(runs, paired, question.pairs, min_gain, level, looks)
    by_label = {side.label: side for side in paired}
    return [by_label.get(side.label, side) for side in sides], result
