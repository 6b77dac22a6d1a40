"""Layers that are written by hand, as products with parameters, and parameters that are no layers;
inputs are rows of 6 numbers or series of 5 steps with 6 numbers.
"""

import torch
from torch import nn
from torch.nn import functional as F

P = nn.Parameter


def random(*shape):
    return P(torch.randn(*shape) * 0.3)


class Net(nn.Module):
    """Parameters by name, and a function of the parameters and the input before the last layer."""

    def __init__(self, compute, width=8, **parameters):
        super().__init__()
        for name, value in parameters.items():
            setattr(self, name, value)
        self.compute, self.head = compute, nn.Linear(width, 3)

    def forward(self, x):
        return self.head(self.compute(self, x))


def rows():
    return torch.randn(16, 6)


def series():
    return torch.randn(16, 5, 6)


def experts(net, x):
    """Each row is mapped by all experts."""
    return torch.relu(torch.einsum("bi,eio->beo", x, net.w) + net.b).mean(1)


def by_head(net, x):
    """Queries, keys and values lie in one parameter, and heads are parts of each."""
    q, k, v = (x @ part for part in net.qkv.chunk(3, dim=1))
    mixed = torch.softmax(q @ k.transpose(1, 2), -1) @ v
    return torch.relu(mixed.mean(1))


def recurrent(net, x):
    state = x.new_zeros(len(x), 8)
    for step in x.unbind(1):
        state = torch.tanh(step @ net.w + state @ net.u + net.b)
    return state


def one_by_one(net, x):
    return torch.stack([torch.relu(x @ weight) for weight in net.w]).mean(0)


def listed(net, x):
    for weight, bias in zip(net.ws, net.bs, strict=True):
        x = torch.relu(x @ weight + bias)
    return x


def stacked(net, x):
    """Equal weights from a list, stacked for one batched product."""
    return torch.relu(torch.bmm(x.expand(2, -1, -1), torch.stack(list(net.ws)))).sum(0)


def tied(net, x):
    hidden = torch.tanh(x @ net.w)
    return torch.relu(hidden @ net.w.t())


def graph(net, x):
    links = torch.softmax(x @ x.transpose(1, 2), -1)
    return torch.relu(links @ (x @ net.w) + net.b).mean(1)


# By name: what makes the model, its input, and by parameter the shape (out, in, *kernel) of each
# block that an initializer must fill.
LAYERS = {
    "at": (
        lambda: Net(lambda n, x: torch.relu(x @ n.w + n.b), w=random(6, 8), b=random(8)),
        rows,
        {"w": [(8, 6)]},
    ),
    "mm of a transposed weight": (
        lambda: Net(
            lambda n, x: torch.relu(torch.mm(x, n.w.t()) + n.b), w=random(8, 6), b=random(8)
        ),
        rows,
        {"w": [(8, 6)]},
    ),
    "matmul from the left": (
        lambda: Net(lambda n, x: torch.relu(torch.matmul(n.w, x.T)).T, w=random(8, 6)),
        rows,
        {"w": [(8, 6)]},
    ),
    "addmm": (
        lambda: Net(lambda n, x: torch.relu(torch.addmm(n.b, x, n.w)), w=random(6, 8), b=random(8)),
        rows,
        {"w": [(8, 6)]},
    ),
    "linear": (
        lambda: Net(lambda n, x: torch.tanh(F.linear(x, n.w, n.b)), w=random(8, 6), b=random(8)),
        rows,
        {"w": [(8, 6)]},
    ),
    "einsum of a square weight": (
        lambda: Net(
            lambda n, x: torch.relu(torch.einsum("bi,oi->bo", x, n.w)), width=6, w=random(6, 6)
        ),
        rows,
        {"w": [(6, 6)]},
    ),
    "tensordot": (
        lambda: Net(
            lambda n, x: torch.relu(torch.tensordot(x, n.w, dims=([1, 2], [0, 1]))),
            w=random(5, 6, 8),
        ),
        series,
        {"w": [(8, 30)]},
    ),
    "convolution": (
        lambda: Net(
            lambda n, x: torch.relu(F.conv1d(x.transpose(1, 2), n.w, n.b, padding=1)).mean(2),
            w=random(8, 6, 3),
            b=random(8),
        ),
        series,
        {"w": [(8, 6, 3)]},
    ),
    "experts": (
        lambda: Net(experts, w=random(4, 6, 8), b=random(4, 8)),
        rows,
        {"w": [(8, 6)] * 4},
    ),
    "heads that are chunks": (
        lambda: Net(by_head, qkv=random(6, 24)),
        series,
        {"qkv": [(8, 6)] * 3},
    ),
    "batched product by step": (
        lambda: Net(
            lambda n, x: torch.relu(torch.baddbmm(n.b, x.transpose(0, 1), n.w)).mean(0),
            w=random(5, 6, 8),
            b=random(5, 1, 8),
        ),
        series,
        {"w": [(8, 6)] * 5},
    ),
    "recurrent cell": (
        lambda: Net(recurrent, w=random(6, 8), u=random(8, 8), b=random(8)),
        series,
        {"w": [(8, 6)], "u": [(8, 8)]},
    ),
    "parts taken one by one": (
        lambda: Net(one_by_one, w=random(4, 6, 8)),
        rows,
        {"w": [(8, 6)] * 4},
    ),
    "list of parameters": (
        lambda: Net(
            listed,
            ws=nn.ParameterList([random(6, 8), random(8, 8)]),
            bs=nn.ParameterList([random(8), random(8)]),
        ),
        rows,
        {"ws.0": [(8, 6)], "ws.1": [(8, 8)]},
    ),
    "dictionary of parameters, cast and reshaped": (
        lambda: Net(
            lambda n, x: torch.relu(x.double() @ n.ws["in"].double().reshape(6, 8)).float(),
            ws=nn.ParameterDict({"in": random(2, 3, 8)}),
        ),
        rows,
        {"ws.in": [(8, 6)]},
    ),
    "stacked list": (
        lambda: Net(stacked, ws=nn.ParameterList([random(6, 8), random(6, 8)])),
        rows,
        {"ws.0": [(8, 6)], "ws.1": [(8, 6)]},
    ),
    "tied to its transpose": (
        lambda: Net(tied, width=6, w=random(6, 8)),
        rows,
        {"w": [(8, 6)]},
    ),
    "graph convolution": (
        lambda: Net(graph, w=random(6, 8), b=random(8)),
        series,
        {"w": [(8, 6)]},
    ),
    "heads of one product": (
        lambda: Net(
            lambda n, x: torch.relu(torch.einsum("bi,ihk->bhk", x, n.w)).flatten(1),
            w=random(6, 2, 4),
        ),
        rows,
        {"w": [(8, 6)]},
    ),
}


def pooled(net, x):
    """One learned query looks at all steps."""
    weights = torch.softmax(net.query @ x.transpose(1, 2), -1)
    return torch.relu(net.first((weights @ x).flatten(1)))


def first(**parameters):
    return dict(parameters, first=nn.Linear(6, 8))


def of_first(before):
    return lambda net, x: torch.relu(net.first(before(net, x)))


def looked_up(net, x):
    nearest = (x @ net.codes.t()).argmax(-1)
    return torch.relu(net.first(x + F.embedding(nearest, net.codes)))


def fixed_links(net, x):
    return torch.relu(net.first(net.links @ x)).mean(1)


class Buffered(Net):
    """The matrix is a buffer."""

    def __init__(self):
        super().__init__(fixed_links, **first())
        self.register_buffer("links", torch.rand(5, 5))


# By name: what makes the model, and its input; none of its own parameters is a layer.
NO_LAYERS = {
    "gate": (
        lambda: Net(of_first(lambda n, x: x * torch.sigmoid(n.g)), **first(g=random(6))),
        rows,
    ),
    "scale and shift": (
        lambda: Net(of_first(lambda n, x: x * n.s + n.t), **first(s=random(6), t=random(6))),
        rows,
    ),
    "positions": (
        lambda: Net(lambda n, x: torch.relu(n.first(x + n.p)).mean(1), **first(p=random(5, 6))),
        series,
    ),
    "token": (
        lambda: Net(
            lambda n, x: torch.relu(n.first(torch.cat([n.t.expand(len(x), 1, 6), x], 1))).mean(1),
            **first(t=random(1, 1, 6)),
        ),
        series,
    ),
    "learned query": (lambda: Net(pooled, **first(query=random(1, 6))), series),
    "fixed links": (Buffered, series),
    "scores": (
        lambda: Net(
            lambda n, x: torch.relu(n.first(torch.softmax(x @ x.transpose(1, 2), -1) @ x)).mean(1),
            **first(),
        ),
        series,
    ),
    "code book": (lambda: Net(looked_up, **first(codes=random(7, 6))), rows),
    "computed weight": (
        lambda: Net(lambda n, x: torch.relu(x @ (n.w / n.w.norm())), w=random(6, 8)),
        rows,
    ),
    "untrained weight": (
        lambda: Net(lambda n, x: torch.relu(x @ n.w.detach()), w=random(6, 8)),
        rows,
    ),
    "vector": (
        lambda: Net(of_first(lambda n, x: x + (x @ n.v)[:, None]), **first(v=random(6))),
        rows,
    ),
}
