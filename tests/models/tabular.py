"""Tables, recommendation and reinforcement learning, in the manner of the repositories that made
them known.
"""
# ruff: noqa: B008, PIE808, RUF007  # as people write it
# as people write it

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn


class DLRM(nn.Module):
    """Dense features, bags of categories with offsets, pairwise products; numpy draws the weights."""

    def create_mlp(self, ln, sigmoid_layer):
        layers = nn.ModuleList()
        for i in range(0, ln.size - 1):
            n, m = ln[i], ln[i + 1]
            LL = nn.Linear(int(n), int(m), bias=True)
            W = np.random.normal(0.0, np.sqrt(2 / (m + n)), size=(m, n)).astype(np.float32)
            LL.weight.data = torch.tensor(W, requires_grad=True)
            layers.append(LL)
            layers.append(nn.Sigmoid() if i == sigmoid_layer else nn.ReLU())
        return torch.nn.Sequential(*layers)

    def __init__(self, m_spa=4, ln_emb=(20, 20), ln_bot=(8, 6, 4), ln_top=(7, 5, 1)):
        super().__init__()
        self.ln_emb, self.ln_bot, self.ln_top = np.array(ln_emb), np.array(ln_bot), np.array(ln_top)
        self.emb_l = nn.ModuleList(
            [nn.EmbeddingBag(int(n), m_spa, mode="sum") for n in self.ln_emb]
        )
        self.bot_l = self.create_mlp(self.ln_bot, -1)
        self.top_l = self.create_mlp(self.ln_top, self.ln_top.size - 2)

    def interact_features(self, x, ly):
        batch_size, d = x.shape
        T = torch.cat([x, *ly], dim=1).view((batch_size, -1, d))
        Z = torch.bmm(T, torch.transpose(T, 1, 2))
        _, ni, nj = Z.shape
        li = torch.tensor([i for i in range(ni) for j in range(i)])
        lj = torch.tensor([j for i in range(nj) for j in range(i)])
        return torch.cat([x, Z[:, li, lj]], dim=1)

    def forward(self, dense_x, lS_o, lS_i):
        x = self.bot_l(dense_x)
        ly = [emb(index, offset) for emb, index, offset in zip(self.emb_l, lS_i, lS_o, strict=True)]
        return self.top_l(self.interact_features(x, ly))


class FeaturesEmbedding(nn.Module):
    def __init__(self, field_dims, embed_dim):
        super().__init__()
        self.embedding = torch.nn.Embedding(sum(field_dims), embed_dim)
        self.offsets = np.array((0, *np.cumsum(field_dims)[:-1]), dtype=np.int64)
        torch.nn.init.xavier_uniform_(self.embedding.weight.data)

    def forward(self, x):
        x = x + x.new_tensor(self.offsets).unsqueeze(0)
        return self.embedding(x)


class DeepFM(nn.Module):
    """All fields share one table."""

    def __init__(self, field_dims=(20,) * 7, embed_dim=4, mlp_dims=(8, 8), dropout=0.2):
        super().__init__()
        self.linear, self.embedding = (
            FeaturesEmbedding(field_dims, 1),
            FeaturesEmbedding(field_dims, embed_dim),
        )
        layers, input_dim = [], len(field_dims) * embed_dim
        for dim in mlp_dims:
            layers += [
                nn.Linear(input_dim, dim),
                nn.BatchNorm1d(dim),
                nn.ReLU(),
                nn.Dropout(p=dropout),
            ]
            input_dim = dim
        self.mlp = nn.Sequential(*layers, nn.Linear(input_dim, 1))

    def forward(self, x):
        embed_x = self.embedding(x)
        square_of_sum, sum_of_square = torch.sum(embed_x, dim=1) ** 2, torch.sum(embed_x**2, dim=1)
        fm = 0.5 * torch.sum(square_of_sum - sum_of_square, dim=1, keepdim=True)
        x = torch.sum(self.linear(x), dim=1) + fm + self.mlp(embed_x.flatten(1))
        return torch.sigmoid(x.squeeze(1))


class GLULayer(nn.Module):
    def __init__(self, input_dim, output_dim, fc=None):
        super().__init__()
        self.output_dim = output_dim
        self.fc = fc if fc else nn.Linear(input_dim, 2 * output_dim, bias=False)
        self.bn = nn.BatchNorm1d(2 * output_dim, momentum=0.01)

    def forward(self, x):
        x = self.bn(self.fc(x))
        return torch.mul(x[:, : self.output_dim], torch.sigmoid(x[:, self.output_dim :]))


class TabNet(nn.Module):
    """Steps that choose features by a mask, with shared layers, and make their ReLU as they go."""

    def __init__(self, input_dim=8, output_dim=3, n_d=4, n_steps=2, gamma=1.3):
        super().__init__()
        self.n_d, self.gamma, self.initial_bn = n_d, gamma, nn.BatchNorm1d(input_dim)
        shared = nn.Linear(input_dim, 4 * n_d, bias=False)
        self.initial = GLULayer(input_dim, 2 * n_d, shared)
        self.feat_transformers = nn.ModuleList(
            [GLULayer(input_dim, 2 * n_d, shared) for _ in range(n_steps)]
        )
        self.att_transformers = nn.ModuleList([
            nn.Sequential(nn.Linear(n_d, input_dim, bias=False), nn.BatchNorm1d(input_dim)) for _ in range(n_steps)
        ])  # fmt: skip
        self.final_mapping = nn.Linear(n_d, output_dim, bias=False)

    def forward(self, x):
        x = self.initial_bn(x)
        prior, m_loss, res = torch.ones(x.shape), 0, 0
        att = self.initial(x)[:, self.n_d :]
        for attention, transformer in zip(
            self.att_transformers, self.feat_transformers, strict=True
        ):
            M = F.softmax(torch.mul(attention(att), prior), dim=-1)
            m_loss += torch.mean(torch.sum(torch.mul(M, torch.log(M + 1e-15)), dim=1))
            prior = torch.mul(self.gamma - M, prior)
            out = transformer(torch.mul(M, x))
            d = nn.ReLU()(out[:, : self.n_d])
            res = torch.add(res, d)
            att = out[:, self.n_d :]
        return self.final_mapping(res), m_loss


def reglu(x):
    a, b = x.chunk(2, dim=-1)
    return a * F.relu(b)


def get_activation_fn(name):
    return reglu if name == "reglu" else torch.sigmoid if name == "sigmoid" else getattr(F, name)


class FTTransformer(nn.Module):
    """Tokens from raw weights, gated feed-forward layers."""

    def __init__(self, d_numerical=8, d=6, layers=1, activation="reglu", d_out=2):
        super().__init__()
        self.weight, self.bias = (
            nn.Parameter(torch.empty(d_numerical + 1, d)),
            nn.Parameter(torch.zeros(d_numerical, d)),
        )
        nn.init.kaiming_uniform_(self.weight, a=5**0.5)
        self.activation, self.last_activation = (
            get_activation_fn(activation),
            get_activation_fn("relu"),
        )
        self.layers = nn.ModuleList([
            nn.ModuleDict({
                "attention": nn.MultiheadAttention(d, 2, batch_first=True),
                "linear0": nn.Linear(d, 2 * d), "linear1": nn.Linear(d, d),
                "norm0": nn.LayerNorm(d), "norm1": nn.LayerNorm(d),
            }) for _ in range(layers)
        ])  # fmt: skip
        self.last_normalization, self.head = nn.LayerNorm(d), nn.Linear(d, d_out)

    def forward(self, x_num):
        x = torch.cat([torch.ones(len(x_num), 1), x_num], dim=1)
        x = self.weight[None] * x[:, :, None]
        x = x + torch.cat([torch.zeros(1, self.bias.shape[1]), self.bias])[None]
        for layer in self.layers:
            h = layer["norm0"](x)
            x = x + layer["attention"](h, h, h, need_weights=False)[0]
            x = x + layer["linear1"](self.activation(layer["linear0"](layer["norm1"](x))))
        return self.head(self.last_activation(self.last_normalization(x[:, 0])))


class CrossNetwork(nn.Module):
    """Weights in a ParameterList."""

    def __init__(self, input_dim, num_layers):
        super().__init__()
        self.num_layers = num_layers
        self.w = nn.ParameterList(
            [nn.Parameter(torch.randn(input_dim, 1) * 0.1) for _ in range(num_layers)]
        )
        self.b = nn.ParameterList([nn.Parameter(torch.zeros(input_dim)) for _ in range(num_layers)])

    def forward(self, x):
        x0 = x
        for i in range(self.num_layers):
            xw = torch.matmul(x, self.w[i])
            x = x0 * xw + self.b[i] + x
        return x


class DeepCross(nn.Module):
    def __init__(self, dim=8, hidden=(8, 8)):
        super().__init__()
        self.cn = CrossNetwork(dim, 2)
        self.fcs = nn.ModuleList(
            [nn.Linear(i, o) for i, o in zip((dim, *hidden), hidden, strict=False)]
        )
        self.linear = nn.Linear(dim + hidden[-1], 1)

    def forward(self, x):
        deep = x
        for fc in self.fcs:
            deep = F.relu(fc(deep))
        return self.linear(torch.cat([self.cn(x), deep], dim=1))


class NeuMF(nn.Module):
    """Two towers, one of products; makes its ReLU as it goes."""

    def __init__(self, num_users=20, num_items=20, layers=(8, 6, 4)):
        super().__init__()
        self.embedding_user_mlp, self.embedding_item_mlp = (
            nn.Embedding(num_users, 4),
            nn.Embedding(num_items, 4),
        )
        self.embedding_user_mf, self.embedding_item_mf = (
            nn.Embedding(num_users, 4),
            nn.Embedding(num_items, 4),
        )
        self.fc_layers = torch.nn.ModuleList()
        for _, (in_size, out_size) in enumerate(zip(layers[:-1], layers[1:], strict=True)):
            self.fc_layers.append(torch.nn.Linear(in_size, out_size))
        self.affine_output, self.logistic = torch.nn.Linear(layers[-1] + 4, 1), torch.nn.Sigmoid()

    def forward(self, user_indices, item_indices):
        mlp_vector = torch.cat(
            [self.embedding_user_mlp(user_indices), self.embedding_item_mlp(item_indices)], dim=-1
        )
        mf_vector = torch.mul(
            self.embedding_user_mf(user_indices), self.embedding_item_mf(item_indices)
        )
        for idx, _ in enumerate(range(len(self.fc_layers))):
            mlp_vector = self.fc_layers[idx](mlp_vector)
            mlp_vector = torch.nn.ReLU()(mlp_vector)
        return self.logistic(self.affine_output(torch.cat([mlp_vector, mf_vector], dim=-1)))


def layer_init(layer, std=np.sqrt(2), bias_const=0.0):
    torch.nn.init.orthogonal_(layer.weight, std)
    torch.nn.init.constant_(layer.bias, bias_const)
    return layer


class ActorCritic(nn.Module):
    """A shared trunk, a bounded mean, a raw scale and a value."""

    def __init__(self, state_dim=8, action_dim=2):
        super().__init__()
        self.network = nn.Sequential(
            layer_init(nn.Linear(state_dim, 16)),
            nn.Tanh(),
            layer_init(nn.Linear(16, 16)),
            nn.Tanh(),
        )
        self.actor = nn.Sequential(layer_init(nn.Linear(16, action_dim), std=0.01), nn.Tanh())
        self.critic = layer_init(nn.Linear(16, 1), std=1)
        self.log_std = nn.Parameter(torch.zeros(action_dim))

    def forward(self, state):
        features = self.network(state)
        mean = self.actor(features)
        return mean, self.log_std.expand_as(mean).exp(), self.critic(features)


LOG_STD_MAX, LOG_STD_MIN = 2, -5


class SoftActor(nn.Module):
    """tanh bounds the logarithm of a deviation, the action and the mean: none of them lies between
    two layers.
    """

    def __init__(self, obs=8, actions=2):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(obs, 16), nn.Linear(16, 16)
        self.fc_mean, self.fc_logstd = nn.Linear(16, actions), nn.Linear(16, actions)
        self.register_buffer("action_scale", torch.full((actions,), 2.0))
        self.register_buffer("action_bias", torch.zeros(actions))

    def forward(self, x):
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        mean = self.fc_mean(x)
        log_std = torch.tanh(self.fc_logstd(x))
        log_std = LOG_STD_MIN + 0.5 * (LOG_STD_MAX - LOG_STD_MIN) * (log_std + 1)
        normal = torch.distributions.Normal(mean, log_std.exp())
        x_t = normal.rsample()
        y_t = torch.tanh(x_t)
        action = y_t * self.action_scale + self.action_bias
        log_prob = normal.log_prob(x_t)
        log_prob -= torch.log(self.action_scale * (1 - y_t.pow(2)) + 1e-6)
        mean = torch.tanh(mean) * self.action_scale + self.action_bias
        return action, log_prob.sum(1, keepdim=True), mean


class DuelingDQN(nn.Module):
    """Chooses its activation from a dictionary by name."""

    def __init__(self, observations=8, actions=3, activation="lrelu"):
        super().__init__()
        self.activations = nn.ModuleDict(
            [["lrelu", nn.LeakyReLU()], ["prelu", nn.PReLU()], ["tanh", nn.Tanh()]]
        )
        self.choice = activation
        self.feature, self.advantage, self.value = (
            nn.Linear(observations, 8),
            nn.Linear(8, actions),
            nn.Linear(8, 1),
        )

    def forward(self, x):
        x = self.activations[self.choice](self.feature(x))
        advantage, value = self.advantage(x), self.value(x)
        return value + advantage - advantage.mean(-1, keepdim=True)


class MultiTask(nn.Module):
    """Dispatches to heads by name; one head predicts a probability."""

    def __init__(self, tasks=("age", "risk"), act_layer=nn.SELU):
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(8, 8), act_layer())
        self.heads = nn.ModuleDict(
            {task: nn.Sequential(nn.Linear(8, 8), act_layer(), nn.Linear(8, 1)) for task in tasks}
        )

    def forward(self, x):
        h = self.trunk(x)
        outputs = {task: head(h) for task, head in self.heads.items()}
        outputs["risk"] = outputs["risk"].sigmoid()
        return outputs


class FiLM(nn.Module):
    """Scaled and shifted by what a condition says."""

    def __init__(self, channels=6, cond=8):
        super().__init__()
        self.film, self.conv, self.bn = (
            nn.Linear(cond, 2 * channels),
            nn.Conv2d(3, channels, 3),
            nn.BatchNorm2d(channels),
        )
        self.head = nn.Linear(channels, 2)

    def forward(self, x, question):
        gammas, betas = torch.split(self.film(question), 6, dim=-1)
        out = self.bn(self.conv(x))
        out = gammas[:, :, None, None] * out + betas[:, :, None, None]
        out = F.relu(out)
        return self.head(out.flatten(2).max(2).values)


class LinearlyGated(nn.Module):
    """The activation's output is multiplied with a projection of the input: whose gate is it?"""

    def __init__(self, dim=8):
        super().__init__()
        self.value, self.context, self.out = (
            nn.Linear(dim, dim),
            nn.Linear(dim, dim),
            nn.Linear(dim, 2),
        )

    def forward(self, x):
        return self.out(F.gelu(self.value(x)) * self.context(x))


class MLPRegressor(nn.Sequential):
    """A Sequential by inheritance, in double precision."""

    def __init__(self, sizes=(8, 16, 16, 1), act=nn.Softplus, dtype=torch.float64):
        modules = []
        for i, (n, m) in enumerate(zip(sizes, sizes[1:], strict=False)):
            modules.append(nn.Linear(n, m, dtype=dtype))
            if i < len(sizes) - 2:
                modules.append(act())
        super().__init__(*modules)
