"""The example models with inputs and the truth about their activations, read off their source."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from models import (
    attention,
    conv,
    custom,
    generative,
    graphs,
    mixed,
    mlp,
    mobile,
    odd,
    series,
    spatial,
    tabular,
    text,
    vision,
)
from torch import nn


@dataclass(frozen=True)
class Case:
    """A model with inputs and its truth.

    Arguments:
        sites: `KIND[/LABEL][*CALLS]` in order of execution; the label is `hidden` where none is
            given.
        output: what kind of numbers it returns.
        cannot: the properties (in `properties.py`) that the unmodified model does not have either.
        beyond: how many hidden calls no activation can take over.
        untrained: how many a trained activation cannot, because a plain list holds their owner.
    """

    build: Callable[[], nn.Module]
    inputs: tuple[Any, ...]
    sites: str
    output: str = "raw"
    cannot: frozenset[str] = frozenset()
    beyond: int = 0
    untrained: int = 0

    @property
    def truth(self) -> tuple[tuple[str, str, int], ...]:
        return tuple(_site(text) for text in self.sites.split())

    @property
    def hidden_calls(self) -> int:
        return sum(calls for _, label, calls in self.truth if label == "hidden")


def _site(text: str) -> tuple[str, str, int]:
    name, _, calls = text.partition("*")
    kind, _, label = name.partition("/")
    return kind, label or "hidden", int(calls or 1)


def _case(
    build: Callable[[], nn.Module],
    inputs: Any,
    sites: str,
    output: str = "raw",
    cannot: str = "",
    **more: int,
) -> Case:
    return Case(
        build,
        inputs if isinstance(inputs, tuple) else (inputs,),
        sites,
        output,
        frozenset(cannot.split()),
        **more,
    )


generator = torch.Generator().manual_seed(0)
ROWS = torch.randn(4, 8, generator=generator)
IMAGES = torch.randn(4, 3, 8, 8, generator=generator)
DIGITS = torch.randn(4, 1, 12, 12, generator=generator)
TOKENS = torch.randint(1, 20, (4, 7), generator=generator)
WORDS = torch.randint(0, 20, (9,), generator=generator)
OFFSETS = torch.tensor([0, 3, 5, 7])
NODES = torch.randn(5, 6, generator=generator)
EDGES = (torch.rand(5, 5, generator=generator) > 0.4).float() + torch.eye(5)
PIXELS = torch.rand(4, 12, generator=generator)
SERIES = torch.randn(4, 3, 5, generator=generator)
WAVES = torch.randn(4, 3, 8, generator=generator)
VOLUMES = torch.randn(4, 3, 4, 8, 8, generator=generator)
SEEN_BY_ALL = torch.randn(64, 8, generator=generator)  # so many rows that each expert gets some
FEW = torch.tensor([7, 3, 5, 2])
BAGS = torch.tensor([0, 2, 4, 6])
SENTENCES = {"input_ids": TOKENS, "attention_mask": (torch.arange(7) < FEW[:, None]).long()}
PAIRS = {"input_ids": TOKENS, "decoder_input_ids": TOKENS[:, :5]}
LINKS = EDGES.nonzero().T
GRAPHS = graphs.Data(NODES, LINKS, torch.tensor([0, 0, 0, 1, 1]))
SWISH = "custom:MemoryEfficientSwish"

CASES = {
    # multi-layer perceptrons
    "MLP with one shared module": _case(lambda: mlp.SharedActivation(8, 3), ROWS, "relu*2"),
    "MLP with functions": _case(mlp.Functional, ROWS, "relu relu"),
    "MLP with tensor methods and in-place calls": _case(
        mlp.Methods, ROWS, "relu tanh leaky_relu relu sigmoid/output", "probability"
    ),
    "deep plain MLP in a loop": _case(mlp.Deep, ROWS, "relu*30"),
    "sigmoid shared by hidden layer and output": _case(
        mlp.SharedSigmoid, ROWS, "sigmoid sigmoid/output", "probability"
    ),
    "function kept in an attribute": _case(mlp.FromConfig, ROWS, "relu"),
    "modules in a plain list": _case(mlp.InAList, ROWS, "relu relu", untrained=2),
    "module made in forward": _case(mlp.MadeInForward, ROWS, "relu"),
    "weight_norm and a trained activation": _case(
        mlp.Normalized, ROWS, "prelu", "probabilities", cannot="pickled reloaded"
    ),
    # convolutions
    "CNN with functions": _case(conv.Net, DIGITS, "relu relu relu", "log_probabilities"),
    "ResNet that reuses self.relu": _case(conv.ResNet, IMAGES, "relu relu*2 relu*2"),
    "squeeze and excite": _case(conv.SENet, IMAGES, "silu relu sigmoid/gate"),
    "generator": _case(conv.Generator, ROWS[:, :4], "leaky_relu tanh/output", "bounded"),
    "VAE": _case(conv.VAE, PIXELS, "relu relu sigmoid/output", "probability"),
    "VGG": _case(vision.vgg, IMAGES, "relu relu relu relu relu"),
    "MobileNet": _case(mobile.MobileNetV1, IMAGES, "relu relu relu relu relu"),
    "MobileNetV2": _case(mobile.MobileNetV2, IMAGES, "relu6 relu6 relu6 relu6 relu6"),
    "MobileNetV3": _case(
        mobile.MobileNetV3,
        IMAGES,
        "hardswish relu relu relu hardsigmoid/gate hardswish hardswish hardswish",
    ),
    "EfficientNet": _case(
        mobile.EfficientNet, IMAGES, f"{SWISH}*2 {SWISH}*2 sigmoid/gate {SWISH}*3 sigmoid/gate"
    ),
    "ConvNeXt": _case(vision.ConvNeXt, IMAGES, "gelu gelu"),
    "DenseNet": _case(vision.DenseNet, IMAGES, "relu relu relu relu relu relu"),
    "Inception": _case(vision.Inception, IMAGES, "relu relu relu"),
    "ShuffleNet": _case(vision.ShuffleNet, IMAGES, "relu relu relu"),
    "U-Net": _case(spatial.UNet, IMAGES, "relu relu relu relu relu relu"),
    "segmentation with two heads": _case(spatial.FCN, IMAGES, "relu relu relu relu"),
    "detector": _case(spatial.Yolo, IMAGES, "leaky_relu sigmoid/output sigmoid/output"),
    "spatial transformer": _case(
        spatial.SpatialTransformer, DIGITS, "relu relu relu relu relu", "log_probabilities"
    ),
    "video": _case(spatial.C3D, VOLUMES, "relu*3", "probabilities"),
    "siamese": _case(
        spatial.Siamese, (IMAGES, IMAGES.flip(0)), "relu*2 relu*2 sigmoid/output", "probability"
    ),
    "attention over channels and places": _case(
        spatial.CBAM, IMAGES, "relu relu*2 sigmoid/gate sigmoid/gate"
    ),
    "standardized weights": _case(spatial.BiT, IMAGES, "relu*2 relu"),
    "radiance field": _case(spatial.NeRF, ROWS[:, :6], "relu*3 relu/output relu sigmoid/output"),
    "denoiser": _case(
        spatial.Denoiser, (IMAGES, torch.arange(4)), " ".join(["custom:nonlinearity"] * 4)
    ),
    "PointNet": _case(spatial.PointNet, WAVES, "relu relu relu relu relu", "log_probabilities"),
    "capsules": _case(spatial.CapsNet, DIGITS, "relu relu sigmoid/output"),
    # words and attention
    "TextCNN with a comprehension": _case(text.text_cnn, TOKENS, "relu*2"),
    "LSTM classifier": _case(lambda: text.LSTMClassifier(20, 3), TOKENS, "", cannot="vectorized"),
    "bag of words": _case(text.Bag, (WORDS, OFFSETS), ""),
    "tied language model": _case(text.TiedLanguageModel, TOKENS, "gelu"),
    "vision transformer": _case(text.Transformer, IMAGES, "gelu gelu"),
    "transformer decoder": _case(text.Translator, torch.ones(4, 5, 8), "relu"),
    "SwiGLU": _case(text.SwiGLU, ROWS, "silu/gate"),
    "GPT": _case(
        lambda: attention.GPT(attention.GPTConfig()),
        (TOKENS, TOKENS),
        "custom:NewGELU custom:NewGELU",
        cannot="pickled reloaded",
    ),
    "Llama": _case(attention.Llama, TOKENS, "silu/gate silu/gate"),
    "BERT": _case(attention.Bert, SENTENCES, "gelu gelu tanh"),
    "CLIP": _case(attention.VisionTransformer, IMAGES, "custom:QuickGELU custom:QuickGELU"),
    "torch's transformer": _case(attention.Seq2SeqTransformer, (TOKENS, TOKENS), "gelu gelu"),
    "GEGLU": _case(attention.perceiver, ROWS, "gelu/gate gelu/gate"),
    "T5 with one table for three": _case(attention.T5, PAIRS, "relu relu"),
    "gMLP": _case(attention.GMLP, SERIES, "gelu"),
    "conformer": _case(attention.ConformerConv, torch.ones(4, 6, 5), "custom:Swish"),
    "mixer": _case(attention.mixer, SERIES, "gelu gelu gelu gelu"),
    # sequences
    "hand-written GRU": _case(text.GatedCell, SERIES, "sigmoid/gate*3 sigmoid/gate*3 tanh/gate*3"),
    "packed sequences": _case(series.PackedLSTM, (TOKENS, FEW), "relu", cannot="vectorized"),
    "teacher forcing": _case(
        series.Seq2Seq, (TOKENS, TOKENS), "relu*6", "log_probabilities", cannot="vectorized"
    ),
    "WaveNet": _case(series.WaveNet, WAVES, "tanh/gate*2 sigmoid/gate*2 relu relu"),
    "temporal convolutions": _case(
        series.TCN, SERIES, "relu relu relu relu relu relu", cannot="pickled reloaded"
    ),
    "N-BEATS that hides `parameters`": _case(
        series.NBeats, ROWS, "relu relu relu relu", untrained=4, cannot="vectorized functional"
    ),
    "recurrent cell by hand": _case(series.Elman, SERIES, "tanh*3", "log_probabilities"),
    "InceptionTime": _case(series.InceptionTime, SERIES, "relu relu relu"),
    "variable selection": _case(
        series.VariableSelection, SERIES, "elu elu elu elu elu", cannot="vectorized"
    ),
    "neural ODE": _case(lambda: series.NeuralODE(series.ODEFunc(8)), ROWS, "tanh*8"),
    "prenet with dropout that stays on": _case(series.TacotronPrenet, SERIES, "relu*2"),
    # tables, recommendation, control
    "DLRM": _case(
        tabular.DLRM,
        (ROWS, [BAGS, BAGS], [TOKENS[0], TOKENS[1]]),
        "relu relu relu sigmoid/output",
        "probability",
    ),
    "DeepFM with one table for all": _case(
        tabular.DeepFM, TOKENS, "relu relu sigmoid/output", "probability"
    ),
    "TabNet": _case(tabular.TabNet, ROWS, "sigmoid/gate sigmoid/gate relu*2 sigmoid/gate"),
    "FT-Transformer with ReGLU": _case(tabular.FTTransformer, ROWS, "relu/gate relu"),
    "deep and cross": _case(tabular.DeepCross, ROWS, "relu*2"),
    "collaborative filtering": _case(
        tabular.NeuMF, (TOKENS[:, 0], TOKENS[:, 1]), "relu*2 sigmoid/output", "probability"
    ),
    "actor and critic": _case(tabular.ActorCritic, ROWS, "tanh tanh tanh/output", "bounded"),
    "soft actor": _case(tabular.SoftActor, ROWS, "relu relu tanh/score tanh/output tanh/output"),
    "activations in a dictionary": _case(tabular.DuelingDQN, ROWS, "leaky_relu"),
    "heads in a dictionary": _case(tabular.MultiTask, ROWS, "selu selu selu sigmoid/output"),
    "FiLM": _case(tabular.FiLM, (IMAGES, ROWS), "relu"),
    "multiplied by a linear gate": _case(tabular.LinearlyGated, ROWS, "gelu/gate"),
    "double precision": _case(tabular.MLPRegressor, ROWS.double(), "softplus softplus"),
    # generators and fields
    "auto-encoder": _case(
        generative.AutoEncoder, ROWS, "relu relu relu relu tanh/output", "bounded"
    ),
    "conditional generator": _case(
        generative.ConditionalGenerator,
        (ROWS, TOKENS[:, 0]),
        "leaky_relu leaky_relu tanh/output",
        "bounded",
    ),
    "StyleGAN": _case(generative.StyleGAN, ROWS, "leaky_relu leaky_relu leaky_relu leaky_relu"),
    "VAE with softplus": _case(generative.SoftplusVAE, ROWS, "tanh softplus/gate tanh"),
    "neural process": _case(
        generative.NeuralProcess, ROWS, "relu sigmoid/gate relu softplus/output"
    ),
    "RealNVP": _case(generative.RealNVP, ROWS, "leaky_relu tanh/score leaky_relu " * 2),
    "SIREN": _case(generative.SirenNet, ROWS, "custom:Sine custom:Sine"),
    "radial basis functions": _case(generative.RBF, ROWS, "custom:gaussian/composite"),
    "a gradient as output": _case(generative.Hamiltonian, ROWS, "tanh tanh", cannot="vectorized"),
    "mixture density": _case(
        generative.MixtureDensity, ROWS, "elu elu/output", "log_probabilities"
    ),
    # graphs
    "graph attention": _case(
        text.GraphAttention, (NODES, EDGES), "leaky_relu/score elu", "log_probabilities"
    ),
    "GCN with a sparse matrix": _case(
        graphs.GCN, (NODES, EDGES.to_sparse()), "relu", "log_probabilities", cannot="vectorized"
    ),
    "GraphSAGE": _case(graphs.GraphSAGE, (NODES, LINKS), "relu*2", "log_probabilities"),
    "GIN with a batch object": _case(graphs.GIN, (GRAPHS,), "relu relu*2 relu"),
    "graph attention with its own softmax": _case(
        graphs.EdgeSoftmaxGAT, (NODES, LINKS), "leaky_relu/score elu"
    ),
    "equivariant network": _case(
        graphs.EGNN,
        (NODES, NODES[:, :3], LINKS),
        "silu*4 sigmoid/gate tanh/gate",
        cannot="vectorized",
    ),
    # hand-written and unusual
    "hand-written activations": _case(
        custom.Modules, ROWS, "custom:HSwish custom:swish custom:SwishFunction"
    ),
    "activation written inline": _case(custom.Inline, ROWS, "sigmoid/composite"),
    "Mish written inline": _case(odd.InlineMish, ROWS, "softplus/composite tanh/composite"),
    "hand-written trained activation": _case(odd.TrainedActivation, ROWS, "sigmoid/composite"),
    "lambda": _case(custom.Lambda, ROWS, "tanh", cannot="pickled reloaded"),
    "inside a helper with other arguments": _case(custom.Helper, ROWS, "relu", beyond=1),
    "base class with super().forward() and private names": _case(custom.Derived, ROWS, "relu elu"),
    "decorated method with a nested function": _case(custom.Decorated, ROWS, "relu"),
    "activation checkpointing": _case(custom.Checkpointed, ROWS, "gelu*2"),
    "module under several names": _case(custom.Aliased, ROWS, "relu*3"),
    "highway": _case(mixed.Highway, ROWS, "sigmoid/gate relu"),
    "gates that are no products": _case(
        mixed.Interpolated, ROWS, "relu sigmoid/gate elu tanh/gate"
    ),
    "attention by sigmoids": _case(
        mixed.SigmoidAttention, SERIES, "sigmoid/gate tanh sigmoid/gate"
    ),
    "attention pooling": _case(mixed.AttentionPooling, SERIES, "relu tanh"),
    "masked mean": _case(mixed.MaskedMean, TOKENS, "tanh"),
    "mixture of experts": _case(
        mixed.Experts, SEEN_BY_ALL, "tanh relu relu relu", cannot="vectorized"
    ),
    "linear attention": _case(mixed.LinearAttention, SERIES, "elu elu"),
    "chains of methods over lines": _case(
        mixed.Chains, ROWS, "relu tanh relu relu relu*4", cannot="identical"
    ),
    "property, static method and decorator": _case(mixed.Properties, ROWS, "relu tanh gelu"),
    "prepared input": _case(mixed.Prepared, ROWS, "custom:Log/composite custom:Log"),
    "lazy layers": _case(mixed.Lazy, ROWS, "relu"),
    "TorchScript block": _case(mixed.Scripted, ROWS, "relu", cannot="pickled reloaded"),
    "old weight_norm and spectral_norm": _case(mixed.OldWeightNorm, ROWS, "relu"),
    "Sequential from a factory": _case(lambda: odd.factory(8, 3, 8, 8), ROWS, "mish mish"),
    "drop-connect": _case(odd.DropConnectNet, ROWS, "celu"),
    "hooks that keep and replace outputs": _case(odd.GradCAM, IMAGES, "relu"),
    "hook on the activation": _case(odd.Swap, ROWS, "gelu"),
    "partial function with a slope": _case(odd.Residual, ROWS, "leaky_relu*2"),
    "helper with a default, over inputs of several sizes": _case(
        odd.Parallel, ROWS, "custom:hard_swish*2"
    ),
    "maxout": _case(odd.Maxout, ROWS, ""),
}
