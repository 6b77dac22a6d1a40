"""A user's model: called, traced, and its activations swapped in place."""

from advisor.model.anatomy import Anatomy, Layer, Site, Table, select
from advisor.model.call import call
from advisor.model.handwritten import called
from advisor.model.swapping.report import SwapReport
from advisor.model.swapping.swap import swap
from advisor.model.tracing.trace import materialize, trace
from advisor.model.writing.diff import diff
from advisor.model.writing.recipe import apply_recipe, recipe

__all__ = [
    "Anatomy",
    "Layer",
    "Site",
    "SwapReport",
    "Table",
    "apply_recipe",
    "call",
    "called",
    "diff",
    "materialize",
    "recipe",
    "select",
    "swap",
    "trace",
]
