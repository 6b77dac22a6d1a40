"""A task and a recommendation on one screen of 80 columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.text import Text

from advisor.report.study_words import gain_and_interval, group_skips, metric_of_test_rows
from advisor.report.text import MOST, cell, console, print_section, print_wrapped
from advisor.search.arm import arm_label
from advisor.training.ended import EARLY_STEPS, Ended
from advisor.verdict.recommendation import Recommendation
from advisor.verdict.records import CutTrial, Verdict

if TYPE_CHECKING:
    from advisor.work.prepare import Prepared

COLOR = {Verdict.CHANGE: "green", Verdict.KEEP: "cyan", Verdict.UNDECIDED: "yellow"}
"""The colour of each verdict's headline."""
SPLITS = ("train", "valid", "test", "unlabeled")
"""The parts of the data whose rows are counted, in the order in which they are shown."""
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
    study, sizes = prepared.study, prepared.facts.sizes
    out.print(Text(f"{study.name}: {prepared.objective.sentence()}", style="bold"))

    facts = [f"{name} {sizes[name]}" for name in SPLITS if sizes.get(name)]
    if plan:
        epochs = study.epochs or "as many"
        needed = "" if study.epochs else " as your model needs"
        facts += [f"batch {prepared.batch}", f"{epochs} epochs{needed}"]
    out.print(Text("rows: " + " · ".join(facts)))

    for note in prepared.notes:
        print_wrapped(out, "· ", note, indent=0)
    for warning in prepared.warnings:
        print_wrapped(out, "! ", warning, indent=0)


def show_recommendation(recommendation: Recommendation) -> None:
    """Show verdict, gain, cost, why, what was not chosen or does not fit, and how to apply it."""
    answer, out = recommendation, console()
    out.print(Text(f"\n{_headline(answer)}\n", style=f"bold {COLOR[answer.verdict]}"))
    for name, line in _key_numbers(answer):
        print_wrapped(out, f"{name:<11}", line)

    # A section without lines is left out.
    not_chosen = [f"{arm_label(each.choices)}: {each.why_not}" for each in answer.alternatives]
    skipped = [f"{slot} {names}: {why}" for slot, names, why in group_skips(answer.skipped)]
    print_section(out, "Why", answer.reasons)
    print_section(out, "Diagnosed before training", _diagnosed(answer))
    print_section(out, "Not chosen", not_chosen)
    title = "Each technique alone, at its best rate (search; one seed)"
    print_section(out, title, _single_techniques(answer), most=2 * MOST)
    print_section(out, "Stopped early", _stopped(answer.pruned))
    print_section(out, "Score against cost", _front(answer))
    print_section(out, "Not applicable", skipped)
    print_section(out, "Mind", answer.warnings, most=len(answer.warnings))

    out.print(Text("\nApply it", style="bold"))
    for line in answer.apply_with:
        print(f"  {line}", file=out.file)  # code to copy is never wrapped

    counts, seconds = answer.trials, answer.seconds
    stopped = f"{counts.pruned} stopped early, {counts.failed} failed"
    total = f"{counts.total} trials ({counts.complete} complete, {stopped})"
    out.print(Text(f"\n{total}", style="dim"))
    took = f"search {seconds.search:.0f} s, confirmation {seconds.confirm:.0f} s"
    out.print(Text(took, style="dim"))


def _headline(answer: Recommendation) -> str:
    if answer.verdict == Verdict.CHANGE:
        changes = [f"{slot} → {name}" for slot, name in answer.changed.items()]
        return f"{answer.study}: CHANGE {', '.join(changes)}"
    if answer.verdict == Verdict.KEEP:
        return f"{answer.study}: KEEP your model as it is"
    return f"{answer.study}: UNDECIDED between your model and {arm_label(answer.gain.arm)}"


def _key_numbers(answer: Recommendation) -> list[tuple[str, str]]:
    """Name and value of what was measured, the most important first."""
    base, best, gain = answer.baseline, answer.recommended, answer.gain
    test = f"{metric_of_test_rows(answer)} {cell(base.test)}".strip()
    interval = (
        f"{gain_and_interval(gain)} (95 %), p {gain.p:.2g}, {gain.seeds} fresh paired seeds; "
        f"worth a change from {cell(answer.min_gain)}"
    )
    settings = _settings(answer)
    searched: list[tuple[str, str]] = []
    if gain.searched is not None:
        line = f"{gain.searched:+.4g} on the one seed that chose it, hence not to be trusted"
        searched.append(("in search", line))

    if answer.verdict != Verdict.CHANGE:
        other = f"{arm_label(gain.arm)}: gain {interval}" if gain.arm else "none"
        return [
            (answer.metric, f"{cell(base.mean)} (test {test})"),
            ("best other", other),
            *searched,
            ("with", f"{', '.join(settings[:2])}, {answer.epochs} epochs"),
        ]

    rows = ""
    if gain.test is not None:
        measured = f"{gain_and_interval(gain.test)} over {gain.test.rows} rows"
        rows = f", {measured} that nothing else looked at"
    seconds = f"{base.seconds:.2g} s → {best.seconds:.2g} s"
    return [
        (answer.metric, f"{cell(base.mean)} → {cell(best.mean)}"),
        ("gain", interval),
        *searched,
        ("test", f"{test} → {cell(best.test)}{rows}"),
        ("cost", f"{seconds} a training of {answer.epochs} epochs"),
        ("with", ", ".join(settings)),
    ]


def _settings(answer: Recommendation) -> list[str]:
    """Learning rate, weight decay, and the parameters of the techniques."""
    params = answer.params
    settings = [
        f"lr {params.get('training.lr', 0):.3g}",
        f"weight decay {params.get('training.weight_decay', 0):.3g}",
    ]
    for name, value in params.items():
        if not name.startswith("training."):
            settings.append(f"{name} {cell(value)}")
    return settings


def _diagnosed(answer: Recommendation) -> list[str]:
    """The findings that no reason repeats."""
    reasons = "\n".join(answer.reasons)
    sentences = [finding.sentence for finding in answer.findings]
    return [sentence for sentence in sentences if sentence not in reasons]


def _single_techniques(answer: Recommendation) -> list[str]:
    """A line for each of the best techniques, and what can be said of all of them."""
    measured: list[tuple[float, str]] = []
    identical: list[str] = []
    techniques = [each for each in answer.isolation if each.slot is not None]
    for each in techniques:
        name = f"{each.slot} {each.technique}"
        if each.identical:
            identical.append(f"{name}: identical to your model")
        if each.alone is not None and each.gain is not None:
            gain = gain_and_interval(each.gain)
            line = f"{name}: {cell(each.alone)}, {gain}, {each.trials} trials"
            measured.append((each.gain.mean, line))
    measured.sort(key=lambda pair: -pair[0])
    lines = [line for _, line in measured[: MOST - 2]] + identical

    if techniques:
        fewest = min(each.trials for each in answer.isolation)
        tried = f"{len(techniques)} techniques were tried"
        lines.append(f"{tried}, none in fewer than {fewest} trials")
    if answer.importance:
        shares = [f"{slot} {share:.0%}" for slot, share in answer.importance.items()]
        lines.append(f"what decided (PED-ANOVA): {', '.join(shares)}")
    return lines


def _stopped(trials: Sequence[CutTrial]) -> list[str]:
    """How many trials ended where, each group with one example and the number that decided."""
    groups: dict[str, list[CutTrial]] = {}
    for trial in trials:
        group = GROUPS[trial.ended].format(epochs=trial.epochs)
        groups.setdefault(group, []).append(trial)
    lines = []
    for group, members in groups.items():
        first = members[0]
        lines.append(f"{len(members)} {group}, as {first.arm}: {first.why}")
    return lines


def _front(answer: Recommendation) -> list[str]:
    """The confirmed arms worth their seconds, where there is a choice."""
    front = answer.front()
    if len(front) < 2:
        return []
    return [
        f"{arm_label(cost.choices)}: {cell(cost.mean)} in {cost.seconds:.2g} s" for cost in front
    ]
