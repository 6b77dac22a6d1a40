"""The user's listener, whose faults end no study; and the first and the last thing it is told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from advisor.comparing.comparison import Comparison
from advisor.errors import explain
from advisor.events import OPENED, VERDICT, Event, Listener, StudyOpened, VerdictGiven
from advisor.readable import counted
from advisor.search.plan import Plan
from advisor.streams import tell
from advisor.technique import KEEP
from advisor.user_code import place_in_traceback
from advisor.verdict.recommendation import Recommendation
from advisor.work.prepare import Prepared


class Heard:
    """Calls a listener of the user's. What it raises is told once, and it is called again."""

    def __init__(self, on: Listener) -> None:
        self._on = on
        self._is_told = False

    def __call__(self, event: Event) -> None:
        """Tell the listener of an event. Raises what ends a program, such as Ctrl-C."""
        try:
            self._on(event)
        except (Exception, SystemExit) as problem:  # a listener may raise anything
            if self._is_told:
                return
            self._is_told = True
            place = place_in_traceback(problem.__traceback__)
            where = f" ({place})" if place else ""
            tell(
                f"warning: the listener of on= raised {explain(problem)}{where} at "
                f"{type(event).__name__}. The study goes on without what it would have done; "
                "this is told once."
            )


def opened_event(prepared: Prepared, plan: Plan) -> StudyOpened:
    """What a listener is told when a study is opened."""
    fitting = {
        slot: [name for name in names if name != KEEP] for slot, names in plan.options.items()
    }
    study, criterion = prepared.study, prepared.criterion
    return StudyOpened(
        OPENED,
        0,
        study.trials,
        f"{study.name}: {counted(len(plan.techniques), 'technique')} to try",
        study=study.name,
        metric=criterion.name,
        direction=criterion.direction,
        techniques=fitting,
        settings={name: value for name, value in plan.identity.items() if value is not None},
    )


def comparison_event(name: str, prepared: Prepared, sides: Sequence[str]) -> StudyOpened:
    """What a listener is told when a comparison is opened.

    Arguments:
        name: of the comparison.
        prepared: the study of its first side.
        sides: what its sides are called.
    """
    facts: dict[str, Any] = {"metric": prepared.criterion.name, "sides": tuple(sides)}
    direction = prepared.criterion.direction
    text = f"{name}: {', '.join(sides)}"
    return StudyOpened(OPENED, 0, len(sides), text, study=name, direction=direction, **facts)


def verdict_event(answer: Recommendation | Comparison) -> VerdictGiven:
    """What a listener is told when there is an answer."""
    name = answer.study if isinstance(answer, Recommendation) else answer.comparison
    verdict, evidence = str(answer.verdict), str(answer.evidence or "")
    facts: dict[str, Any] = {"study": name, "verdict": verdict, "evidence": evidence}
    return VerdictGiven(VERDICT, 1, 1, f"{name}: {verdict}", answer=answer, **facts)
