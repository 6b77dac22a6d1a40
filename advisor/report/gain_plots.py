"""Plots of what fresh seeds measured: paired scores, the gain, and score against cost."""

from __future__ import annotations

from advisor.report.plot import Plot, Scale, around
from advisor.report.study_data import Pairs
from advisor.report.study_words import arm_name, gain_and_interval, shortened_text
from advisor.search.arm import arm_label
from advisor.technique import KEEP
from advisor.verdict.recommendation import Recommendation

NARROW = 330
"""Pixels of a plot that shares its line with another."""
BESIDE = ((0, -8), (0, 17), (-10, 4), (10, 4))
"""Where a point's number stands, in turn, so that those of close points do not meet."""


def plot_pairs(recommendation: Recommendation, pairs: Pairs) -> Plot | None:
    """A line for each fresh seed from the model's score to the arm's; None without pairs."""
    if not pairs:
        return None
    scores = [score for pair in pairs for score in pair]
    plot = Plot(
        "Paired scores",
        Scale(-0.5, 1.5),
        around(scores),
        y_name=recommendation.metric,
        width=NARROW,
        bottom=26,
    )
    for own, other in pairs:
        difference = recommendation.sign * (other - own)
        kind = effect_kind(difference, difference)
        plot.line([(0, own), (1, other)], f"{kind} thin", f"fresh seed: {own:.4g} → {other:.4g}")
        plot.dot(0, own, kind, f"{own:.4g}")
        plot.dot(1, other, kind, f"{other:.4g}")
    plot.name_below(0, "your model")
    plot.name_below(1, shortened_text(arm_label(recommendation.gain.arm), 30))
    return plot


def plot_gain(recommendation: Recommendation, pairs: Pairs) -> Plot | None:
    """The gain with its interval, beside the seeds' differences and what the search had promised.

    None without pairs.
    """
    if not pairs:
        return None
    gain, min_gain = recommendation.gain, recommendation.min_gain
    differences = [recommendation.sign * (other - own) for own, other in pairs]
    promised = [] if gain.searched is None else [gain.searched]
    scale = around([0, gain.low, gain.high, *differences, *promised])
    plot = Plot("Gain", Scale(0, 3), scale, y_name="gain", width=NARROW, right=100, bottom=26)

    plot.across(0, "zero")
    if scale.low < min_gain < scale.high:
        plot.across(min_gain, "bound")
        plot.word(3, min_gain, "worth a change", "start", (6, 4))

    # Three columns: what each seed says, what all of them say, what the search said.
    for difference in differences:
        plot.dot(0.5, difference, "base", f"fresh seed: {difference:+.4g}")
    plot.name_below(0.5, "each seed")
    plot.line([(1.5, gain.low), (1.5, gain.high)], "one thick", gain_and_interval(gain))
    plot.dot(1.5, gain.mean, "one", gain_and_interval(gain))
    plot.name_below(1.5, "mean, 95 %")
    for promise in promised:
        plot.dot(2.5, promise, "hollow", f"{promise:+.4g} in the search")
        plot.name_below(2.5, "the search")
    return plot


def effect_kind(low: float, high: float) -> str:
    """The colour of an effect between `low` and `high`: better, worse, or perhaps none."""
    if low > 0:
        return "one"
    return "bad" if high < 0 else "base"


def plot_costs(recommendation: Recommendation) -> Plot | None:
    """Score against seconds of the confirmed arms, with the Pareto front; None for a single one."""
    costs, front = recommendation.costs, recommendation.front()
    if len(costs) < 2:
        return None
    plot = Plot(
        "Score against cost",
        Scale(0, max(cost.seconds for cost in costs) * 1.12 or 1.0),
        around([cost.mean for cost in costs], 0.15),
        "seconds a training",
        recommendation.metric,
        height=180,
    )
    plot.line([(cost.seconds, cost.mean) for cost in front], "one thin dashed")
    for i, cost in enumerate(costs, start=1):
        name = arm_name(arm_label(cost.choices))
        kind = "one" if cost in front else "one hollow"
        if name == arm_name(KEEP):
            kind = "base"
        title = f"{name}: {cost.mean:.4g} in {cost.seconds:.3g} s"
        plot.dot(cost.seconds, cost.mean, kind, title)
        plot.word(cost.seconds, cost.mean, str(i), by=BESIDE[i % len(BESIDE)])
    return plot
