"""A study as one self-contained HTML page.

It shows the verdict, the evidence that measured it, and the search that led there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from advisor.report.gain_plots import plot_costs, plot_gain, plot_pairs
from advisor.report.html import render, write_html
from advisor.report.search_plots import KINDS, plot_curves, plot_rates, plot_trials
from advisor.report.study_data import (
    ShownTrial,
    learning_curves,
    measured_pairs,
    searched_rates,
    shown_trials,
    study_seed,
)
from advisor.report.study_words import (
    arm_name,
    gain_and_interval,
    group_skips,
    metric_of_test_rows,
)
from advisor.report.technique_plots import plot_techniques, untrained_techniques
from advisor.report.text import cell
from advisor.search.arm import arm_label
from advisor.technique import KEEP
from advisor.verdict.recommendation import Recommendation
from advisor.verdict.records import Verdict

Fact = tuple[str, str, str]
"""Name, number, and what the number means."""


def write_study(recommendation: Recommendation, url: str, path: str) -> Path:
    """Write the page and return where. Raises `InputError` when it cannot be written."""
    return write_html(study_page(recommendation, url), path)


def study_page(recommendation: Recommendation, url: str) -> str:
    """The page as text; everything that comes from the user's study and plugins is escaped.

    `url` is the database of the study.
    """
    study = recommendation.study
    trials = shown_trials(url, recommendation)
    pairs = measured_pairs(url, recommendation)
    arms = leading_arms(recommendation, trials)
    kinds = dict(zip(arms, KINDS, strict=False))
    curves = learning_curves(url, study)
    rates = searched_rates(url, study)
    return render(
        "study.html",
        recommendation=recommendation,
        front=recommendation.front(),
        arm_label=arm_label,
        arm_name=arm_name,
        facts=facts(recommendation),
        pairs=plot_pairs(recommendation, pairs),
        gain=plot_gain(recommendation, pairs),
        techniques=plot_techniques(recommendation),
        untrained=untrained_techniques(recommendation),
        costs=plot_costs(recommendation),
        trials=plot_trials(recommendation, trials),
        curves=plot_curves(recommendation, trials, curves, kinds),
        rates=plot_rates(recommendation, trials, kinds, rates),
        skipped=group_skips(recommendation.skipped),
        seed=study_seed(url, study),
    )


def leading_arms(recommendation: Recommendation, trials: Sequence[ShownTrial]) -> list[str]:
    """The user's model, the arm it was compared with, and the next best; as many as have a colour.

    Arms without a trial in the search are left out.
    """
    confirmed = [recommendation.gain.arm]
    confirmed += [each.choices for each in recommendation.alternatives]
    full = [
        (trial.score, trial.arm) for trial in trials if trial.score is not None and trial.is_full
    ]
    best_first = sorted(full, key=lambda each: -recommendation.sign * each[0])

    candidates = [KEEP, *map(arm_label, confirmed), *(arm for _, arm in best_first)]
    tried = {trial.arm for trial in trials}
    leading = [arm for arm in dict.fromkeys(candidates) if arm in tried]
    return leading[: len(KINDS)]


def facts(recommendation: Recommendation) -> list[Fact]:
    """What the page says first, the most important number at its top."""
    base, gain = recommendation.baseline, recommendation.gain
    best = recommendation.recommended if recommendation.verdict == Verdict.CHANGE else None
    other = arm_label(gain.arm)

    meaning = "higher is better" if recommendation.direction == "maximize" else "lower is better"
    rows = "which nothing else looked at"
    if gain.arm and best is None:
        reached = base.mean + recommendation.sign * gain.mean
        meaning += f"; {other} reaches {reached:.4g}"
    if gain.arm and gain.test is not None:
        rows += f"; gain {gain_and_interval(gain.test)} over {gain.test.rows} rows"

    scores = _change(base.mean, best.mean if best else None)
    tests = _change(base.test, best.test if best else None)
    seconds = _change(base.seconds, best.seconds if best else None, " s")
    test_rows = f"test rows {metric_of_test_rows(recommendation)}".strip()
    return [
        (recommendation.metric, scores, f"mean over fresh seeds; {meaning}"),
        *(_measured_gain(recommendation) if gain.arm else []),
        (test_rows, tests, rows),
        ("cost", seconds, f"a training of {recommendation.epochs} epochs"),
        _settings(recommendation.params),
    ]


def _measured_gain(recommendation: Recommendation) -> list[Fact]:
    """The gain, what the search had promised, and what would be enough."""
    gain = recommendation.gain
    interval = f"95 % interval, p {gain.p:.2g}, {gain.seeds} fresh paired seeds"
    if recommendation.verdict != Verdict.CHANGE:
        interval = f"of {arm_label(gain.arm)}, the best other arm; {interval}"
    rows = [("gain", gain_and_interval(gain), interval)]
    if gain.searched is not None:
        meaning = "on the one seed that chose it; on average too good, by selection"
        rows.append(("the search promised", f"{gain.searched:+.4g}", meaning))
    power = f"a true gain of {gain.detectable:.4g} would be seen with 80 % probability"
    rows.append(("worth a change", f"from {cell(recommendation.min_gain)}", power))
    return rows


def _change(before: float | None, after: float | None, unit: str = "") -> str:
    """A number of the user's model, and that of the recommended arm where it is another one."""
    text = f"{cell(before)}{unit}"
    return text if after is None else f"{text} → {cell(after)}{unit}"


def _settings(params: Mapping[str, Any]) -> Fact:
    """The learning rate, and the other settings."""
    settings = [f"{name.removeprefix('training.')} {cell(each)}" for name, each in params.items()]
    rate, *others = settings or ["–"]
    return "trained with", rate, ", ".join(others)
