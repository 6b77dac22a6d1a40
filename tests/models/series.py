"""Sequences and time series, in the manner of the repositories that made them known."""
# ruff: noqa: A001, A002  # as people write it
# as people write it

import random
import warnings

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.parametrizations import weight_norm
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence


class PackedLSTM(nn.Module):
    """Takes sequences and their lengths."""

    def __init__(self, vocab=20, emb=6, hidden=8, classes=3):
        super().__init__()
        self.embedding = nn.Embedding(vocab, emb, padding_idx=0)
        self.rnn = nn.LSTM(
            emb, hidden, num_layers=2, bidirectional=True, dropout=0.2, batch_first=True
        )
        self.fc1, self.fc2 = nn.Linear(hidden * 2, hidden), nn.Linear(hidden, classes)

    def forward(self, text, lengths):
        packed = pack_padded_sequence(
            self.embedding(text), lengths, batch_first=True, enforce_sorted=False
        )
        packed_output, (_hidden, _) = self.rnn(packed)
        output, _ = pad_packed_sequence(packed_output, batch_first=True)
        return self.fc2(F.relu(self.fc1(output.max(1)[0])))


class AttnDecoder(nn.Module):
    def __init__(self, hidden_size, output_size, max_length):
        super().__init__()
        self.embedding, self.dropout = nn.Embedding(output_size, hidden_size), nn.Dropout(0.1)
        self.attn, self.attn_combine = (
            nn.Linear(hidden_size * 2, max_length),
            nn.Linear(hidden_size * 2, hidden_size),
        )
        self.gru, self.out = nn.GRU(hidden_size, hidden_size), nn.Linear(hidden_size, output_size)

    def forward(self, input, hidden, encoder_outputs):
        embedded = self.dropout(self.embedding(input)).unsqueeze(0)
        attn_weights = F.softmax(self.attn(torch.cat((embedded[0], hidden[0]), 1)), dim=1)
        attn_applied = torch.bmm(attn_weights.unsqueeze(1), encoder_outputs)
        output = torch.cat((embedded[0], attn_applied[:, 0]), 1)
        output = self.attn_combine(output).unsqueeze(0)
        output = F.relu(output)
        output, hidden = self.gru(output, hidden)
        return F.log_softmax(self.out(output[0]), dim=1), hidden


class Seq2Seq(nn.Module):
    """Sometimes sees the true previous word, sometimes its own."""

    def __init__(self, vocab=20, hidden=8, length=7, teacher_forcing_ratio=0.5):
        super().__init__()
        self.embedding, self.gru = (
            nn.Embedding(vocab, hidden),
            nn.GRU(hidden, hidden, batch_first=True),
        )
        self.decoder = AttnDecoder(hidden, vocab, length)
        self.teacher_forcing_ratio = teacher_forcing_ratio

    def forward(self, source, target):
        encoder_outputs, hidden = self.gru(self.embedding(source))
        word, outputs = target[:, 0], []
        for t in range(1, target.size(1)):
            output, hidden = self.decoder(word, hidden, encoder_outputs)
            outputs.append(output)
            teacher_force = random.random() < self.teacher_forcing_ratio
            word = target[:, t] if teacher_force else output.argmax(1)
        return torch.stack(outputs, 1)


class WaveNet(nn.Module):
    """Gated dilated convolutions with skip connections."""

    def __init__(self, channels=3, dilations=(1, 2), residual=6, skip=4, classes=3):
        super().__init__()
        self.causal = nn.Conv1d(channels, residual, 1)
        self.filters, self.gates, self.residuals, self.skips = (nn.ModuleList() for _ in range(4))
        for d in dilations:
            self.filters.append(nn.Conv1d(residual, residual, 2, dilation=d))
            self.gates.append(nn.Conv1d(residual, residual, 2, dilation=d))
            self.residuals.append(nn.Conv1d(residual, residual, 1))
            self.skips.append(nn.Conv1d(residual, skip, 1))
        self.end_conv_1, self.end_conv_2 = nn.Conv1d(skip, skip, 1), nn.Conv1d(skip, classes, 1)

    def forward(self, x):
        x = self.causal(x)
        skip = 0
        for i in range(len(self.filters)):
            residual = x
            filter = torch.tanh(self.filters[i](x))
            gate = torch.sigmoid(self.gates[i](x))
            x = filter * gate
            s = self.skips[i](x)
            try:
                skip = skip[:, :, -s.size(2) :]
            except TypeError:
                skip = 0
            skip = s + skip
            x = self.residuals[i](x)
            x = x + residual[:, :, -x.size(2) :]
        x = F.relu(skip)
        x = F.relu(self.end_conv_1(x))
        return self.end_conv_2(x)[..., -1]


class Chomp1d(nn.Module):
    def __init__(self, chomp_size):
        super().__init__()
        self.chomp_size = chomp_size

    def forward(self, x):
        return x[:, :, : -self.chomp_size].contiguous()


class TemporalBlock(nn.Module):
    """Every module is registered twice: by name and in a Sequential."""

    def __init__(self, n_inputs, n_outputs, kernel_size, dilation, padding, dropout=0.2):
        super().__init__()
        self.conv1 = weight_norm(
            nn.Conv1d(n_inputs, n_outputs, kernel_size, padding=padding, dilation=dilation)
        )
        self.chomp1, self.relu1, self.dropout1 = Chomp1d(padding), nn.ReLU(), nn.Dropout(dropout)
        self.conv2 = weight_norm(
            nn.Conv1d(n_outputs, n_outputs, kernel_size, padding=padding, dilation=dilation)
        )
        self.chomp2, self.relu2, self.dropout2 = Chomp1d(padding), nn.ReLU(), nn.Dropout(dropout)
        self.net = nn.Sequential(
            self.conv1,
            self.chomp1,
            self.relu1,
            self.dropout1,
            self.conv2,
            self.chomp2,
            self.relu2,
            self.dropout2,
        )
        self.downsample = nn.Conv1d(n_inputs, n_outputs, 1) if n_inputs != n_outputs else None
        self.relu = nn.ReLU()

    def forward(self, x):
        out = self.net(x)
        res = x if self.downsample is None else self.downsample(x)
        return self.relu(out + res)


class TCN(nn.Module):
    def __init__(self, input_size=3, output_size=2, num_channels=(4, 4), kernel_size=2):
        super().__init__()
        layers = []
        for i, out_channels in enumerate(num_channels):
            in_channels = input_size if i == 0 else num_channels[i - 1]
            layers += [
                TemporalBlock(
                    in_channels, out_channels, kernel_size, 2**i, (kernel_size - 1) * 2**i
                )
            ]
        self.tcn, self.linear = nn.Sequential(*layers), nn.Linear(num_channels[-1], output_size)

    def forward(self, x):
        return self.linear(self.tcn(x)[:, :, -1])


class NBeatsBlock(nn.Module):
    def __init__(self, units, thetas_dim, backcast_length, forecast_length):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(backcast_length, units), nn.Linear(units, units)
        self.theta_b_fc, self.theta_f_fc = (
            nn.Linear(units, thetas_dim),
            nn.Linear(units, thetas_dim),
        )
        self.backcast_fc, self.forecast_fc = (
            nn.Linear(thetas_dim, backcast_length),
            nn.Linear(thetas_dim, forecast_length),
        )

    def forward(self, x):
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        return self.backcast_fc(self.theta_b_fc(x)), self.forecast_fc(self.theta_f_fc(x))


class NBeats(nn.Module):
    """Keeps its blocks in plain lists and their parameters under a name that hides
    `nn.Module.parameters`.
    """

    def __init__(self, backcast_length=8, forecast_length=2, stacks=2):
        super().__init__()
        self.forecast_length = forecast_length
        self.stacks = []
        self.parameters = []
        for _ in range(stacks):
            block = NBeatsBlock(8, 4, backcast_length, forecast_length)
            self.parameters.extend(block.parameters())
            self.stacks.append([block])
        self.parameters = nn.ParameterList(self.parameters)

    def forward(self, backcast):
        forecast = torch.zeros(size=(backcast.size()[0], self.forecast_length))
        for stack in self.stacks:
            for block in stack:
                b, f = block(backcast)
                backcast = backcast - b
                forecast = forecast + f
        return backcast, forecast


class Elman(nn.Module):
    def __init__(self, input_size=5, hidden_size=8, output_size=3):
        super().__init__()
        self.hidden_size = hidden_size
        self.i2h, self.h2o = (
            nn.Linear(input_size + hidden_size, hidden_size),
            nn.Linear(hidden_size, output_size),
        )
        self.softmax = nn.LogSoftmax(dim=1)

    def init_hidden(self, rows):
        return torch.zeros(rows, self.hidden_size)

    def step(self, input, hidden):
        return torch.tanh(self.i2h(torch.cat((input, hidden), 1)))

    def forward(self, line):
        hidden = self.init_hidden(line.shape[0])
        for i in range(line.shape[1]):
            hidden = self.step(line[:, i], hidden)
        return self.softmax(self.h2o(hidden))


class InceptionTime(nn.Module):
    class Module(nn.Module):
        def __init__(self, ni, nf, ks=(3, 1), bottleneck=True):
            super().__init__()
            self.bottleneck = (
                nn.Conv1d(ni, nf, 1, bias=False) if bottleneck and ni > 1 else nn.Identity()
            )
            self.convs = nn.ModuleList(
                [nn.Conv1d(nf, nf, k, padding="same", bias=False) for k in ks]
            )
            self.maxconvpool = nn.Sequential(
                nn.MaxPool1d(3, stride=1, padding=1), nn.Conv1d(ni, nf, 1, bias=False)
            )
            self.bn, self.act = nn.BatchNorm1d(nf * (len(ks) + 1)), nn.ReLU()

        def forward(self, x):
            input_tensor = x
            x = self.bottleneck(input_tensor)
            x = torch.cat([conv(x) for conv in self.convs] + [self.maxconvpool(input_tensor)], 1)
            return self.act(self.bn(x))

    def __init__(self, c_in=3, c_out=2, nf=2):
        super().__init__()
        self.inception = nn.Sequential(self.Module(c_in, nf), self.Module(nf * 3, nf))
        self.shortcut = nn.Sequential(
            nn.Conv1d(c_in, nf * 3, 1, bias=False), nn.BatchNorm1d(nf * 3)
        )
        self.act, self.fc = nn.ReLU(), nn.Linear(nf * 3, c_out)

    def forward(self, x):
        return self.fc(self.act(self.inception(x) + self.shortcut(x)).mean(-1))


class GatedResidualNetwork(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.fc1, self.elu, self.fc2 = nn.Linear(size, size), nn.ELU(), nn.Linear(size, size)
        self.glu, self.norm = nn.Linear(size, 2 * size), nn.LayerNorm(size)

    def forward(self, x):
        residual = x
        x = self.fc2(self.elu(self.fc1(x)))
        return self.norm(F.glu(self.glu(x), dim=-1) + residual)


class VariableSelection(nn.Module):
    """Of the temporal fusion transformer: weighs its variables by a softmax."""

    def __init__(self, variables=5, size=4):
        super().__init__()
        self.prescalers = nn.ModuleDict({str(i): nn.Linear(1, size) for i in range(variables)})
        self.single = nn.ModuleDict({str(i): GatedResidualNetwork(size) for i in range(variables)})
        self.weights, self.softmax = nn.Linear(variables * size, variables), nn.Softmax(dim=-1)
        self.lstm, self.out = nn.LSTM(size, size, batch_first=True), nn.Linear(size, 1)

    def forward(self, x):
        scaled = [self.prescalers[name](x[..., [i]]) for i, name in enumerate(self.prescalers)]
        variables = torch.stack(
            [self.single[name](v) for name, v in zip(self.single, scaled, strict=True)], dim=-1
        )
        weights = self.softmax(self.weights(torch.cat(scaled, dim=-1))).unsqueeze(-2)
        outputs, _ = self.lstm((variables * weights).sum(dim=-1))
        return self.out(outputs[:, -1])


class ODEFunc(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.nfe = 0
        self.net = nn.Sequential(nn.Linear(dim, 16), nn.Tanh(), nn.Linear(16, dim))
        for m in self.net.modules():
            if isinstance(m, nn.Linear):
                nn.init.normal_(m.weight, mean=0, std=0.1)
                nn.init.constant_(m.bias, val=0)

    def forward(self, t, y):
        self.nfe += 1
        return self.net(y**3)


class NeuralODE(nn.Module):
    """Runge-Kutta steps through one function."""

    def __init__(self, odefunc, steps=2):
        super().__init__()
        self.odefunc, self.out = odefunc, nn.Linear(8, 2)
        self.register_buffer("t", torch.linspace(0, 1, steps + 1))

    def forward(self, y):
        for t0, t1 in zip(self.t[:-1], self.t[1:], strict=True):
            dt = t1 - t0
            k1 = self.odefunc(t0, y)
            k2 = self.odefunc(t0 + dt / 2, y + dt * k1 / 2)
            k3 = self.odefunc(t0 + dt / 2, y + dt * k2 / 2)
            k4 = self.odefunc(t1, y + dt * k3)
            y = y + dt / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        return self.out(y)


class TacotronPrenet(nn.Module):
    """Dropout stays on; the old weight_norm hangs a tensor into the module."""

    def __init__(self, in_dim=5, sizes=(8, 8)):
        super().__init__()
        in_sizes = [in_dim, *list(sizes[:-1])]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # deprecated, and used
            self.layers = nn.ModuleList([
                nn.utils.weight_norm(nn.Linear(i, o, bias=False)) for i, o in zip(in_sizes, sizes, strict=True)
            ])  # fmt: skip
        self.rnn, self.linear = nn.GRUCell(sizes[-1], 8), nn.Linear(8, 2)

    def forward(self, x):
        for linear in self.layers:
            x = F.dropout(F.relu(linear(x)), p=0.5, training=True)
        h = x.new_zeros(x.size(0), 8)
        for t in range(x.size(1)):
            h = self.rnn(x[:, t], h)
        return self.linear(h)
