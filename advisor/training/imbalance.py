"""Classes of which the rows have very different shares."""

from __future__ import annotations

from collections.abc import Mapping

MAJORITY = 0.8
"""The share of rows of one class from which on accuracy says little."""

RARITY = 10
"""How many times as many rows the most frequent class has as one that accuracy hardly counts."""

SHOWN = 8
"""Classes whose shares are shown; of more, the most frequent and the rarest."""


def imbalance(shares: Mapping[str, float], metric: str, unweighted: bool = True) -> str | None:
    """What to know where accuracy counts one class far more than another, in a sentence; else None.

    Arguments:
        shares: by class, its share of the rows.
        metric: the name of the study's metric.
        unweighted: whether all rows count alike in training.
    """
    if not shares or metric != "accuracy":
        return None
    by_share = sorted(shares, key=lambda name: shares[name])
    rarest, most = by_share[0], by_share[-1]
    if shares[most] < MAJORITY and shares[rarest] * RARITY >= shares[most]:
        return None
    return (
        f"Class {most!r} has {percent(shares[most])} of the rows and {rarest!r} "
        f"{percent(shares[rarest])}: always saying {most!r} has an accuracy of "
        f"{shares[most]:.3g}. --metric macro_f1 (or auc) counts every class alike"
        f"{', and --weights balanced trains so' if unweighted else ''}."
    )


def shares_text(shares: Mapping[str, float]) -> str:
    """`no 99 %, yes 1 %`; of many classes the most frequent and the rarest, and how many there
    are.
    """
    names = list(shares)
    if len(names) > SHOWN:
        names.sort(key=lambda name: -shares[name])
        half = SHOWN // 2
        first, last = names[:half], names[-half:]
        return f"{_listed(first, shares)}, …, {_listed(last, shares)} ({len(names)} in all)"
    return _listed(names, shares)


def _listed(names: list[str], shares: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {percent(shares[name])}" for name in names)


def percent(share: float) -> str:
    """A share as `0.4 %`, `12 %` or `99.6 %`: with a digit after the point near either end."""
    digits = 1 if min(share, 1 - share) < 0.0995 else 0
    return f"{100 * share:.{digits}f} %"
