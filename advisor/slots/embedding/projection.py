"""A word table whose rows have another width than the model reads."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from advisor.model import Table
from advisor.training.run import Run


class Projected(nn.Embedding):
    """Looks up rows of one width and maps them, by a learned matrix without bias, to the width that
    the model reads.

    It stands where the model's table stood; `embedding_dim` is the model's. Its `weight` is (rows,
    width of the vectors); `project.weight` is the only name that a `state_dict` gains. `folded()`
    is the plain table that gives the same rows.
    """

    def __init__(self, table: nn.Embedding, weight: Tensor, basis: Tensor) -> None:
        super().__init__(
            len(weight), weight.shape[1], padding_idx=table.padding_idx, _weight=weight
        )
        self.embedding_dim = table.embedding_dim
        self.project = nn.Linear(
            len(basis), basis.shape[1], bias=False, device=basis.device, dtype=basis.dtype
        )
        with torch.no_grad():
            self.project.weight.copy_(basis.T)

    def forward(self, input: Tensor) -> Tensor:  # torch's name
        """Rows of ids, projected."""
        rows: Tensor = self.project(super().forward(input))
        return rows

    def folded(self) -> nn.Embedding:
        """A plain table of the model's own shape with the same rows."""
        rows = (self.weight @ self.project.weight.T).detach()
        table: nn.Embedding = nn.Embedding.from_pretrained(
            rows, freeze=False, padding_idx=self.padding_idx
        )
        return table


def projectable(run: Run, table: Table) -> bool:
    """Whether the table can be replaced: a plain one, called as a module, with a weight that
    nothing else reads.
    """
    plain = (
        type(table.module) is nn.Embedding
        and table.module.max_norm is None
        and not _hooked(table.module)
    )
    layer = next((layer for layer in run.anatomy.layers if layer.module is table.module), None)
    return bool(plain and table.name and not table.tied and layer is not None and layer.callable)


def _hooked(module: nn.Module) -> bool:
    return bool(
        module._forward_hooks
        or module._forward_pre_hooks
        or module._parameters.get("weight") is None
    )


def put(run: Run, table: Table, projected: Projected) -> None:
    """Put the projected table wherever the model holds the plain one."""
    holders = [
        (module, name)
        for module in run.model.modules()
        for name, child in module.named_children()
        if child is table.module
    ]
    for holder, name in holders:
        setattr(holder, name, projected.train(table.module.training))
    run.changed()


def basis_of(vectors: Tensor, width: int, generator: torch.Generator) -> Tensor:
    """A matrix (width of the vectors, `width`): their principal components, or random orthonormal
    rows where it is wider.
    """
    have = vectors.shape[1]
    if have < width:
        wider: Tensor = torch.linalg.qr(torch.randn(width, have, generator=generator)).Q
        return wider.T
    _, directions = torch.linalg.eigh((vectors.T @ vectors).double())
    main = directions.flip(1)[:, :width]
    largest = main.gather(0, main.abs().argmax(0, keepdim=True))
    basis: Tensor = main * largest.sign()
    return basis.to(vectors)  # an eigenvector's sign is free; this one is the same everywhere
