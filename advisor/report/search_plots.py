"""Plots of the search: its trials, the learning curves, and the learning rates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from optuna.trial import TrialState

from advisor.report.plot import Plot, Scale, around, around_good
from advisor.report.study_data import Points, ShownTrial
from advisor.report.study_words import arm_name, metric_of_test_rows
from advisor.report.technique_plots import BEYOND
from advisor.technique import KEEP
from advisor.verdict.recommendation import Recommendation

KINDS = ("base", "one", "two", "three")
"""Colours of arms: the user's model, then the leading ones."""
STATES = {
    TrialState.COMPLETE: "one",
    TrialState.PRUNED: "one hollow",
    TrialState.FAIL: "bad",
}
"""How a trial is drawn, by how it ended."""
OWN_STATES = {**STATES, TrialState.COMPLETE: "base", TrialState.PRUNED: "base hollow"}
"""The same for the user's model as it is."""
STATES_KEY = (
    ("base", "your model as it is"),
    ("one", "trained to the end"),
    ("one hollow", "stopped early, at its last score"),
    ("bad", "failed"),
    ("", "line: best so far"),
)
"""What these mean, above the plot."""
RATES_KEY = (("hollow", "stopped early"), ("", "dashed: the range searched"))
"""What is the same for all arms in the plot of the learning rates."""
BEYOND_CURVE = 25
"""As `BEYOND`, for the scores after each epoch, of which most are near the best."""
EPOCHS_ROOM = 1.01
"""How far the axis of the epochs goes, as a multiple of the longest training."""
RATES_ROOM = 1.3
"""The factor between the ends of the axis of learning rates and the rates next to them."""
CROSS_UP = -2
"""Pixels by which the cross of a failed trial is moved down: it stands above the lower end."""
SHORT_CURVE = 3
"""Points below which a curve is too short to be seen as a line."""

Trials = Sequence[ShownTrial]
"""The ended trials of the search, by number."""
Kinds = Mapping[str, str]
"""Colours by arm, in words: the arms that a plot shows."""


def plot_trials(recommendation: Recommendation, trials: Trials) -> Plot | None:
    """Every trial with a score, and the best so far.

    Arguments:
        recommendation: the recommendation.
        trials: those of the search; where none has a score there is no plot, but None.
    """
    scores = [trial.score for trial in trials if trial.score is not None]
    if not scores:
        return None
    # Trials are counted, so half a place of room is enough at both ends.
    last = max(trial.number for trial in trials)
    plot = Plot(
        about="Trials",
        x=Scale(-0.5, last + 0.5, whole=True),
        y=around_good(scores, recommendation.sign, BEYOND),
        x_name="trial",
        y_name=recommendation.metric,
        key=STATES_KEY,
    )
    # A failed trial has no score to stand at, so it stands at the bottom.
    for trial in trials:
        if trial.score is None:
            plot.word(trial.number, plot.y.low, "×", by=(0, CROSS_UP), kind="failed")
        else:
            states = OWN_STATES if trial.arm == KEEP else STATES
            kind = states[trial.state]
            plot.dot(trial.number, trial.score, kind, trial.sentence)
    # The line of the best goes on to the last trial.
    best = best_so_far(trials, recommendation.sign)
    if best:
        _, score = best[-1]
        end = (last, score)
        plot.line([*best, end], "base thin")
    return plot


def best_so_far(trials: Trials, sign: float) -> Points:
    """The corners of the line that shows the best score so far, over the numbers of the trials.

    Arguments:
        trials: those of the search.
        sign: 1 where higher is better, -1 where lower is.
    """
    corners: Points = []
    for trial in trials:
        if trial.score is None or not trial.is_full:
            continue
        point = (trial.number, trial.score)
        if not corners:
            corners.append(point)
            continue
        # The line goes across to the trial that is better, then up.
        _, best = corners[-1]
        if sign * trial.score > sign * best:
            below = (trial.number, best)
            corners += [below, point]
    return corners


def plot_curves(
    recommendation: Recommendation, trials: Trials, curves: Mapping[int, Points], kinds: Kinds
) -> Plot | None:
    """The curve of the best trial of each arm; None where no arm was trained to the end.

    Arguments:
        recommendation: the recommendation.
        trials: those of the search.
        curves: epochs and scores, by the number of the trial.
        kinds: the arms that are shown.
    """
    with_curve = [trial for trial in trials if curves.get(trial.number)]
    leaders = best_trials(with_curve, recommendation.sign, kinds)
    if not leaders:
        return None
    # All curves share the axes.
    points: Points = []
    for trial in leaders:
        points += curves[trial.number]
    last = max(epoch for epoch, _ in points)
    scores = [score for _, score in points]

    # Where epochs are counted, curves are of another metric, and which way is up is not known.
    y_name = metric_of_test_rows(recommendation)
    if y_name:
        y = around(scores)
    else:
        y_name = recommendation.metric
        y = around_good(scores, recommendation.sign, BEYOND_CURVE)
    plot = Plot(
        about="Learning curves",
        x=Scale(0, last * EPOCHS_ROOM, whole=True),
        y=y,
        x_name="epoch",
        y_name=y_name,
        key=arms_key(kinds),
    )
    for trial in leaders:
        curve = curves[trial.number]
        kind = kinds[trial.arm]
        draw_curve(plot, curve, kind, trial.sentence)
    return plot


def best_trials(trials: Trials, sign: float, kinds: Kinds) -> list[ShownTrial]:
    """The best trial of each arm that was trained to the end, arms in their order.

    Arguments:
        trials: those of the search.
        sign: 1 where higher is better, -1 where lower is.
        kinds: the arms that are shown.
    """
    best: dict[str, ShownTrial] = {}
    best_scores: dict[str, float] = {}
    for trial in trials:
        if trial.score is None or not trial.is_full:
            continue
        # Of equal trials the first one stays.
        arm = trial.arm
        score = sign * trial.score
        if arm not in best or score > best_scores[arm]:
            best[arm] = trial
            best_scores[arm] = score
    return [best[arm] for arm in kinds if arm in best]


def draw_curve(plot: Plot, curve: Points, kind: str, title: str) -> None:
    """Draw a learning curve; one of a point or two with a dot, so that it is seen."""
    plot.line(curve, kind, title)
    if len(curve) < SHORT_CURVE:
        epoch, score = curve[-1]
        plot.dot(epoch, score, kind, title)


def plot_rates(
    recommendation: Recommendation,
    trials: Trials,
    kinds: Kinds,
    searched: tuple[float, float] | None,
) -> Plot | None:
    """Score against learning rate of each arm; None where none of them has a score.

    Arguments:
        recommendation: the recommendation.
        trials: those of the search.
        kinds: the arms that are shown.
        searched: the ends of the range that was searched; None where they are not known.
    """
    shown = [trial for trial in trials if trial.arm in kinds]
    points: Points = []
    for trial in shown:
        points += trial.rate_and_score
    if not points:
        return None
    # The axis holds what was tried, and what could have been.
    ends = list(searched or ())
    tried = [rate for rate, _ in points]
    scores = [score for _, score in points]
    rates = [*tried, *(ends or [1.0])]
    low = min(rates) / RATES_ROOM
    high = max(rates) * RATES_ROOM
    plot = Plot(
        about="Score against learning rate",
        x=Scale(low, high, log=True),
        y=around_good(scores, recommendation.sign, BEYOND),
        x_name="learning rate",
        y_name=recommendation.metric,
        key=[*arms_key(kinds), *RATES_KEY],
    )
    for end in ends:
        plot.down(end, "bound")
    draw_rates(plot, shown, kinds)
    return plot


def draw_rates(plot: Plot, trials: Trials, kinds: Kinds) -> None:
    """Draw each trial; a line joins those of an arm that were trained to the end."""
    # What was stopped early is hollow, and no line goes through it.
    full: dict[str, Points] = {arm: [] for arm in kinds}
    for trial in trials:
        kind = kinds[trial.arm]
        if trial.is_full:
            full[trial.arm] += trial.rate_and_score
        else:
            kind = f"{kind} hollow"
        for rate, score in trial.rate_and_score:
            plot.dot(rate, score, kind, trial.sentence)

    for arm, points in full.items():
        kind = kinds[arm]
        plot.line(sorted(points), f"{kind} thin")


def arms_key(kinds: Kinds) -> list[tuple[str, str]]:
    """The key of a plot whose colours are arms."""
    return [(kind, arm_name(arm)) for arm, kind in kinds.items()]
