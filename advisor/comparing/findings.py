"""What is wrong with the models of two sides, and what of it came or went."""

from __future__ import annotations

from collections.abc import Sequence

from advisor.comparing.sides import OpenSide
from advisor.diagnosis.diagnose import diagnose
from advisor.diagnosis.finding import Finding
from advisor.errors import InputError
from advisor.user_code import kept_from_exiting
from advisor.work.scripts.prepared import PreparedScript


def findings_of(side: OpenSide) -> tuple[Finding, ...]:
    """What is wrong with the model of a side before it is trained."""
    if isinstance(side.prepared, PreparedScript):
        return side.prepared.rehearsed.findings
    with side.entered() as prepared, kept_from_exiting():
        seed = prepared.study.seed
        try:
            return diagnose(prepared.run(seed, seed)).findings
        except InputError:  # a batch that cannot be diagnosed is no finding
            return ()


def only_in(findings: Sequence[Finding], others: Sequence[Finding]) -> list[str]:
    """The findings that others do not have, a sentence each.

    One of the same kind in another place is the same where the others have as many of the kind: a
    layer may have another name.
    """
    left = []
    for kind in dict.fromkeys(finding.kind for finding in findings):
        mine = [finding for finding in findings if finding.kind == kind]
        theirs = [finding.place for finding in others if finding.kind == kind]
        new = [finding.sentence for finding in mine if finding.place not in theirs]
        left += new[: max(0, len(mine) - len(theirs))]
    return left
