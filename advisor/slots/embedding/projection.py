"""Vectors put into a word table, whose width may be another than the model reads."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from advisor.model import Table
from advisor.slots.embedding.word_tables import WordTable, filled, padding_of
from advisor.training.run import Run


class Projected(nn.Embedding):
    """Looks up rows of one width and maps them, by a learned matrix without bias, to the width that
    the model reads.

    It stands where the model's table stood; `embedding_dim` is the model's. Its `weight` is (rows,
    width of the vectors); `project.weight` is the only name that a `state_dict` gains. `folded()`
    is the plain table that gives the same rows.
    """

    def __init__(self, table: nn.Embedding, weight: Tensor, basis: Tensor) -> None:
        rows, width = weight.shape
        super().__init__(rows, width, padding_idx=table.padding_idx, _weight=weight)
        # Models read the width of what they look up from the table.
        self.embedding_dim = table.embedding_dim
        self.project = nn.Linear(
            width, table.embedding_dim, bias=False, device=basis.device, dtype=basis.dtype
        )
        with torch.no_grad():
            self.project.weight.copy_(basis.T)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  # torch's name
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
    module = table.module
    # Hooks, a norm that lookups enforce and a computed weight would be lost with the module.
    hooks = module._forward_hooks or module._forward_pre_hooks
    has_weight = module._parameters.get("weight") is not None
    is_plain = type(module) is nn.Embedding and module.max_norm is None
    if not is_plain or hooks or not has_weight:
        return False
    called = any(layer.module is module and layer.callable for layer in run.anatomy.layers)
    return bool(table.name) and not table.tied and called


def install(run: Run, table: Table, projected: Projected) -> None:
    """Put the projected table wherever the model holds the plain one."""
    projected.train(table.module.training)
    # The modules are listed first: the walk must not meet what is put in.
    for holder in list(run.model.modules()):
        for name, child in list(holder.named_children()):
            if child is table.module:
                setattr(holder, name, projected)
    run.changed()


def basis_of(vectors: Tensor, width: int, generator: torch.Generator) -> Tensor:
    """A matrix (width of the vectors, `width`): their principal components, or random orthonormal
    rows where it is wider.
    """
    vector_width = vectors.shape[1]
    if vector_width < width:
        wider: Tensor = torch.linalg.qr(torch.randn(width, vector_width, generator=generator)).Q
        return wider.T
    # Eigenvectors come in the order of rising eigenvalues.
    _, directions = torch.linalg.eigh((vectors.T @ vectors).double())
    components = directions.flip(1)[:, :width]
    # An eigenvector's sign is free; with its largest entry positive it is the same everywhere.
    largest = components.gather(0, components.abs().argmax(0, keepdim=True))
    basis: Tensor = components * largest.sign()
    return basis.to(vectors)


def put_vectors(
    run: Run, words: WordTable, ids: Tensor, vectors: Tensor
) -> tuple[nn.Parameter, str]:
    """Put vectors (ids, their own width) into a table, and a projection into the model where widths
    differ; the weight that now holds them, and a sentence's part that says how they are projected.
    """
    table = words.table
    before = words.weight.detach()
    padding = padding_of(run, table)
    is_word = torch.arange(len(before)) != (-1 if padding is None else padding)
    deviation = float(before[is_word].std()) or 1.0

    # Rows get the table's own deviation, as the model reads them: after the projection.
    vectors = vectors - vectors.mean(0)
    own_width = vectors.shape[1]
    basis = None
    if own_width != table.width:
        basis = basis_of(vectors, table.width, run.generator)
    read = vectors if basis is None else vectors @ basis
    vectors = vectors * (deviation / max(float(read.std()), 1e-12))

    # A learned projection stands in the model; a fixed one is multiplied into the rows.
    if basis is not None and projectable(run, table):
        weight = filled(len(before), ids, vectors, padding, run.generator)
        projected = Projected(words.module, weight.to(before), basis.to(before))
        install(run, table, projected)
        how = f", {own_width} numbers wide and projected to {table.width} (learned)"
        return cast(nn.Parameter, projected.weight), how
    how = ""
    if basis is not None:
        vectors = vectors @ basis
        how = f", {own_width} numbers wide and projected to {table.width} (fixed)"
    with torch.no_grad():
        words.weight.copy_(filled(len(before), ids, vectors, padding, run.generator))
    return words.weight, how
