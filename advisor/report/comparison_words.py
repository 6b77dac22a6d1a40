"""Words about a comparison that the terminal and the page share."""

from __future__ import annotations

from collections.abc import Iterator

from advisor.comparing.comparison import Comparison, Sameness, SideGain, SideResult
from advisor.readable import counted, interval_text, mean_text, rate_text
from advisor.search.plan import DECAY, RATE
from advisor.verdict.records import Evidence, Verdict

MEANINGS = {
    Evidence.BETTER: "is better",
    Evidence.WORSE: "is worse",
    Evidence.EQUIVALENT: "is equivalent: any difference is smaller than {worth}",
    Evidence.NOT_BETTER: "is not better by {worth}",
    Evidence.OPEN: "may be better or worse: this is not shown",
}
"""What each evidence says of a side beside the first one."""
SAME = {
    Sameness.CONTENT: "it is made of the same code, settings and data",
    Sameness.NUMBERS: "from the same seed it gives the same numbers, epoch by epoch",
}
"""How it is known that a side computes the same as the first one."""

REACHED = ("side", "score", "test", "seconds", "parameters")
"""The columns of the table of sides that are always there."""


def headline(comparison: Comparison) -> str:
    """The verdict in words."""
    about, first = comparison.deciding, comparison.sides[0].label
    if comparison.verdict is Verdict.CHANGE:
        return f"{comparison.comparison}: CHANGE to {about.label}"
    if comparison.verdict is Verdict.KEEP:
        return f"{comparison.comparison}: KEEP {first}"
    return f"{comparison.comparison}: UNDECIDED between {first} and {about.label}"


def shown_of(comparison: Comparison, gain: SideGain) -> str:
    """What is shown of a side beside the first one, in a sentence without a full stop."""
    if gain.identical is not None:
        return f"{gain.label} computes the same: {SAME[gain.identical]} (equivalent)"
    worth = f"{comparison.min_gain:.2g} {comparison.metric}"
    return f"{gain.label} {MEANINGS[gain.evidence].format(worth=worth)}"


def gain_text(comparison: Comparison, gain: SideGain) -> str:
    """A gain with its interval, and what it rests on."""
    pairs = counted(gain.seeds, "fresh pair")
    own, other = gain.broken
    if own or other:
        pairs += f"; {comparison.sides[0].label} broke on {own} seeds, this one on {other}"
    if gain.identical is not None:
        return "none, whatever the seeds and the rows"
    if gain.mean is None or gain.low is None or gain.high is None:
        return f"not measured: too many trainings broke ({pairs})"
    numbers = interval_text(gain.mean, gain.low, gain.high, comparison.metric)
    return f"{numbers}, 95 % interval; {pairs}, {gain.rows} rows"


def side_cells(side: SideResult) -> list[str]:
    """What a side reached and costs, by `REACHED`."""
    scores = [score for score in side.scores if score is not None]
    return [
        side.label,
        mean_text(scores) if scores else "–",
        "–" if side.test is None else f"{side.test:.4g}",
        "–" if side.seconds is None else f"{side.seconds:.2g}",
        f"{side.parameters:,}",
    ]


def recipe_of(side: SideResult) -> dict[str, str]:
    """How a side is trained, by the words for it."""
    return {
        "lr": rate_text(side.params[RATE]),
        "decay": rate_text(side.params[DECAY]),
        "epochs": str(side.epochs),
        "batch": str(side.batch),
    }


def side_table(comparison: Comparison) -> tuple[list[str], list[list[str]]]:
    """Columns and rows of the table of sides; of their recipes what differs."""
    recipes = [recipe_of(side) for side in comparison.sides]
    differing = [word for word in recipes[0] if len({recipe[word] for recipe in recipes}) > 1]
    rows = []
    for side, recipe in zip(comparison.sides, recipes, strict=True):
        rows.append([*side_cells(side), *[recipe[word] for word in differing]])
    return [*REACHED, *differing], rows


def shared_recipe(comparison: Comparison) -> str:
    """What all sides are trained with; empty where all of it differs."""
    recipes = [recipe_of(side) for side in comparison.sides]
    shared = set.intersection(*[set(recipe.items()) for recipe in recipes])
    words = [f"{word} {text}" for word, text in recipes[0].items() if (word, text) in shared]
    return f"all sides with {', '.join(words)}" if words else ""


def what_would_tell(comparison: Comparison) -> str:
    """What would decide an open comparison; empty where it is decided."""
    about = comparison.deciding
    if about.evidence is not Evidence.OPEN:
        return ""
    told = []
    if about.needed is not None:
        told.append(f"{about.needed} pairs (the same command with --seeds {about.needed})")
    if about.needed_rows is not None:
        told.append(f"{about.needed_rows} measured rows")
    if not told:
        return "no number of pairs or rows that can be asked for would tell"
    return f"what would tell: {' or '.join(told)}"


def counted_verdicts(comparison: Comparison) -> str:
    """How often these rows were asked; empty where they were asked once."""
    if comparison.verdicts < 2:
        return ""
    return (
        f"this is verdict {comparison.verdicts} on these rows: each edit that is judged by the "
        "same rows fits them a little more"
    )


def changed_findings(gain: SideGain) -> Iterator[str]:
    """The findings that came with a side, and those that went."""
    for sentence in gain.came:
        yield f"{gain.label}: came: {sentence}"
    for sentence in gain.went:
        yield f"{gain.label}: went: {sentence}"
