"""Recurrent layers: each learns what comes next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import advisor
from advisor import Pretraining


class NextStep(Pretraining):
    """Each recurrent layer learns to predict the next step of its input.

    Loss: mean of (V h_t + c - x_{t+1})² over steps, the linear map V, c being thrown away
    afterwards. A module of several layers learns as one, from a zero state. A layer after an
    embedding predicts the next word's vector.

    When it helps: long sequences with few labels and many unlabeled rows.

    Arguments: `epochs`, `lr`, `freeze`. For nn.RNN, nn.LSTM and nn.GRU on tensors; one that reads
    from both sides is left out.

    Reference: Dai & Le 2015, "Semi-supervised sequence learning".
    """

    name = "next_step"
    cite = "Dai & Le 2015"
    standard = False
    kinds = ("rnn",)  # nothing else has a next step

    def learn(
        self,
        segment: advisor.Segment,
        inputs: Tensor,
        generator: torch.Generator,
        *,
        epochs: int = 20,
        lr: float = 3e-3,
        **params: Any,
    ) -> tuple[float, float]:
        """Train the layer and a linear prediction, by batches of whole sequences."""
        # An LSTM with a projection gives fewer numbers than it has units: one row is run to see.
        with torch.no_grad():
            width = segment.encode(inputs[:1]).shape[-1]
        head = nn.Linear(width, inputs.shape[-1]).to(inputs)

        def loss(rows: Sequence[Tensor], _: torch.Generator) -> Tensor:
            """The mean squared error of the next step."""
            (steps,) = rows
            predicted = head(segment.encode(steps[:, :-1]))
            return F.mse_loss(predicted, steps[:, 1:])

        trained = [*segment.parameters, *head.parameters()]
        return self.descend(trained, [inputs], loss, generator, epochs=epochs, lr=lr)
