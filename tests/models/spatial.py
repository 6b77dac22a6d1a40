"""Networks that look at images, volumes and points in other ways than to classify them."""

import math
from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import nn


class DoubleConv(nn.Module):
    """(convolution => [BN] => ReLU) * 2"""

    def __init__(self, in_channels, out_channels, mid_channels=None):
        super().__init__()
        if not mid_channels:
            mid_channels = out_channels
        self.double_conv = nn.Sequential(
            nn.Conv2d(in_channels, mid_channels, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(mid_channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(mid_channels, out_channels, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
        )

    def forward(self, x):
        return self.double_conv(x)


class Up(nn.Module):
    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.up = nn.ConvTranspose2d(in_channels, in_channels // 2, kernel_size=2, stride=2)
        self.conv = DoubleConv(in_channels, out_channels)

    def forward(self, x1, x2):
        x1 = self.up(x1)
        diff = x2.size()[2] - x1.size()[2]
        x1 = F.pad(x1, [diff // 2, diff - diff // 2, diff // 2, diff - diff // 2])
        return self.conv(torch.cat([x2, x1], dim=1))


class UNet(nn.Module):
    def __init__(self, n_channels=3, n_classes=2):
        super().__init__()
        self.inc = DoubleConv(n_channels, 4)
        self.down1 = nn.Sequential(nn.MaxPool2d(2), DoubleConv(4, 8))
        self.up1 = Up(8, 4)
        self.outc = nn.Conv2d(4, n_classes, kernel_size=1)

    def forward(self, x):
        x1 = self.inc(x)
        x2 = self.down1(x1)
        return self.outc(self.up1(x2, x1))


class FCN(nn.Module):
    """Returns a dictionary, with an auxiliary head."""

    class Head(nn.Sequential):
        def __init__(self, in_channels, channels):
            inter_channels = in_channels // 2
            layers = [
                nn.Conv2d(in_channels, inter_channels, 3, padding=1, bias=False),
                nn.BatchNorm2d(inter_channels),
            ]
            super().__init__(
                *layers, nn.ReLU(), nn.Dropout(0.1), nn.Conv2d(inter_channels, channels, 1)
            )

    def __init__(self):
        super().__init__()
        self.backbone = nn.ModuleDict({
            "low": nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(True)),
            "high": nn.Sequential(nn.Conv2d(8, 8, 3, 1, 1), nn.ReLU(True)),
        })  # fmt: skip
        self.classifier, self.aux_classifier = self.Head(8, 3), self.Head(8, 3)

    def forward(self, x):
        input_shape = x.shape[-2:]
        features = OrderedDict()
        for name, stage in self.backbone.items():
            x = features[name] = stage(x)
        result = OrderedDict()
        for key, head, name in (
            ("out", self.classifier, "high"),
            ("aux", self.aux_classifier, "low"),
        ):
            result[key] = F.interpolate(
                head(features[name]), size=input_shape, mode="bilinear", align_corners=False
            )
        return result


class Yolo(nn.Module):
    """Decodes its boxes itself: sigmoid for centre and confidence, exp for the size."""

    def __init__(self, num_classes=2, anchors=((1.0, 2.0), (2.0, 1.0))):
        super().__init__()
        self.num_classes = num_classes
        self.register_buffer("anchors", torch.tensor(anchors))
        self.backbone = nn.Sequential(
            nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.LeakyReLU(0.1)
        )
        self.head = nn.Conv2d(8, len(anchors) * (5 + num_classes), 1)

    def forward(self, x):
        p = self.head(self.backbone(x))
        b, _, h, w = p.shape
        p = (
            p.view(b, len(self.anchors), 5 + self.num_classes, h, w)
            .permute(0, 1, 3, 4, 2)
            .contiguous()
        )
        stride = x.shape[-1] / w
        grid = torch.stack(torch.meshgrid(torch.arange(w), torch.arange(h), indexing="xy"), -1)
        xy = (torch.sigmoid(p[..., :2]) + grid) * stride
        wh = torch.exp(p[..., 2:4]) * self.anchors[:, None, None]
        return torch.cat((xy, wh, torch.sigmoid(p[..., 4:])), -1).view(b, -1, 5 + self.num_classes)


class SpatialTransformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 4, kernel_size=3)
        self.conv2 = nn.Conv2d(4, 8, kernel_size=3)
        self.conv2_drop = nn.Dropout2d()
        self.fc1 = nn.Linear(8, 16)
        self.fc2 = nn.Linear(16, 10)
        self.localization = nn.Sequential(
            nn.Conv2d(1, 4, kernel_size=3), nn.MaxPool2d(2, stride=2), nn.ReLU(True)
        )
        self.fc_loc = nn.Sequential(nn.Linear(4 * 5 * 5, 8), nn.ReLU(True), nn.Linear(8, 3 * 2))
        self.fc_loc[2].weight.data.zero_()
        self.fc_loc[2].bias.data.copy_(torch.tensor([1, 0, 0, 0, 1, 0], dtype=torch.float))

    def stn(self, x):
        xs = self.localization(x)
        theta = self.fc_loc(xs.view(-1, 4 * 5 * 5)).view(-1, 2, 3)
        grid = F.affine_grid(theta, x.size(), align_corners=False)
        return F.grid_sample(x, grid, align_corners=False)

    def forward(self, x):
        x = self.stn(x)
        x = F.relu(F.max_pool2d(self.conv1(x), 2))
        x = F.relu(F.max_pool2d(self.conv2_drop(self.conv2(x)), 3))
        x = F.relu(self.fc1(x.view(-1, 8)))
        x = F.dropout(x, training=self.training)
        return F.log_softmax(self.fc2(x), dim=1)


class C3D(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.pool1 = (
            nn.Conv3d(3, 4, kernel_size=(3, 3, 3), padding=1),
            nn.MaxPool3d((1, 2, 2), (1, 2, 2)),
        )
        self.conv2, self.pool2 = (
            nn.Conv3d(4, 8, kernel_size=(3, 3, 3), padding=1),
            nn.MaxPool3d(2, 2),
        )
        self.fc6, self.fc7 = nn.Linear(8 * 2 * 2 * 2, 16), nn.Linear(16, 5)
        self.dropout, self.relu, self.softmax = nn.Dropout(p=0.5), nn.ReLU(), nn.Softmax(dim=1)

    def forward(self, x):
        h = self.pool1(self.relu(self.conv1(x)))
        h = self.pool2(self.relu(self.conv2(h)))
        h = self.relu(self.fc6(h.view(-1, 8 * 2 * 2 * 2)))
        return self.softmax(self.fc7(self.dropout(h)))


class Siamese(nn.Module):
    """One trunk that runs twice."""

    def __init__(self):
        super().__init__()
        self.cnn1 = nn.Sequential(
            nn.ReflectionPad2d(1), nn.Conv2d(3, 4, kernel_size=3), nn.ReLU(inplace=True), nn.BatchNorm2d(4),
            nn.ReflectionPad2d(1), nn.Conv2d(4, 4, kernel_size=3), nn.ReLU(inplace=True), nn.BatchNorm2d(4),
        )  # fmt: skip
        self.fc1, self.out = nn.Linear(4 * 8 * 8, 8), nn.Linear(8, 1)

    def forward_once(self, x):
        output = self.cnn1(x)
        return self.fc1(output.view(output.size()[0], -1))

    def forward(self, input1, input2):
        distance = torch.abs(self.forward_once(input1) - self.forward_once(input2))
        return torch.sigmoid(self.out(distance))


class CBAM(nn.Module):
    """Attention over channels, then over places."""

    class Flatten(nn.Module):
        def forward(self, x):
            return x.view(x.size(0), -1)

    def __init__(self, channels=8, ratio=2):
        super().__init__()
        self.stem, self.bn = nn.Conv2d(3, channels, 3, padding=1), nn.BatchNorm2d(channels)
        hidden = channels // ratio
        self.mlp = nn.Sequential(
            self.Flatten(), nn.Linear(channels, hidden), nn.ReLU(), nn.Linear(hidden, channels)
        )
        self.pool_types = ["avg", "max"]
        self.spatial = nn.Conv2d(2, 1, 7, padding=3, bias=False)
        self.head = nn.Linear(channels, 2)

    def forward(self, x):
        x = F.relu(self.bn(self.stem(x)))
        channel_att_sum = None
        for pool_type in self.pool_types:
            pool = F.avg_pool2d if pool_type == "avg" else F.max_pool2d
            channel_att_raw = self.mlp(pool(x, (x.size(2), x.size(3))))
            channel_att_sum = (
                channel_att_raw if channel_att_sum is None else channel_att_sum + channel_att_raw
            )
        x = x * torch.sigmoid(channel_att_sum).unsqueeze(2).unsqueeze(3).expand_as(x)
        compressed = torch.cat(
            (torch.max(x, 1)[0].unsqueeze(1), torch.mean(x, 1).unsqueeze(1)), dim=1
        )
        x = x * torch.sigmoid(self.spatial(compressed))
        return self.head(x.mean((2, 3)))


class StdConv2d(nn.Conv2d):
    def forward(self, x):
        w = self.weight
        v, m = torch.var_mean(w, dim=[1, 2, 3], keepdim=True, unbiased=False)
        w = (w - m) / torch.sqrt(v + 1e-10)
        return F.conv2d(x, w, self.bias, self.stride, self.padding, self.dilation, self.groups)


class BiT(nn.Module):
    """Pre-activation with standardized weights and a zeroed head."""

    def __init__(self):
        super().__init__()
        self.root = StdConv2d(3, 8, 3, stride=2, padding=1, bias=False)
        self.gn1, self.conv1 = nn.GroupNorm(4, 8), StdConv2d(8, 8, 3, padding=1, bias=False)
        self.gn2, self.conv2 = nn.GroupNorm(4, 8), StdConv2d(8, 8, 3, padding=1, bias=False)
        self.relu = nn.ReLU(inplace=True)
        gap = [
            ("gn", nn.GroupNorm(4, 8)),
            ("relu", nn.ReLU(inplace=True)),
            ("avg", nn.AdaptiveAvgPool2d(output_size=1)),
        ]
        self.head = nn.Sequential(
            OrderedDict([*gap, ("conv", nn.Conv2d(8, 3, kernel_size=1, bias=True))])
        )
        nn.init.zeros_(self.head.conv.weight)
        nn.init.zeros_(self.head.conv.bias)

    def forward(self, x):
        x = self.root(x)
        out = self.relu(self.gn1(x))
        out = self.conv1(out)
        out = self.conv2(self.relu(self.gn2(out)))
        return self.head(out + x)[..., 0, 0]


class NeRF(nn.Module):
    """A field of colour and density; the density is kept positive."""

    def __init__(self, D=3, W=8, multires=2, skips=(1,)):
        super().__init__()
        self.skips, self.freqs = skips, [2.0**i for i in range(multires)]
        ch = 3 + 3 * 2 * multires
        self.pts_linears = nn.ModuleList(
            [nn.Linear(ch, W)]
            + [nn.Linear(W + ch if i in self.skips else W, W) for i in range(D - 1)]
        )
        self.views_linears = nn.ModuleList([nn.Linear(W + 3, W // 2)])
        self.feature_linear, self.alpha_linear, self.rgb_linear = (
            nn.Linear(W, W),
            nn.Linear(W, 1),
            nn.Linear(W // 2, 3),
        )

    def embed(self, x):
        return torch.cat(
            [x] + [fn(x * freq) for freq in self.freqs for fn in (torch.sin, torch.cos)], -1
        )

    def forward(self, x):
        input_pts, input_views = torch.split(x, [3, 3], dim=-1)
        pts = h = self.embed(input_pts)
        for i, _l in enumerate(self.pts_linears):
            h = self.pts_linears[i](h)
            h = F.relu(h)
            if i in self.skips:
                h = torch.cat([pts, h], -1)
        alpha = F.relu(self.alpha_linear(h))
        h = torch.cat([self.feature_linear(h), input_views], -1)
        for _i, l in enumerate(self.views_linears):  # noqa: E741  # as people write it  # as people write it
            h = F.relu(l(h))
        return torch.cat([torch.sigmoid(self.rgb_linear(h)), alpha], -1)


def nonlinearity(x):
    # swish
    return x * torch.sigmoid(x)


def get_timestep_embedding(timesteps, embedding_dim):
    half_dim = embedding_dim // 2
    emb = torch.exp(
        torch.arange(half_dim, dtype=torch.float32) * -(math.log(10000) / (half_dim - 1))
    )
    emb = timesteps.float()[:, None] * emb.to(device=timesteps.device)[None, :]
    return torch.cat([torch.sin(emb), torch.cos(emb)], dim=1)


class Denoiser(nn.Module):
    """A diffusion model's network: the time scales and shifts the features."""

    def __init__(self, ch=8):
        super().__init__()
        self.temb = nn.Module()
        self.temb.dense = nn.ModuleList([nn.Linear(ch, 4 * ch), nn.Linear(4 * ch, 4 * ch)])
        self.conv_in, self.temb_proj = nn.Conv2d(3, ch, 3, padding=1), nn.Linear(4 * ch, 2 * ch)
        self.norm1, self.conv1 = nn.GroupNorm(4, ch), nn.Conv2d(ch, ch, 3, padding=1)
        self.norm2, self.conv2 = nn.GroupNorm(4, ch), nn.Conv2d(ch, ch, 3, padding=1)
        self.conv_out = nn.Conv2d(ch, 3, 3, padding=1)
        self.ch = ch

    def forward(self, x, t):
        temb = get_timestep_embedding(t, self.ch)
        temb = self.temb.dense[0](temb)
        temb = nonlinearity(temb)
        temb = self.temb.dense[1](temb)
        x = self.conv_in(x)
        h = self.conv1(nonlinearity(self.norm1(x)))
        scale, shift = self.temb_proj(nonlinearity(temb))[:, :, None, None].chunk(2, dim=1)
        h = self.norm2(h) * (1 + scale) + shift
        h = self.conv2(nonlinearity(h))
        return self.conv_out(x + h)


class TNet(nn.Module):
    def __init__(self, k):
        super().__init__()
        self.k = k
        self.conv1, self.bn1 = nn.Conv1d(k, 8, 1), nn.BatchNorm1d(8)
        self.fc1, self.fc2, self.relu = nn.Linear(8, 8), nn.Linear(8, k * k), nn.ReLU()

    def forward(self, x):
        batchsize = x.size()[0]
        x = F.relu(self.bn1(self.conv1(x)))
        x = torch.max(x, 2, keepdim=True)[0]
        x = self.fc2(self.relu(self.fc1(x.view(-1, 8))))
        iden = torch.eye(self.k).view(1, self.k * self.k).repeat(batchsize, 1)
        return (x + iden).view(-1, self.k, self.k)


class PointNet(nn.Module):
    def __init__(self, classes=3):
        super().__init__()
        self.stn, self.fstn = TNet(3), TNet(8)
        self.conv1, self.conv2 = nn.Conv1d(3, 8, 1), nn.Conv1d(8, 8, 1)
        self.bn1, self.bn2 = nn.BatchNorm1d(8), nn.BatchNorm1d(8)
        self.fc = nn.Linear(8, classes)

    def forward(self, x):
        trans = self.stn(x)
        x = torch.bmm(x.transpose(2, 1), trans).transpose(2, 1)
        x = F.relu(self.bn1(self.conv1(x)))
        trans_feat = self.fstn(x)
        x = torch.bmm(x.transpose(2, 1), trans_feat).transpose(2, 1)
        x = torch.max(self.bn2(self.conv2(x)), 2)[0]
        return F.log_softmax(self.fc(x), dim=1), trans, trans_feat


class CapsNet(nn.Module):
    """Raw parameters and routing by agreement."""

    def __init__(self, in_caps=8, num_capsules=3, in_dim=4, out_dim=4, routings=2):
        super().__init__()
        self.conv, self.primary = nn.Conv2d(1, 8, 5, stride=2), nn.Conv2d(8, 8, 3)
        self.W = nn.Parameter(0.1 * torch.randn(1, num_capsules, in_caps, out_dim, in_dim))
        self.routings = routings
        layers = [
            nn.Linear(out_dim * num_capsules, 8),
            nn.ReLU(inplace=True),
            nn.Linear(8, 16),
            nn.Sigmoid(),
        ]
        self.decoder = nn.Sequential(*layers)

    @staticmethod
    def squash(x, dim=-1):
        squared_norm = (x**2).sum(dim=dim, keepdim=True)
        return squared_norm / (1 + squared_norm) * x / (squared_norm.sqrt() + 1e-8)

    def forward(self, x):
        x = self.primary(F.relu(self.conv(x)))
        u = self.squash(x.reshape(x.size(0), -1, 4)[:, :8])
        u_hat = torch.matmul(self.W, u[:, None, :, :, None]).squeeze(-1)
        b = torch.zeros(*u_hat.shape[:3], 1)
        for _ in range(self.routings):
            v = self.squash((F.softmax(b, dim=1) * u_hat).sum(dim=2))
            b = b + (u_hat * v.unsqueeze(2)).sum(-1, keepdim=True)
        return v.norm(dim=-1), self.decoder(v.view(v.size(0), -1))
