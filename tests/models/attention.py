"""Transformers and their relatives, in the manner of the repositories that made them known."""

import math
from collections import OrderedDict
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint


@dataclass
class GPTConfig:
    block_size: int = 8
    vocab_size: int = 20
    n_layer: int = 2
    n_head: int = 2
    n_embd: int = 8


class NewGELU(nn.Module):
    def forward(self, x):
        return (
            0.5
            * x
            * (1.0 + torch.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * torch.pow(x, 3.0))))
        )


class CausalSelfAttention(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.c_attn, self.c_proj = (
            nn.Linear(config.n_embd, 3 * config.n_embd),
            nn.Linear(config.n_embd, config.n_embd),
        )
        mask = torch.tril(torch.ones(config.block_size, config.block_size))
        self.register_buffer("bias", mask.view(1, 1, config.block_size, config.block_size))
        self.n_head, self.n_embd = config.n_head, config.n_embd

    def forward(self, x):
        B, T, C = x.size()
        q, k, v = self.c_attn(x).split(self.n_embd, dim=2)
        k = k.view(B, T, self.n_head, C // self.n_head).transpose(1, 2)
        q = q.view(B, T, self.n_head, C // self.n_head).transpose(1, 2)
        v = v.view(B, T, self.n_head, C // self.n_head).transpose(1, 2)
        att = (q @ k.transpose(-2, -1)) * (1.0 / math.sqrt(k.size(-1)))
        att = att.masked_fill(self.bias[:, :, :T, :T] == 0, float("-inf"))
        y = F.softmax(att, dim=-1) @ v
        return self.c_proj(y.transpose(1, 2).contiguous().view(B, T, C))


class GPT(nn.Module):
    class Block(nn.Module):
        def __init__(self, config):
            super().__init__()
            self.ln_1, self.ln_2 = nn.LayerNorm(config.n_embd), nn.LayerNorm(config.n_embd)
            self.attn = CausalSelfAttention(config)
            self.mlp = nn.ModuleDict({
                "c_fc": nn.Linear(config.n_embd, 4 * config.n_embd),
                "c_proj": nn.Linear(4 * config.n_embd, config.n_embd),
                "act": NewGELU(),
            })  # fmt: skip
            m = self.mlp
            self.mlpf = lambda x: m.c_proj(m.act(m.c_fc(x)))

        def forward(self, x):
            x = x + self.attn(self.ln_1(x))
            return x + self.mlpf(self.ln_2(x))

    def __init__(self, config):
        super().__init__()
        self.transformer = nn.ModuleDict({
            "wte": nn.Embedding(config.vocab_size, config.n_embd),
            "wpe": nn.Embedding(config.block_size, config.n_embd),
            "h": nn.ModuleList([self.Block(config) for _ in range(config.n_layer)]),
            "ln_f": nn.LayerNorm(config.n_embd),
        })  # fmt: skip
        self.lm_head = nn.Linear(config.n_embd, config.vocab_size, bias=False)
        self.transformer.wte.weight = self.lm_head.weight
        self.apply(self._init_weights)

    def _init_weights(self, module):
        if isinstance(module, (nn.Linear, nn.Embedding)):
            torch.nn.init.normal_(module.weight, mean=0.0, std=0.02)

    def forward(self, idx, targets=None):
        pos = torch.arange(0, idx.size(1), dtype=torch.long).unsqueeze(0)
        x = self.transformer.wte(idx) + self.transformer.wpe(pos)
        for block in self.transformer.h:
            x = block(x)
        logits = self.lm_head(self.transformer.ln_f(x))
        loss = None
        if targets is not None:
            loss = F.cross_entropy(
                logits.view(-1, logits.size(-1)), targets.view(-1), ignore_index=-1
            )
        return logits, loss


class RMSNorm(nn.Module):
    def __init__(self, dim, eps=1e-5):
        super().__init__()
        self.eps, self.weight = eps, nn.Parameter(torch.ones(dim))

    def _norm(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps)

    def forward(self, x):
        return self._norm(x.float()).type_as(x) * self.weight


def rotate_half(x):
    x1, x2 = x[..., : x.shape[-1] // 2], x[..., x.shape[-1] // 2 :]
    return torch.cat((-x2, x1), dim=-1)


class Llama(nn.Module):
    """Rotary buffers, SwiGLU, checkpointed blocks."""

    class Block(nn.Module):
        def __init__(self, dim, heads):
            super().__init__()
            self.heads = heads
            self.wq, self.wk, self.wv, self.wo = (nn.Linear(dim, dim, bias=False) for _ in range(4))
            self.w1, self.w2, self.w3 = (
                nn.Linear(dim, 16, False),
                nn.Linear(16, dim, False),
                nn.Linear(dim, 16, False),
            )
            self.attention_norm, self.ffn_norm = RMSNorm(dim), RMSNorm(dim)

        def forward(self, x, cos, sin):
            b, t, c = x.shape
            h = self.attention_norm(x)
            q, k, v = (
                w(h).view(b, t, self.heads, -1).transpose(1, 2) for w in (self.wq, self.wk, self.wv)
            )
            q, k = (z * cos + rotate_half(z) * sin for z in (q, k))
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.wo(y.transpose(1, 2).reshape(b, t, c))
            h = self.ffn_norm(x)
            return x + self.w2(F.silu(self.w1(h)) * self.w3(h))

    def __init__(self, vocab=20, dim=8, heads=2, depth=2, max_len=16):
        super().__init__()
        self.tok_embeddings = nn.Embedding(vocab, dim)
        self.layers = nn.ModuleList([self.Block(dim, heads) for _ in range(depth)])
        self.norm, self.output = RMSNorm(dim), nn.Linear(dim, vocab, bias=False)
        inv_freq = 1.0 / (10000 ** (torch.arange(0, dim // heads, 2).float() / (dim // heads)))
        freqs = torch.outer(torch.arange(max_len).float(), inv_freq)
        emb = torch.cat((freqs, freqs), dim=-1)
        self.register_buffer("cos_cached", emb.cos(), persistent=False)
        self.register_buffer("sin_cached", emb.sin(), persistent=False)

    def forward(self, tokens):
        h = self.tok_embeddings(tokens)
        cos, sin = self.cos_cached[: tokens.shape[1]], self.sin_cached[: tokens.shape[1]]
        for layer in self.layers:
            h = (
                checkpoint(layer, h, cos, sin, use_reentrant=False)
                if self.training
                else layer(h, cos, sin)
            )
        return self.output(self.norm(h))


ACT2FN = {"gelu": F.gelu, "relu": F.relu, "swish": F.silu}


@dataclass
class SequenceClassifierOutput:
    loss: torch.Tensor | None = None
    logits: torch.Tensor | None = None
    hidden_states: tuple | None = None


class Bert(nn.Module):
    """A dictionary goes in, a dataclass comes out."""

    class Layer(nn.Module):
        def __init__(self, config):
            super().__init__()
            size = config["hidden_size"]
            self.attention = nn.MultiheadAttention(size, 2, batch_first=True)
            self.dense, self.output = nn.Linear(size, 16), nn.Linear(16, size)
            self.norm1, self.norm2 = nn.LayerNorm(size), nn.LayerNorm(size)
            if isinstance(config["hidden_act"], str):
                self.intermediate_act_fn = ACT2FN[config["hidden_act"]]

        def forward(self, hidden_states, padding):
            attended, _ = self.attention(
                hidden_states, hidden_states, hidden_states, key_padding_mask=padding
            )
            hidden_states = self.norm1(hidden_states + attended)
            return self.norm2(
                hidden_states + self.output(self.intermediate_act_fn(self.dense(hidden_states)))
            )

    def __init__(self, config=None):
        super().__init__()
        self.config = config or {
            "hidden_size": 8,
            "hidden_act": "gelu",
            "vocab_size": 20,
            "layers": 2,
        }
        size = self.config["hidden_size"]
        self.word_embeddings = nn.Embedding(self.config["vocab_size"], size, padding_idx=0)
        self.position_embeddings, self.token_type_embeddings = (
            nn.Embedding(16, size),
            nn.Embedding(2, size),
        )
        self.register_buffer("position_ids", torch.arange(16).expand((1, -1)))
        self.layer = nn.ModuleList([self.Layer(self.config) for _ in range(self.config["layers"])])
        self.pooler, self.activation = nn.Linear(size, size), nn.Tanh()
        self.classifier = nn.Linear(size, 2)

    def forward(self, batch):
        ids, mask = batch["input_ids"], batch["attention_mask"]
        position_ids = self.position_ids[:, : ids.size(1)]
        hidden = self.word_embeddings(ids) + self.position_embeddings(position_ids)
        hidden = hidden + self.token_type_embeddings(torch.zeros_like(ids))
        for layer in self.layer:
            hidden = layer(hidden, mask == 0)
        logits = self.classifier(self.activation(self.pooler(hidden[:, 0])))
        labels = batch.get("labels")
        loss = None if labels is None else F.cross_entropy(logits, labels)
        return SequenceClassifierOutput(loss=loss, logits=logits, hidden_states=(hidden,))


class QuickGELU(nn.Module):
    def forward(self, x: torch.Tensor):
        return x * torch.sigmoid(1.702 * x)


class VisionTransformer(nn.Module):
    """CLIP's: torch's attention used directly, class token, raw projection."""

    class Block(nn.Module):
        def __init__(self, d_model, n_head):
            super().__init__()
            self.attn, self.ln_1, self.ln_2 = (
                nn.MultiheadAttention(d_model, n_head),
                nn.LayerNorm(d_model),
                nn.LayerNorm(d_model),
            )
            self.mlp = nn.Sequential(
                OrderedDict([
                    ("c_fc", nn.Linear(d_model, d_model * 4)),
                    ("gelu", QuickGELU()),
                    ("c_proj", nn.Linear(d_model * 4, d_model)),
                ])
            )  # fmt: skip

        def attention(self, x):
            return self.attn(x, x, x, need_weights=False)[0]

        def forward(self, x):
            x = x + self.attention(self.ln_1(x))
            return x + self.mlp(self.ln_2(x))

    def __init__(self, width=8, layers=2, heads=2, output_dim=4):
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, kernel_size=4, stride=4, bias=False)
        scale = width**-0.5
        self.class_embedding = nn.Parameter(scale * torch.randn(width))
        self.positional_embedding = nn.Parameter(scale * torch.randn(5, width))
        self.transformer = nn.Sequential(*[self.Block(width, heads) for _ in range(layers)])
        self.ln_post, self.proj = (
            nn.LayerNorm(width),
            nn.Parameter(scale * torch.randn(width, output_dim)),
        )

    def forward(self, x):
        x = self.conv1(x).flatten(2).permute(0, 2, 1)
        x = torch.cat([self.class_embedding + torch.zeros(x.shape[0], 1, x.shape[-1]), x], dim=1)
        x = x + self.positional_embedding
        x = self.transformer(x.permute(1, 0, 2)).permute(1, 0, 2)
        return self.ln_post(x[:, 0, :]) @ self.proj


class PositionalEncoding(nn.Module):
    def __init__(self, d_model, dropout=0.1, max_len=16):
        super().__init__()
        self.dropout = nn.Dropout(p=dropout)
        position = torch.arange(max_len).unsqueeze(1)
        div_term = torch.exp(torch.arange(0, d_model, 2) * (-math.log(10000.0) / d_model))
        pe = torch.zeros(1, max_len, d_model)
        pe[0, :, 0::2] = torch.sin(position * div_term)
        pe[0, :, 1::2] = torch.cos(position * div_term)
        self.register_buffer("pe", pe)

    def forward(self, x):
        return self.dropout(x + self.pe[:, : x.size(1)])


class Seq2SeqTransformer(nn.Module):
    def __init__(self, emb_size=8, vocab=20):
        super().__init__()
        self.transformer = nn.Transformer(
            emb_size, 2, 1, 1, 16, 0.1, activation="gelu", batch_first=True
        )
        self.src_tok_emb, self.tgt_tok_emb = (
            nn.Embedding(vocab, emb_size),
            nn.Embedding(vocab, emb_size),
        )
        self.positional_encoding, self.generator = (
            PositionalEncoding(emb_size),
            nn.Linear(emb_size, vocab),
        )

    def forward(self, src, tgt):
        mask = self.transformer.generate_square_subsequent_mask(tgt.size(1))
        src_emb, tgt_emb = (
            self.positional_encoding(e(t))
            for e, t in ((self.src_tok_emb, src), (self.tgt_tok_emb, tgt))
        )
        return self.generator(self.transformer(src_emb, tgt_emb, tgt_mask=mask))


class GEGLU(nn.Module):
    def forward(self, x):
        x, gates = x.chunk(2, dim=-1)
        return x * F.gelu(gates)


class FeedForward(nn.Sequential):
    def __init__(self, dim, mult=2, dropout=0.1):
        inner = dim * mult
        super().__init__(
            nn.LayerNorm(dim),
            nn.Linear(dim, inner * 2),
            GEGLU(),
            nn.Dropout(dropout),
            nn.Linear(inner, dim),
        )


def perceiver(dim=8):
    return nn.Sequential(FeedForward(dim), FeedForward(dim), nn.Linear(dim, 3))


class T5(nn.Module):
    """One table for encoder, decoder and output; a table of relative positions."""

    class Block(nn.Module):
        def __init__(self, d, bias=None):
            super().__init__()
            self.q, self.k, self.v, self.o = (nn.Linear(d, d, bias=False) for _ in range(4))
            self.wi, self.wo, self.act = (
                nn.Linear(d, 16, bias=False),
                nn.Linear(16, d, bias=False),
                nn.ReLU(),
            )
            self.relative_attention_bias = nn.Embedding(32, 1)

        def forward(self, x, context=None):
            context = x if context is None else context
            distance = torch.arange(context.size(1))[None, :] - torch.arange(x.size(1))[:, None]
            bias = self.relative_attention_bias(distance + 16).permute(2, 0, 1)
            scores = torch.einsum("bqd,bkd->bqk", self.q(x), self.k(context)) + bias
            x = x + self.o(torch.softmax(scores, -1) @ self.v(context))
            return x + self.wo(self.act(self.wi(x)))

    def __init__(self, vocab=20, d=8):
        super().__init__()
        self.shared = nn.Embedding(vocab, d)
        self.encoder = nn.ModuleDict(
            {"embed_tokens": nn.Embedding(vocab, d), "block": self.Block(d)}
        )
        self.decoder = nn.ModuleDict(
            {"embed_tokens": nn.Embedding(vocab, d), "block": self.Block(d)}
        )
        self.lm_head = nn.Linear(d, vocab, bias=False)
        for tied in (self.encoder["embed_tokens"], self.decoder["embed_tokens"], self.lm_head):
            tied.weight = self.shared.weight

    def forward(self, batch):
        h = self.encoder["block"](self.encoder["embed_tokens"](batch["input_ids"]))
        x = self.decoder["block"](self.decoder["embed_tokens"](batch["decoder_input_ids"]), h)
        return {"logits": self.lm_head(x * x.size(-1) ** -0.5), "encoder_last_hidden_state": h}


class SpatialGatingUnit(nn.Module):
    def __init__(self, d_ffn, seq_len):
        super().__init__()
        self.norm, self.spatial_proj = (
            nn.LayerNorm(d_ffn),
            nn.Conv1d(seq_len, seq_len, kernel_size=1),
        )
        nn.init.constant_(self.spatial_proj.bias, 1.0)

    def forward(self, x):
        u, v = x.chunk(2, dim=-1)
        v = self.spatial_proj(self.norm(v))
        return u * v


class GMLP(nn.Module):
    """The activation feeds both a linear gate and what that multiplies."""

    def __init__(self, d_model=5, d_ffn=4, seq_len=3):
        super().__init__()
        self.norm, self.channel_proj1 = nn.LayerNorm(d_model), nn.Linear(d_model, d_ffn * 2)
        self.sgu, self.channel_proj2 = SpatialGatingUnit(d_ffn, seq_len), nn.Linear(d_ffn, d_model)

    def forward(self, x):
        residual = x
        x = F.gelu(self.channel_proj1(self.norm(x)))
        return (self.channel_proj2(self.sgu(x)) + residual).mean(1)


class Swish(nn.Module):
    def forward(self, x):
        return x * x.sigmoid()


class ConformerConv(nn.Module):
    """GLU, then a depthwise convolution and swish."""

    def __init__(self, dim=6, heads=None):
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv1d(dim, dim * 4, 1), nn.GLU(dim=1), nn.Conv1d(dim * 2, dim * 2, 3, padding=1, groups=dim * 2),
            nn.BatchNorm1d(dim * 2), Swish(), nn.Conv1d(dim * 2, dim, 1), nn.Dropout(0.1),
        )  # fmt: skip
        self.out = nn.Linear(dim, 2)

    def forward(self, x):
        return self.out((x + self.net(x)).mean(-1))


class PreNormResidual(nn.Module):
    def __init__(self, dim, fn):
        super().__init__()
        self.fn, self.norm = fn, nn.LayerNorm(dim)

    def forward(self, x):
        return self.fn(self.norm(x)) + x


def mixer_feed_forward(dim, expansion, dense=nn.Linear):
    return nn.Sequential(
        dense(dim, dim * expansion),
        nn.GELU(),
        nn.Dropout(0.1),
        dense(dim * expansion, dim),
        nn.Dropout(0.1),
    )


def mixer(patches=3, dim=5, depth=2):
    def conv(i, o):
        return nn.Conv1d(i, o, kernel_size=1)

    blocks = [
        nn.Sequential(
            PreNormResidual(dim, mixer_feed_forward(patches, 2, conv)),
            PreNormResidual(dim, mixer_feed_forward(dim, 2)),
        )
        for _ in range(depth)
    ]
    return nn.Sequential(*blocks, nn.LayerNorm(dim), nn.Flatten(), nn.Linear(patches * dim, 3))
