"""Plots of what fresh seeds measured: paired scores, the gain, and score against cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from advisor.report.plot import Plot, Scale, around
from advisor.report.study_data import Pairs
from advisor.report.study_words import arm_name, gain_and_interval, shortened_text
from advisor.search.arm import arm_label, techniques_in
from advisor.technique import KEEP
from advisor.verdict.recommendation import Recommendation
from advisor.verdict.records import Cost

NARROW = 330
"""Pixels of a plot that shares its line with another."""
NAME_ROOM = 26
"""Pixels below such a plot, for a line of names."""
THRESHOLD_ROOM = 112
"""Pixels at the right of the gain's plot, for the name of the threshold."""
BESIDE_THRESHOLD = (6, 4)
"""Pixels from the end of the threshold's line to its name, to the right and down."""
COST_HEIGHT = 180
"""Pixels of the plot of score against cost."""
COST_ROOM = 1.12
"""How far the axis of the seconds goes, as a multiple of the longest training."""
COST_PAD = 0.15
"""The room above and below the scores of that plot, as a share of their distance."""
SEED = 0.5
MEAN = 1.5
SEARCH = 2.5
"""Where the columns of the gain's plot stand: each seed, all of them, the search."""
END = 3.0
"""Where its columns end."""
BESIDE = ((0, -8), (0, 17), (-10, 4), (10, 4))
"""Where a point's number stands, in turn, so that those of close points do not meet."""
LONGEST = 26
"""Letters of an arm under a plot."""


def plot_pairs(recommendation: Recommendation, pairs: Pairs) -> Plot | None:
    """A line for each fresh seed from the model's score to the arm's.

    Arguments:
        recommendation: the recommendation.
        pairs: what its gain was measured on; without any there is no plot, but None.
    """
    # The names of slots would take the room of those of techniques.
    techniques = [name for _, name in techniques_in(recommendation.gain.arm)]
    names = arm_name(KEEP), shortened_text(" + ".join(techniques), LONGEST)
    return paired_plot(pairs, names, recommendation.sign, recommendation.metric)


def paired_plot(pairs: Pairs, names: tuple[str, str], sign: float, metric: str) -> Plot | None:
    """A line for each fresh seed from one model's score to another's; None without pairs.

    Arguments:
        pairs: the scores of both.
        names: what both are called.
        sign: 1 where higher is better, -1 where lower is.
        metric: what the scores are.
    """
    if not pairs:
        return None
    scores: list[float] = []
    for own, other in pairs:
        scores += [own, other]
    # Two columns, with room at both sides for the names below.
    columns = Scale(-0.5, 1.5)
    plot = narrow_plot("Paired scores", columns, around(scores), metric)
    for own, other in pairs:
        draw_pair(plot, own, other, sign)
    # Long names would run into each other.
    for place, name in enumerate(names):
        plot.name_below(place, name)
    return plot


def narrow_plot(about: str, x: Scale, y: Scale, y_name: str, right: float = 16) -> Plot:
    """A plot that shares its line with another; names stand where the ticks of others are.

    Arguments:
        about: what it shows.
        x: the axis of the columns, which has names instead of ticks.
        y: the axis of the numbers.
        y_name: what is written at the y axis.
        right: pixels at its right side, for labels.
    """
    return Plot(
        about=about,
        x=x,
        y=y,
        y_name=y_name,
        width=NARROW,
        right=right,
        bottom=NAME_ROOM,
    )


def draw_pair(plot: Plot, own: float, other: float, sign: float) -> None:
    """Draw the scores of both models with one seed, in the colour of the better one.

    Arguments:
        plot: where it is drawn.
        own: the score of the user's model.
        other: the score of the other arm.
        sign: 1 where higher is better, -1 where lower is.
    """
    difference = sign * (other - own)
    kind = effect_kind(difference, difference)
    own_text = f"{own:.4g}"
    other_text = f"{other:.4g}"
    title = f"fresh seed: {own_text} → {other_text}"
    plot.line([(0, own), (1, other)], f"{kind} thin", title)
    plot.dot(0, own, kind, own_text)
    plot.dot(1, other, kind, other_text)


def plot_gain(recommendation: Recommendation, pairs: Pairs) -> Plot | None:
    """The gain with its interval, beside the seeds' differences and what the search had promised.

    None without pairs.
    """
    gain, sign = recommendation.gain, recommendation.sign
    shown = ShownGain(
        mean=gain.mean,
        low=gain.low,
        high=gain.high,
        least=gain.low if gain.least is None else gain.least,
        interval=gain_and_interval(gain),
        searched=gain.searched,
    )
    return gain_plot(shown, differences_in(pairs, sign), recommendation.min_gain)


def differences_in(pairs: Pairs, sign: float) -> list[float]:
    """The gain of the other model with each seed: *higher is better*, whatever the metric."""
    return [sign * (other - own) for own, other in pairs]


@dataclass(frozen=True)
class ShownGain:
    """A gain as it is drawn, *higher is better*.

    Attributes:
        mean: over all pairs.
        low, high: the 95 % interval.
        least: the lower end of the interval that decides.
        interval: the gain in words.
        searched: what a search had promised, or None.
    """

    mean: float
    low: float
    high: float
    least: float
    interval: str
    searched: float | None = None


def gain_plot(gain: ShownGain, differences: Sequence[float], min_gain: float) -> Plot | None:
    """A gain beside the differences of its seeds, and what is worth a change; None without any."""
    if not differences:
        return None
    promised = [] if gain.searched is None else [gain.searched]
    columns = Scale(0, END if promised else END - 1)
    scale = around([0, gain.low, gain.high, gain.least, *differences, *promised])
    plot = narrow_plot("Gain", columns, scale, "gain", right=THRESHOLD_ROOM)
    draw_thresholds(plot, min_gain)

    # Three columns: what each seed says, what all of them say, what a search said.
    for difference in differences:
        title = f"fresh seed: {difference:+.4g}"
        plot.dot(SEED, difference, "base", title)
    low, high = (MEAN, gain.low), (MEAN, gain.high)
    plot.line([(MEAN, gain.least), low], "one thin", f"at least {gain.least:+.4g}")
    plot.line([low, high], "one thick", gain.interval)
    plot.dot(MEAN, gain.mean, "one", gain.interval)
    plot.name_below(SEED, "each seed")
    plot.name_below(MEAN, "mean, 95 %")
    for promise in promised:
        title = f"{promise:+.4g} in the search"
        plot.dot(SEARCH, promise, "hollow", title)
        plot.name_below(SEARCH, "the search")
    return plot


def draw_thresholds(plot: Plot, min_gain: float) -> None:
    """Draw where a gain begins, and where it begins to be worth a change."""
    plot.across(0, "zero")
    if plot.y.low < min_gain < plot.y.high:
        plot.across(min_gain, "bound")
        plot.word(plot.x.high, min_gain, "worth a change", "start", BESIDE_THRESHOLD)


def effect_kind(low: float, high: float) -> str:
    """The colour of an effect between `low` and `high`: better, worse, or perhaps none."""
    if low > 0:
        return "one"
    if high < 0:
        return "bad"
    return "base"


def plot_costs(recommendation: Recommendation) -> Plot | None:
    """Score against seconds of the confirmed arms, with the Pareto front; None for a single one."""
    costs = recommendation.costs
    if len(costs) < 2:
        return None
    # The axis of the seconds begins at 0, so that lengths can be compared.
    scores = [cost.mean for cost in costs]
    longest = max(cost.seconds for cost in costs)
    plot = Plot(
        about="Score against cost",
        x=Scale(0, longest * COST_ROOM or 1.0),
        y=around(scores, COST_PAD),
        x_name="seconds a training",
        y_name=recommendation.metric,
        height=COST_HEIGHT,
    )
    # The line joins the arms that no other one beats.
    front = recommendation.front()
    points = [(cost.seconds, cost.mean) for cost in front]
    plot.line(points, "one thin dashed")

    # The table under the plot has the numbers with the arms.
    for i, cost in enumerate(costs, start=1):
        beside = BESIDE[i % len(BESIDE)]
        draw_cost(plot, cost, is_front=cost in front)
        plot.word(cost.seconds, cost.mean, str(i), by=beside)
    return plot


def draw_cost(plot: Plot, cost: Cost, is_front: bool) -> None:
    """Draw an arm: the user's model in its own colour, the others hollow beside the front.

    Arguments:
        plot: where it is drawn.
        cost: what the arm reached, in how many seconds.
        is_front: whether it is on the Pareto front.
    """
    arm = arm_label(cost.choices)
    name = arm_name(arm)
    kind = "one" if is_front else "one hollow"
    if arm == KEEP:
        kind = "base"
    score = f"{cost.mean:.4g}"
    seconds = f"{cost.seconds:.3g}"
    title = f"{name}: {score} in {seconds} s"
    plot.dot(cost.seconds, cost.mean, kind, title)
