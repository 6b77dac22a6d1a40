"""A study as one self-contained HTML page: the verdict, the evidence that measured it, and the
search that led there.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from advisor.report.html import render, write
from advisor.report.plot import Plot, Scale, around, telling
from advisor.report.study_data import Trial, curves, label, pairs, searched_rates, seed, trials
from advisor.report.study_text import between, skipped, tested
from advisor.report.text import cell
from advisor.technique import KEEP
from advisor.verdict.recommendation import Recommendation

KINDS = ("base", "one", "two", "three")
"""Colours of arms: your model's, then those of the leading ones."""
STATES = {"COMPLETE": "one", "PRUNED": "hollow", "FAIL": "bad"}
BESIDE = ((0, -8), (0, 17), (-10, 4), (10, 4))
"""Where a point's number stands, in turn, so that those of close points do not meet."""
NARROW = 330
"""Pixels of a plot that shares its line with another."""
BEYOND = 6
"""A score is beyond the plot when it is so many times as far from the best as the median is,"""
BEYOND_CURVE = 25
"""and an epoch's, of which most are near the best."""


def write_study(found: Recommendation, url: str, path: str) -> Path:
    """Write the page; returns where. Raises `InputError` when it cannot be written."""
    return write(study_page(found, url), path)


def study_page(found: Recommendation, url: str) -> str:
    """The page as text; everything that comes from the user's study and plugins is escaped."""
    tried, scores = trials(url, found), pairs(url, found)
    arms = dict(zip(leading(found, tried), KINDS, strict=False))
    return render(
        "report.html",
        found=found,
        arm=label(found, found.gain["arm"]),
        label=lambda choices: label(found, choices),
        named=named,
        facts=facts(found),
        paired=paired(found, scores),
        gain=interval(found, scores) if scores else None,
        isolation=isolation(found),
        untrained=untrained(found),
        costs=costs(found),
        history=history(found, tried),
        learning=learning(found, tried, curves(url, found.study), arms),
        rates=rates(found, tried, arms, searched_rates(url, found.study)),
        arms=[(kind, named(arm)) for arm, kind in arms.items()],
        skipped=skipped(found.skipped),
        seed=seed(url, found.study),
    )


def named(arm: str) -> str:
    """An arm as a reader calls it."""
    return "your model" if arm == KEEP else arm


def facts(found: Recommendation) -> list[tuple[str, str, str]]:
    """Name, number and what it means, the most important first."""
    base, best, gain = found.baseline, found.recommended, found.gain
    other = best if found.verdict == "change" else {}
    return [
        (
            found.metric,
            _change(base["mean"], other.get("mean")),
            f"mean over fresh seeds; {_better(found)}{_reached(found)}",
        ),
        *(_measured(found) if gain["arm"] else []),
        (
            f"test rows {tested(found)}".strip(),
            _change(base["test"], other.get("test")),
            "which nothing else looked at"
            + (f"; {_on_rows(gain['test'])}" if gain["test"] and gain["arm"] else ""),
        ),
        (
            "cost",
            _change(base["seconds"], other.get("seconds"), " s"),
            f"a training of {found.epochs} epochs",
        ),
        ("trained with", *_settings(found.params)),
    ]


def _measured(found: Recommendation) -> list[tuple[str, str, str]]:
    gain = found.gain
    of = (
        "" if found.verdict == "change" else f"of {label(found, gain['arm'])}, the best other arm; "
    )
    searched = gain["searched"]
    promise = (
        []
        if searched is None
        else [
            (
                "the search promised",
                f"{searched:+.4g}",
                "on the one seed that chose it; on average too good, by selection",
            )
        ]
    )
    return [
        (
            "gain",
            between(gain),
            f"{of}95 % interval, p {gain['p']:.2g}, {gain['seeds']} fresh paired seeds",
        ),
        *promise,
        (
            "worth a change",
            f"from {cell(found.min_gain)}",
            f"a true gain of {gain['detectable']:.4g} would be seen with 80 % probability",
        ),
    ]


def _change(one: float | None, other: float | None, unit: str = "") -> str:
    return f"{cell(one)}{unit}" + ("" if other is None else f" → {cell(other)}{unit}")


def _better(found: Recommendation) -> str:
    return "higher is better" if found.direction == "maximize" else "lower is better"


def _reached(found: Recommendation) -> str:
    """What the best other arm reached, where it is not recommended."""
    if found.verdict == "change" or not found.gain["arm"]:
        return ""
    return f"; {label(found, found.gain['arm'])} reaches {found.baseline['mean'] + found.sign * found.gain['mean']:.4g}"


def _on_rows(test: dict[str, Any]) -> str:
    return f"gain {between(test)} over {test['rows']} rows"


def _settings(params: dict[str, Any]) -> tuple[str, str]:
    """The learning rate, and the other settings."""
    rate, *others = [
        f"{name.removeprefix('training.')} {cell(value)}" for name, value in params.items()
    ] or ["–"]
    return rate, ", ".join(others)


def leading(found: Recommendation, tried: Sequence[Trial]) -> list[str]:
    """Your model, the arm it was compared with, and the next best that were trained to their end."""
    sign = found.sign
    full = sorted((t for t in tried if t.full), key=lambda t: -sign * (t.score or 0.0))
    confirmed = [
        label(found, choices)
        for choices in (found.gain["arm"], *(a["choices"] for a in found.alternatives))
    ]
    known = {t.arm for t in tried}
    ordered = dict.fromkeys([KEEP, *confirmed, *(t.arm for t in full)])
    return [arm for arm in ordered if arm in known][: len(KINDS)]


# --- the measured gain
# ------------------------------------------------------------------------------------------------


def paired(found: Recommendation, scores: Sequence[tuple[float, float]]) -> Plot | None:
    """A line for each fresh seed from the model's score to the arm's."""
    if not scores:
        return None
    sign = found.sign
    both = [score for pair in scores for score in pair]
    plot = Plot(
        "Paired scores",
        Scale(-0.5, 1.5),
        around(both),
        y_name=found.metric,
        width=NARROW,
        bottom=26,
    )
    for own, other in scores:
        kind = "one" if sign * (other - own) > 0 else "bad" if sign * (other - own) < 0 else "base"
        plot.line([(0, own), (1, other)], f"{kind} thin", f"fresh seed: {own:.4g} → {other:.4g}")
        plot.dot(0, own, kind, f"{own:.4g}")
        plot.dot(1, other, kind, f"{other:.4g}")
    for x, name in ((0, "your model"), (1, label(found, found.gain["arm"]))):
        plot.word(x, plot.y.low, _short(name, 30), by=(0, 18))
    return plot


def interval(found: Recommendation, scores: Sequence[tuple[float, float]]) -> Plot:
    """The gain with its interval beside the seeds' differences and what the search had promised."""
    gain, sign = found.gain, found.sign
    differences = [sign * (other - own) for own, other in scores]
    promised = [] if gain["searched"] is None else [gain["searched"]]
    scale = around([0, gain["low"], gain["high"], *differences, *promised])
    plot = Plot("Gain", Scale(0, 3), scale, y_name="gain", width=NARROW, right=100, bottom=26)
    plot.across(0, "zero")
    if plot.y.low < found.min_gain < plot.y.high:
        plot.across(found.min_gain, "bound")
        plot.word(3, found.min_gain, "worth a change", "start", (6, 4))
    for difference in differences:
        plot.dot(0.5, difference, "base", f"fresh seed: {difference:+.4g}")
    plot.line([(1.5, gain["low"]), (1.5, gain["high"])], "one thick", between(gain))
    plot.dot(1.5, gain["mean"], "one", between(gain))
    for promise in promised:
        plot.dot(2.5, promise, "hollow", f"{promise:+.4g} in the search")
    for x, name in (
        (0.5, "each seed"),
        (1.5, "mean, 95 %"),
        *([(2.5, "the search")] if promised else []),
    ):
        plot.word(x, plot.y.low, name, by=(0, 18))
    return plot


# --- techniques alone
# -------------------------------------------------------------------------------------------------


def isolation(found: Recommendation) -> Plot | None:
    """Each technique alone, as a gain over the model's best with the interval of one seed; grouped
    by slot, best first.
    """
    rows = [row for row in found.isolation if row["slot"] and row.get("gain")]
    if not rows:
        return None
    rows.sort(key=lambda row: -row["gain"]["mean"])
    slots = list(dict.fromkeys(row["slot"] for row in rows))
    lines: list[tuple[str, dict[str, Any] | None]] = []
    for slot in slots:
        lines += [(slot, None), *((row["technique"], row) for row in rows if row["slot"] == slot)]
    ends = [row["gain"][end] for row in rows for end in ("low", "high")]
    across, rows_down = _with_zero(telling(ends, 1.0, BEYOND)), Scale(len(lines) - 0.5, -0.5)
    plot = Plot(
        "Each technique alone",
        across,
        rows_down,
        "gain over your model's best",
        width=430,
        left=180,
        right=300,
        top=6,
    )
    plot.height = 22 * len(lines)
    plot.down(0, "zero")
    for i, (name, row) in enumerate(lines):
        plot.word(
            plot.x.low,
            i,
            _short(name, 26),
            "end",
            (-10 if row else -150, 4),
            "" if row else "group",
        )
        if row:
            _effect(plot, i, row)
    return plot


def _with_zero(scale: Scale) -> Scale:
    return around([0.0, scale.low, scale.high], 0.03)


def _effect(plot: Plot, y: float, row: dict[str, Any]) -> None:
    gain = row["gain"]
    kind = "one" if gain["low"] > 0 else "bad" if gain["high"] < 0 else "base"
    plot.line([(gain["low"], y), (gain["high"], y)], kind, between(gain))
    plot.dot(
        gain["mean"], y, kind if plot.x.low <= gain["mean"] else f"{kind} hollow", between(gain)
    )
    same = ", identical to your model" if row.get("identical") else ""
    plot.word(plot.x.high, y, f"{between(gain)}, {_trials(row['trials'])}{same}", "start", (10, 4))


def _trials(count: int) -> str:
    return f"{count} trial{'' if count == 1 else 's'}"


def untrained(found: Recommendation) -> list[tuple[str, str, str]]:
    """Slot, technique and why nothing was measured of it: identical, never trained to the end, or
    not tried.
    """
    return [
        (row["slot"], row["technique"], _why_not(found, row))
        for row in found.isolation
        if row["slot"] and not row.get("gain")
    ]


def _why_not(found: Recommendation, row: dict[str, Any]) -> str:
    if row.get("identical"):
        return "identical to your model"
    if row["alone"] is not None:
        return f"{cell(row['alone'])} in {_trials(row['trials'])}, on one seed; how much that says is not known"
    cut = [each for each in found.pruned if each["arm"] == f"{row['slot']}={row['technique']}"]
    if not cut:
        return f"never trained to the end alone ({_trials(row['trials'])})"
    return f"never trained to the end alone ({_trials(row['trials'])}): {cut[-1]['why']}"


def costs(found: Recommendation) -> Plot | None:
    """Score against seconds of what was confirmed, with the Pareto front."""
    if len(found.costs) < 2:
        return None
    seconds, scores = [row["seconds"] for row in found.costs], [row["mean"] for row in found.costs]
    plot = Plot(
        "Score against cost",
        Scale(0, max(seconds) * 1.12 or 1.0),
        around(scores, 0.15),
        "seconds a training",
        found.metric,
        height=180,
    )
    front = found.front()
    plot.line([(row["seconds"], row["mean"]) for row in front], "one thin dashed")
    for i, row in enumerate(found.costs, start=1):
        name = named(label(found, row["choices"]))
        kind = "base" if name == "your model" else "one" if row in front else "one hollow"
        plot.dot(
            row["seconds"],
            row["mean"],
            kind,
            f"{name}: {row['mean']:.4g} in {row['seconds']:.3g} s",
        )
        plot.word(row["seconds"], row["mean"], str(i), by=BESIDE[i % len(BESIDE)])
    return plot


# --- the search
#
# -------------------------------------------------------------------------------------------------------


def history(found: Recommendation, tried: Sequence[Trial]) -> Plot | None:
    """Every trial with a score, and the best so far."""
    sign = found.sign
    scored = [(t, t.score) for t in tried if t.score is not None]
    if not scored:
        return None
    last = max(t.number for t in tried)
    scale = telling([score for _, score in scored], sign, BEYOND)
    plot = Plot("Trials", Scale(-0.5, last + 0.5, whole=True), scale, "trial", found.metric)
    best: list[tuple[float, float]] = []
    for trial, score in scored:
        plot.dot(trial.number, score, STATES[trial.state], trial.told)
        if trial.full and (not best or sign * score > sign * best[-1][1]):
            best += (
                [(trial.number, best[-1][1]), (trial.number, score)]
                if best
                else [(trial.number, score)]
            )
    if best:
        plot.line([*best, (last, best[-1][1])], "base thin")
    for trial in tried:
        if trial.score is None:
            plot.word(trial.number, plot.y.low, "×", by=(0, -2), kind="failed")
    return plot


def learning(
    found: Recommendation,
    tried: Sequence[Trial],
    seen: dict[int, list[tuple[float, float]]],
    arms: dict[str, str],
) -> Plot | None:
    """The curves of the best trials of the leading arms and the model."""
    sign = found.sign
    shown = []
    for arm, kind in arms.items():
        full = [t for t in tried if t.arm == arm and t.full and seen.get(t.number)]
        if full:
            trial = max(full, key=lambda t: sign * (t.score or 0.0))
            shown.append((trial, kind, seen[trial.number]))
    if not shown:
        return None
    points = [point for _, _, curve in shown for point in curve]
    scores, metric = [score for _, score in points], tested(found).strip()
    scale = (
        around(scores) if metric else telling(scores, sign, BEYOND_CURVE)
    )  # of another metric it is not told which way is up
    across = Scale(0, max(epoch for epoch, _ in points) * 1.01, whole=True)
    plot = Plot("Learning curves", across, scale, "epoch", metric or found.metric)
    for trial, kind, curve in shown:
        plot.line(curve, kind, trial.told)
        if len(curve) < 3:
            plot.dot(*curve[-1], kind, trial.told)
    return plot


def rates(
    found: Recommendation,
    tried: Sequence[Trial],
    arms: dict[str, str],
    ends: tuple[float, float] | None,
) -> Plot | None:
    """Score against learning rate for the leading arms and the model, with the range that was
    searched.
    """
    sign = found.sign
    shown = [
        (t, t.rate, t.score) for t in tried if t.arm in arms and t.score is not None and t.rate
    ]
    if not shown:
        return None
    low, high = ends or (1.0, 1.0)
    used = [rate for _, rate, _ in shown]
    across = Scale(min(low, *used) / 1.3, max(high, *used) * 1.3, log=True)
    plot = Plot(
        "Score against learning rate",
        across,
        telling([s for _, _, s in shown], sign, BEYOND),
        "learning rate",
        found.metric,
    )
    for end in ends or ():
        plot.down(end, "bound")
    for arm, kind in arms.items():
        full = sorted((rate, score) for t, rate, score in shown if t.arm == arm and t.full)
        plot.line(full, f"{kind} thin")
    for trial, rate, score in shown:
        plot.dot(rate, score, arms[trial.arm] + ("" if trial.full else " hollow"), trial.told)
    return plot


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
