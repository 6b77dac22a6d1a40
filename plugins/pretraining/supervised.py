"""Supervised greedy training: each layer with an output of its own, for a while."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import advisor
from advisor import Pretraining


class Supervised(Pretraining):
    """Each layer learns the task itself, through a temporary linear head on its output.

    Loss: cross-entropy of V·pool(h) + c with the class, or squared error with the standardized
    numbers; pool is the mean over places of a convolution and steps of a sequence. Targets are
    those of the training split; unlabeled rows are not used.

    When it helps: deep nets in which no gradient arrives below; it regularizes less than learning
    without targets.

    Arguments: `epochs`, `lr`, `freeze`. Also for recurrent layers.

    Reference: Bengio et al. 2007, "Greedy layer-wise training of deep networks"; Belilovsky et al.
    2019, "Greedy layerwise learning can scale to ImageNet".
    """

    name = "supervised"
    cite = "Bengio et al. 2007; Belilovsky et al. 2019"
    standard = False
    kinds = ("linear", "conv", "conv_transpose", "rnn")
    labelled = True

    def learn(
        self,
        segment: advisor.Segment,
        inputs: Tensor,
        generator: torch.Generator,
        *,
        targets: Tensor | None = None,
        epochs: int = 20,
        lr: float = 3e-3,
        **params: Any,
    ) -> tuple[float, float]:
        """Train the layer and a head on `targets`, class numbers (rows,) or numbers (rows, …)."""
        assert targets is not None  # `labelled` asks for them
        task_targets, outputs, error = task_of(targets)
        # Two rows are run to see how many numbers the head gets.
        with torch.no_grad():
            width = pooled(segment, inputs[:2]).shape[1]
        head = nn.Linear(width, outputs).to(inputs)

        def loss(rows: Sequence[Tensor], _: torch.Generator) -> Tensor:
            """The error of the head on some rows with their targets."""
            some_inputs, some_targets = rows
            value: Tensor = error(head(pooled(segment, some_inputs)), some_targets)
            return value

        trained = [*segment.parameters, *head.parameters()]
        rows = [inputs, task_targets]
        return self.descend(trained, rows, loss, generator, epochs=epochs, lr=lr)


def pooled(segment: advisor.Segment, inputs: Tensor) -> Tensor:
    """A layer's output as (rows, units): the mean over places or steps."""
    code = segment.encode(inputs)
    if code.ndim == 2:
        return code
    # Units are the second dimension of a convolution, and the last of everything else.
    if "conv" in segment.operation.name:
        return code.flatten(2).mean(2)
    return code.flatten(1, -2).mean(1)


def task_of(targets: Tensor) -> tuple[Tensor, int, Any]:
    """Targets to learn, number of outputs and loss."""
    if not targets.is_floating_point():
        return targets, int(targets.max()) + 1, F.cross_entropy
    numbers = targets.reshape(len(targets), -1)
    # Standardized, so that one learning rate suits targets of every size.
    deviation = numbers.std(0, correction=0).clamp_min(1e-6)
    return (numbers - numbers.mean(0)) / deviation, numbers.shape[1], F.mse_loss
