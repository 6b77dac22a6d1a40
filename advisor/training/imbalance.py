"""Classes of which the rows have very different shares."""

from __future__ import annotations

from collections.abc import Mapping

MAJORITY = 0.8
"""The share of rows of one class from which on accuracy says little."""

RARITY = 9
"""A class is rare where the most frequent one has more than so many times its rows; of two classes,
that is one with less than 10 % of them. Data are called highly imbalanced from there on (Fernández,
García, del Jesus & Herrera 2008).
"""

LEAST_RARE = 0.05
"""The share of the classes that must be rare for a mean over classes to say something else than one
over rows: of a hundred classes, a rare one is next to nothing of either.
"""

EVERY_CLASS = "macro_f1"
"""The metric of a task that names none and has rare classes: F1 averaged over the classes, each
alike (Sokolova & Lapalme 2009). It scores what the model decides, as accuracy does, and is defined
where rows that are held out lack a class, as the area under a ROC curve is not.
"""

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
    rarest, most = ends(shares)
    if shares[most] < MAJORITY and shares[rarest] * RARITY >= shares[most]:
        return None
    return (
        f"Class {most!r} has {percent(shares[most])} of the rows and {rarest!r} "
        f"{percent(shares[rarest])}: always saying {most!r} has an accuracy of "
        f"{shares[most]:.3g}. --metric macro_f1 (or auc) counts every class alike"
        f"{', and --weights balanced trains so' if unweighted else ''}."
    )


def misleads(shares: Mapping[str, float]) -> bool:
    """Whether accuracy hardly counts so many of the classes that it should not decide unasked.

    Arguments:
        shares: by class, its share of the rows; one without rows, which nothing can measure, does
            not count.
    """
    there = [share for share in shares.values() if share > 0]
    if not there:
        return False
    rare = [share for share in there if share * RARITY < max(there)]
    return len(rare) >= max(1, LEAST_RARE * len(there))


def why_every_class(shares: Mapping[str, float], unweighted: bool = True) -> str:
    """Why `EVERY_CLASS` is the metric of a task that names none, and how to get accuracy.

    Arguments:
        shares: by class, its share of the rows.
        unweighted: whether all rows count alike in training.
    """
    rarest, most = ends({name: share for name, share in shares.items() if share > 0})
    return (
        f"Class {rarest!r} has {percent(shares[rarest])} of the rows and {most!r} "
        f"{percent(shares[most])}, so the metric is {EVERY_CLASS}, which counts every class alike, "
        f"and not accuracy, which would hardly count {rarest!r}; for accuracy say "
        '--metric accuracy, or Task(metric="accuracy").'
        f"{' --weights balanced trains so, too.' if unweighted else ''}"
    )


def ends(shares: Mapping[str, float]) -> tuple[str, str]:
    """The rarest and the most frequent class."""
    by_share = sorted(shares, key=lambda name: shares[name])
    return by_share[0], by_share[-1]


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
