"""Generators, auto-encoders, flows and fields, in the manner of the repositories that made them
known.
"""
# ruff: noqa: A002  # as people write it
# as people write it

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.distributions import Normal


class AutoEncoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Linear(8, 6), nn.ReLU(True), nn.Linear(6, 4), nn.ReLU(True), nn.Linear(4, 2)
        )
        self.decoder = nn.Sequential(
            nn.Linear(2, 4),
            nn.ReLU(True),
            nn.Linear(4, 6),
            nn.ReLU(True),
            nn.Linear(6, 8),
            nn.Tanh(),
        )

    def forward(self, x):
        return self.decoder(self.encoder(x))


class ConditionalGenerator(nn.Module):
    def __init__(self, n_classes=20, latent_dim=8, img_shape=(1, 4, 4)):
        super().__init__()
        self.img_shape = img_shape
        self.label_emb = nn.Embedding(n_classes, n_classes)

        def block(in_feat, out_feat, normalize=True):
            layers = [nn.Linear(in_feat, out_feat)]
            if normalize:
                layers.append(nn.BatchNorm1d(out_feat, 0.8))
            layers.append(nn.LeakyReLU(0.2, inplace=True))
            return layers

        self.model = nn.Sequential(
            *block(latent_dim + n_classes, 8, normalize=False),
            *block(8, 16),
            nn.Linear(16, int(np.prod(img_shape))),
            nn.Tanh(),
        )

    def forward(self, noise, labels):
        img = self.model(torch.cat((self.label_emb(labels), noise), -1))
        return img.view(img.size(0), *self.img_shape)


class StyledConv(nn.Module):
    """Weights that a style modulates; a bias, a leaky ReLU and a scale in one module."""

    def __init__(self, channels, style_dim):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(1, channels, channels, 3, 3))
        self.modulation, self.bias = (
            nn.Linear(style_dim, channels),
            nn.Parameter(torch.zeros(channels)),
        )
        self.noise = nn.Parameter(torch.zeros(1))

    def forward(self, x, style):
        batch, channels, height, width = x.shape
        weight = self.weight * self.modulation(style).view(batch, 1, channels, 1, 1)
        weight = weight * torch.rsqrt(weight.pow(2).sum([2, 3, 4]) + 1e-8).view(
            batch, channels, 1, 1, 1
        )
        out = F.conv2d(
            x.view(1, batch * channels, height, width), weight.flatten(0, 1).view(batch * channels, channels, 3, 3),
            padding=1, groups=batch,
        )  # fmt: skip
        out = out.view(batch, channels, height, width) + self.noise * torch.randn(
            batch, 1, height, width
        )
        return F.leaky_relu(out + self.bias.view(1, -1, 1, 1), negative_slope=0.2) * math.sqrt(2)


class StyleGAN(nn.Module):
    def __init__(self, style_dim=8, channels=4, n_mlp=2):
        super().__init__()
        self.style = nn.Sequential(
            *[m for _ in range(n_mlp) for m in (nn.Linear(style_dim, style_dim), nn.LeakyReLU(0.2))]
        )
        self.input = nn.Parameter(torch.randn(1, channels, 4, 4))
        self.convs = nn.ModuleList([StyledConv(channels, style_dim) for _ in range(2)])
        self.to_rgb = nn.Conv2d(channels, 3, 1)

    def forward(self, z):
        z = z * torch.rsqrt(torch.mean(z**2, dim=1, keepdim=True) + 1e-8)
        style = self.style(z)
        out = self.input.repeat(z.shape[0], 1, 1, 1)
        for conv in self.convs:
            out = conv(out, style)
        return self.to_rgb(out)


class SoftplusVAE(nn.Module):
    """softplus makes a standard deviation: it must stay positive."""

    def __init__(self, dim=8, latent=2):
        super().__init__()
        self.encoder, self.decoder = nn.Linear(dim, 8), nn.Linear(latent, 8)
        self.mu, self.sigma, self.out = (
            nn.Linear(8, latent),
            nn.Linear(8, latent),
            nn.Linear(8, dim),
        )

    def forward(self, x):
        h = torch.tanh(self.encoder(x))
        mu, sigma = self.mu(h), F.softplus(self.sigma(h)) + 1e-6
        z = mu + sigma * torch.randn_like(sigma)
        return self.out(torch.tanh(self.decoder(z))), mu, sigma


class NeuralProcess(nn.Module):
    """The same through torch.distributions."""

    def __init__(self, dim=8, latent=4):
        super().__init__()
        self.hidden, self.mu, self.sigma = (
            nn.Linear(dim, 8),
            nn.Linear(8, latent),
            nn.Linear(8, latent),
        )
        self.decoder, self.out = nn.Linear(latent, 8), nn.Linear(8, 2)

    def forward(self, x):
        h = torch.relu(self.hidden(x))
        q = Normal(self.mu(h), 0.1 + 0.9 * torch.sigmoid(self.sigma(h)))
        mu, sigma = self.out(F.relu(self.decoder(q.rsample()))).chunk(2, -1)
        return mu, F.softplus(sigma)


class AffineCoupling(nn.Module):
    def __init__(self, dim, flip):
        super().__init__()
        self.register_buffer("mask", (torch.arange(dim) % 2 == int(flip)).float())
        self.s = nn.Sequential(nn.Linear(dim, 8), nn.LeakyReLU(), nn.Linear(8, dim), nn.Tanh())
        self.t = nn.Sequential(nn.Linear(dim, 8), nn.LeakyReLU(), nn.Linear(8, dim))

    def forward(self, x):
        x_ = x * self.mask
        s, t = self.s(x_) * (1 - self.mask), self.t(x_) * (1 - self.mask)
        return x_ + (1 - self.mask) * (x * torch.exp(s) + t), s.sum(dim=1)


class RealNVP(nn.Module):
    """tanh bounds the logarithm of a scale."""

    def __init__(self, dim=8, layers=2):
        super().__init__()
        self.flows = nn.ModuleList([AffineCoupling(dim, i % 2) for i in range(layers)])

    def forward(self, x):
        log_det = x.new_zeros(x.shape[0])
        for flow in self.flows:
            x, ld = flow(x)
            log_det = log_det + ld
        return x, log_det


class Sine(nn.Module):
    def __init__(self, w0=1.0):
        super().__init__()
        self.w0 = w0

    def forward(self, x):
        return torch.sin(self.w0 * x)


def exists(val):
    return val is not None


class Siren(nn.Module):
    def __init__(self, dim_in, dim_out, w0=1.0, is_first=False, activation=None):
        super().__init__()
        w_std = (1 / dim_in) if is_first else (math.sqrt(6.0 / dim_in) / w0)
        self.weight = nn.Parameter(torch.zeros(dim_out, dim_in).uniform_(-w_std, w_std))
        self.bias = nn.Parameter(torch.zeros(dim_out).uniform_(-w_std, w_std))
        self.activation = Sine(w0) if activation is None else activation

    def forward(self, x):
        out = F.linear(x, self.weight, self.bias)
        return self.activation(out)


class SirenNet(nn.Module):
    def __init__(self, dim_in=8, dim_hidden=8, dim_out=3, num_layers=2, final_activation=None):
        super().__init__()
        self.layers = nn.ModuleList([])
        for ind in range(num_layers):
            is_first = ind == 0
            self.layers.append(
                Siren(
                    dim_in if is_first else dim_hidden,
                    dim_hidden,
                    30.0 if is_first else 1.0,
                    is_first,
                )
            )
        final_activation = nn.Identity() if not exists(final_activation) else final_activation
        self.last_layer = Siren(dim_hidden, dim_out, activation=final_activation)

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return self.last_layer(x)


def gaussian(alpha):
    return torch.exp(-1 * alpha.pow(2))


class RBF(nn.Module):
    """Distances to raw centres."""

    def __init__(self, in_features=8, centres=6, basis_func=gaussian):
        super().__init__()
        self.centres, self.log_sigmas = (
            nn.Parameter(torch.randn(centres, in_features)),
            nn.Parameter(torch.zeros(centres)),
        )
        self.basis_func, self.linear = basis_func, nn.Linear(centres, 2)

    def forward(self, input):
        distances = (input.unsqueeze(1) - self.centres.unsqueeze(0)).pow(2).sum(-1).pow(
            0.5
        ) / torch.exp(self.log_sigmas)
        return self.linear(self.basis_func(distances))


class Hamiltonian(nn.Module):
    """Its output is a gradient, taken in the forward pass."""

    def __init__(self, dim=8):
        super().__init__()
        self.linear1, self.linear2, self.linear3 = (
            nn.Linear(dim, 8),
            nn.Linear(8, 8),
            nn.Linear(8, 1, bias=None),
        )
        for layer in (self.linear1, self.linear2, self.linear3):
            nn.init.orthogonal_(layer.weight)
        self.register_buffer("M", torch.eye(dim).roll(dim // 2, 0))

    def energy(self, x):
        h = torch.tanh(self.linear1(x))
        h = torch.tanh(self.linear2(h))
        return self.linear3(h)

    def forward(self, x):
        x = x.detach().requires_grad_()
        (dH,) = torch.autograd.grad(self.energy(x).sum(), x, create_graph=True)
        return dH @ self.M.t()


class MixtureDensity(nn.Module):
    """ELU plus one keeps a deviation positive."""

    def __init__(self, dim=8, out=2, components=3):
        super().__init__()
        self.shape = (components, out)
        self.pi, self.normal = nn.Linear(8, components), nn.Linear(8, 2 * components * out)
        self.body, self.elu = nn.Sequential(nn.Linear(dim, 8), nn.ELU()), nn.ELU()

    def forward(self, x):
        h = self.body(x)
        mean, sd = torch.split(self.normal(h).reshape(x.shape[0], 2, *self.shape), 1, dim=1)
        return (
            torch.log_softmax(self.pi(h), -1),
            mean.squeeze(1),
            self.elu(sd.squeeze(1)) + 1 + 1e-7,
        )
