"""Text, sequence and graph models, as people write them."""

import torch
import torch.nn as nn
import torch.nn.functional as F


class TextCNN(nn.Module):
    def __init__(self, args):
        super().__init__()
        self.args = args
        self.embed = nn.Embedding(args.embed_num, 6, padding_idx=0)
        self.convs = nn.ModuleList([nn.Conv2d(1, 3, (K, 6)) for K in (2, 3)])
        self.dropout = nn.Dropout(0.5)
        self.fc1 = nn.Linear(6, args.class_num)

    def forward(self, x):
        x = self.embed(x).unsqueeze(1)
        x = [F.relu(conv(x)).squeeze(3) for conv in self.convs]
        x = [F.max_pool1d(i, i.size(2)).squeeze(2) for i in x]
        return self.fc1(self.dropout(torch.cat(x, 1)))


class Args:
    embed_num = 20
    class_num = 3


def text_cnn():
    return TextCNN(Args())


class LSTMClassifier(nn.Module):
    def __init__(self, vocab_size, num_classes):
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, 6)
        self.lstm = nn.LSTM(6, 8, batch_first=True)
        self.fc = nn.Linear(8, num_classes)

    def forward(self, tokens):
        _, (h, _) = self.lstm(self.embedding(tokens))
        return self.fc(h[-1])


class Bag(nn.Module):
    def __init__(self):
        super().__init__()
        self.bag = nn.EmbeddingBag(20, 6, mode="mean")
        self.fc = nn.Linear(6, 2)

    def forward(self, tokens, offsets):
        return self.fc(self.bag(tokens, offsets))


class TiedLanguageModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.wte = nn.Embedding(20, 8)
        self.wpe = nn.Embedding(10, 8)
        self.ln = nn.LayerNorm(8)
        self.mlp = nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 8))
        self.lm_head = nn.Linear(8, 20, bias=False)
        self.lm_head.weight = self.wte.weight

    def forward(self, idx):
        pos = torch.arange(idx.shape[1], device=idx.device)
        x = self.wte(idx) + self.wpe(pos)
        return self.lm_head(self.mlp(self.ln(x)))


class Transformer(nn.Module):
    """A vision transformer built of torch's own layers."""

    def __init__(self):
        super().__init__()
        self.patch = nn.Conv2d(3, 8, 4, 4)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, 8))
        layer = nn.TransformerEncoderLayer(8, 2, 16, 0.1, F.gelu, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2)
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls_token.expand(x.shape[0], -1, -1), x], 1)
        return self.head(self.encoder(x)[:, 0])


class Translator(nn.Module):
    def __init__(self):
        super().__init__()
        self.decoder = nn.TransformerDecoderLayer(8, 2, 16, activation=nn.ReLU(), batch_first=True)
        self.out = nn.Linear(8, 3)

    def forward(self, x):
        return self.out(self.decoder(x, x))


class SwiGLU(nn.Module):
    def __init__(self):
        super().__init__()
        self.w1, self.w2, self.w3 = nn.Linear(8, 16), nn.Linear(16, 8), nn.Linear(8, 16)

    def forward(self, x):
        return self.w2(F.silu(self.w1(x)) * self.w3(x))


class GraphAttention(nn.Module):
    def __init__(self, nfeat=6, nhid=8, nclass=3):
        super().__init__()
        self.W = nn.Parameter(torch.randn(nfeat, nhid) * 0.3)
        self.a = nn.Parameter(torch.randn(2 * nhid, 1) * 0.3)
        self.leakyrelu = nn.LeakyReLU(0.2)
        self.out = nn.Linear(nhid, nclass)

    def forward(self, x, adj):
        Wh = torch.mm(x, self.W)
        left, right = torch.matmul(Wh, self.a[:8]), torch.matmul(Wh, self.a[8:])
        e = self.leakyrelu(left + right.T)
        attention = torch.where(adj > 0, e, torch.full_like(e, -9e15))
        attention = F.dropout(F.softmax(attention, dim=1), 0.1, training=self.training)
        h = F.elu(torch.matmul(attention, Wh))
        return F.log_softmax(self.out(h), dim=1)


class GatedCell(nn.Module):
    """A hand-written GRU."""

    def __init__(self):
        super().__init__()
        self.x2h, self.h2h = nn.Linear(5, 24), nn.Linear(8, 24)
        self.out = nn.Linear(8, 2)

    def forward(self, x):
        h = torch.zeros(x.shape[0], 8)
        for t in range(x.shape[1]):
            xr, xz, xn = self.x2h(x[:, t]).chunk(3, 1)
            hr, hz, hn = self.h2h(h).chunk(3, 1)
            r, z = torch.sigmoid(xr + hr), torch.sigmoid(xz + hz)
            n = torch.tanh(xn + r * hn)
            h = (1 - z) * n + z * h
        return self.out(h)
