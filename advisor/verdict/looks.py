"""Looks at one pair of arms: a planned second one, with more pairs, has a level of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from advisor.readable import counted
from advisor.search.arm import techniques_in
from advisor.verdict.candidates import Candidate
from advisor.verdict.evidence import FULL_LEVEL_VERDICTS, LOOK_LEVELS, level_of_look
from advisor.verdict.records import MeasuredGain

ORDINALS = ("first", "second")
"""What looks are called."""


def looks_at(pair: Sequence[Candidate], answers: Iterable[Mapping[str, Any]]) -> list[int]:
    """The numbers of pairs of all looks that earlier answers had at two arms, in order.

    Arguments:
        pair: the baseline and the other arm.
        answers: the JSON of a study's answers, the oldest first.
    """
    looks: list[int] = []
    for answer in answers:
        gain = answer["gain"]
        if gain.get("looks") and is_at(pair, answer):
            looks = list(gain["looks"])
    return looks


def is_at(pair: Sequence[Candidate], answer: Mapping[str, Any]) -> bool:
    """Whether an answer is about these two arms, at these rates."""
    baseline, other = pair
    gain, own = answer["gain"], answer["baseline"]
    is_same = gain["arm"] == dict(techniques_in(other.arm)) and gain["params"] == other.params
    return bool(is_same and own["params"] == baseline.params)


def with_look(looks: Sequence[int], pairs: int) -> list[int]:
    """The looks with one at so many pairs; no new one where no level is left, or no pair is new."""
    if len(looks) == len(LOOK_LEVELS) or pairs <= max(looks, default=0):
        return list(looks)
    return [*looks, pairs]


def levels_of_looks(looks: Sequence[int], level: float) -> tuple[float, float | None]:
    """The levels of the last of these looks, and of one after it; None where none is left.

    Arguments:
        looks: numbers of pairs of each.
        level: of the verdict, which its looks share.
    """
    count = len(looks)
    after = level_of_look(count + 1, level) if count < len(LOOK_LEVELS) else None
    return level_of_look(count, level), after


def told_of_look(gain: MeasuredGain) -> Iterator[str]:
    """Which look an answer is, where it is not the first."""
    looks = gain.looks
    if len(looks) > 1:
        yield (
            f"This is the {ORDINALS[len(looks) - 1]} look at these two arms, after one with "
            f"{counted(looks[-2], 'pair')} of seeds. Two looks share one level, so that this one "
            f"decides by the {100 * gain.level:g} % interval."
        )


def refused_look(looks: Sequence[int], seeds: int | None, also: str = "") -> list[str]:
    """That more seeds than an answer has are not trained, where no level is left for a look.

    Arguments:
        looks: numbers of pairs of each look that there was.
        seeds: that are asked for now; None where no number is.
        also: what would tell besides more rows.
    """
    if seeds is None or len(looks) < len(LOOK_LEVELS) or seeds <= looks[-1]:
        return []
    each = " and ".join(str(pairs) for pairs in looks)
    return [
        f"{seeds} pairs of seeds were asked for, and these two arms were looked at "
        f"{len(looks)} times, with {each} pairs. No level is left for another look, which would "
        f"find something by chance; more rows would tell{also}."
    ]


def told_of_place(place: int) -> list[str]:
    """The how-manieth verdict on its rows an answer is, where it is not the first."""
    if place < 2:
        return []
    return [
        f"This is verdict {place} on these rows, under whatever name or seed. Many verdicts on the "
        f"same rows overfit them, so that from the {FULL_LEVEL_VERDICTS + 1}th without a change on "
        "each needs more evidence; new rows begin anew."
    ]
