"""A study as one self-contained HTML page.

It shows the verdict, what to change and how, the gain on each seed, the cost; then what all that
rests on, and the search that led there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from advisor.readable import counted, mean_text, rate_text, rounded
from advisor.report.first_screens import screen_of_study
from advisor.report.floors_text import beside_the_scores
from advisor.report.gain_plots import plot_costs, plot_gain, plot_pairs
from advisor.report.html import render, write_html
from advisor.report.search_plots import KINDS, plot_curves, plot_rates, plot_trials
from advisor.report.signal_plots import shown_signals
from advisor.report.study_data import (
    ShownTrial,
    learning_curves,
    measured_pairs,
    searched_rates,
    shown_trials,
    study_seed,
)
from advisor.report.study_tables import cut_tables, tables_of
from advisor.report.study_words import metric_of_test_rows, test_text
from advisor.report.technique_plots import plot_techniques
from advisor.report.text import cell
from advisor.report.verdict_words import (
    broken_trainings,
    gain_and_least,
    headline,
    interval_and_sample,
    on_test_and_rest,
    what_would_tell,
)
from advisor.search.arm import arm_label
from advisor.store.read_back import read_back
from advisor.technique import KEEP
from advisor.verdict.recommendation import Recommendation
from advisor.verdict.records import ESTIMAND, Verdict

Fact = tuple[str, str, str]
"""Name, number, and what the number means."""


def write_study(recommendation: Recommendation, url: str, path: str) -> Path:
    """Write the page and return where. Raises `InputError` when it cannot be written."""
    return write_html(study_page(recommendation, url), path)


def study_page(recommendation: Recommendation, url: str) -> str:
    """The page as text; everything that comes from the user's study and plugins is escaped.

    `url` is the database of the study.
    """
    # Everything is read once, then drawn.
    study = recommendation.study
    with read_back(study, "evidence", recommendation.versions.get("advisor", "")):
        trials = shown_trials(url, recommendation)
        pairs = measured_pairs(url, recommendation)
        curves = learning_curves(url, study)
        rates = searched_rates(url, study)
        seed = study_seed(url, study)

    # An arm has the same colour in all plots.
    arms = leading_arms(recommendation, trials)
    kinds = dict(zip(arms, KINDS, strict=False))
    return render(
        "study.html",
        answer=recommendation,
        screen=screen_of_study(recommendation),
        headline=headline(recommendation, recommendation.verdict.capitalize()),
        tables=dict(tables_of(recommendation)),
        facts=facts(recommendation),
        pairs=plot_pairs(recommendation, pairs),
        gain=plot_gain(recommendation, pairs),
        signals=shown_signals(recommendation.signals),
        techniques=plot_techniques(recommendation),
        costs=plot_costs(recommendation),
        trials=plot_trials(recommendation, trials),
        curves=plot_curves(recommendation, trials, curves, kinds),
        rates=plot_rates(recommendation, trials, kinds, rates),
        cut=cut_tables(recommendation),
        seed=seed,
    )


def leading_arms(recommendation: Recommendation, trials: Sequence[ShownTrial]) -> list[str]:
    """The user's model, the arm it was compared with, and the next best; as many as have a colour.

    Arms without a trial in the search are left out.
    """
    candidates = [KEEP, arm_label(recommendation.gain.arm)]
    for each in recommendation.alternatives:
        candidates.append(arm_label(each.choices))
    candidates += arms_by_score(trials, recommendation.sign)

    # Each arm counts once, at its first place.
    tried = {trial.arm for trial in trials}
    leading = [arm for arm in dict.fromkeys(candidates) if arm in tried]
    return leading[: len(KINDS)]


def arms_by_score(trials: Sequence[ShownTrial], sign: float) -> list[str]:
    """The arms of the trials that were trained to their end, best first."""
    full: list[tuple[float, str]] = []
    for trial in trials:
        if trial.score is not None and trial.is_full:
            full.append((sign * trial.score, trial.arm))
    # Equal trials stay in their order.
    full.sort(key=lambda pair: -pair[0])
    return [arm for _, arm in full]


# --- the facts at the top -----------------------------------------------------------------------


def facts(recommendation: Recommendation) -> list[Fact]:
    """What the page says first, the most important number at its top."""
    # The second number of a pair is that of the recommended arm, where it is another one.
    base = recommendation.baseline
    best = recommendation.recommended if recommendation.verdict == Verdict.CHANGE else None
    scores = " → ".join(mean_text(arm.scores) for arm in (base, best) if arm)
    tests = " → ".join(test_text(arm.test, recommendation) for arm in (base, best) if arm)
    seconds = " → ".join(f"{cell(arm.seconds)} s" for arm in (base, best) if arm)
    test_rows = f"test rows {metric_of_test_rows(recommendation)}".strip()
    return [
        (recommendation.metric, scores, meaning_of_scores(recommendation)),
        *measured_gain(recommendation),
        (test_rows, tests, meaning_of_test_rows(recommendation)),
        ("cost", seconds, f"a training of {counted(recommendation.epochs, 'epoch')}"),
        *[(name, "", line) for name, line in beside_the_scores(recommendation)],
        settings(recommendation.params),
    ]


def meaning_of_scores(recommendation: Recommendation) -> str:
    """Which way is better, and what the best other arm reached where it is not recommended."""
    higher = recommendation.direction == "maximize"
    text = f"mean over fresh seeds; {'higher' if higher else 'lower'} is better"
    gain = recommendation.gain
    if not gain.arm or recommendation.verdict == Verdict.CHANGE:
        return text
    score = recommendation.baseline.mean + recommendation.sign * gain.mean
    return f"{text}; {arm_label(gain.arm)} reaches {rounded(score, gain.error)}"


def meaning_of_test_rows(recommendation: Recommendation) -> str:
    """What test rows are, and the gain on them."""
    text, gain = "which nothing else looked at", recommendation.gain
    on_rows = on_test_and_rest(gain) if gain.arm else ""
    return f"{text}; gain {on_rows}" if on_rows else text


def measured_gain(recommendation: Recommendation) -> list[Fact]:
    """The gain, what the search had promised, and what would be enough."""
    gain = recommendation.gain
    broken = [(name, "", line) for name, line in broken_trainings(recommendation)]
    if not gain.arm:
        return broken
    # Where nothing is changed, it must be said whose gain this is.
    interval = interval_and_sample(gain)
    if recommendation.verdict != Verdict.CHANGE:
        interval = f"of {arm_label(gain.arm)}, the best other arm; {interval}"
    rows = [("gain", gain_and_least(recommendation), f"{interval}; {ESTIMAND}")]
    rows += [(name, "", line) for name, line in what_would_tell(recommendation)]
    rows += broken
    if gain.searched is not None:
        warning = "on the one seed that chose it; on average too good, by selection"
        promised = rounded(gain.searched, gain.error, sign=True)
        rows.append(("the search promised", promised, warning))
    enough = f"from {cell(recommendation.min_gain)}"
    power = f"a true gain of {gain.detectable:.2g} would be seen with 80 % probability"
    rows.append(("worth a change", enough, power))
    return rows


def settings(params: Mapping[str, Any]) -> Fact:
    """The learning rate, and the other settings."""
    # The learning rate is the first of the parameters.
    texts = []
    for name, value in params.items():
        is_rate = name.startswith("training.")
        text = rate_text(value) if is_rate else cell(value)
        texts.append(f"{name.removeprefix('training.')} {text}")
    rate, *others = texts or ["–"]
    return "trained with", rate, ", ".join(others)
