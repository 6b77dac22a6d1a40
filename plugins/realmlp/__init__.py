"""The recipe of RealMLP for tables, in parts: each is a technique of its slot, which may be
searched alone. The activation names the others, so that a search tries all of them together, too.
"""

from __future__ import annotations

import advisor

from .hull_bias import HullBias
from .parametric import Parametric
from .waves_of_rate import CosineCycles


@advisor.hookimpl
def techniques() -> list[advisor.Technique]:
    """What the recipe has besides scales of columns and smoothed labels, which others bring."""
    return [Parametric(), HullBias(), CosineCycles()]
