"""Masked modelling: the whole model learns to tell what was hidden of its inputs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

import advisor
from advisor import Pretraining

from .masks import Masking, maskings
from .signal import PlaceToRead, last_layer, signal_of

ROWS = 16_384
"""Most rows that are read: the more without targets, the more a whole model learns."""
ELEMENTS = 16_000_000
"""About how many numbers of inputs are kept."""
EXAMPLES = (13, 17, 19, 23)
"""Rows on which signals are looked for: a number that no other dimension of the inputs has."""
HALF = 0.5
"""Share that is changed to see which places know of others."""
_LOSSES = "losses"
"""Name of the loss before and after, kept beside the weights."""


class MaskedInputs(Pretraining):
    """The whole model learns to tell, from the rest of a row, what was hidden of it.

    Loss: a share of a row's inputs takes the values of other rows: columns of a table (those of one
    category together), steps of a sequence of numbers, words of a text. A decoder with one hidden
    layer, which is thrown away, reads the model before its last layer (of a sequence the last
    signal in which a place knows of others) and gives what was there; the error is that of the
    hidden entries alone: squared by the column's variance, cross-entropy of columns with two values
    and of words. Padding is left alone. All weights before the decoder are trained together by
    AdamW, dropout off. Where the error on held rows does not fall, the model keeps its start.

    When it helps: few labels and many rows without any, of tables whose columns say something of
    each other, or of sequences; not where labels are many.

    Arguments: `epochs`, passes at most; `lr`; `share` of the inputs that is hidden.

    Reference: Devlin et al. 2019, "BERT"; Yoon et al. 2020, "VIME: Extending the success of self-
    and semi-supervised learning to tabular domain"; He et al. 2022, "Masked autoencoders are
    scalable vision learners" (the error of hidden entries alone).
    """

    name = "masked"
    cite = "Devlin et al. 2019; Yoon et al. 2020; He et al. 2022"
    standard = False
    mends = ()
    cost = "a training of the whole model without targets, before training"
    effort = 3.5  # autograd computes each step, and AdamW moves all weights
    space = {
        "epochs": advisor.Int(5, 30, default=20),
        "lr": advisor.Float(1e-4, 1e-2, default=1e-3, log=True),
        "share": advisor.Float(0.1, 0.6, default=0.3),
    }

    def unfit(self, run: advisor.Run) -> str | None:
        """Inputs must be such that a part can be hidden, and something must be trained on it."""
        if run.loaded():
            return "it loads weights that were trained elsewhere"
        if last_layer(run) is None:
            return "no module computes its output, before which it could be read"
        why = maskings(run, run.example())[1]
        if why:
            return why
        with self.quiet(run.model), signals_read(signals(self, run)) as read:
            run.call(run.example())
            is_trained = any(signal.requires_grad for signal in read().values())
        return None if is_trained else "nothing that is trained lies before its last layer"

    def skips(self, run: advisor.Run) -> list[tuple[str, str]]:
        """The model is trained whole."""
        return []

    def pass_seconds(self, run: advisor.Run, **params: Any) -> float:
        """The model once over all rows, forward and backward, and the decoders."""
        example = run.example()
        found = maskings(run, example)[0]
        # Of a table each layer runs once for a row, of a sequence at each of its places.
        places = max(
            1 if each.what == "columns" else example[i].shape[1] for i, each in found.items()
        )
        products = []
        for layer in run.anatomy.layers:
            if layer.kind not in ("embedding", "norm"):
                weights = sum(each.numel() for each in layer.module.parameters(recurse=False))
                products.append((layer.kind, float(weights * places)))
        with self.quiet(run.model), signals_read(signals(self, run)) as read:
            run.call(example)
            for place, signal in read().items():
                units, by_place = signal.shape[-1], signal.ndim > 2
                weights = units * (units + found[place].outputs(by_place))
                products.append(("linear", float(weights * (places if by_place else 1))))
        return self.counted(rows_of(run), products, len(products))

    def apply(
        self,
        run: advisor.Run,
        epochs: int = 20,
        lr: float = 1e-3,
        share: float = 0.3,
        **params: Any,
    ) -> str:
        """Train the model on its inputs, or put there what another trial learnt."""
        settings = (epochs, lr, share)
        key = [self.slot, self.name, settings, run.seed, *self.depends(run, rows_of(run))]
        kept = run.remember(key, lambda: self.pretrained(run, epochs, lr, share))
        before, after = kept[_LOSSES].tolist()
        with torch.no_grad():
            for name, parameter in trained(run).items():
                parameter.copy_(kept[name])
        what = " and ".join(each.what for each in maskings(run, run.example())[0].values())
        if not after < before:
            return f"left as it was: the loss of hidden {what} did not fall from {before:.3g}"
        return f"pretrained whole: the loss of hidden {what} fell from {before:.3g} to {after:.3g}"

    def pretrained(
        self, run: advisor.Run, epochs: int, lr: float, share: float
    ) -> dict[str, Tensor]:
        """The weights that were learnt, by name, or those of the start, and both losses."""
        names = trained(run)
        start = {name: each.detach().clone() for name, each in names.items()}
        inputs = in_random_order(list(self.batches(run, rows_of(run))), run.generator)
        where = signals(self, run)
        found = {i: each for i, each in maskings(run, tuple(inputs))[0].items() if i in where}
        with self.quiet(run.model), signals_read(where) as read:
            run.call(run.example())
            draw = run.generator
            decoders = {i: decoder_of(signal, found[i], draw) for i, signal in read().items()}
            values = [*names.values(), *parameters_of(decoders)]

            def loss(rows: Sequence[Tensor], noise: torch.Generator) -> Tensor:
                """The mean error of what is hidden, added up over inputs."""
                return hidden_loss(run.call, read, found, decoders, rows, share, noise)

            before, after = self.descend(
                values, inputs, loss, run.generator, epochs=epochs, lr=lr, optimizer=self.adamw
            )
        for parameter in nn.Module.parameters(run.model):
            parameter.grad = None
        # A loss that is not a number has not fallen either.
        learnt = {name: each.detach().clone() for name, each in names.items()}
        return {**(learnt if after < before else start), _LOSSES: torch.tensor([before, after])}


def hidden_loss(
    call: Callable[[tuple[Tensor, ...]], Any],
    read: Callable[[], Mapping[int, Tensor]],
    found: Mapping[int, Masking],
    decoders: Mapping[int, nn.Module],
    rows: Sequence[Tensor],
    share: float,
    noise: torch.Generator,
) -> Tensor:
    """The mean error of what is hidden of some rows, added up over inputs."""
    # A norm has no statistics of one row.
    clean = [each.repeat(2, *[1] * (each.ndim - 1)) if len(each) == 1 else each for each in rows]
    changed, masked = list(clean), {}
    for place, masking in found.items():
        changed[place], masked[place] = masking.corrupted(clean[place], share, noise)
    # A model may take gradients itself, also while the error is only measured.
    with torch.enable_grad():
        call(tuple(changed))
    signals = read()
    losses = [
        each.error(decoders[place], signals[place], clean[place], masked[place])
        for place, each in found.items()
    ]
    return torch.stack(losses).sum()


def trained(run: advisor.Run) -> dict[str, nn.Parameter]:
    """The parameters that are trained, by name."""
    names = nn.Module.named_parameters(run.model)
    return {name: each for name, each in names if each.requires_grad}


def parameters_of(decoders: Mapping[int, nn.Module]) -> Iterator[Tensor]:
    """Those of all decoders."""
    for decoder in decoders.values():
        yield from decoder.parameters()


def decoder_of(signal: Tensor, masking: Masking, generator: torch.Generator) -> nn.Module:
    """One hidden layer, as wide as the signal that it reads."""
    units = signal.shape[-1]
    outputs = masking.outputs(signal.ndim > 2)
    decoder = nn.Sequential(nn.Linear(units, units), nn.ReLU(), nn.Linear(units, outputs))
    # Torch's own start, but drawn by the run's generator.
    for parameter in decoder.parameters():
        nn.init.uniform_(parameter, -(units**-0.5), units**-0.5, generator=generator)
    return decoder.to(signal)


def signals(technique: Pretraining, run: advisor.Run) -> dict[int, PlaceToRead]:
    """Where a run's model is read for each input that can be masked, judged by a few rows."""
    inputs = run.example()
    sizes = {size for each in inputs for size in each.shape[1:]}
    rows = next((each for each in EXAMPLES if each not in sizes), EXAMPLES[0])
    inputs = tuple(each[:rows] for each in inputs)
    noise = torch.Generator().manual_seed(0)
    where = {}
    for place, masking in maskings(run, inputs)[0].items():
        changed, masked = masking.corrupted(inputs[place], HALF, noise)
        others = tuple(changed if i == place else each for i, each in enumerate(inputs))
        with technique.quiet(run.model):
            where[place] = signal_of(run, inputs, others, masked)
    return where


@contextmanager
def signals_read(where: Mapping[int, PlaceToRead]) -> Iterator[Callable[[], Mapping[int, Tensor]]]:
    """While open, a function that returns the last signal of each input."""
    with ExitStack() as stack:
        reads = {place: stack.enter_context(signal.read()) for place, signal in where.items()}
        yield lambda: {place: read() for place, read in reads.items()}


def rows_of(run: advisor.Run) -> int:
    """How many rows are read."""
    parts = [part for part in (run.data.train, run.data.unlabeled) if part is not None]
    numbers = max(math.prod(shape) for shape in run.data.facts.inputs)
    return min(sum(map(len, parts)), ROWS, max(16, ELEMENTS // max(1, numbers)))


def in_random_order(batches: list[tuple[Tensor, ...]], generator: torch.Generator) -> list[Tensor]:
    """The rows of batches in an order that is drawn, a tensor for each input."""
    inputs = [torch.cat(each) for each in zip(*batches, strict=True)]
    order = torch.randperm(len(inputs[0]), generator=generator)
    return [each[order.to(each.device)] for each in inputs]
