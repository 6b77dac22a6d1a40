"""A user's model: loaded, looked at, and its activations swapped in place."""

from advisor.model.anatomy import Anatomy, Layer, Site, Table, select
from advisor.model.call import call
from advisor.model.load import build_model, load_model
from advisor.model.recipe import apply_recipe
from advisor.model.swap import SwapReport, swap
from advisor.model.trace import materialize, trace

__all__ = [
    "Anatomy",
    "Layer",
    "Site",
    "SwapReport",
    "Table",
    "apply_recipe",
    "build_model",
    "call",
    "load_model",
    "materialize",
    "select",
    "swap",
    "trace",
]
