"""Model shapes of recent years without their libraries, small, with the truth about their
activations.
"""

import torch
import torch.nn.functional as F
from torch import nn


class LiquidNet(nn.Module):
    """A liquid time-constant cell: synapses are opened by sigmoids, and their sum with reversal
    potentials is divided by their sum without.
    """

    def __init__(self, inputs=3, units=5):
        super().__init__()
        self.sense, self.head = nn.Linear(inputs, units), nn.Linear(units, 2)
        self.mu, self.sigma, self.w, self.erev = (
            nn.Parameter(torch.randn(units, units)) for _ in range(4)
        )
        self.gleak, self.vleak, self.cm = (nn.Parameter(torch.rand(units)) for _ in range(3))

    def step(self, v, drive):
        opened = torch.sigmoid(self.sigma * (v.unsqueeze(2) - self.mu))
        active = F.softplus(self.w) * opened
        current = (active * self.erev).sum(1)
        up = self.cm * v + self.gleak * self.vleak + current + drive
        return up / (self.cm + self.gleak + active.sum(1) + 1e-8)

    def forward(self, x):
        v = x.new_zeros(len(x), len(self.cm))
        for t in range(x.shape[1]):
            v = self.step(v, self.sense(x[:, t]))
        return self.head(v)


class Spike(torch.autograd.Function):
    """A step with the gradient of a fast sigmoid."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return (x > 0).to(x.dtype)

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return grad / (10 * x.abs() + 1) ** 2


class Leaky(nn.Module):
    """A leaky neuron that keeps its membrane in a plain attribute and is reset without gradient."""

    def __init__(self):
        super().__init__()
        self.beta = nn.Parameter(torch.tensor(0.9))
        self.mem = None

    def forward(self, current):
        if self.mem is None:
            self.mem = torch.zeros_like(current)
        reset = Spike.apply(self.mem.detach() - 1.0)
        self.mem = self.beta * self.mem + current - reset
        return Spike.apply(self.mem - 1.0)


class SpikingNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.lif = nn.Linear(8, 16), nn.Linear(16, 3), Leaky()

    def forward(self, x):
        self.lif.mem = None
        return torch.stack([self.b(self.lif(self.a(x))) for _ in range(3)]).mean(0)


class Blur(nn.Module):
    """A fixed filter, kept as a buffer or as weights that need no gradient."""

    def __init__(self, channels, kept="buffer"):
        super().__init__()
        kernel = torch.tensor([1.0, 2.0, 1.0]) / 4
        kernel = (kernel[:, None] * kernel).repeat(channels, 1, 1, 1)
        if kept == "buffer":
            self.register_buffer("kernel", kernel)
        else:
            self.kernel = nn.Parameter(kernel, requires_grad=False)

    def forward(self, x):
        return F.conv2d(x, self.kernel, padding=1, groups=x.shape[1])


class StyledConv(nn.Module):
    """A convolution whose weights a style scales, then a fixed blur, noise and an activation."""

    def __init__(self, channels, style):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(channels, channels, 3, 3) / 3)
        self.style, self.blur = nn.Linear(style, channels), Blur(channels)
        self.strength = nn.Parameter(torch.zeros(()))
        self.channels = channels

    def forward(self, x, w):
        n, c, height, width = x.shape
        weight = self.weight * self.style(w)[:, None, :, None, None]
        weight = weight * torch.rsqrt(weight.square().sum((2, 3, 4), keepdim=True) + 1e-8)
        x = F.interpolate(x, scale_factor=2).reshape(1, n * c, 2 * height, 2 * width)
        x = F.conv2d(x, weight.reshape(n * c, c, 3, 3), padding=1, groups=n)
        x = self.blur(x.reshape(n, c, 2 * height, 2 * width))
        x = x + self.strength * torch.randn_like(x[:, :1])
        return F.leaky_relu(x, 0.2)


class Generator(nn.Module):
    """In the manner of StyleGAN: mapping, styled blocks, and an image that is blurred at the end."""

    def __init__(self, kept="buffer"):
        super().__init__()
        self.mapping = nn.Sequential(
            nn.Linear(8, 6), nn.LeakyReLU(0.2), nn.Linear(6, 6), nn.LeakyReLU(0.2)
        )
        self.start = nn.Parameter(torch.randn(1, 4, 2, 2))
        self.one, self.two = StyledConv(4, 6), StyledConv(4, 6)
        self.to_rgb, self.blur = nn.Conv2d(4, 3, 1), Blur(3, kept)

    def forward(self, z):
        w = self.mapping(F.normalize(z, dim=1))
        x = self.start.expand(len(z), -1, -1, -1)
        x = self.two(self.one(x, w), w)
        return self.blur(torch.tanh(self.to_rgb(x)))


class KANLayer(nn.Module):
    """A learned curve for each pair of input and output: a scaled base function and splines."""

    def __init__(self, inputs, outputs, size=4, order=2):
        super().__init__()
        self.order = order
        steps = torch.arange(-order, size + order + 1) * (2.0 / size) - 1.0
        self.register_buffer("grid", steps.repeat(inputs, 1))
        self.coef = nn.Parameter(torch.randn(inputs, outputs, size + order) * 0.1)
        self.base, self.spline = (
            nn.Parameter(torch.randn(inputs, outputs)),
            nn.Parameter(torch.ones(inputs, outputs)),
        )

    def bases(self, x):
        x, grid = x.unsqueeze(2), self.grid.unsqueeze(0)
        value = ((x >= grid[:, :, :-1]) & (x < grid[:, :, 1:])).to(x.dtype)
        for k in range(1, self.order + 1):
            left = (x - grid[:, :, : -k - 1]) / (grid[:, :, k:-1] - grid[:, :, : -k - 1])
            right = (grid[:, :, k + 1 :] - x) / (grid[:, :, k + 1 :] - grid[:, :, 1:-k])
            value = left * value[:, :, :-1] + right * value[:, :, 1:]
        return value

    def forward(self, x):
        curve = torch.einsum("bik,iok->bio", self.bases(x), self.coef)
        y = self.base * F.silu(x)[:, :, None] + self.spline * curve
        return torch.sum(y, dim=1)


class MoE(nn.Module):
    """Noisy gates choose two experts for each row."""

    def __init__(self, width=8, experts=3):
        super().__init__()
        self.first, self.gate, self.noise = (
            nn.Linear(8, width),
            nn.Linear(width, experts),
            nn.Linear(width, experts),
        )
        self.experts = nn.ModuleList(
            nn.Sequential(nn.Linear(width, 16), nn.GELU(), nn.Linear(16, width))
            for _ in range(experts)
        )
        self.head = nn.Linear(width, 3)

    def forward(self, x):
        x = F.relu(self.first(x))
        scores = self.gate(x)
        scores = scores + torch.randn_like(scores) * F.softplus(self.noise(x))
        best, chosen = scores.topk(2, dim=-1)
        weights = torch.softmax(best, -1)
        out = torch.zeros_like(x)
        for index, expert in enumerate(self.experts):
            rows, place = torch.where(chosen == index)
            out.index_add_(0, rows, weights[rows, place, None] * expert(x[rows]))
        return self.head(out)


class MambaBlock(nn.Module):
    """A selective state space with its convolution, its step size and its gate."""

    def __init__(self, width=6, states=3, rank=2):
        super().__init__()
        self.states, self.rank = states, rank
        self.into, self.out = nn.Linear(width, 2 * width), nn.Linear(width, width)
        self.conv = nn.Conv1d(width, width, 3, padding=2, groups=width)
        self.select, self.step = nn.Linear(width, rank + 2 * states), nn.Linear(rank, width)
        self.a_log = nn.Parameter(torch.log(torch.arange(1.0, states + 1)).repeat(width, 1))
        self.skip, self.norm = nn.Parameter(torch.ones(width)), nn.RMSNorm(width)

    def forward(self, x):
        residual = x
        x, z = self.into(self.norm(x)).chunk(2, dim=-1)
        x = F.silu(self.conv(x.transpose(1, 2))[..., : x.shape[1]].transpose(1, 2))
        step, b, c = self.select(x).split([self.rank, self.states, self.states], dim=-1)
        step = F.softplus(self.step(step))
        decay = torch.exp(step.unsqueeze(-1) * -torch.exp(self.a_log))
        drive = step.unsqueeze(-1) * b.unsqueeze(2) * x.unsqueeze(-1)
        state, ys = torch.zeros_like(drive[:, 0]), []
        for t in range(x.shape[1]):
            state = decay[:, t] * state + drive[:, t]
            ys.append((state * c[:, t].unsqueeze(1)).sum(-1))
        y = torch.stack(ys, 1) + self.skip * x
        return residual + self.out(y * F.silu(z))


class Rotated(nn.Module):
    """A block of a language model: rotary positions, attention by hand, SwiGLU."""

    def __init__(self, width=8, heads=2):
        super().__init__()
        self.heads = heads
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.w1, self.w2, self.w3 = (
            nn.Linear(width, 12, bias=False),
            nn.Linear(12, width, bias=False),
            nn.Linear(width, 12, bias=False),
        )
        self.norm1, self.norm2 = nn.RMSNorm(width), nn.RMSNorm(width)
        half = width // heads // 2
        angles = torch.arange(7.0)[:, None] / 100.0 ** (torch.arange(half) / half)
        self.register_buffer("cos", angles.cos().repeat(1, 2), persistent=False)
        self.register_buffer("sin", angles.sin().repeat(1, 2), persistent=False)

    def rotate(self, x):
        one, two = x.chunk(2, dim=-1)
        return x * self.cos + torch.cat([-two, one], -1) * self.sin

    def forward(self, x):
        n, t, c = x.shape
        q, k, v = (
            part.view(n, t, self.heads, -1).transpose(1, 2)
            for part in self.qkv(self.norm1(x)).chunk(3, -1)
        )
        scores = self.rotate(q) @ self.rotate(k).transpose(-1, -2) / (c // self.heads) ** 0.5
        mask = torch.ones(t, t, dtype=torch.bool).triu(1)
        mixed = torch.softmax(scores.masked_fill(mask, float("-inf")), -1) @ v
        x = x + self.proj(mixed.transpose(1, 2).reshape(n, t, c))
        h = self.norm2(x)
        return x + self.w2(F.silu(self.w1(h)) * self.w3(h))


class RotatedLM(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.block, self.head = nn.Embedding(20, 8), Rotated(), nn.Linear(8, 20)

    def forward(self, tokens):
        return self.head(self.block(self.embed(tokens)))


class GATLayer(nn.Module):
    """Graph attention over a list of edges, with its softmax written by sums over the targets."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(inputs, outputs) / inputs**0.5)
        self.source, self.target = (nn.Parameter(torch.randn(outputs)) for _ in range(2))

    def forward(self, x, edges):
        h = x @ self.weight
        source, target = edges
        score = F.leaky_relu((h @ self.source)[source] + (h @ self.target)[target], 0.2)
        weight = torch.exp(score - score.max())
        total = torch.zeros(len(x)).index_add_(0, target, weight)
        messages = (weight / (total[target] + 1e-9)).unsqueeze(1) * h[source]
        return torch.zeros_like(h).index_add_(0, target, messages)


class GAT(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.two = GATLayer(6, 8), GATLayer(8, 3)

    def forward(self, x, edges):
        return self.two(F.elu(self.one(x, edges)), edges)


class GCN(nn.Module):
    """Graph convolutions by hand, normalized by the degrees."""

    def __init__(self):
        super().__init__()
        self.w1, self.w2 = nn.Parameter(torch.randn(6, 8) / 3), nn.Parameter(torch.randn(8, 3) / 3)
        self.bias = nn.Parameter(torch.zeros(8))

    def forward(self, x, adjacency):
        root = adjacency.sum(1).clamp(min=1).rsqrt()
        adjacency = root[:, None] * adjacency * root
        h = torch.relu(torch.mm(adjacency, torch.mm(x, self.w1)) + self.bias)
        return torch.log_softmax(adjacency @ h @ self.w2, -1)


class Radiance(nn.Module):
    """A radiance field: positions in waves, a skip, a density and a color."""

    def __init__(self, width=12):
        super().__init__()
        self.first, self.second = nn.Linear(15, width), nn.Linear(width + 15, width)
        self.density, self.feature = nn.Linear(width, 1), nn.Linear(width, width)
        self.color, self.rgb = nn.Linear(width + 15, width), nn.Linear(width, 3)

    def encode(self, x):
        waves = [f(x * 2.0**k) for k in range(2) for f in (torch.sin, torch.cos)]
        return torch.cat([x, *waves], -1)

    def forward(self, x):
        place, view = self.encode(x[:, :3]), self.encode(x[:, 3:6])
        h = F.relu(self.first(place))
        h = F.relu(self.second(torch.cat([h, place], -1)))
        density = F.softplus(self.density(h))
        h = F.relu(self.color(torch.cat([self.feature(h), view], -1)))
        return torch.cat([torch.sigmoid(self.rgb(h)), density], -1)


class Attentive(nn.Module):
    """Encoder and decoder with additive attention."""

    def __init__(self, words=20, width=8):
        super().__init__()
        self.embed, self.encoder = (
            nn.Embedding(words, width),
            nn.GRU(width, width, batch_first=True),
        )
        self.cell = nn.GRUCell(2 * width, width)
        self.key, self.query, self.energy = (
            nn.Linear(width, width),
            nn.Linear(width, width),
            nn.Linear(width, 1),
        )
        self.join, self.head = nn.Linear(2 * width, width), nn.Linear(width, words)

    def forward(self, source, target):
        memory, last = self.encoder(self.embed(source))
        state, outputs = last[0], []
        for t in range(target.shape[1]):
            energy = self.energy(torch.tanh(self.key(memory) + self.query(state).unsqueeze(1)))
            weights = torch.softmax(energy.squeeze(2), dim=1)
            context = torch.bmm(weights.unsqueeze(1), memory).squeeze(1)
            state = self.cell(torch.cat([self.embed(target[:, t]), context], -1), state)
            joined = torch.tanh(self.join(torch.cat([state, context], -1)))
            outputs.append(self.head(joined))
        return torch.stack(outputs, 1)
