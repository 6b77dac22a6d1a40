"""What can be wrong with the units of a layer: dead, saturated, or all alike."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from advisor.diagnosis.finding import BOUNDS, Finding, finding_of
from advisor.diagnosis.measure import Measured
from advisor.diagnosis.units import Units

MANY = 0.5
"""Share of dead units from which a layer fails (SageMaker Debugger)."""


def dead_units(measured: Measured) -> Iterator[Finding]:
    """Units that no row of the batch wakes."""
    why = "dead: no row of the batch gives them a slope"
    yield from _worst_layer(measured, "dead_units", dead_share, why)


def saturated_units(measured: Measured) -> Iterator[Finding]:
    """Units on the flat ends of their activation."""
    why = "saturated: it is flat where their inputs lie"
    yield from _worst_layer(measured, "saturated_units", saturated_share, why)


def dead_share(units: Units) -> float:
    """Share of dead units, where they are too many to be asleep by chance.

    Where biases outweigh the signal, rows are alike, and many units sleep on a batch and wake as
    soon as weights move. All dead units count where they are more than equal rows would put to
    sleep by chance: half, and three deviations. Of fewer, only those count whose inputs lie far
    below the others'.
    """
    dead = units.dead / units.count
    deviation = math.sqrt(MANY * (1 - MANY) / units.count)
    if dead > MANY + 3 * deviation:
        return dead
    return units.lost / units.count if units.lost > 1 else 0.0


def saturated_share(units: Units) -> float:
    """Share of saturated units."""
    return units.saturated / units.count


def _worst_layer(
    measured: Measured, kind: str, share_of: Callable[[Units], float], why: str
) -> Iterator[Finding]:
    """One finding about the layer with the largest share, which also counts the other layers above
    the bound.
    """
    above_bound: list[tuple[float, Units, str]] = []
    for signal in measured.signals:
        if signal.units is not None and signal.units.count:
            share = share_of(signal.units)
            if share > BOUNDS[kind].value:
                above_bound.append((share, signal.units, signal.layer.name))
    if not above_bound:
        return

    share, units, layer = max(above_bound, key=lambda entry: entry[0])
    site = f"{units.site.id} ({units.site.kind})"
    more = f" (and of {len(above_bound) - 1} more layers)" if len(above_bound) > 1 else ""
    sentence = f"{share:.0%} of the {units.count} units of {site} after {layer}{more} are {why}."
    yield finding_of(kind, layer, round(share, 4), sentence)


def symmetric_units(measured: Measured) -> Iterator[Finding]:
    """Layers all of whose units begin equal and are pushed equally."""
    weights = set()
    for signal in measured.weighted:
        for name, _ in signal.layer.module.named_parameters():
            weights.add(signal.layer.parameter(name))

    # Where all hidden layers are equal, none gets a gradient, and none begins to move.
    hidden = {signal.layer.parameter("weight") for signal in measured.hidden}
    units = {}
    for signal in measured.weighted:
        matrices = signal.layer.matrices
        units[signal.layer.parameter("weight")] = sum(matrix.size[0] for matrix in matrices)
    nothing_moves = hidden <= set(measured.equal_rows)

    for name in measured.equal_rows:
        if name not in weights or "bias" in name:
            continue
        if not measured.gradients[name] and not nothing_moves:
            continue  # a zero layer behind another: it begins to move when that one does
        count = units.get(name) or len(measured.run.model.get_parameter(name))
        sentence = (
            f"All {count} units of {name} are equal and get equal gradients: no optimizer that "
            "looks at one number at a time can ever make them differ. Any random start can."
        )
        yield finding_of("symmetric_units", name, 1, sentence)
