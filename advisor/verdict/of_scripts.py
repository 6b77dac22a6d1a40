"""What is said of a script otherwise than of a model that advisor builds and trains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from advisor.diagnosis.finding import Finding
from advisor.diagnosis.measure import Signal
from advisor.diagnosis.technique_findings import diagnose_with
from advisor.technique import Technique
from advisor.work.prepare import Prepared
from advisor.work.scripts.prepared import PreparedScript


def findings_of(
    prepared: Prepared, loaded: Mapping[tuple[str, str], Technique]
) -> tuple[Sequence[Finding], Sequence[str], Sequence[Signal]]:
    """What is wrong with the untrained model, a sentence for each technique that broke over it, and
    the signal per layer, which is not known of a script.

    The techniques that are `loaded` add findings of their own.
    """
    if isinstance(prepared, PreparedScript):
        return prepared.rehearsed.findings, prepared.rehearsed.broken, ()
    seed = prepared.study.seed
    diagnosis = diagnose_with(prepared.run(seed, seed), loaded.values())
    return diagnosis.findings, diagnosis.broken, diagnosis.measured.signals
