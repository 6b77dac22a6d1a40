"""Opens a study, searches, confirms and recommends."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Executor
from functools import partial
from importlib.metadata import version
from pathlib import Path

import sqlalchemy as sa

from advisor import __version__
from advisor.api.arguments import check_arguments
from advisor.api.beginnings import begun_study, new_study
from advisor.api.begun import search_seconds, with_begun_metric
from advisor.api.first_training import begin_first
from advisor.api.listening import Heard, verdict_event
from advisor.api.time_limit import deadline_of
from advisor.comparing.same_data import digest_of, digest_of_measured
from advisor.errors import SearchError
from advisor.events import NOTE, Event, Listener
from advisor.search.artefacts import told_of_artefacts
from advisor.search.plan import Plan, make_plan
from advisor.search.plugin_marks import PluginMarks, plugin_notes
from advisor.search.script_plan import plan_of_script
from advisor.search.search import Search
from advisor.search.stages import next_round
from advisor.search.trial import Trial
from advisor.store.database import Database
from advisor.store.deaths import StoredDeaths
from advisor.store.folder import folder_of_prints, study_folder
from advisor.store.location import storage_url
from advisor.store.plugin_versions import note_versions
from advisor.store.questions import techniques_of
from advisor.store.verdict_counts import count_verdict, earlier_verdicts
from advisor.study import Study
from advisor.user_code import interrupts_told_apart, kept_from_exiting
from advisor.verdict.confirm import confirm, sure_trainings
from advisor.verdict.evidence import LOOK_LEVELS, level_after
from advisor.verdict.looks import refused_look, told_of_place
from advisor.verdict.recommend import recommend
from advisor.verdict.recommendation import Recommendation
from advisor.verdict.records import Evidence
from advisor.work.crews import crew
from advisor.work.devices import Staff, staff_for, staff_of
from advisor.work.engines.abroad import hired_of
from advisor.work.executors import Crew
from advisor.work.opened import in_this_process
from advisor.work.opening import BegunOpening, open_study
from advisor.work.prepare import Prepared
from advisor.work.scripts.prepared import PreparedScript
from advisor.work.study_ref import StudyRef
from advisor.work.threads import one_thread
from advisor.work.waiting import long_waits_told


def ask(
    study: Study | StudyRef | Prepared | str | Path,
    *,
    storage: str | None,
    workers: int | None,
    device: str,
    plugins: Sequence[str],
    executor: Executor | str | None,
    scratch: str | Path | None,
    on: Listener,
) -> Recommendation:
    """What `advisor.tune` does, with its arguments."""
    number = 1 if workers is None else workers
    given = {"study": study, "storage": storage, "workers": number, "executor": executor}
    where = {"scratch": scratch, "device": device, "plugins": plugins, "on": on}
    check_arguments("tune", {**given, **where})
    if not isinstance(study, Prepared):
        study = StudyRef.of(study, tuple(plugins))
    hired = hired_of(executor, workers, scratch, device)
    device, staff = staff_of(device, workers, usual=1)
    return open_and_tune(study, storage, hired or staff, device, Heard(on))


def open_and_tune(
    study: StudyRef | Prepared,
    storage: str | None,
    workers: int | Staff | Crew,
    device: str,
    on: Listener,
    opened: Callable[[Prepared], None] | None = None,
    begun: BegunOpening | None = None,
) -> Recommendation:
    """Open a study once in each process that works on it, and hand it down.

    Arguments are those of `tune`, with a crew in place of a number of workers where one is hired,
    and one device, on which the study is opened here.
    `opened` is called with the study; `begun` says where one of so many workers opens it already.
    """

    def tell(text: str) -> None:
        """Show a sentence, such as one about a long wait."""
        on(Event(NOTE, 0, 0, text))

    has_script = isinstance(study, StudyRef) and study.script is not None
    began = time.monotonic()
    one_thread()
    hired = workers if isinstance(workers, Crew) else crew(staff_for(workers, has_script))
    hired = hired if begun is None else begun.crew
    with interrupts_told_apart(), hired as workforce:
        workforce.on_wait = tell
        if not isinstance(study, Prepared):
            study = open_study(study, device, workforce, begun)
        study = with_begun_metric(study, storage_url(storage), workforce)
        if opened is not None:
            opened(study)
        return tune_prepared(study, storage, workforce, on, began)


def tune_prepared(
    prepared: Prepared,
    storage: str | None,
    workforce: Crew,
    on: Listener,
    began: float | None = None,
) -> Recommendation:
    """Search, confirm and recommend for a study that is open.

    Arguments:
        prepared: the study, opened.
        storage: as for `tune`.
        workforce: runs the trainings.
        on: called with every event.
        began: when the opening of the study began, by `time.monotonic`, as a limit of time counts
            it; None for now.
    """
    began = time.monotonic() if began is None else began
    # The plan comes before the database, so that what is wrong with the task leaves nothing behind.
    url = storage_url(storage)
    name = prepared.study.name
    with long_waits_told(workforce.on_wait, "asking the techniques"), kept_from_exiting():
        plan = plan_of(prepared, techniques_of(url, name))
    workforce.baseline = {**plan.baseline, **plan.defaults_of(plan.baseline)}

    with (
        Database(url, tuple(plan.options), waits=True) as database,
        study_folder(database, name) as folder,
        workforce,  # no worker writes into the folder when the study is not held any more
        in_this_process(prepared),
    ):
        # A database that is not there yet is made while workers train.
        if database.is_new:
            begin_first(prepared, plan, folder, workforce)
        records = database.study(name)
        workforce.deaths = StoredDeaths(database.engine, name)
        workforce.printed = folder_of_prints(database, name)
        marks = PluginMarks(prepared.host)
        recorded = records.plan()
        if recorded is None:
            prepared, plan, first = new_study(prepared, plan, records, folder, workforce, on, began)
        else:
            site = (database, records, marks, folder, workforce, on)
            prepared, plan = begun_study(prepared, recorded, plan, *site)
            first = None
        search = Search(prepared, plan, records, workforce, folder, on, first, marks)
        bounds = told_of_artefacts(plan.artefacts, prepared.study.artefact_share)
        notes = plugin_notes(search.history.trials, plan, search.marks)
        for note in [*notes, *([bounds] if bounds else [])]:
            on(Event(NOTE, 0, 0, note))
        answer = search_and_confirm(search, database.engine)
        on(verdict_event(answer))
        return answer


def plan_of(prepared: Prepared, begun: Collection[tuple[str, str]]) -> Plan:
    """The plan of a study that begins now.

    `begun` are the techniques that it had where it was begun before, and which may be gone. Raises
    what `make_plan` raises.
    """
    if isinstance(prepared, PreparedScript):
        return plan_of_script(prepared, begun)
    return make_plan(prepared, begun)


def search_and_confirm(search: Search, engine: sa.Engine) -> Recommendation:
    """Search, confirm and recommend; or the recommendation that is there, where it still answers.

    The verdict is counted, by the rows that it rests on, in the database of `engine`.

    Raises `SearchError` where the model as it is was never trained to its end.
    """
    study, records, history = search.prepared.study, search.records, search.history
    ref, warnings = search.prepared.ref, search.prepared.warnings
    seconds = search_seconds(study) + search.plan.more_seconds
    last = records.recommendation()
    if last is not None:
        answered = Recommendation.from_json(last, ref, search.plan.content, url=search.records.url)
        is_late = records.spent() >= seconds
        is_searched = next_round(history, study.trials) is None
        if still_answers(answered, study, history.trials, is_late, is_searched):
            # What has changed since then is said with the old answer, too, and seen first.
            known = answered.warnings
            also = ", or a new study under another --name"
            changed = plugin_notes(history.trials, search.plan, search.marks)
            refused = refused_look(answered.gain.looks, study.seeds, also)
            now = [*warnings, *changed, *refused]
            answered.warnings = [*(new for new in now if new not in known), *known]
            return answered

    # A study that is resumed has used up a part of its time.
    if study.minutes is not None:
        search.deadline = deadline_of(search, 60 * study.minutes)
    note_what_works(search, engine)
    search.later = partial(sure_trainings, search)
    search.run()
    if history.best_of_baseline() is None:
        raise SearchError(
            f"Study {records.name!r}: the model as it is could not be trained: "
            f"{first_reason(history.trials)}."
        )

    # The confirmation gets what the search has left of the time, as its deadline says.
    searched = records.spent()
    rows = digest_of_measured(search.prepared)
    question = digest_of([study.name, search.plan.to_json()])
    before = [Evidence(each) for each in earlier_verdicts(engine, rows, question)]
    measurement = confirm(search, level_after(before))
    search.book_time()

    # What is returned is read back, so that it is what `show` will say.
    recommendation = recommend(search, measurement, searched, records.spent() - searched)
    # Where there was nothing to compare, nothing was asked of the rows.
    if measurement.measured is not None:
        shown = measurement.evidence
        place = count_verdict(engine, rows, question, study.name, shown)
        recommendation.warnings += told_of_place(place)
    text = recommendation.to_json()
    records.save_recommendation(recommendation.verdict, text, recommendation.evidence)
    return Recommendation.from_json(text, ref, search.plan.content, url=search.records.url)


def note_what_works(search: Search, engine: sa.Engine) -> None:
    """Write with which versions a study is worked on now."""
    built_in = [plugin.name for plugin in search.prepared.host.plugins if plugin.built_in]
    versions = {"advisor": __version__, "torch": version("torch")}
    note_versions(engine, search.records.name, versions, search.marks.plugins, built_in)


def still_answers(
    answered: Recommendation,
    study: Study,
    trials: Sequence[Trial],
    is_late: bool,
    is_searched: bool,
) -> bool:
    """Whether a recommendation answers the study as it is asked now.

    Its time is used, or its trials are and its seeds are met; and no other smallest gain is asked.

    Arguments:
        answered: the recommendation.
        study: as it is asked now.
        trials: those of its search.
        is_late: whether the time of the search is used.
        is_searched: whether there is no trial left to ask.
    """
    if study.min_gain not in (None, answered.min_gain):
        return False
    # Versions before 0.3 measured on rows that had chosen, and said less.
    if answered.evidence is None:
        return False
    # A trial that was stopped is trained to its end first.
    if any(trial.is_running for trial in trials):
        return False
    # Seeds on which a training broke were asked for, too.
    seeds = answered.gain.seeds + answered.gain.left_out
    is_looked_at = len(answered.gain.looks) >= len(LOOK_LEVELS)
    is_measured = study.seeds is None or seeds >= study.seeds or is_looked_at
    return is_late or (is_searched and is_measured)


def first_reason(trials: Sequence[Trial]) -> str:
    """Why the first trial that did not reach its end did not."""
    for trial in trials:
        if trial.why:
            return trial.why
    return "the time was up before it was trained once; give more --minutes"
