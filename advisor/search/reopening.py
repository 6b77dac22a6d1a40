"""Trials whose techniques have other code now are no evidence any more: they are run again."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from advisor.content.tokens import is_other
from advisor.search.arm import arm_label, techniques_in
from advisor.search.plan import Plan
from advisor.search.plugin_marks import PluginMarks
from advisor.search.trial import DUPLICATE_KEY, NO_EFFECT_KEY, Trial, read_trials
from advisor.store.confirmed_seeds import Confirmation
from advisor.store.study_records import StudyRecords

FORGOTTEN = ("why", "ended", "did", "signal", DUPLICATE_KEY, NO_EFFECT_KEY)
"""The user attributes in which the database has what a trial brought."""


def reopen_changed(
    records: StudyRecords, plan: Plan, marks: PluginMarks, folder: Path, has_limit: bool
) -> bool:
    """Take back what trials and fresh seeds with changed techniques brought, if there are any.

    The trials are then running, so the search goes through their rounds again. Trials for which no
    code was recorded are taken as they are, and so are those with a technique that is not loaded.

    Arguments:
        records: of the study, which no other process runs.
        plan: that the study began with.
        marks: what the loaded plugins are.
        folder: training states and shared work, which may be of the old code.
        has_limit: whether the study's time is limited; what the trials took is then given back.

    Returns:
        Whether there were any.
    """
    trials = read_trials(records, plan)
    changed = {trial.number: found for trial in trials if (found := changed_in(trial, plan, marks))}
    if not changed:
        return False
    again = [trial for trial in trials if trial.number in changed]
    seeds = seeds_with({name for names in changed.values() for name in names}, records)

    # What lies in the folder can be made again; after a kill here the trials are still as before.
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    facts = {}
    for trial in again:
        names = sorted({*trial.again, *changed[trial.number]})
        made_with = {"plugins": marks.plugins, "codes": marks.codes_of(trial.techniques)}
        facts[trial.storage_id] = {**made_with, "again": names}
    seconds = seconds_back(records, trials, again, seeds) if has_limit else 0.0
    numbers = {trial.storage_id: trial.number for trial in again}
    records.reopen_trials(numbers, facts, FORGOTTEN, seeds, seconds)
    return True


def changed_in(trial: Trial, plan: Plan, marks: PluginMarks) -> list[str]:
    """The techniques (`slot.name`) of a trial whose code is another one now."""
    # The code of what changed nothing decided, too, which arm the trial is of.
    techniques = techniques_in(trial.asked_arm)
    if not plan.absent.isdisjoint(techniques):
        return []
    now: Mapping[str, str] = marks.codes_of(techniques) if trial.codes else {}
    return [name for name, code in trial.codes.items() if is_other(code, now[name])]


def seeds_with(techniques: Iterable[str], records: StudyRecords) -> list[Confirmation]:
    """The fresh seeds of arms with one of these techniques."""
    words = set()
    for name in techniques:
        slot, _, technique = name.partition(".")
        words.add(arm_label({slot: technique}))
    return [seed for seed in records.confirmations() if words.intersection(seed.arm.split())]


def seconds_back(
    records: StudyRecords,
    trials: Iterable[Trial],
    again: Iterable[Trial],
    seeds: list[Confirmation],
) -> float:
    """How much of the study's time was for trials and fresh seeds that are no evidence any more.

    It is their share: trainings may have run side by side.
    """
    lost = sum(sum(trial.costs.values()) for trial in again) + sum(seed.seconds for seed in seeds)
    searched = sum(sum(trial.costs.values()) for trial in trials)
    whole = searched + sum(seed.seconds for seed in records.confirmations())
    return records.spent() * lost / whole if whole else 0.0
