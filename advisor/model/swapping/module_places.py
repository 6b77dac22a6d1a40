"""Where a model holds its modules, searched once for as many replacements as possible."""

from __future__ import annotations

from dataclasses import replace

from torch import nn

from advisor.model.references import Holding, holdings, rebuilds


class ModulePlaces:
    """Every reference to a module below a model, found when it is asked for."""

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        # By the module's id; the holding keeps the module, so that no other one gets its id.
        self._known: dict[int, list[Holding]] | None = None

    def of(self, module: nn.Module) -> list[Holding]:
        """The references to a module, registered ones first."""
        if self._known is None:
            self._known = {}
            for holding in holdings(self._model):
                self._known.setdefault(id(holding.module), []).append(holding)
        return self._known.get(id(module), [])

    def replaced(self, holding: Holding, new: nn.Module) -> None:
        """Say that `new` has taken the place of the module of a holding.

        All other places are what they were where the old module had this place only, neither holds
        any module, and the new one was nowhere before.
        """
        assert self._known is not None
        old = holding.module
        is_simple = len(self._known[id(old)]) == 1 and not rebuilds(holding)
        is_new = id(new) not in self._known
        if is_simple and is_new and not _holds_any(old) and not _holds_any(new):
            del self._known[id(old)]
            self._known[id(new)] = [replace(holding, module=new)]
            return
        self.forget()

    def forget(self) -> None:
        """Say that the model may hold its modules in other places now."""
        self._known = None


def _holds_any(module: nn.Module) -> bool:
    return next(holdings(module), None) is not None
