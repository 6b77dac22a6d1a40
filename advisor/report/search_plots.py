"""Plots of the search: its trials, the learning curves, and the learning rates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from optuna.trial import TrialState

from advisor.report.plot import Plot, Scale, around, around_good
from advisor.report.study_data import Points, ShownTrial
from advisor.report.study_words import arm_name, metric_of_test_rows
from advisor.report.technique_plots import BEYOND
from advisor.verdict.recommendation import Recommendation

KINDS = ("base", "one", "two", "three")
"""Colours of arms: the user's model, then the leading ones."""
STATES = {TrialState.COMPLETE: "one", TrialState.PRUNED: "hollow", TrialState.FAIL: "bad"}
"""How a trial is drawn, by how it ended."""
STATES_KEY = (
    ("one", "trained to the end"),
    ("hollow", "stopped early, at its last score"),
    ("bad", "failed"),
    ("base", "line: best so far"),
)
"""What these mean, above the plot."""
BEYOND_CURVE = 25
"""As `BEYOND`, for the scores after each epoch, of which most are near the best."""


def plot_trials(recommendation: Recommendation, trials: Sequence[ShownTrial]) -> Plot | None:
    """Every trial with a score, and the best so far; None where no trial has one."""
    scores = [trial.score for trial in trials if trial.score is not None]
    if not scores:
        return None
    sign, last = recommendation.sign, max(trial.number for trial in trials)
    plot = Plot(
        "Trials",
        Scale(-0.5, last + 0.5, whole=True),
        around_good(scores, sign, BEYOND),
        "trial",
        recommendation.metric,
        key=STATES_KEY,
    )
    steps: Points = []
    for trial in trials:
        if trial.score is None:
            plot.word(trial.number, plot.y.low, "×", by=(0, -2), kind="failed")
            continue
        plot.dot(trial.number, trial.score, STATES[trial.state], trial.sentence)
        if not trial.is_full:
            continue
        # The line of the best so far goes across to this trial, then up.
        before = steps[-1][1] if steps else None
        if before is None or sign * trial.score > sign * before:
            if before is not None:
                steps.append((trial.number, before))
            steps.append((trial.number, trial.score))
    if steps:
        plot.line([*steps, (last, steps[-1][1])], "base thin")
    return plot


def plot_curves(
    recommendation: Recommendation,
    trials: Sequence[ShownTrial],
    curves: Mapping[int, Points],
    kinds: Mapping[str, str],
) -> Plot | None:
    """The curves of the best trial of each arm in `kinds`; None where none was trained to the end.

    `kinds` maps arms in words to their colours.
    """
    best: dict[str, ShownTrial] = {}
    for trial in trials:
        if trial.score is None or not trial.is_full or not curves.get(trial.number):
            continue
        leader = best.get(trial.arm)
        score = recommendation.sign * trial.score
        if leader is None or leader.score is None or score > recommendation.sign * leader.score:
            best[trial.arm] = trial
    leaders = [(best[arm], kind) for arm, kind in kinds.items() if arm in best]
    if not leaders:
        return None

    # Where epochs are counted, curves are of another metric, and which way is up is not known.
    points = [point for trial, _ in leaders for point in curves[trial.number]]
    scores = [score for _, score in points]
    metric = metric_of_test_rows(recommendation)
    plot = Plot(
        "Learning curves",
        Scale(0, max(epoch for epoch, _ in points) * 1.01, whole=True),
        around(scores) if metric else around_good(scores, recommendation.sign, BEYOND_CURVE),
        "epoch",
        metric or recommendation.metric,
        key=_key(kinds),
    )
    for trial, kind in leaders:
        curve = curves[trial.number]
        plot.line(curve, kind, trial.sentence)
        if len(curve) < 3:
            plot.dot(*curve[-1], kind, trial.sentence)
    return plot


def plot_rates(
    recommendation: Recommendation,
    trials: Sequence[ShownTrial],
    kinds: Mapping[str, str],
    searched: tuple[float, float] | None,
) -> Plot | None:
    """Score against learning rate for the arms in `kinds`; None where none of them has a score.

    `searched` are the ends of the range that was searched.
    """
    shown = []
    for trial in trials:
        if trial.arm in kinds and trial.score is not None and trial.rate:
            shown.append((trial, trial.rate, trial.score))
    if not shown:
        return None
    ends = list(searched or ())
    rates = [rate for _, rate, _ in shown] + (ends or [1.0])
    scores = [score for _, _, score in shown]
    plot = Plot(
        "Score against learning rate",
        Scale(min(rates) / 1.3, max(rates) * 1.3, log=True),
        around_good(scores, recommendation.sign, BEYOND),
        "learning rate",
        recommendation.metric,
        key=[*_key(kinds), ("hollow", "stopped early"), ("", "dashed: the range searched")],
    )
    for end in ends:
        plot.down(end, "bound")

    # A line joins the trials of an arm that were trained to the end.
    for arm, kind in kinds.items():
        full = [(rate, score) for trial, rate, score in shown if trial.arm == arm and trial.is_full]
        plot.line(sorted(full), f"{kind} thin")
    for trial, rate, score in shown:
        kind = kinds[trial.arm]
        plot.dot(rate, score, kind if trial.is_full else f"{kind} hollow", trial.sentence)
    return plot


def _key(kinds: Mapping[str, str]) -> list[tuple[str, str]]:
    """The key of a plot whose colours are arms."""
    return [(kind, arm_name(arm)) for arm, kind in kinds.items()]
