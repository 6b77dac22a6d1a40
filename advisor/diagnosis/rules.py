"""The rules of a diagnosis, in the order in which their findings are given.

A rule is a generator from what one batch showed to findings; docs/diagnosis.md has a line for each
kind of finding, and `BOUNDS` its bound.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from advisor.diagnosis import (
    end_rules,
    output_rules,
    probe_rules,
    signal_rules,
    unit_rules,
    weight_rules,
)
from advisor.diagnosis.finding import Finding
from advisor.diagnosis.measure import Measured
from advisor.diagnosis.output_rules import guessing

__all__ = ["RULES", "SIGNAL_RULES", "Rule", "guessing"]

Rule = Callable[[Measured], Iterator[Finding]]

RULES: tuple[Rule, ...] = (
    signal_rules.not_finite,
    probe_rules.unregistered,
    probe_rules.mixes_rows,
    probe_rules.random_in_eval,
    probe_rules.ignores_inputs,
    end_rules.ends_in_activation,
    probe_rules.unscaled_inputs,
    signal_rules.collapsed,
    signal_rules.vanishing,
    signal_rules.exploding,
    probe_rules.forgets,
    unit_rules.dead_units,
    unit_rules.saturated_units,
    output_rules.large_output,
    output_rules.large_head,
    output_rules.output_misfit,
    output_rules.normalized_twice,
    unit_rules.symmetric_units,
    signal_rules.no_gradient,
    weight_rules.identical_layers,
    weight_rules.default_start,
    weight_rules.stacked_gates,
    weight_rules.loaded,
    weight_rules.unused,
    weight_rules.frozen,
)
"""Every rule, the gravest first."""

SIGNAL_RULES: tuple[Rule, ...] = (
    signal_rules.not_finite,
    signal_rules.collapsed,
    signal_rules.vanishing,
    signal_rules.exploding,
    unit_rules.dead_units,
    unit_rules.saturated_units,
    unit_rules.symmetric_units,
    weight_rules.identical_layers,
    weight_rules.default_start,
    weight_rules.stacked_gates,
    weight_rules.frozen,
)
"""The rules that ask neither for the target, nor for the loss, nor for more rows than a batch."""
