"""Sites, put together from the calls of activations in a recorded graph."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from advisor.model.anatomy import Site
from advisor.model.tracing.graph import Call, Graph, Node, upstream
from advisor.model.tracing.site_labels import SiteLabel, label, strictest, trained_after


def sites_of(graph: Graph) -> dict[Call, Site]:
    """The site of every call, in order of execution. A module whose calls have different labels is
    seen as its calls, where they can be reached.
    """
    labels: dict[Call, SiteLabel] = {}
    before_trained = trained_after(graph.nodes)
    for node in graph.nodes:
        if node.call is not None:
            labels[node.call] = label(node, before_trained)

    dropped = _dropped(graph)
    sites: dict[Call, Site] = {}
    for calls in _grouped(labels, lambda call: call.key):
        site_labels = _labels_that_count(calls, labels, dropped)
        differ = len({one.name for one in site_labels}) > 1
        if differ and all(call.split for call in calls):
            # One site for each place in the source that calls the module.
            for part in _grouped(calls, lambda call: (call.split or call).key):
                shown = part[0].split or part[0]
                part_labels = _labels_that_count(part, labels, dropped)
                sites.update(dict.fromkeys(part, _site(part, shown, part_labels)))
        else:
            sites.update(dict.fromkeys(calls, _site(calls, calls[0], site_labels)))
    return {call: sites[call] for call in labels}


def _dropped(graph: Graph) -> set[Call]:
    """Calls that say nothing about their site: those whose results the model throws away, as the
    last turn of a loop may, and those on constants, as its first turn may.
    """
    end = Node("output", -1, graph.outputs)
    used = set(upstream(end, lambda _: True))
    dropped = set()
    for node in graph.nodes:
        if node.call is not None and (node not in used or not node.data):
            dropped.add(node.call)
    return dropped


def _grouped(calls: Iterable[Call], key: Callable[[Call], tuple[object, ...]]) -> list[list[Call]]:
    """Calls with equal keys together, in order of the first of each."""
    groups: dict[tuple[object, ...], list[Call]] = {}
    for call in calls:
        groups.setdefault(key(call), []).append(call)
    return list(groups.values())


def _labels_that_count(
    calls: list[Call], labels: Mapping[Call, SiteLabel], dropped: set[Call]
) -> list[SiteLabel]:
    """The labels of the calls whose results are used, or of all where none is."""
    used = [call for call in calls if call not in dropped]
    return [labels[call] for call in used or calls]


def _site(calls: list[Call], shown: Call, labels: list[SiteLabel]) -> Site:
    """The site of these calls, with the id, place and target of `shown`."""
    name = strictest(one.name for one in labels)
    # The first call that has the site's label gives the reason.
    reason = next(one.reason for one in labels if one.name == name)
    return Site(
        id=shown.id,
        kind=calls[0].kind,
        label=name,
        reason=reason,
        calls=len(calls),
        place=shown.place,
        target=shown.target,
        function=calls[0].function,
    )
