"""Arms trained on fresh seeds that the search never saw."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import replace
from functools import partial

from advisor.events import NOTE, Event, SeedEnded
from advisor.randomness import mix
from advisor.readable import counted
from advisor.search.limits import seconds_for_a_training, seconds_of_arm
from advisor.search.search import Search
from advisor.store.confirmed_seeds import MOST_BYTES, Confirmation
from advisor.training.row_values import RowValues
from advisor.verdict.candidates import Candidate, FreshScore
from advisor.verdict.fresh_run import LINES, Asked, FreshRun, Later, Phase, SeedPlace, check_phase
from advisor.work.executors import Spare
from advisor.work.job import Job, Outcome
from advisor.work.stacked import (
    Worth,
    blocks_of,
    blocks_of_places,
    is_by_itself,
    run_stacked,
    units_of,
    why_no_stack,
)
from advisor.work.study_ref import StudyRef


class FreshSeedRuns:
    """Trains candidates on fresh seeds; what the database has already is not trained again.

    It reads the database once, and writes each result to it at once.

    Arguments:
        site: where to train and to keep.
        job_of: the job of a full training of a candidate, but for its seeds, rows and files.
    """

    def __init__(self, site: SeedPlace, job_of: Callable[[Candidate], Job]) -> None:
        self._site, self._job_of = site, job_of
        # The one reading of what the database has; from here on it follows what is written.
        self._scores: dict[FreshRun, FreshScore] = {}
        for row in site.records.confirmations():
            with site.records.reading("fresh seeds"):
                check_phase(row.phase)
            run = FreshRun(row.phase, row.arm, row.params, row.seed)
            self._scores[run] = FreshScore(row.score, row.seconds, row.test, row.why or "")
        # What measured rows add is read when it is needed; what is too large stays here.
        self._kept = {FreshRun("measure", *key) for key in site.records.seeds_with_rows()}
        self._too_large: dict[FreshRun, Mapping[str, RowValues]] = {}
        self._worth = Worth("fresh seeds")

    @classmethod
    def of_search(cls, search: Search) -> FreshSeedRuns:
        """Those of a study, after its search."""
        prepared, plan, history = search.prepared, search.plan, search.history
        # Every training is this job with an arm, its random seeds and its files.
        job = Job(
            study=prepared.ref,
            opening_id=prepared.opening_id,
            content=prepared.digest,
            params={},
            seed=0,
            split=prepared.study.seed,
            batch=plan.batch,
            from_epoch=0,
            to_epoch=plan.epochs,
            cache=str(search.folder / "cache"),
            device=str(prepared.device),
            seconds=seconds_for_a_training(prepared.study, history),
            rows=plan.rows,
        )
        parts = (search.crew, search.records, search.on, search.book_time)

        def why(job: Job, copies: int) -> str | None:
            """Why trainings of the study are done one by one."""
            return why_no_stack(prepared, copies, job.batch)

        def by_itself(arm: Candidate) -> bool:
            """Whether an arm is trained by itself."""
            return is_by_itself(prepared.host, arm.arm)

        def seconds(arm: Candidate) -> float:
            """What an epoch of an arm has taken in the search."""
            return seconds_of_arm(history, arm.arm)

        hooks = (why, by_itself, search.pace.add, seconds)
        site = SeedPlace(prepared.study.seed, history.criterion, *parts, *hooks)
        return cls(site, lambda arm: replace(job, params={**arm.arm, **arm.params}))

    def score(
        self,
        phase: Phase,
        arms: Sequence[Candidate],
        seeds: Sequence[int],
        of: int | None = None,
        needs_rows: bool = False,
        later: Later | None = None,
    ) -> list[list[FreshScore]]:
        """What each arm reached, one result per seed in order.

        What the model or a technique broke has no score but a reason, and is not trained again.

        Arguments:
            phase: what the seeds are for.
            arms: that are trained.
            seeds: by their places, from 0.
            of: how many seeds there will be; None where these are all.
            needs_rows: whether `rows` is asked next, for which a training whose rows are lost is
                done again.
            later: what workers begin with that would wait; None where nothing is known.
        """
        # All arms of a seed come before the next seed, so that what is done by then is paired.
        jobs: dict[FreshRun, Job] = {}
        asked: dict[FreshRun, Asked] = {}
        for seed in seeds:
            for arm in self._slowest_first(arms):
                run = self._run(phase, arm, seed)
                if self._is_missing(run, needs_rows):
                    jobs[run] = self._job(phase, arm, seed)
                    line = f"{arm.label}: {LINES[phase]} {seed + 1} of {of or len(seeds)}"
                    asked[run] = Asked(arm, line, seed)

        self._tell_lost(sum(run in self._scores for run in jobs))
        stacks = self._stacks(phase, arms, seeds, jobs)
        for run, outcome in self._train(jobs, asked, stacks, partial(self.units, later)):
            score, why = None, why_broken(outcome)
            if not why:
                score = self._site.criterion.score(outcome.curve, jobs[run].to_epoch)
            result = FreshScore(score, sum(outcome.costs.values()), outcome.test, why)
            self._save(run, result, {} if why else outcome.rows)
        return [[self._scores[self._run(phase, arm, seed)] for seed in seeds] for arm in arms]

    def with_effect(self, arms: Sequence[Candidate]) -> list[Candidate]:
        """The arms without what changes nothing in them, each once.

        An arm that the search has trained had its effect there. The techniques of every other one
        are applied here, on the first of the seeds that choose.
        """
        jobs: dict[FreshRun, Job] = {}
        asked: dict[FreshRun, Asked] = {}
        for arm in arms:
            # One that was trained had its effect, too.
            run = self._run("choose", arm, 0)
            if arm.searched is None and run not in self._scores:
                job = self._job("choose", arm, 0)
                jobs[run] = replace(
                    job, to_epoch=0, needs_effect=True, name=f"the start of {run.name}"
                )
                asked[run] = Asked(arm, f"{arm.label}: techniques applied")

        kept = {arm.label: arm for arm in arms}
        for run, outcome in self._train(jobs, asked):
            if outcome.no_effect:
                del kept[run.label]
                less = asked[run].arm.without(outcome.no_effect)
                if less.changes:
                    kept.setdefault(less.label, less)
        return list(kept.values())

    def are_together(self, arms: Sequence[Candidate], seeds: Sequence[int]) -> bool:
        """Whether some of the trainings that choose among these arms are computed as one."""
        blocks = self._blocks("choose", arms, seeds)
        return any(self._pays(next(iter(block.values())), block) for block in blocks)

    def rows(self, arm: Candidate, seed: int) -> Mapping[str, RowValues]:
        """What each row adds to the score of an arm on a measuring seed, by what rows are called.

        `score` was asked for them before.
        """
        run = self._run("measure", arm, seed)
        if run in self._too_large:
            return self._too_large[run]
        return self._site.records.row_values(run.label, run.params, run.seed)

    def units(self, later: Later | None) -> Iterable[Job]:
        """The jobs of what is asked for later, as they will be handed out; none for None."""
        if later is None:
            return ()
        jobs = {}
        for seed in later.seeds:
            for arm in self._slowest_first(later.arms):
                run = self._run(later.phase, arm, seed)
                if self._is_missing(run, needs_rows=False):
                    jobs[run] = self._job(later.phase, arm, seed)
        return units_of(jobs, self._stacks(*later, jobs)).values()

    # --------------------------------------------------------------------------------------------

    def _slowest_first(self, arms: Sequence[Candidate]) -> list[Candidate]:
        """Arms in the order in which they are begun, so that no worker waits long for the last
        one.
        """
        return sorted(arms, key=self._site.seconds, reverse=True)

    def _stacks(
        self,
        phase: Phase,
        arms: Sequence[Candidate],
        seeds: Sequence[int],
        jobs: dict[FreshRun, Job],
    ) -> list[list[FreshRun]]:
        """Trainings that are done together, by blocks of those that were asked for.

        Where one of a block is missing, all of it is trained, so that each has the numbers that it
        has in a study that was never stopped. Such trainings are added to `jobs`.
        """
        stacks = []
        for block in self._blocks(phase, arms, seeds):
            if jobs.keys().isdisjoint(block) or not self._pays(next(iter(block.values())), block):
                continue
            for run, job in block.items():
                jobs.setdefault(run, job)
            stacks.append(list(block))
        return stacks

    def _blocks(
        self, phase: Phase, arms: Sequence[Candidate], seeds: Sequence[int]
    ) -> Iterator[dict[FreshRun, Job]]:
        """The trainings of each block, of one study: those of an arm on a block of measuring seeds;
        those of all arms where seeds choose, side by side where their techniques are the same. An
        arm that begins with artefacts is in none.
        """
        arms = [arm for arm in arms if not self._site.is_by_itself(arm)]
        if phase == "measure":
            for arm in arms:
                for places in blocks_of_places(seeds):
                    yield {self._run(phase, arm, i): self._job(phase, arm, i) for i in places}
            return
        of_study: dict[StudyRef, dict[FreshRun, Job]] = {}
        for arm in sorted(arms, key=lambda each: [*each.arm.values()]):
            for seed in seeds:
                job = self._job(phase, arm, seed)
                of_study.setdefault(job.study, {})[self._run(phase, arm, seed)] = job
        for runs in of_study.values():
            for block in blocks_of(list(runs)):
                yield {run: runs[run] for run in block}

    def _pays(self, first: Job, block: Sized) -> bool:
        """Whether the trainings of a block, of which this is one, are done together."""
        copies = len(block)
        return self._worth.pays(
            (first.study, copies), lambda: self._site.why_no_stack(first, copies)
        )

    def _is_missing(self, run: FreshRun, needs_rows: bool) -> bool:
        """Whether a training is to be done; also one of which only the rows are missing."""
        known = self._scores.get(run)
        if known is None:
            return True
        is_lost = run not in self._kept and run not in self._too_large
        # A loop that gives no model has no test score, and no rows that could be lost.
        return needs_rows and known.test is not None and not known.why and is_lost

    def _tell_lost(self, trainings: int) -> None:
        """Say that so many trainings are done again, whose scores are known."""
        if trainings:
            again = "is done again, as its" if trainings == 1 else "are done again, as their"
            text = (
                f"{counted(trainings, 'training')} of measuring seeds {again} answers row by row "
                f"are not in the database: they take more than {MOST_BYTES // 2**20} MiB each, or "
                "an earlier version of advisor did not keep them. The numbers stay the same."
            )
            self._site.on(Event(NOTE, 0, 0, text))

    def _run(self, phase: Phase, arm: Candidate, seed: int) -> FreshRun:
        number = mix(self._site.seed, phase, seed)
        return FreshRun(phase, arm.label, arm.json_params(), number)

    def _job(self, phase: Phase, arm: Candidate, seed: int) -> Job:
        """The training of an arm on a fresh seed.

        All seeds that choose score the rows that the search has scored. One that measures draws its
        own rows.
        """
        run, job = self._run(phase, arm, seed), self._job_of(arm)
        job = replace(job, seed=run.seed, name=run.name)
        if phase == "choose":
            return job
        return replace(job, split=run.seed, measures=True)

    def _train(
        self,
        jobs: Mapping[FreshRun, Job],
        asked: Mapping[FreshRun, Asked],
        stacks: Sequence[Sequence[FreshRun]] = (),
        spare: Spare = lambda: (),
    ) -> Iterator[tuple[FreshRun, Outcome]]:
        """Outcomes as they come; each is told, and its time booked, once it is written."""
        done = 0
        for run, outcome in run_stacked(self._site.crew, jobs, stacks, spare=spare):
            # What was known before is trained for the others of its stack alone.
            if run not in asked:
                continue
            self._site.note(outcome)
            yield run, outcome
            done += 1
            self._site.on(self._told(run, asked[run], done, len(asked)))
            self._site.book_time()

    def _told(self, run: FreshRun, asked: Asked, done: int, total: int) -> Event:
        """What is told of a training, of which there are so many, when it is written."""
        result = self._scores.get(run)
        if asked.place is None or result is None:
            return Event("confirm", done, total, asked.line)
        return SeedEnded(
            "confirm",
            done,
            total,
            asked.line,
            phase=run.phase,
            place=asked.place,
            label=run.label,
            choices=dict(asked.arm.arm),
            params=dict(asked.arm.params),
            **vars(result),
        )

    def _save(self, run: FreshRun, result: FreshScore, rows: Mapping[str, RowValues]) -> None:
        confirmation = Confirmation(
            phase=run.phase,
            arm=run.label,
            params=run.params,
            seed=run.seed,
            score=result.score,
            seconds=result.seconds,
            test=result.test,
            why=result.why or None,
        )
        if self._site.records.save_confirmation(confirmation, rows):
            self._kept.add(run)
        elif rows:
            self._too_large[run] = rows
        self._scores[run] = result


def why_broken(outcome: Outcome) -> str:
    """Why a training did not come to its end, in a sentence; empty where it did."""
    if outcome.ended is None:
        return ""
    return outcome.why or outcome.ended.value
