"""A user's model: called, traced, and its activations swapped in place."""

from advisor.model.anatomy import Anatomy, Layer, Site, Table, select
from advisor.model.call import call
from advisor.model.swapping.swap import SwapReport, swap
from advisor.model.tracing.trace import materialize, trace
from advisor.model.writing.recipe import apply_recipe

__all__ = [
    "Anatomy",
    "Layer",
    "Site",
    "SwapReport",
    "Table",
    "apply_recipe",
    "call",
    "materialize",
    "select",
    "swap",
    "trace",
]
