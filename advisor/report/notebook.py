"""An answer in a notebook: what a terminal shows first, as HTML that needs nothing around it."""

from __future__ import annotations

from functools import singledispatch

from advisor.api.diagnose import DiagnosisReport
from advisor.comparing.comparison import Comparison
from advisor.report.first_screen import FirstScreen
from advisor.report.first_screens import screen_of_comparison, screen_of_study
from advisor.report.html import render
from advisor.verdict.recommendation import Recommendation


@singledispatch
def html_of(answer: object) -> str:
    """An answer as a part of a page; everything that users and plugins named is escaped."""
    raise TypeError(f"{type(answer).__name__} is no answer of advisor's.")


@html_of.register
def _of_recommendation(answer: Recommendation) -> str:
    return screen_html(screen_of_study(answer))


@html_of.register
def _of_comparison(answer: Comparison) -> str:
    return screen_html(screen_of_comparison(answer))


@html_of.register
def _of_diagnosis(answer: DiagnosisReport) -> str:
    slots = {}
    for slot, techniques in answer.fits.items():
        slots[slot] = [name for name, why in techniques.items() if why is None]
    return render("notebook_diagnosis.html", report=answer, slots=slots)


def screen_html(screen: FirstScreen) -> str:
    """A first screen as a part of a page."""
    return render("notebook.html", screen=screen)
