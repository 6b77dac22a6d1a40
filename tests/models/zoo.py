"""The example models with inputs and the truth about their activations: (kind, label, calls), in order of execution."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from models import conv, custom, mixed, mlp, text
from torch import nn


@dataclass(frozen=True)
class Case:
    build: Callable[[], nn.Module]
    inputs: tuple[Any, ...]
    truth: tuple[tuple[str, str, int], ...]
    output: str = "raw"

    @property
    def hidden_calls(self) -> int:
        return sum(calls for _, label, calls in self.truth if label == "hidden")


def hidden(*kinds: str) -> tuple[tuple[str, str, int], ...]:
    """Sites that are hidden and run once; `kind*3` runs three times."""
    parts = [kind.partition("*") for kind in kinds]
    return tuple((kind, "hidden", int(count or 1)) for kind, _, count in parts)


generator = torch.Generator().manual_seed(0)
ROWS = torch.randn(4, 8, generator=generator)
IMAGES = torch.randn(4, 3, 8, 8, generator=generator)
DIGITS = torch.randn(4, 1, 12, 12, generator=generator)
TOKENS = torch.randint(1, 20, (4, 7), generator=generator)
WORDS = torch.randint(0, 20, (9,), generator=generator)
OFFSETS = torch.tensor([0, 3, 5, 7])
NODES = torch.randn(5, 6, generator=generator)
EDGES = (torch.rand(5, 5, generator=generator) > 0.4).float() + torch.eye(5)
SERIES = torch.randn(4, 3, 5, generator=generator)
SEEN_BY_ALL = torch.randn(64, 8, generator=generator)  # so many rows that each expert gets some
GATES = (("sigmoid", "gate", 3), ("sigmoid", "gate", 3), ("tanh", "gate", 3))

CASES = {
    "MLP with one shared module": Case(lambda: mlp.SharedActivation(8, 3), (ROWS,), hidden("relu*2")),
    "MLP with functions": Case(mlp.Functional, (ROWS,), hidden("relu", "relu")),
    "MLP with tensor methods and in-place calls": Case(
        mlp.Methods, (ROWS,), (*hidden("relu", "tanh", "leaky_relu", "relu"), ("sigmoid", "output", 1)), "probability"
    ),
    "deep plain MLP in a loop": Case(mlp.Deep, (ROWS,), hidden("relu*30")),
    "sigmoid shared by hidden layer and output": Case(
        mlp.SharedSigmoid, (ROWS,), (*hidden("sigmoid"), ("sigmoid", "output", 1)), "probability"
    ),
    "function kept in an attribute": Case(mlp.FromConfig, (ROWS,), hidden("relu")),
    "modules in a plain list": Case(mlp.InAList, (ROWS,), hidden("relu", "relu")),
    "module made in forward": Case(mlp.MadeInForward, (ROWS,), hidden("relu")),
    "weight_norm and a trained activation": Case(mlp.Normalized, (ROWS,), hidden("prelu"), "probabilities"),
    "CNN with functions": Case(conv.Net, (DIGITS,), hidden("relu", "relu", "relu"), "log_probabilities"),
    "ResNet that reuses self.relu": Case(conv.ResNet, (IMAGES,), hidden("relu", "relu*2", "relu*2")),
    "squeeze and excite": Case(conv.SENet, (IMAGES,), (*hidden("silu", "relu"), ("sigmoid", "gate", 1))),
    "generator": Case(conv.Generator, (ROWS[:, :4],), (*hidden("leaky_relu"), ("tanh", "output", 1)), "bounded"),
    "VAE": Case(conv.VAE, (torch.rand(4, 12),), (*hidden("relu", "relu"), ("sigmoid", "output", 1)), "probability"),
    "TextCNN with a comprehension": Case(text.text_cnn, (TOKENS,), hidden("relu*2")),
    "LSTM classifier": Case(lambda: text.LSTMClassifier(20, 3), (TOKENS,), ()),
    "bag of words": Case(text.Bag, (WORDS, OFFSETS), ()),
    "tied language model": Case(text.TiedLanguageModel, (TOKENS,), hidden("gelu")),
    "vision transformer": Case(text.Transformer, (IMAGES,), hidden("gelu", "gelu")),
    "transformer decoder": Case(text.Translator, (SERIES.new_ones(4, 5, 8),), hidden("relu")),
    "SwiGLU": Case(text.SwiGLU, (ROWS,), (("silu", "gate", 1),)),
    "graph attention": Case(
        text.GraphAttention, (NODES, EDGES), (("leaky_relu", "score", 1), *hidden("elu")), "log_probabilities"
    ),
    "hand-written GRU": Case(text.GatedCell, (SERIES,), GATES),
    "hand-written activations": Case(custom.Modules, (ROWS,), hidden("custom:HSwish", "custom:swish", "custom:SwishFunction")),
    "activation written inline": Case(custom.Inline, (ROWS,), (("sigmoid", "composite", 1),)),
    "lambda": Case(custom.Lambda, (ROWS,), hidden("tanh")),
    "base class with super().forward() and private names": Case(custom.Derived, (ROWS,), hidden("relu", "elu")),
    "decorated method with a nested function": Case(custom.Decorated, (ROWS,), hidden("relu")),
    "activation checkpointing": Case(custom.Checkpointed, (ROWS,), hidden("gelu*2")),
    "module under several names": Case(custom.Aliased, (ROWS,), hidden("relu*3")),
    "highway": Case(mixed.Highway, (ROWS,), (("sigmoid", "gate", 1), *hidden("relu"))),
    "attention pooling": Case(mixed.AttentionPooling, (SERIES,), hidden("relu", "tanh")),
    "masked mean": Case(mixed.MaskedMean, (TOKENS,), hidden("tanh")),
    "mixture of experts": Case(mixed.Experts, (SEEN_BY_ALL,), hidden("tanh", "relu", "relu", "relu")),
    "linear attention": Case(mixed.LinearAttention, (SERIES,), hidden("elu", "elu")),
    "chains of methods over lines": Case(mixed.Chains, (ROWS,), hidden("relu", "tanh", "relu", "relu", "relu*4")),
    "property, static method and decorator": Case(mixed.Properties, (ROWS,), hidden("relu", "tanh", "gelu")),
    "prepared input": Case(mixed.Prepared, (ROWS,), (("custom:Log", "composite", 1), *hidden("custom:Log"))),
    "lazy layers": Case(mixed.Lazy, (ROWS,), hidden("relu")),
    "TorchScript block": Case(mixed.Scripted, (ROWS,), hidden("relu")),
    "old weight_norm and spectral_norm": Case(mixed.OldWeightNorm, (ROWS,), hidden("relu")),
}
