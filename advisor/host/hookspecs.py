"""The hooks that a plugin may implement.

They only discover; a trial is an ordered list of plain calls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from advisor.named_query import NamedQuery
    from advisor.technique import Slot, Technique

PROJECT = "advisor"
"""The entry-point group of plugins, and the name under which hooks are marked."""

# The markers of both sides: what advisor specifies, and what a plugin implements.
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)
"""Marks a function of a plugin as an implementation of the hook of the same name.

Example:
    >>> import advisor
    >>> from torch import nn
    >>> @advisor.hookimpl
    ... def techniques():
    ...     return [advisor.Activation("mish_again", nn.Mish, cite="Misra 2019")]
    >>> techniques()
    [<technique activation=mish_again>]
"""


@hookspec
def slots() -> list[Slot]:  # type: ignore[empty-body]  # a specification has no body
    """Slots that the plugin adds to a training run."""


@hookspec
def techniques() -> list[Technique]:  # type: ignore[empty-body]  # a specification has no body
    """Techniques that the plugin offers, each for a slot of this or another plugin."""


@hookspec
def queries() -> list[NamedQuery]:  # type: ignore[empty-body]  # a specification has no body
    """Questions to the study database that the plugin adds to `advisor query --named`."""
