"""The format of a recipe, and the check that a recipe from anywhere has it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from advisor.errors import InputError, listing

Recipe = dict[str, Any]
Shape = Mapping[str, type | tuple[type, ...]]

# The version of the format that is written, and the only one that is read.
FORMAT = 1

# The keys of an entry of `sites` with the types of their values.
_SITE: Shape = {"id": str, "kind": str, "calls": int, "where": dict, "runs": (dict, type(None))}

# Where a site is: a call in a method, an attribute of a layer of torch, or a module.
_PLACES: tuple[Shape, ...] = (
    {
        "owner": str,
        "class": str,
        "method": str,
        "call": int,
        "text": str,
        "receiver": bool,
        "source": str,
    },
    {"owner": str, "class": str, "attribute": str},
    {"module": str, "class": str},
)

# What runs there: a module or a function.
_ACTIVATIONS: tuple[Shape, ...] = (
    {"class": str, "arguments": dict, "state": dict},
    {"function": str, "arguments": dict},
)


def checked_sites(recipe: Any) -> list[dict[str, Any]]:
    """The entries of `sites`. Raises InputError unless the recipe is of this format."""
    if not isinstance(recipe, dict) or "recipe" not in recipe:
        raise InputError(
            f"That is no recipe but {type(recipe).__name__}; "
            "pass what advisor.model.recipe(report) returned."
        )
    if recipe["recipe"] != FORMAT:
        raise InputError(
            f"The recipe has format {recipe['recipe']!r}, this advisor reads {FORMAT}; "
            "swap again and write a new one."
        )
    entries = recipe.get("sites")
    if isinstance(entries, list):
        complaints = list(_complaints(entries))
    else:
        complaints = ["sites is not a list"]
    if complaints:
        raise InputError(f"The recipe is damaged: {listing(complaints, 4)}; write it again.")
    return list(entries or ())


def _complaints(entries: list[Any]) -> Iterator[str]:
    """What is wrong with each entry, if anything is; only the first fault of each."""
    for number, entry in enumerate(entries):
        fault = _fault(entry, (_SITE,), "")
        if not fault:
            fault = _fault(entry["where"], _PLACES, ".where")
        if not fault and entry["runs"] is not None:
            fault = _fault(entry["runs"], _ACTIVATIONS, ".runs")
        if fault:
            yield f"sites[{number}]{fault}"


def _fault(data: Any, shapes: Sequence[Shape], path: str) -> str:
    """What keeps data from having one of these shapes; nothing if it has one."""
    if not isinstance(data, dict):
        return f"{path} is not an object"
    for shape in shapes:
        if shape.keys() <= data.keys():
            for key, kind in shape.items():
                if not isinstance(data[key], kind):
                    return f"{path}.{key} is {data[key]!r}"
            return ""
    missing = [key for key in shapes[-1] if key not in data]
    return f"{path} lacks {listing(missing)}"
