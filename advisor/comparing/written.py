"""The comparison, written from what was measured."""

from __future__ import annotations

import platform
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch

from advisor import __version__
from advisor.comparing.comparison import (
    Comparison,
    Sameness,
    SideGain,
    SideResult,
    deciding,
)
from advisor.comparing.findings import only_in
from advisor.comparing.measured import MeasuredSides
from advisor.comparing.sides import OpenSide
from advisor.content.difference import difference, listed
from advisor.diagnosis.finding import Finding
from advisor.verdict.candidates import FreshScore, scores_in
from advisor.verdict.evidence import VERDICT_OF
from advisor.verdict.measuring import SCORES_ONLY, SCRIPT_SCORES_ONLY, PairedResult, gain_record
from advisor.verdict.records import Evidence, Verdict


def written(
    name: str,
    sides: Sequence[OpenSide],
    parameters: Sequence[int],
    identical: Sequence[Sameness | None],
    findings: Sequence[Sequence[Finding]],
    result: MeasuredSides,
) -> Comparison:
    """What is said of some sides.

    Arguments:
        name: of the comparison.
        sides: all of them, with the rates and epochs that they were trained with.
        parameters: how many numbers the model of each trains.
        identical: of each side but the first, how it is known to be the same as that one.
        findings: of each side's model before it is trained.
        result: what was measured, of those that are not known to be the same.
    """
    first = sides[0]
    criterion = first.prepared.criterion
    measured = iter(result.others)
    gains = []
    for place, same in enumerate(identical, start=1):
        label = sides[place].label
        came = only_in(findings[place], findings[0])
        went = only_in(findings[0], findings[place])
        if same is None:
            gain = gain_of(label, next(measured), result.printed)
        else:
            gain = no_gain(label, same)
        gains.append(replace(gain, came=came, went=went))

    shown = []
    for side, count, each in zip(sides, parameters, findings, strict=True):
        scored = result.scored.get(side.label, ())
        shown.append(side_result(side, count, scored, each))
    about = deciding(gains)
    return Comparison(
        comparison=name,
        metric=criterion.name,
        direction=criterion.direction,
        verdict=about.verdict,
        evidence=about.evidence,
        min_gain=result.min_gain,
        looks=list(result.looks),
        sides=shown,
        gains=gains,
        versions={
            "advisor": __version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
        },
        warnings=[*warnings_of(sides), *scores_only(sides, result.others)],
    )


def scores_only(sides: Sequence[OpenSide], others: Sequence[PairedResult]) -> list[str]:
    """That a loop of the user's own gave scores and no model, where one did."""
    if not any(each.scores_only for each in others):
        return []
    is_script = sides[0].prepared.ref.script is not None
    return [SCRIPT_SCORES_ONLY if is_script else SCORES_ONLY]


def warnings_of(sides: Sequence[OpenSide]) -> Iterator[str]:
    """What the user should know of the sides: first of all of them, then of each."""
    for warning in sides[0].prepared.warnings:
        if all(warning in side.prepared.warnings for side in sides):
            yield warning
    for side in sides:
        for warning in side.prepared.warnings:
            if not all(warning in other.prepared.warnings for other in sides):
                yield f"{side.label}: {warning}"
        # The arm of a study is trained with the code that its files have now.
        if side.side.content is not None:
            changed = difference(side.side.content, side.prepared.content).sentences
            if changed:
                yield f"{side.label}: its study changed since it was begun: {listed(changed)}"


def gain_of(label: str, side: PairedResult, printed: float) -> SideGain:
    """The gain of a side that was measured; `printed` is the level of its interval."""
    plain = SideGain(
        label=label,
        evidence=side.evidence,
        verdict=VERDICT_OF[side.evidence],
        mean=None,
        low=None,
        high=None,
        p=None,
        seeds=0,
        rows=0,
        broken=[each.times for each in side.broke],
    )
    gain = gain_record(side)
    # Too many of the pairs broke to have a gain.
    if gain is None or side.gain is None:
        return plain
    low, high = side.gain.interval(printed)
    return replace(
        plain,
        mean=gain.mean,
        low=float(low),
        high=float(high),
        p=gain.p,
        seeds=gain.seeds,
        rows=gain.rows,
        detectable=gain.detectable,
        needed=gain.needed,
        needed_rows=gain.needed_rows,
        level=gain.level,
        least=gain.least,
    )


def no_gain(label: str, same: Sameness) -> SideGain:
    """The gain of a side that computes the same as the first: none, whatever the seeds and rows."""
    return SideGain(
        label=label,
        evidence=Evidence.EQUIVALENT,
        verdict=Verdict.KEEP,
        mean=0.0,
        low=0.0,
        high=0.0,
        p=1.0,
        seeds=0,
        rows=0,
        identical=same,
    )


def side_result(
    side: OpenSide, parameters: int, scored: Sequence[FreshScore], findings: Sequence[Finding]
) -> SideResult:
    """What a side is, costs and reached on the seeds that measured; nothing where none did."""
    scores, tests = scores_in(scored), [each.test for each in scored if each.test is not None]
    return SideResult(
        label=side.label,
        params=dict(side.params),
        choices=dict(side.side.choices),
        epochs=side.epochs,
        batch=side.batch,
        parameters=parameters,
        seconds=statistics.fmean([each.seconds for each in scored]) if scored else None,
        scores=[each.score for each in scored],
        mean=statistics.fmean(scores) if scores else None,
        test=statistics.fmean(tests) if tests else None,
        findings=[finding.sentence for finding in findings],
    )
