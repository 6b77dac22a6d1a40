"""Networks on graphs, without a library for graphs."""
# ruff: noqa: A002  # as people write it
# as people write it

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn


class GraphConvolution(nn.Module):
    def __init__(self, in_features, out_features):
        super().__init__()
        self.weight, self.bias = (
            nn.Parameter(torch.empty(in_features, out_features)),
            nn.Parameter(torch.empty(out_features)),
        )
        self.reset_parameters()

    def reset_parameters(self):
        stdv = 1.0 / math.sqrt(self.weight.size(1))
        self.weight.data.uniform_(-stdv, stdv)
        self.bias.data.uniform_(-stdv, stdv)

    def forward(self, input, adj):
        support = torch.mm(input, self.weight)
        return torch.spmm(adj, support) + self.bias


class GCN(nn.Module):
    """The adjacency matrix is sparse."""

    def __init__(self, nfeat=6, nhid=8, nclass=3, dropout=0.5):
        super().__init__()
        self.gc1, self.gc2, self.dropout = (
            GraphConvolution(nfeat, nhid),
            GraphConvolution(nhid, nclass),
            dropout,
        )

    def forward(self, x, adj):
        x = F.relu(self.gc1(x, adj))
        x = F.dropout(x, self.dropout, training=self.training)
        return F.log_softmax(self.gc2(x, adj), dim=1)


class SAGEConv(nn.Module):
    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.lin_l, self.lin_r = (
            nn.Linear(in_channels, out_channels),
            nn.Linear(in_channels, out_channels, bias=False),
        )

    def forward(self, x, edge_index):
        src, dst = edge_index
        total = x.new_zeros(x.shape).index_add_(0, dst, x[src])
        count = (
            x.new_zeros(x.shape[0])
            .index_add_(0, dst, torch.ones_like(dst, dtype=x.dtype))
            .clamp_(min=1)
        )
        return F.normalize(self.lin_l(total / count[:, None]) + self.lin_r(x), dim=-1)


class GraphSAGE(nn.Module):
    def __init__(self, in_channels=6, hidden=8, out=3):
        super().__init__()
        self.convs = nn.ModuleList(
            [SAGEConv(in_channels, hidden), SAGEConv(hidden, hidden), SAGEConv(hidden, out)]
        )

    def forward(self, x, edge_index):
        for i, conv in enumerate(self.convs):
            x = conv(x, edge_index)
            if i != len(self.convs) - 1:
                x = x.relu_()
                x = F.dropout(x, p=0.5, training=self.training)
        return x.log_softmax(dim=-1)


@dataclass
class Data:
    x: torch.Tensor
    edge_index: torch.Tensor
    batch: torch.Tensor


class GIN(nn.Module):
    """Takes a batch object; every layer's result is pooled."""

    def __init__(self, nfeat=6, dim=8, layers=2, nclass=2):
        super().__init__()
        self.eps = nn.Parameter(torch.zeros(layers))
        self.convs, self.bns = nn.ModuleList(), nn.ModuleList()
        for i in range(layers):
            self.convs.append(
                nn.Sequential(
                    nn.Linear(nfeat if i == 0 else dim, dim), nn.ReLU(), nn.Linear(dim, dim)
                )
            )
            self.bns.append(nn.BatchNorm1d(dim))
        self.predictions = nn.ModuleList([nn.Linear(dim, nclass) for _ in range(layers)])

    def forward(self, data):
        x, (src, dst), graphs = data.x, data.edge_index, int(data.batch.max()) + 1
        score_over_layer = 0
        for layer, (conv, bn) in enumerate(zip(self.convs, self.bns, strict=True)):
            aggregated = torch.zeros_like(x).index_add(0, dst, x[src])
            x = F.relu(bn(conv((1 + self.eps[layer]) * x + aggregated)))
            pooled = x.new_zeros(graphs, x.shape[1]).index_add(0, data.batch, x)
            score_over_layer += F.dropout(
                self.predictions[layer](pooled), 0.5, training=self.training
            )
        return score_over_layer


class EdgeSoftmaxGAT(nn.Module):
    """Attention with several heads; the softmax over each node's edges is written by hand."""

    def __init__(self, in_dim=6, out_dim=4, heads=2, classes=3):
        super().__init__()
        self.heads, self.out_dim = heads, out_dim
        self.fc, self.linear = (
            nn.Linear(in_dim, heads * out_dim, bias=False),
            nn.Linear(heads * out_dim, classes),
        )
        self.attn_l, self.attn_r = (
            nn.Parameter(torch.randn(1, heads, out_dim) * 0.3) for _ in range(2)
        )
        self.leaky_relu, self.activation = nn.LeakyReLU(0.2), F.elu

    def edge_softmax(self, e, dst, n):
        e = torch.exp(e - e.max())
        total = e.new_zeros(n, e.shape[1]).index_add_(0, dst, e)
        return e / (total[dst] + 1e-9)

    def forward(self, x, edge_index):
        src, dst = edge_index
        h = self.fc(x).view(-1, self.heads, self.out_dim)
        el, er = (h * self.attn_l).sum(-1), (h * self.attn_r).sum(-1)
        a = self.edge_softmax(self.leaky_relu(el[src] + er[dst]), dst, x.shape[0])
        out = h.new_zeros(h.shape).index_add_(0, dst, h[src] * a.unsqueeze(-1))
        return self.linear(self.activation(out.flatten(1)))


class EGNN(nn.Module):
    """One SiLU for all; messages are gated, coordinates move along their differences."""

    def __init__(self, nf=6, hidden=8, act_fn=None):
        super().__init__()
        act_fn = act_fn or nn.SiLU()
        self.edge_mlp = nn.Sequential(
            nn.Linear(2 * nf + 1, hidden), act_fn, nn.Linear(hidden, hidden), act_fn
        )
        self.node_mlp = nn.Sequential(nn.Linear(hidden + nf, hidden), act_fn, nn.Linear(hidden, nf))
        layer = nn.Linear(hidden, 1, bias=False)
        torch.nn.init.xavier_uniform_(layer.weight, gain=0.001)
        self.coord_mlp = nn.Sequential(nn.Linear(hidden, hidden), act_fn, layer, nn.Tanh())
        self.att_mlp = nn.Sequential(nn.Linear(hidden, 1), nn.Sigmoid())

    def forward(self, h, coord, edge_index):
        row, col = edge_index
        coord_diff = coord[row] - coord[col]
        out = self.edge_mlp(
            torch.cat([h[row], h[col], coord_diff.pow(2).sum(1, keepdim=True)], dim=1)
        )
        edge_feat = out * self.att_mlp(out)
        trans = coord_diff * self.coord_mlp(edge_feat)
        coord = coord + torch.zeros_like(coord).index_add_(0, row, trans)
        agg = edge_feat.new_zeros(h.size(0), edge_feat.size(1)).index_add_(0, row, edge_feat)
        return h + self.node_mlp(torch.cat([h, agg], dim=1)), coord
