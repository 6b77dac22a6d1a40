"""What is said of a script otherwise than of a model that advisor builds and trains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from advisor.diagnosis.finding import Finding
from advisor.diagnosis.measure import Signal
from advisor.diagnosis.technique_findings import diagnose_with
from advisor.readable import rate_text
from advisor.search.plan import DECAY, RATE
from advisor.technique import Technique
from advisor.training.recipe import Recipe
from advisor.verdict.candidates import Candidate
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


def apply_in_script(study: str, chosen: Candidate, recipe: Recipe) -> list[str]:
    """Lines of Python that take the place of those that ask advisor in a script."""
    lines = []
    if chosen.changes:
        applied = f'model = advisor.recommendation("{study}").apply(model, batch)'
        lines.append(f"{applied}  # in place of arm.apply(model, batch)")
    if not recipe.keeps_rate:
        lines.append(f"lr = {rate_text(chosen.params[RATE])}  # in place of arm.lr({recipe.lr:g})")
    if recipe.weight_decay:
        decay = rate_text(chosen.params[DECAY])
        lines.append(
            f"weight_decay = {decay}  # in place of arm.weight_decay({recipe.weight_decay:g})"
        )
    return lines or ["# leave the script as it is"]
