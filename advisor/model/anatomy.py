"""What a trace says of a model: activation sites, layers, embedding tables, the kind of output."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from types import CodeType

from torch import Tensor, nn

from advisor.model.matrix import Matrix

# The first line, last line, first column and last column of a call in its source file.
Span = tuple[int, int, int, int]

COMPOSITE, GATE, SCORE, OUTPUT, HIDDEN = "composite", "gate", "score", "output", "hidden"
"""The labels of sites; only hidden ones are swapped unless the user says otherwise."""

LABELS = (COMPOSITE, GATE, SCORE, OUTPUT, HIDDEN)
"""Every label; that of a site is the first one that any of its calls has."""


@dataclass(frozen=True, eq=False)
class ModuleTarget:
    """The activation is a module of the tree: it is replaced wherever it is held."""

    module: nn.Module
    # False where a plain list or dict holds it, so that its parameters would not be trained.
    registered: bool


@dataclass(frozen=True, eq=False)
class AttributeTarget:
    """The activation is a function that a module of torch keeps in an attribute and calls."""

    owner: nn.Module
    name: str
    registered: bool


@dataclass(frozen=True, eq=False)
class CallTarget:
    """The activation is a call in the source of a method of `owner`."""

    owner: nn.Module
    # The code of the method; the call may sit in a comprehension or function nested in it.
    code: CodeType
    span: Span
    # Whether the call is `x.f()` rather than `f(x)`.
    receiver: bool
    registered: bool
    # The module that the call runs, where it runs one.
    module: nn.Module | None = None


@dataclass(frozen=True, eq=False)
class NoTarget:
    """Nothing can reach this activation; `why` is a whole sentence that says what to do."""

    why: str


# What `swap` changes to put another activation at a site.
Target = ModuleTarget | AttributeTarget | CallTarget | NoTarget


@dataclass(frozen=True)
class Site:
    """A place in a model where an activation runs.

    Arguments:
        id: `layer1.0.act` for a module, `forward:18:12@layer1.0` (method:line:column@owner) for a
            call.
        kind: torch's name of the activation, or `custom:NAME` for a hand-written one.
        label: `hidden`, `gate`, `score`, `output` or `composite`.
        reason: a sentence that says why it has this label.
        calls: how often it ran in one forward pass.
        place: where a person finds it.
        target: what `swap` changes.
        function: what runs there, slopes and other arguments included, as a function of one tensor
            that it does not change; None where it cannot be called by itself.
    """

    id: str
    kind: str
    label: str
    reason: str
    calls: int
    place: str
    target: Target = field(compare=False, repr=False)
    function: Callable[[Tensor], Tensor] | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Layer:
    """A module with parameters (or a normalization) that ran, or a parameter that the author's own
    code multiplies a signal by.

    Arguments:
        name: the module's path, or the full name of the parameter.
        module: the module that owns the parameters; for a hand-written layer one outside the model
            that holds its `weight` and its `bias`.
        kind: `linear`, `conv`, `conv_transpose`, `rnn`, `attention`, `embedding` or `norm`.
        followed_by: the kind of the nearest activation after it, `output` or `none`.
        site: that activation, or None.
        index: position in the order of execution.
        calls: how often it ran in one forward pass.
        is_output: nothing learned follows it.
        tied: names of other parameters that are the same tensor as one of this layer's.
        callable: it was called as a module; False where its parameters are used by a function.
        mixes: its result meets another branch in a matrix product before anything learned follows,
            as in attention.
        transposed: its weight lies as (in, out), in a class of the author's own that computes what
            `nn.Linear` does.
        branch: number of the innermost residual branch that it is a part of, in order of execution,
            or None.
        closes_branch: it is the last layer of a residual branch: its result, with no activation and
            no other layer between, is added to a value that went past the branch. A normalization
            at the end of a branch closes it.
        ends_branch: it closes a residual branch, or would if it were not for the activation that
            follows it, as in `x + relu(linear(x))`.
        matrices: of a hand-written layer, how the weights of its units lie in its parameter;
            several for stacked weights, as of experts or heads. Empty for modules.

    Example:
        >>> import advisor, torch
        >>> from torch import nn
        >>> net = lambda: nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
        >>> task = advisor.Task(net, (torch.randn(60, 4), torch.arange(60) % 3))
        >>> run = advisor.diagnose(advisor.Study("small", task)).run
        >>> layer = run.anatomy.layers[0]
        >>> layer.name, layer.kind, layer.followed_by, layer.is_output
        ('0', 'linear', 'relu', False)
    """

    name: str
    module: nn.Module = field(compare=False, repr=False)
    kind: str
    followed_by: str
    site: Site | None = field(repr=False)
    index: int
    calls: int
    is_output: bool
    tied: tuple[str, ...]
    callable: bool
    mixes: bool = False
    transposed: bool = False
    branch: int | None = None
    closes_branch: bool = False
    ends_branch: bool = False
    matrices: tuple[Matrix, ...] = field(default=(), repr=False)

    def parameter(self, name: str) -> str:
        """The full name in the model of one of the parameters of `module`."""
        names: dict[str, str] = getattr(self.module, "names", {}) if self.matrices else {}
        return names.get(name) or f"{self.name}.{name}".lstrip(".")


@dataclass(frozen=True)
class Table:
    """An embedding table that was looked up.

    Arguments:
        name: the module's path.
        module: `nn.Embedding` or `nn.EmbeddingBag`.
        rows, width: shape of its weight.
        padding_idx: the row that stays zero, or None.
        source: the input that holds its indices (`args[0]`), `position` where they are made by
            counting, or None.
        tied: names of other parameters that are the same tensor as its weight.
    """

    name: str
    module: nn.Module = field(compare=False, repr=False)
    rows: int
    width: int
    padding_idx: int | None
    source: str | None
    tied: tuple[str, ...]


@dataclass(frozen=True)
class Anatomy:
    """What one recorded forward pass shows about a model.

    Arguments:
        sites: every activation that ran, in order of execution.
        layers: every layer that ran, in order of execution.
        tables: every embedding table that was looked up.
        output: `raw` (logits or values), `log_probabilities`, `probabilities`, `probability` (each
            element in [0, 1]) or `bounded` (each element in [-1, 1]).
        output_shape: of the tensor that is taken as the model's output.
        unused: names of modules with parameters that never ran.
        raw: names of parameters that ran and belong to no layer of torch.
    """

    sites: tuple[Site, ...]
    layers: tuple[Layer, ...]
    tables: tuple[Table, ...]
    output: str
    output_shape: tuple[int, ...]
    unused: tuple[str, ...]
    raw: tuple[str, ...]

    @property
    def hidden(self) -> tuple[Site, ...]:
        """The sites that may be swapped."""
        return tuple(site for site in self.sites if site.label == HIDDEN)

    def layer(self, name: str) -> Layer:
        """The layer of that name, or KeyError."""
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise KeyError(name)


def select(
    anatomy: Anatomy, include: Iterable[str] = (), exclude: Iterable[str] = ()
) -> tuple[Site, ...]:
    """The hidden sites and those whose id matches a pattern of `include`, without those that match
    one of `exclude`.
    """
    included, excluded = tuple(include), tuple(exclude)
    selected = []
    for site in anatomy.sites:
        eligible = site.label == HIDDEN or _matches(site.id, included)
        if eligible and not _matches(site.id, excluded):
            selected.append(site)
    return tuple(selected)


def unmatched(anatomy: Anatomy, patterns: Iterable[str]) -> list[str]:
    """The patterns that match no site."""
    ids = [site.id for site in anatomy.sites]
    return [pattern for pattern in patterns if not any(_matches(name, [pattern]) for name in ids)]


def _matches(name: str, patterns: Iterable[str]) -> bool:
    # An id may hold brackets, as in `acts[0]`, so it also matches itself letter by letter.
    return any(name == pattern or fnmatchcase(name, pattern) for pattern in patterns)
