"""A task, and a recommendation with all that it rests on, in a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from advisor.errors import listing
from advisor.readable import counted, mean_text, rate_text, rounded
from advisor.report.first_screen import print_first_screen
from advisor.report.first_screens import OF_TRAINING, screen_of_study
from advisor.report.floors_text import CLASSES, beside_the_scores
from advisor.report.study_words import (
    IDENTICAL,
    error_of_score,
    group_skips,
    metric_of_test_rows,
    own_score_alone,
    test_text,
    why_not_judged,
)
from advisor.report.text import MOST, cell, console, print_section, print_wrapped
from advisor.report.verdict_words import (
    Line,
    broken_trainings,
    costs_of_changes,
    gain_and_least,
    interval_and_sample,
    on_test_and_rest,
    what_would_tell,
    worth_a_change,
)
from advisor.search.arm import Arm, arm_label, techniques_in
from advisor.training.ended import EARLY_STEPS, Ended
from advisor.training.imbalance import shares_text
from advisor.verdict.recommendation import Recommendation
from advisor.verdict.records import CutTrial, SingleTechnique, Verdict

if TYPE_CHECKING:
    from advisor.work.prepare import Prepared

NAME_COLUMNS = 11
"""The columns that the name of a number takes, so that all numbers begin below each other."""
SPLITS = ("train", "valid", "test", "unlabeled")
"""The parts of the data whose rows are counted, in the order in which they are shown."""
AS_NEEDED = "as many epochs as your model needs"
"""How long a training is where the user gives no number."""
OWN = "your model as it is"
"""What the arm that changes nothing is called among others."""
BEATEN = "beaten on the few seeds that chose; the verdict rests on others"
"""What is said beside the user's model where the seeds that chose an arm prefer another one."""
GROUPS = {
    Ended.NOT_TRAINED: "before training",
    Ended.NO_EFFECT: "before training, as a technique changed nothing",
    Ended.NOT_FINITE: "with numbers that are not finite",
    Ended.EARLY_LOSS: f"after {EARLY_STEPS} steps",
    Ended.OUTRANKED: "after epoch {epochs}",
    Ended.OUT_OF_TIME: "when the time was up",
    Ended.FAILED: "with an error",
    None: "stopped early",
}
"""What a group of trials that did not train to their end is called, by why they ended. None is for
answers of version 0.1, which kept no reason.
"""


def show_task(prepared: Prepared, plan: bool = True) -> None:
    """Show what was understood of the task, on stderr.

    Arguments:
        prepared: the study, opened.
        plan: whether to show how it will be trained, too.
    """
    out = console(stderr=True)
    study = prepared.study
    title = f"{study.name}: {prepared.objective.sentence()}"
    out.print(Text(title, style="bold"))

    # Parts of the data that have no rows are left out.
    sizes = prepared.facts.sizes
    rows = [f"{name} {sizes[name]}" for name in SPLITS if sizes.get(name)]
    if plan:
        epochs = counted(study.epochs, "epoch") if study.epochs else AS_NEEDED
        rows += [f"batch {prepared.batch}", epochs]
    out.print(Text("rows: " + " · ".join(rows)))
    # What accuracy is worth depends on how many rows each class has.
    shares = prepared.facts.shares
    if shares:
        out.print(Text(f"{CLASSES}: {shares_text(shares)} of the rows"))

    for note in prepared.notes:
        print_wrapped(out, "· ", note, indent=0)
    for warning in prepared.warnings:
        print_wrapped(out, "! ", warning, indent=0)


def show_recommendation(recommendation: Recommendation, why: bool = False) -> None:
    """Show the first screen of a recommendation; with `why`, also all that it rests on."""
    print_first_screen(screen_of_study(recommendation))
    if not why:
        return
    out = console()
    out.print()
    # The numbers stand in a column of their own.
    for name, line in [*key_numbers(recommendation), *beside_the_scores(recommendation)]:
        print_wrapped(out, name.ljust(NAME_COLUMNS), line)
    show_evidence(out, recommendation)
    show_spent(out, recommendation)


# --- numbers ------------------------------------------------------------------------------------


def key_numbers(recommendation: Recommendation) -> list[Line]:
    """Name and value of what was measured, the most important first."""
    if recommendation.verdict == Verdict.CHANGE:
        return numbers_of_a_change(recommendation)
    # Nothing changes, so there is one model, and another that was as near as any.
    baseline, gain = recommendation.baseline, recommendation.gain
    score = mean_text(baseline.scores)
    test = with_metric(recommendation, test_text(baseline.test, recommendation))
    rate, decay, *_ = settings(recommendation)
    label = f"{arm_label(gain.arm)}: gain " if gain.arm else ""
    on_rows = on_test_and_rest(gain)
    return [
        (recommendation.metric, f"{score} (test {test})"),
        ("best other", f"{label}{measured_gain(recommendation)}" if label else "none"),
        *([("on test", f"gain {on_rows}")] if on_rows else []),
        *what_would_tell(recommendation),
        *broken_trainings(recommendation),
        *promised_gain(recommendation),
        ("with", f"{rate}, {decay}, {counted(recommendation.epochs, 'epoch')}"),
        *share_of_rows(recommendation),
    ]


def numbers_of_a_change(recommendation: Recommendation) -> list[Line]:
    """What was measured where another arm is recommended: each number of both arms."""
    baseline = recommendation.baseline
    recommended = recommendation.recommended
    scores = f"{mean_text(baseline.scores)} → {mean_text(recommended.scores)}"
    seconds = f"{baseline.seconds:.2g} s → {recommended.seconds:.2g} s"
    return [
        ("gain", measured_gain(recommendation)),
        (recommendation.metric, scores),
        ("test", scores_on_test_rows(recommendation)),
        *broken_trainings(recommendation),
        *promised_gain(recommendation),
        ("cost", f"{seconds} a training of {counted(recommendation.epochs, 'epoch')}"),
        ("with", ", ".join(settings(recommendation))),
        *share_of_rows(recommendation),
    ]


def share_of_rows(recommendation: Recommendation) -> list[Line]:
    """The share of the training rows that the time had room for, where it is not all."""
    rows = recommendation.train_rows
    return [] if rows is None else [("rows", str(rows))]


def scores_on_test_rows(recommendation: Recommendation) -> str:
    """The scores of both models on the test rows, with the gain where these rows say one."""
    before = test_text(recommendation.baseline.test, recommendation)
    after = test_text(recommendation.recommended.test, recommendation)
    scores = with_metric(recommendation, f"{before} → {after}")
    # Without a gain on these rows, the two scores are all that can be said.
    on_rows = on_test_and_rest(recommendation.gain)
    return f"{scores}, {on_rows}" if on_rows else scores


def with_metric(recommendation: Recommendation, numbers: str) -> str:
    """Numbers of the test rows, after their metric where it is not the one that arms have."""
    metric = metric_of_test_rows(recommendation)
    return f"{metric} {numbers}" if metric else numbers


def measured_gain(recommendation: Recommendation) -> str:
    """The gain with its interval, what it rests on, and what would be enough."""
    gain = gain_and_least(recommendation)
    rests = interval_and_sample(recommendation.gain)
    return f"{gain}; {rests}; {worth_a_change(recommendation)}"


def promised_gain(recommendation: Recommendation) -> list[tuple[str, str]]:
    """What the search saw of the gain, on the seed that it chose by: the winner's curse."""
    searched = recommendation.gain.searched
    if searched is None:
        return []
    warning = "on the one seed that chose it, hence not to be trusted"
    promised = rounded(searched, recommendation.gain.error, sign=True)
    return [("in search", f"{promised} {warning}")]


def settings(recommendation: Recommendation) -> list[str]:
    """Learning rate, weight decay, and the parameters of the techniques."""
    # What every training has comes before what only a technique has.
    params = recommendation.params
    rate = params.get("training.lr", 0)
    decay = params.get("training.weight_decay", 0)
    lines = [f"weight decay {rate_text(decay)}"]
    if not recommendation.has_other_rate:
        lines.insert(0, f"lr {rate_text(rate)}")
    for name, value in params.items():
        if not name.startswith(OF_TRAINING):
            lines.append(f"{name} {cell(value)}")
    return lines


# --- sections -----------------------------------------------------------------------------------


def show_evidence(out: Console, recommendation: Recommendation) -> None:
    """Show why, what else was tried, and all warnings; a section without lines is left out."""
    answer = recommendation
    single = "Each technique alone: its best score in the search, on one seed"
    undone = "What leaving a change out costs"
    print_section(out, "Why", answer.reasons)
    print_section(out, f"{undone} ({answer.metric})", lines_of(costs_of_changes(answer)))
    print_section(out, "Diagnosed before training", diagnosed(answer))
    print_section(out, "Not chosen", not_chosen(answer))
    print_section(out, single, single_techniques(answer), most=2 * MOST)
    print_section(out, "Stopped early", stopped_early(answer.pruned))
    print_section(out, "Score against cost", pareto_front(answer))
    print_section(out, "Not applicable", not_applicable(answer))
    print_section(out, "Mind", answer.warnings, most=len(answer.warnings))


def lines_of(pairs: Sequence[Line]) -> list[str]:
    """Names with their numbers, a line each."""
    return [f"{name}: {number}" for name, number in pairs]


def not_chosen(recommendation: Recommendation) -> list[str]:
    """The other arms that were confirmed, each with why it is not the answer."""
    lines = []
    for alternative in recommendation.alternatives:
        arm = arm_label(alternative.choices)
        lines.append(f"{arm}: {alternative.why_not}")
    return lines


def not_applicable(recommendation: Recommendation) -> list[str]:
    """A line for the techniques of a slot that do not fit for the same reason."""
    lines = []
    for slot, techniques, why in group_skips(recommendation.skipped):
        lines.append(f"{slot} {techniques}: {why}")
    return lines


def diagnosed(recommendation: Recommendation) -> list[str]:
    """The findings that no reason repeats."""
    reasons = "\n".join(recommendation.reasons)
    sentences = [finding.sentence for finding in recommendation.findings]
    return [sentence for sentence in sentences if sentence not in reasons]


def single_techniques(recommendation: Recommendation) -> list[str]:
    """A line for each of the best techniques, and what can be said of all of them."""
    # The user's model is among them; it has no slot, and what beats it here is seen beside it.
    techniques = [each for each in recommendation.isolation if each.slot is not None]
    lines = best_techniques(recommendation) if techniques else []
    for each in techniques:
        if each.identical:
            lines.append(f"{each.slot} {each.technique}: {IDENTICAL}")
        elif each.alone is None and each.trials:
            lines.append(f"{each.slot} {each.technique}: {why_not_judged(recommendation, each)}")
    untried = [f"{each.slot} {each.technique}" for each in techniques if not each.trials]
    if untried:
        lines.append(f"not judged, without a trial: {listing(untried)}")
    if techniques:
        lines.append(how_many_were_tried(techniques))
    return lines


def how_many_were_tried(techniques: Sequence[SingleTechnique]) -> str:
    """How many techniques had a trial, and the fewest trials of one that had any."""
    tried = [each.trials for each in techniques if each.trials]
    text = f"{len(tried)} of {counted(len(techniques), 'technique')} tried"
    return f"{text}, each in at least {counted(min(tried), 'trial')}" if tried else text


def best_techniques(recommendation: Recommendation) -> list[str]:
    """A line for each of the best techniques that were trained to the end alone, and one for the
    user's model, in the order of their scores.
    """
    own = own_score_alone(recommendation)
    measured: list[tuple[float, str]] = []
    for each in recommendation.isolation:
        if each.alone is None or each.identical:
            continue
        score, trials = cell(each.alone), counted(each.trials, "trial")
        if each.slot is None:
            measured.append((0.0, f"{OWN}: {score}, {trials}"))
        elif own is not None:
            better = recommendation.sign * (each.alone - own)
            name = f"{each.slot} {each.technique}"
            measured.append((better, f"{name}: {score}, {better:+.2g} to your model, {trials}"))

    # Lines of equal scores stay in their order; that of the user's model is never left out.
    best = sorted(measured, key=lambda pair: -pair[0])
    lines = [line for _, line in best if not line.startswith(OWN)][: MOST - 2]
    return [line for _, line in best if line in lines or line.startswith(OWN)] if lines else []


def stopped_early(trials: Sequence[CutTrial]) -> list[str]:
    """How many trials ended where, each group with one example and the number that decided."""
    groups: dict[str, list[CutTrial]] = {}
    for trial in trials:
        group = GROUPS[trial.ended].format(epochs=trial.epochs)
        members = groups.setdefault(group, [])
        members.append(trial)

    # The first of a group is its example.
    lines = []
    for group, members in groups.items():
        count = len(members)
        example = members[0]
        lines.append(f"{count} {group}, as {example.arm}: {example.why}")
    return lines


def pareto_front(recommendation: Recommendation) -> list[str]:
    """The confirmed arms worth their seconds, where there is a choice, and the user's model."""
    front = recommendation.front()
    own = [cost for cost in recommendation.costs if not techniques_in(cost.choices)]
    beaten = [cost for cost in own if cost not in front]
    lines = []
    for cost in [*front, *beaten]:
        score = rounded(cost.mean, error_of_score(recommendation))
        line = f"{arm_in_words(cost.choices)}: {score} in {cost.seconds:.2g} s"
        # The verdict is from other seeds than these, and may be another one.
        lines.append(f"{line}; {BEATEN}" if cost in beaten else line)
    return lines if len(lines) > 1 else []


def arm_in_words(arm: Arm) -> str:
    """An arm as a reader calls it."""
    return arm_label(arm) if techniques_in(arm) else OWN


def show_spent(out: Console, recommendation: Recommendation) -> None:
    """Show how many trials there were, and how long they took."""
    trials = recommendation.trials
    parts = [
        f"{trials.complete} complete",
        f"{trials.pruned} stopped early",
        f"{trials.failed} failed",
    ]
    counts = ", ".join(parts)
    out.print(Text(f"\n{counted(trials.total, 'trial')} ({counts})", style="dim"))

    seconds = recommendation.seconds
    search = f"search {seconds.search:.0f} s"
    confirmation = f"confirmation {seconds.confirm:.0f} s"
    out.print(Text(f"{search}, {confirmation}", style="dim"))
