"""Plots of what fresh seeds measured: paired scores, the gain, and score against cost."""

from __future__ import annotations

from advisor.report.plot import Plot, Scale, around
from advisor.report.study_data import Pairs
from advisor.report.study_words import arm_name, gain_and_interval, shortened_text
from advisor.search.arm import arm_label
from advisor.technique import KEEP
from advisor.verdict.recommendation import Recommendation
from advisor.verdict.records import Cost

NARROW = 330
"""Pixels of a plot that shares its line with another."""
SEED, MEAN, SEARCH = 0.5, 1.5, 2.5
"""Where the columns of the gain's plot stand: each seed, all of them, the search."""
END = 3.0
"""Where its columns end."""
BESIDE = ((0, -8), (0, 17), (-10, 4), (10, 4))
"""Where a point's number stands, in turn, so that those of close points do not meet."""
LONGEST = 30
"""Letters of an arm under a plot."""


def plot_pairs(recommendation: Recommendation, pairs: Pairs) -> Plot | None:
    """A line for each fresh seed from the model's score to the arm's; None without pairs."""
    if not pairs:
        return None
    # Two columns, with room at both sides for the names below.
    scores = [score for pair in pairs for score in pair]
    plot = narrow_plot("Paired scores", Scale(-0.5, 1.5), around(scores), recommendation.metric)
    for own, other in pairs:
        draw_pair(plot, own, other, recommendation.sign)
    arm = arm_label(recommendation.gain.arm)
    plot.name_below(0, arm_name(KEEP))
    plot.name_below(1, shortened_text(arm, LONGEST))
    return plot


def narrow_plot(about: str, x: Scale, y: Scale, y_name: str, right: float = 16) -> Plot:
    """A plot that shares its line with another; names stand where the ticks of others are."""
    return Plot(about, x, y, y_name=y_name, width=NARROW, right=right, bottom=26)


def draw_pair(plot: Plot, own: float, other: float, sign: float) -> None:
    """Draw the scores of both models with one seed, in the colour of the better one."""
    difference = sign * (other - own)
    kind = effect_kind(difference, difference)
    title = f"fresh seed: {own:.4g} → {other:.4g}"
    plot.line([(0, own), (1, other)], f"{kind} thin", title)
    plot.dot(0, own, kind, f"{own:.4g}")
    plot.dot(1, other, kind, f"{other:.4g}")


def plot_gain(recommendation: Recommendation, pairs: Pairs) -> Plot | None:
    """The gain with its interval, beside the seeds' differences and what the search had promised.

    None without pairs.
    """
    if not pairs:
        return None
    # All that is drawn is *higher is better*, whatever the metric.
    gain, sign = recommendation.gain, recommendation.sign
    differences = [sign * (other - own) for own, other in pairs]
    promised = [] if gain.searched is None else [gain.searched]
    scale = around([0, gain.low, gain.high, *differences, *promised])
    plot = narrow_plot("Gain", Scale(0, END), scale, "gain", right=100)
    draw_thresholds(plot, recommendation.min_gain)

    # Three columns: what each seed says, what all of them say, what the search said.
    for difference in differences:
        plot.dot(SEED, difference, "base", f"fresh seed: {difference:+.4g}")
    interval = gain_and_interval(gain)
    plot.line([(MEAN, gain.low), (MEAN, gain.high)], "one thick", interval)
    plot.dot(MEAN, gain.mean, "one", interval)
    plot.name_below(SEED, "each seed")
    plot.name_below(MEAN, "mean, 95 %")
    for promise in promised:
        plot.dot(SEARCH, promise, "hollow", f"{promise:+.4g} in the search")
        plot.name_below(SEARCH, "the search")
    return plot


def draw_thresholds(plot: Plot, min_gain: float) -> None:
    """Draw where a gain begins, and where it begins to be worth a change."""
    plot.across(0, "zero")
    if plot.y.low < min_gain < plot.y.high:
        plot.across(min_gain, "bound")
        plot.word(END, min_gain, "worth a change", "start", (6, 4))


def effect_kind(low: float, high: float) -> str:
    """The colour of an effect between `low` and `high`: better, worse, or perhaps none."""
    if low > 0:
        return "one"
    return "bad" if high < 0 else "base"


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
        x=Scale(0, longest * 1.12 or 1.0),
        y=around(scores, 0.15),
        x_name="seconds a training",
        y_name=recommendation.metric,
        height=180,
    )
    # The line joins the arms that no other one beats.
    front = recommendation.front()
    plot.line([(cost.seconds, cost.mean) for cost in front], "one thin dashed")
    for i, cost in enumerate(costs, start=1):
        draw_cost(plot, cost, is_front=cost in front)
        # The table under the plot has the numbers with the arms.
        plot.word(cost.seconds, cost.mean, str(i), by=BESIDE[i % len(BESIDE)])
    return plot


def draw_cost(plot: Plot, cost: Cost, is_front: bool) -> None:
    """Draw an arm: the user's model in its own colour, the others hollow beside the front."""
    name = arm_name(arm_label(cost.choices))
    kind = "one" if is_front else "one hollow"
    if name == arm_name(KEEP):
        kind = "base"
    title = f"{name}: {cost.mean:.4g} in {cost.seconds:.3g} s"
    plot.dot(cost.seconds, cost.mean, kind, title)
