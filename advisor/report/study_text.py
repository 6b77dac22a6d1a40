"""A task and a recommendation on one screen of 80 columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from advisor.report.study_words import gain_and_interval, group_skips, metric_of_test_rows
from advisor.report.text import MOST, cell, console, print_section, print_wrapped
from advisor.search.arm import arm_label
from advisor.training.ended import EARLY_STEPS, Ended
from advisor.verdict.recommendation import Recommendation
from advisor.verdict.records import CutTrial, SingleTechnique, Verdict

if TYPE_CHECKING:
    from advisor.work.prepare import Prepared

COLOR = {Verdict.CHANGE: "green", Verdict.KEEP: "cyan", Verdict.UNDECIDED: "yellow"}
"""The colour of each verdict's headline."""
SPLITS = ("train", "valid", "test", "unlabeled")
"""The parts of the data whose rows are counted, in the order in which they are shown."""
AS_NEEDED = "as many epochs as your model needs"
"""How long a training is where the user gives no number."""
GROUPS = {
    Ended.NOT_TRAINED: "before training",
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
    """Show what was understood of the task, on stderr; with `plan` also how it will be trained."""
    out = console(stderr=True)
    study = prepared.study
    out.print(Text(f"{study.name}: {prepared.objective.sentence()}", style="bold"))

    # Parts of the data that have no rows are left out.
    sizes = prepared.facts.sizes
    rows = [f"{name} {sizes[name]}" for name in SPLITS if sizes.get(name)]
    if plan:
        epochs = f"{study.epochs} epochs" if study.epochs else AS_NEEDED
        rows += [f"batch {prepared.batch}", epochs]
    out.print(Text("rows: " + " · ".join(rows)))

    for head, lines in (("· ", prepared.notes), ("! ", prepared.warnings)):
        for line in lines:
            print_wrapped(out, head, line, indent=0)


def show_recommendation(recommendation: Recommendation) -> None:
    """Show verdict, gain, cost, why, what was not chosen or does not fit, and how to apply it."""
    out = console()
    color = COLOR[recommendation.verdict]
    out.print(Text(f"\n{headline(recommendation)}\n", style=f"bold {color}"))
    # The numbers stand in a column of their own.
    for name, line in key_numbers(recommendation):
        print_wrapped(out, f"{name:<11}", line)
    show_evidence(out, recommendation)

    # Code to copy is never wrapped.
    out.print(Text("\nApply it", style="bold"))
    for line in recommendation.apply_with:
        print(f"  {line}", file=out.file)
    show_spent(out, recommendation)


def headline(recommendation: Recommendation) -> str:
    """The verdict in words."""
    study = recommendation.study
    if recommendation.verdict == Verdict.CHANGE:
        changes = [f"{slot} → {name}" for slot, name in recommendation.changed.items()]
        return f"{study}: CHANGE {', '.join(changes)}"
    if recommendation.verdict == Verdict.KEEP:
        return f"{study}: KEEP your model as it is"
    other = arm_label(recommendation.gain.arm)
    return f"{study}: UNDECIDED between your model and {other}"


# --- numbers ------------------------------------------------------------------------------------


def key_numbers(recommendation: Recommendation) -> list[tuple[str, str]]:
    """Name and value of what was measured, the most important first."""
    if recommendation.verdict == Verdict.CHANGE:
        return numbers_of_a_change(recommendation)
    # Nothing changes, so there is one model, and another that was as near as any.
    base, gain = recommendation.baseline, recommendation.gain
    test = with_metric(recommendation, cell(base.test))
    other = "none"
    if gain.arm:
        other = f"{arm_label(gain.arm)}: gain {measured_gain(recommendation)}"
    rate, decay, *_ = settings(recommendation)
    return [
        (recommendation.metric, f"{cell(base.mean)} (test {test})"),
        ("best other", other),
        *promised_gain(recommendation),
        ("with", f"{rate}, {decay}, {recommendation.epochs} epochs"),
    ]


def numbers_of_a_change(recommendation: Recommendation) -> list[tuple[str, str]]:
    """The same where another arm is recommended: each number of both arms."""
    base, best = recommendation.baseline, recommendation.recommended
    seconds = f"{base.seconds:.2g} s → {best.seconds:.2g} s"
    test = with_metric(recommendation, f"{cell(base.test)} → {cell(best.test)}")
    # The test rows may say nothing about the gain.
    if on_rows := recommendation.gain.test:
        interval = gain_and_interval(on_rows)
        test += f", {interval} over {on_rows.rows} rows that nothing else looked at"
    return [
        (recommendation.metric, f"{cell(base.mean)} → {cell(best.mean)}"),
        ("gain", measured_gain(recommendation)),
        *promised_gain(recommendation),
        ("test", test),
        ("cost", f"{seconds} a training of {recommendation.epochs} epochs"),
        ("with", ", ".join(settings(recommendation))),
    ]


def with_metric(recommendation: Recommendation, numbers: str) -> str:
    """Numbers of the test rows, after their metric where it is not the one that arms have."""
    return f"{metric_of_test_rows(recommendation)} {numbers}".strip()


def measured_gain(recommendation: Recommendation) -> str:
    """The gain with its interval, what it rests on, and what would be enough."""
    gain = recommendation.gain
    seeds = f"{gain.seeds} fresh paired seeds"
    enough = f"worth a change from {cell(recommendation.min_gain)}"
    return f"{gain_and_interval(gain)} (95 %), p {gain.p:.2g}, {seeds}; {enough}"


def promised_gain(recommendation: Recommendation) -> list[tuple[str, str]]:
    """What the search saw of the gain, on the seed that it chose by: the winner's curse."""
    searched = recommendation.gain.searched
    if searched is None:
        return []
    warning = "on the one seed that chose it, hence not to be trusted"
    return [("in search", f"{searched:+.4g} {warning}")]


def settings(recommendation: Recommendation) -> list[str]:
    """Learning rate, weight decay, and the parameters of the techniques."""
    # What every training has comes before what only a technique has.
    params = recommendation.params
    rate = params.get("training.lr", 0)
    decay = params.get("training.weight_decay", 0)
    lines = [f"lr {rate:.3g}", f"weight decay {decay:.3g}"]
    for name, value in params.items():
        if not name.startswith("training."):
            lines.append(f"{name} {cell(value)}")
    return lines


# --- sections -----------------------------------------------------------------------------------


def show_evidence(out: Console, recommendation: Recommendation) -> None:
    """Show why, what else was tried, and what to mind; a section without lines is left out."""
    answer = recommendation
    skips = group_skips(answer.skipped)
    skipped = [f"{slot} {names}: {why}" for slot, names, why in skips]
    print_section(out, "Why", answer.reasons)
    print_section(out, "Diagnosed before training", diagnosed(answer))
    print_section(out, "Not chosen", not_chosen(answer))
    single = "Each technique alone, at its best rate (search; one seed)"
    print_section(out, single, single_techniques(answer), most=2 * MOST)
    print_section(out, "Stopped early", stopped_early(answer.pruned))
    print_section(out, "Score against cost", pareto_front(answer))
    print_section(out, "Not applicable", skipped)
    print_section(out, "Mind", answer.warnings, most=len(answer.warnings))


def not_chosen(recommendation: Recommendation) -> list[str]:
    """The other arms that were confirmed, each with why it is not the answer."""
    lines = []
    for each in recommendation.alternatives:
        lines.append(f"{arm_label(each.choices)}: {each.why_not}")
    return lines


def diagnosed(recommendation: Recommendation) -> list[str]:
    """The findings that no reason repeats."""
    reasons = "\n".join(recommendation.reasons)
    sentences = [finding.sentence for finding in recommendation.findings]
    return [sentence for sentence in sentences if sentence not in reasons]


def single_techniques(recommendation: Recommendation) -> list[str]:
    """A line for each of the best techniques, and what can be said of all of them."""
    techniques = [each for each in recommendation.isolation if each.slot is not None]
    lines = best_techniques(techniques)
    for each in techniques:
        if each.identical:
            lines.append(f"{each.slot} {each.technique}: identical to your model")

    # How fair the comparison was, and which slot mattered.
    if techniques:
        fewest = min(each.trials for each in recommendation.isolation)
        count = f"{len(techniques)} techniques were tried"
        lines.append(f"{count}, none in fewer than {fewest} trials")
    shares = [f"{slot} {share:.0%}" for slot, share in recommendation.importance.items()]
    if shares:
        lines.append(f"what decided (PED-ANOVA): {', '.join(shares)}")
    return lines


def best_techniques(techniques: Sequence[SingleTechnique]) -> list[str]:
    """A line for each of the best techniques that were trained to the end alone."""
    measured: list[tuple[float, str]] = []
    for each in techniques:
        if each.alone is None or each.gain is None:
            continue
        numbers = f"{cell(each.alone)}, {gain_and_interval(each.gain)}"
        line = f"{each.slot} {each.technique}: {numbers}, {each.trials} trials"
        measured.append((each.gain.mean, line))
    # Lines of equal gains stay in their order.
    measured.sort(key=lambda pair: -pair[0])
    return [line for _, line in measured[: MOST - 2]]


def stopped_early(trials: Sequence[CutTrial]) -> list[str]:
    """How many trials ended where, each group with one example and the number that decided."""
    groups: dict[str, list[CutTrial]] = {}
    for trial in trials:
        group = GROUPS[trial.ended].format(epochs=trial.epochs)
        groups.setdefault(group, []).append(trial)
    lines = []
    # The first of a group is its example.
    for group, members in groups.items():
        example = f"{members[0].arm}: {members[0].why}"
        lines.append(f"{len(members)} {group}, as {example}")
    return lines


def pareto_front(recommendation: Recommendation) -> list[str]:
    """The confirmed arms worth their seconds, where there is a choice."""
    lines = []
    for cost in recommendation.front():
        arm = arm_label(cost.choices)
        lines.append(f"{arm}: {cell(cost.mean)} in {cost.seconds:.2g} s")
    return lines if len(lines) > 1 else []


def show_spent(out: Console, recommendation: Recommendation) -> None:
    """Show how many trials there were, and how long they took."""
    trials, seconds = recommendation.trials, recommendation.seconds
    stopped = f"{trials.pruned} stopped early, {trials.failed} failed"
    total = f"{trials.total} trials ({trials.complete} complete, {stopped})"
    out.print(Text(f"\n{total}", style="dim"))
    took = f"search {seconds.search:.0f} s, confirmation {seconds.confirm:.0f} s"
    out.print(Text(took, style="dim"))
