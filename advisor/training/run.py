"""A Run: one model on its way from built to scored."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from advisor.data import Facts, Part
from advisor.model import Anatomy, SwapReport, trace
from advisor.randomness import isolated, mix
from advisor.study import Task
from advisor.technique import Technique
from advisor.training.objective import Objective, to_device

EXAMPLE_ROWS = 32
"""Rows in the batch on which a model is traced."""


@dataclass(frozen=True)
class Data:
    """What training sees: the training split and the unlabeled inputs, never valid or test."""

    train: Part
    unlabeled: Part | None
    facts: Facts

    def sample(self, rows: int, generator: torch.Generator) -> tuple[Any, ...]:
        """Inputs of `rows` training rows drawn at random without repeats (all rows if there are
        fewer).
        """
        return self.train.take(torch.randperm(len(self.train), generator=generator)[:rows])[0]

    def inputs(self, batch: int = 256) -> Iterator[tuple[Any, ...]]:
        """All inputs in order, training rows first and then the unlabeled ones, `batch` rows at a
        time.
        """
        for part in (self.train, self.unlabeled):
            for start in range(0, len(part) if part is not None else 0, batch):
                assert part is not None  # an empty range has no body
                yield part.take(torch.arange(start, min(start + batch, len(part))))[0]


@dataclass
class Run:
    """One model on its way from built to scored. Techniques change it; the training loop reads it.

    Attributes:
        task: what the user brought.
        model: the model; a technique may change it in place or put another in its stead.
        loss: `(output, target) -> scalar tensor`.
        optimizer: `(parameter groups, lr, weight_decay) -> torch.optim.Optimizer`, called after all
            techniques.
        data: what training sees.
        seed: the run's seed; all arms of one seed share it.
        generator: a random generator of this technique's own, seeded by the run's seed and the
            slot.
        device: where the model lives.
        costs: seconds by slot, and `training`.
        swaps: what techniques changed in the model's activations, as `swap` reported it.
        undecayed: parameters that get no weight decay besides those with fewer than two dimensions.
        later: parameters that begin to train after a share of a full training's epochs, and are
            frozen until then.
    """

    task: Task
    model: nn.Module
    loss: Callable[[Any, Tensor], Tensor]
    optimizer: Callable[[Any, float, float], torch.optim.Optimizer]
    data: Data
    seed: int
    generator: torch.Generator
    device: torch.device
    objective: Objective
    costs: dict[str, float] = field(default_factory=dict)
    swaps: list[SwapReport] = field(default_factory=list)
    undecayed: list[nn.Parameter] = field(default_factory=list)
    later: list[tuple[nn.Parameter, float]] = field(default_factory=list)
    cache: Path | None = None
    _anatomy: Anatomy | None = None

    @property
    def anatomy(self) -> Anatomy:
        """Sites, layers, tables and output of the model as it is now, traced when asked for the
        first time after a change.
        """
        if self._anatomy is None:
            rows = min(EXAMPLE_ROWS, len(self.data.train))
            self._anatomy = trace(self.model, self.example(), self.task.output, rows)
        return self._anatomy

    def changed(self) -> None:
        """Say that the model has another structure now, so that `anatomy` is traced anew."""
        self._anatomy = None

    def example(self, rows: int = EXAMPLE_ROWS) -> tuple[Any, ...]:
        """Inputs of the first training rows, on the run's device."""
        inputs = self.data.train.take(torch.arange(min(rows, len(self.data.train))))[0]
        return tuple(to_device(part, self.device) for part in inputs)

    def sample(self, rows: int) -> tuple[Any, ...]:
        """Inputs of `rows` training rows drawn with `generator`, on the run's device."""
        return tuple(
            to_device(part, self.device) for part in self.data.sample(rows, self.generator)
        )

    def remember(
        self, key: Sequence[object], make: Callable[[], Mapping[str, Tensor]]
    ) -> dict[str, Tensor]:
        """What `make()` returns, kept in a file under a hash of `key` so that trials with equal
        inputs share the work.

        `key` must hold everything the result depends on; tensors in it count by content. The first
        maker's seconds are charged to every user, because a cost that was paid once is still the
        technique's cost.
        """
        if self.cache is None:
            return dict(make())
        path = self.cache / f"{digest(key)}.pt"
        if path.is_file():
            kept: dict[str, Tensor] = torch.load(path, weights_only=True)
            self.costs["remembered"] = self.costs.get("remembered", 0.0) + float(
                kept.pop("_seconds")
            )
            return kept
        started = time.perf_counter()
        made = dict(make())
        path.parent.mkdir(parents=True, exist_ok=True)
        save({**made, "_seconds": torch.tensor(time.perf_counter() - started)}, path)
        return made


def save(state: Mapping[str, Any], path: Path) -> None:
    """`torch.save` that a kill or a full disk cannot leave half written."""
    part = path.with_suffix(
        f".{hashlib.sha256(repr(time.time_ns()).encode()).hexdigest()[:8]}.part"
    )
    torch.save(dict(state), part)
    part.replace(path)


def digest(parts: Iterable[object]) -> str:
    """A hash of values and of the contents of tensors."""
    found = hashlib.sha256(torch.__version__.encode())
    for part in parts:
        if isinstance(part, Tensor):
            found.update(repr((part.shape, part.dtype)).encode())
            found.update(
                part.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
            )
        else:
            found.update(repr(part).encode())
    return found.hexdigest()[:32]


def apply(run: Run, techniques: Iterable[tuple[Technique, Mapping[str, Any]]]) -> dict[str, str]:
    """Apply techniques in order; each with a generator of its own and without touching others'
    random state.

    A slot that another of them settles is left to that one. Returns what each slot's technique says
    it did. The seconds go to `run.costs`.
    """
    told, chosen = {}, list(techniques)
    settled = {slot: technique for technique, _ in chosen for slot in technique.settles}
    for technique, params in chosen:
        if technique.slot in settled:
            told[technique.slot] = (
                f"not applied: {settled[technique.slot].slot} {settled[technique.slot].name} brings its own"
            )
            continue
        run.costs.pop("remembered", None)
        started = time.perf_counter()
        with isolated(mix(run.seed, technique.slot)) as run.generator:
            told[technique.slot] = technique.apply(run, **params) or ""
        run.changed()
        run.costs[technique.slot] = time.perf_counter() - started + run.costs.pop("remembered", 0.0)
    return told


def adamw(groups: Any, lr: float, weight_decay: float) -> torch.optim.Optimizer:
    """AdamW (Loshchilov & Hutter 2019), fused where possible: every arm's, unless a slot changes
    it.
    """
    plain = all(
        p.is_floating_point() and p.device.type in ("cpu", "cuda")
        for group in groups
        for p in group["params"]
    )
    return torch.optim.AdamW(groups, lr=lr, weight_decay=weight_decay, fused=plain)


def parameter_groups(run: Run) -> list[dict[str, Any]]:
    """Two groups: matrices, and what gets no weight decay (vectors such as biases and gains, and
    `run.undecayed`).
    """
    free, later = {id(p) for p in run.undecayed}, {id(p) for p, _ in run.later}
    trained = [p for p in nn.Module.parameters(run.model) if p.requires_grad or id(p) in later]
    groups: list[dict[str, Any]] = [
        {"params": [p for p in trained if p.ndim >= 2 and id(p) not in free]},
        {"params": [p for p in trained if p.ndim < 2 or id(p) in free], "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]
