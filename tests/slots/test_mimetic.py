"""The mimetic start: the products of its weights, whoever wrote the attention."""

from __future__ import annotations

import math

import pytest
import torch
from models.attention import GPT, GPTConfig
from models.runs import plain, put, run_of
from torch import nn
from torch.nn import functional as F

WIDTH, TOKENS = 64, 6


class Written(nn.Module):
    """Attention of the author's own, in one of the ways that people write it."""

    def __init__(self, way, heads):
        super().__init__()
        self.way, self.heads = way, heads
        if way in ("fused", "interleaved"):
            self.qkv = nn.Linear(WIDTH, 3 * WIDTH)
        else:
            self.q, self.k, self.v = (nn.Linear(WIDTH, WIDTH, bias=False) for _ in range(3))
        self.out, self.last = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, 2)

    def parts(self, x):
        rows = len(x)
        if self.way == "fused":
            parts = self.qkv(x).reshape(rows, TOKENS, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
            return parts.unbind(0)
        if self.way == "interleaved":
            parts = self.qkv(x).reshape(rows, TOKENS, self.heads, -1, 3).permute(4, 0, 2, 1, 3)
            return parts.unbind(0)
        parts = (self.q(x) / 2, self.k(x), self.v(x))
        return [each.reshape(rows, TOKENS, self.heads, -1).transpose(1, 2) for each in parts]

    def rows_of(self, head):
        """The weights of a head's queries and keys, as (units, inputs)."""
        size = WIDTH // self.heads
        if self.way == "fused":
            q, k, _ = self.qkv.weight.detach().chunk(3)
        elif self.way == "interleaved":
            q, k, _ = self.qkv.weight.detach().reshape(WIDTH, 3, WIDTH).unbind(1)
        else:
            q, k = self.q.weight.detach(), self.k.weight.detach()
        return q[head * size : (head + 1) * size], k[head * size : (head + 1) * size]

    def values(self):
        if self.way == "fused":
            return self.qkv.weight.detach().chunk(3)[2]
        if self.way == "interleaved":
            return self.qkv.weight.detach().reshape(WIDTH, 3, WIDTH)[:, 2]
        return self.v.weight.detach()

    def forward(self, x):
        q, k, v = self.parts(x)
        if self.way == "by torch":
            gathered = F.scaled_dot_product_attention(q, k, v)
        else:
            scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
            gathered = torch.matmul(scores.softmax(-1), v)
        joined = gathered.transpose(1, 2).reshape(x.shape)
        return self.last((x + self.out(joined)).mean(1))


@pytest.mark.parametrize("way", ["separate", "by torch", "fused", "interleaved"])
@pytest.mark.parametrize("heads", [1, 4])
def test_queries_and_keys_multiply_to_noise_and_identity_and_values_to_its_negative(
    host, way, heads
):
    torch.manual_seed(0)
    run = run_of(Written(way, heads), torch.randn(8, TOKENS, WIDTH))
    last = run.model.last.weight.detach().clone()
    said = put(host, run, initializer=("mimetic", {"qk": 0.7, "v": 0.4}))["initializer"]
    assert said == f"attention by its products: out ({heads} head{'s' * (heads > 1)})"
    assert torch.equal(run.model.last.weight.detach(), last)
    for head in range(heads):
        queries, keys = run.model.rows_of(head)
        product = queries.T @ keys
        assert torch.linalg.matrix_rank(product) == WIDTH // heads
        if heads == 1:
            check(product, 0.7, 0.7)
        assert float(product.trace()) > 0
        # Singular values are shared equally by both.
        torch.testing.assert_close(queries @ queries.T, keys @ keys.T, rtol=1e-3, atol=1e-3)
    check(run.model.out.weight.detach() @ run.model.values(), 0.4, -0.4)


def check(product, noise, identity):
    """Whether a product is noise · Z + identity · I."""
    diagonal = product.diagonal()
    assert float(diagonal.mean()) == pytest.approx(identity, abs=4 * noise / WIDTH)
    others = product[~torch.eye(WIDTH, dtype=torch.bool)]
    assert float(others.std()) == pytest.approx(noise / math.sqrt(WIDTH), rel=0.05)
    assert abs(float(others.mean())) < 4 * noise / math.sqrt(WIDTH) / WIDTH


def test_the_product_of_a_head_is_the_nearest_of_its_rank():
    from advisor_plugins.initializer.mimetic import factors

    left, right = factors(WIDTH, 16, 0.7, 1.0, torch.Generator().manual_seed(3))
    noise = torch.randn(WIDTH, WIDTH, generator=torch.Generator().manual_seed(3)) / WIDTH**0.5
    wanted = 0.7 * (noise + torch.eye(WIDTH))
    lost = torch.linalg.svdvals(wanted)[16:].square().sum()
    assert float((wanted - left @ right.T).square().sum()) == pytest.approx(float(lost), rel=1e-4)


def test_torchs_own_attention_and_a_gpt_are_filled_layer_by_layer(host):
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(WIDTH, 1, 32, batch_first=True)
    net = nn.Sequential(
        nn.TransformerEncoder(layer, 2, enable_nested_tensor=False),
        nn.Flatten(),
        nn.Linear(WIDTH * 4, 2),
    )
    run = run_of(net, torch.randn(8, 4, WIDTH))
    said = put(host, run, initializer="mimetic")["initializer"]
    assert "0.layers.0.self_attn, 0.layers.1.self_attn (1 head)" in said
    for each in net[0].layers:
        queries, keys, values = each.self_attn.in_proj_weight.detach().chunk(3)
        check(queries.T @ keys, 0.7, 0.7)
        check(each.self_attn.out_proj.weight.detach() @ values, 0.4, -0.4)
    run = run_of(GPT(GPTConfig()), torch.randint(0, 20, (8, 8)))
    said = put(host, run, initializer="mimetic")["initializer"]
    assert said.endswith("h.0.attn.c_proj, transformer.h.1.attn.c_proj (2 heads)")


class Shared(Written):
    """One set of keys for all heads."""

    def __init__(self):
        super().__init__("separate", 4)
        self.k = nn.Linear(WIDTH, WIDTH // 4)

    def parts(self, x):
        q = self.q(x).reshape(len(x), TOKENS, 4, -1).transpose(1, 2)
        k = self.k(x)[:, None].expand(-1, 4, -1, -1)
        v = self.v(x).reshape(len(x), TOKENS, 4, -1).transpose(1, 2)
        return q, k, v


@pytest.mark.parametrize(
    ("model", "rows", "why"),
    [
        (plain(8, 2), torch.randn(8, 8), "no layer of the model computes attention"),
        (Shared(), torch.randn(8, TOKENS, WIDTH), "several heads share queries or keys"),
    ],
)
def test_what_has_no_such_attention_is_refused_with_the_reason(host, model, rows, why):
    assert why in host.find("initializer", "mimetic").unfit(run_of(model, rows))
