"""How an answer is shown in a notebook."""

from __future__ import annotations

import importlib

DRAWN_BY = "advisor.report.notebook"
"""The module that draws an answer. It stands above those that have the answers, and is loaded where
a notebook asks for it; nothing else does.
"""


class InNotebook:
    """An answer that a notebook shows as HTML, with what a terminal shows first."""

    def _repr_html_(self) -> str:
        drawn: str = importlib.import_module(DRAWN_BY).html_of(self)
        return drawn
