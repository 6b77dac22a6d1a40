"""Which numbers of the inputs nothing reads."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from advisor.diagnosis.passes import answer, inputs_at, passing
from advisor.model.call import arguments
from advisor.model.nested_values import named_tensors
from advisor.nested import mapped
from advisor.randomness import mix
from advisor.training.run import Run

ROWS = 32
"""Rows in which numbers are changed."""
SHIFTS = (1, 7, 13)
"""By how many rows values are moved when they are tried in other rows."""
TRIALS = 64
"""Passes at most in which numbers of one input are tried."""
NUMBERS = 50_000
"""Most numbers in a row of an input that is examined."""
JITTER = 0.05
"""Deviation of what is added to constant parameters: a branch that begins at zero reads, too."""


@dataclass(frozen=True)
class Unread:
    """Numbers of an input that nothing reads.

    Attributes:
        name: of the input, as `args[0]`.
        mask: which numbers of a row, in the shape of a row.
        whole: whether none of its numbers is read.
        is_only: whether the model has no other input.
    """

    name: str
    mask: Tensor
    whole: bool
    is_only: bool

    @property
    def share(self) -> float:
        """Share of the numbers of a row."""
        return float(self.mask.float().mean())


def unread(run: Run) -> tuple[Unread, ...]:
    """The numbers of each input that no answer depends on, where some are read."""
    generator = torch.Generator().manual_seed(mix(run.seed, "unread"))
    index = torch.randperm(len(run.data.train), generator=generator)[:ROWS]
    inputs = inputs_at(run, index)
    found, some_is_read = [], False
    leaves = _leaves(run, inputs, len(index))
    for name, leaf in leaves:
        probe = _Probe(run, inputs, leaf, len(index))
        candidates, is_connected = probe.candidates()
        mask, movable = probe.unread_among(candidates), probe.movable()
        whole = bool(movable.any()) and bool(mask[movable].all())
        some_is_read = some_is_read or not whole
        if bool(mask.any()):
            mask = _with_constants(mask, movable, candidates)
            part = Unread(name, mask.reshape(leaf.shape[1:]), whole, len(leaves) == 1)
            found.append((part, whole and is_connected))
    # An input that only seems unread may stand before layers that are dead, as all others do then.
    return tuple(part for part, doubtful in found if some_is_read or not doubtful)


def _with_constants(mask: Tensor, movable: Tensor, candidates: Tensor) -> Tensor:
    """Also those numbers that are the same in every row and lie between unread ones."""
    places = movable.nonzero().flatten()
    number = torch.arange(len(mask), device=mask.device)
    after = torch.searchsorted(places, number).clamp_max(len(places) - 1)
    before = (torch.searchsorted(places, number, right=True) - 1).clamp_min(0)
    between = mask[places[before]] & mask[places[after]]
    return mask | (between & candidates & ~movable)


def _leaves(run: Run, inputs: tuple[Any, ...], rows: int) -> list[tuple[str, Tensor]]:
    """The inputs of the model that have a row for each row of the batch."""
    positional, keywords = arguments(run.model, inputs)
    leaves = []
    for name, leaf in (*named_tensors(positional, "args"), *named_tensors(keywords, "inputs")):
        if leaf.ndim and len(leaf) == rows and leaf[0].numel() <= NUMBERS:
            leaves.append((name, leaf))
    return leaves


class _Probe:
    """One input of a model whose numbers are changed."""

    def __init__(self, run: Run, inputs: tuple[Any, ...], leaf: Tensor, rows: int) -> None:
        self._run = run
        self._inputs = inputs
        self._leaf = leaf
        self._rows = rows
        self._flat = leaf.detach().reshape(rows, -1)
        self._plain = self._answer_with(leaf)

    def candidates(self) -> tuple[Tensor, bool]:
        """The numbers that no gradient reaches in any row, and whether a path leads to them.

        Numbers without a gradient, such as ids, are all candidates.
        """
        everything = torch.ones(self._flat.shape[1], dtype=torch.bool, device=self._flat.device)
        if not self._leaf.is_floating_point():
            return everything, True
        leaf = self._leaf.detach().clone().requires_grad_()
        with passing(self._run, _differentiable), torch.enable_grad():
            _jitter(self._run.model)
            output = answer(self._run, self._inputs_with(leaf), self._rows)
            if output is None or not output.requires_grad:
                return everything, False
            # A weighted sum, as plain sums of probabilities are constant.
            total = (output * torch.randn_like(output)).sum()
            (gradient,) = torch.autograd.grad(total, leaf, allow_unused=True)
        if gradient is None:
            return everything, False
        return ~gradient.reshape(self._rows, -1).ne(0).any(0), True

    def movable(self) -> Tensor:
        """The numbers that differ between rows, or are no whole numbers, and so no ids."""
        varies = (self._flat != self._flat[:1]).any(0)
        return varies | ~self._whole()

    def unread_among(self, candidates: Tensor) -> Tensor:
        """Those of the candidates whose change changes no answer."""
        left = candidates & self.movable()
        found = torch.zeros_like(left)
        if self._plain is None:
            return found
        for shift in SHIFTS:
            left = left & ~self._read_by_rows(left, shift)

        # What is left is tried together, and in halves where something of it is read.
        parts = [left.nonzero().flatten()]
        for _ in range(TRIALS):
            part = parts.pop() if parts else left.new_zeros(0, dtype=torch.long)
            if not len(part):
                break
            if not self._changes(part):
                found[part] = True
            elif len(part) > 1:
                parts.extend(part.chunk(2))
        return found

    def _read_by_rows(self, left: Tensor, shift: int) -> Tensor:
        """The numbers whose change shows, where each row has another of them changed."""
        read = torch.zeros_like(left)
        places = left.nonzero().flatten()
        if len(places) < 2:
            return read
        rows = torch.arange(self._rows, device=left.device)
        chosen = places[(rows + shift) % len(places)]
        values = self._flat.clone()
        values[rows, chosen] = self._moved(shift)[rows, chosen]
        changed = self._changed_rows(values)
        read[chosen[changed]] = True
        return read

    def _changes(self, part: Tensor) -> bool:
        """Whether other values of some numbers change an answer."""
        for shift in SHIFTS:
            values = self._flat.clone()
            values[:, part] = self._moved(shift)[:, part]
            if bool(self._changed_rows(values).any()):
                return True
        return False

    def _moved(self, shift: int) -> Tensor:
        """The values of other rows; with noise where they are not whole numbers."""
        moved = self._flat.roll(shift, 0)
        ids = self._whole()
        if bool(ids.all()):
            return moved
        generator = torch.Generator().manual_seed(shift)
        noise = torch.randn(moved.shape, generator=generator).to(moved)
        return torch.where(ids, moved, moved + noise * self._flat.float().std().to(moved))

    def _whole(self) -> Tensor:
        """The numbers that are whole in every row, and so may be ids."""
        if not self._flat.is_floating_point():
            return torch.ones_like(self._flat[0], dtype=torch.bool)
        return (self._flat == self._flat.round()).all(0)

    def _changed_rows(self, values: Tensor) -> Tensor:
        """In which rows the answer is another one."""
        changed = self._answer_with(values.reshape(self._leaf.shape))
        assert self._plain is not None  # else nothing is tried
        if changed is None or changed.shape != self._plain.shape:
            return torch.ones(self._rows, dtype=torch.bool, device=values.device)
        return (changed != self._plain).any(1)

    @torch.no_grad()
    def _answer_with(self, leaf: Tensor) -> Tensor | None:
        """The answer with other values of the input."""
        with passing(self._run):
            _jitter(self._run.model)
            try:
                return answer(self._run, self._inputs_with(leaf), self._rows)
            except (IndexError, ValueError, RuntimeError):
                return None  # a number that the model refuses is one that it reads

    def _inputs_with(self, leaf: Tensor) -> tuple[Any, ...]:
        """The inputs with another tensor in the place of this one."""

        def put(element: Any) -> Any:
            """The other tensor in its place."""
            return leaf if element is self._leaf else element

        return tuple(mapped(put, list(self._inputs)))


def _differentiable(model: nn.Module) -> None:
    """Evaluation mode, but for recurrent modules, which some devices cannot differentiate in it."""
    model.eval()
    for module in nn.Module.modules(model):
        if isinstance(module, nn.RNNBase):
            module.training = True


@torch.no_grad()
def _jitter(model: nn.Module) -> None:
    """Add small random numbers to constant parameters, as a zero weight hides what it reads."""
    for parameter in nn.Module.parameters(model):
        values = parameter.detach()
        if not values.numel() or not values.is_floating_point():
            continue
        if bool((values == values.flatten()[0]).all()):
            with contextlib.suppress(RuntimeError):  # an expanded tensor cannot be written to
                parameter.add_(torch.randn_like(values) * JITTER)
