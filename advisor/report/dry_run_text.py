"""What a study would try, and about how long it takes, on a screen of 80 columns."""

from __future__ import annotations

from rich.text import Text

from advisor.api.dry_run import DryRun
from advisor.readable import counted, rate_text
from advisor.report.study_words import group_skips
from advisor.report.text import MOST, console, print_wrapped
from advisor.technique import KEEP
from advisor.verdict.forecast import Span

HEAD = 13
"""The columns of what stands before a line."""
SECONDS_AN_HOUR = 3600
"""Seconds."""


def show_dry_run(look: DryRun) -> None:
    """Show what would be tried, at which rates, how long, and what does not fit."""
    out = console()
    name = look.prepared.study.name
    out.print(Text(f"\n{name}: what would be tried (nothing was written)\n", style="bold"))
    for head, line in lines_of(look):
        print_wrapped(out, head.ljust(HEAD), line)

    # What does not fit is grouped by why, as in the answer.
    skips = group_skips(look.plan.skipped)
    if skips:
        out.print(Text("\nDoes not fit", style="bold"))
    for slot, techniques, why in skips[:MOST]:
        print_wrapped(out, "· ", f"{slot}: {techniques}: {why}")
    if len(skips) > MOST:
        print_wrapped(out, "· ", f"{len(skips) - MOST} more reasons; --json has them all")


def lines_of(look: DryRun) -> list[tuple[str, str]]:
    """What stands before each line, and the line."""
    study, plan = look.prepared.study, look.plan
    slots = [(slot, names[1:]) for slot, names in plan.options.items() if len(names) > 1]
    lines = [(slot, ", ".join(names)) for slot, names in slots]
    if not slots:
        lines.append(("techniques", "none fits: only your model as it is would be trained"))
    arms = f"{counted(look.arms, 'arm')}, a technique or {KEEP} in each slot"
    begun = "" if look.begun is None else f", of which {look.begun} are over"
    lines += [
        ("arms", f"{arms}; each of {counted(len(plan.techniques), 'technique')} alone"),
        *rates_of(look),
        ("epochs", epochs_text(look)),
        ("search", f"{counted(study.trials, 'trial')}{begun}; {amount_text(look)}"),
        ("seeds", seeds_text(look)),
        ("time", time_text(look)),
    ]
    return lines


def rates_of(look: DryRun) -> list[tuple[str, str]]:
    """A line for the learning rate and one for the weight decay."""
    lines = []
    for head, rate in zip(("rate", "decay"), look.rates.values(), strict=True):
        kept = f"searched from {rate_text(rate.low)} to {rate_text(rate.high)}"
        if rate.low == rate.high:
            kept = "kept"
        lines.append((head, f"{rate_text(rate.first)} at first, {kept}"))
    return lines


def epochs_text(look: DryRun) -> str:
    """How long a full training is."""
    low, high = int(look.epochs.low), int(look.epochs.high)
    if not high:
        return "as many as the script says"
    if low == high:
        return f"{counted(high, 'epoch')} in a full training"
    about = f"about {look.about.epochs} in a full training, at most {high}"
    return f"{about}; the first one finds how many your model needs"


def amount_text(look: DryRun) -> str:
    """What the trials of the search are worth."""
    return f"as most are cut, about {span(look.amount.search)} whole trainings"


def seeds_text(look: DryRun) -> str:
    """What fresh seeds train."""
    amount = look.amount
    return f"{span(amount.choosing)} trainings that choose, {span(amount.measuring)} that measure"


def time_text(look: DryRun) -> str:
    """About how long all of it takes, and how that is known."""
    clocked, minutes = look.clocked, look.prepared.study.minutes
    if clocked.epoch is None:
        return f"not known: {clocked.by}"
    measured = f"an epoch takes about {seconds_text(clocked.epoch)}, by {clocked.by}"
    if look.seconds is None:
        return f"{measured}; how many there are is not known"
    workers = counted(max(1, look.workers), "worker")
    usual, most = look.about.seconds or look.seconds.low, look.seconds.high
    limit = f", at most {seconds_text(most)}"
    if minutes is not None and 60 * minutes < most:
        limit = f", at most {minutes:g} minutes (--minutes)"
        usual = min(usual, 60 * minutes)
    total = f"about {seconds_text(usual)}"
    slower = "techniques that train first, or compute more, take longer"
    return f"{total}{limit} with {workers}; {measured}; {slower}"


def span(found: Span) -> str:
    """`12`, or `10 to 40`."""
    low, high = round(found.low), round(found.high)
    return f"{low}" if low == high else f"{low} to {high}"


def seconds_text(seconds: float) -> str:
    """A time with the digits that an estimate has: `0.02 s`, `40 s`, `12 minutes`, `3 hours`."""
    if seconds < 1:
        return f"{seconds:.1g} s"
    if seconds < 90:
        return f"{float(f'{seconds:.2g}'):g} s"
    if seconds < 90 * 60:
        return f"{float(f'{seconds / 60:.2g}'):g} minutes"
    return f"{float(f'{seconds / SECONDS_AN_HOUR:.2g}'):g} hours"
