"""What a swap asks of the source: which activation each site shall run, and who shares its code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from advisor.model.anatomy import Site
from advisor.model.swapping.report import SwapReport
from advisor.model.writing.constructors import OriginError
from advisor.model.writing.describe import Description, describe

Note = tuple[str, str]  # a site's id, and why it is not in the diff


@dataclass(frozen=True)
class SourceChange:
    """The sites of a model, and what those that were swapped run now.

    Arguments:
        sites: all sites: swapped, refused and left.
        descriptions: the new activation of each swapped site, by the site's id; None where what
            runs there has no importable name.
    """

    sites: Sequence[Site]
    descriptions: dict[str, Description | None]

    @classmethod
    def of(cls, report: SwapReport) -> SourceChange:
        """What a report says."""
        descriptions = {}
        for site in report.swapped:
            activation = report.activations[site.id]
            descriptions[site.id] = describe(activation, report.starting_states[site.id])
        refused = [site for site, _ in report.refused]
        return cls([*report.swapped, *refused, *report.left], descriptions)

    def is_swapped(self, site: Site) -> bool:
        """Whether a site runs a new activation."""
        return site.id in self.descriptions

    def description(self, site: Site) -> Description:
        """What a swapped site runs. Raises OriginError where it has no importable name."""
        description = self.descriptions[site.id]
        if description is None:
            raise OriginError("what runs there has no importable name")
        return description
