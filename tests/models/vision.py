"""Image classifiers, in the manner of the repositories that made them known."""
# ruff: noqa: A001, A002, UP031  # as people write it
# as people write it

from collections import namedtuple

import torch
import torch.nn.functional as F
from torch import nn

CFG = {"A": [8, "M", 16, 16, "M"]}


class VGG(nn.Module):
    def __init__(self, features, num_classes=5, init_weights=True):
        super().__init__()
        self.features = features
        self.avgpool = nn.AdaptiveAvgPool2d((2, 2))
        self.classifier = nn.Sequential(
            nn.Linear(16 * 2 * 2, 16),
            nn.ReLU(True),
            nn.Dropout(),
            nn.Linear(16, 16),
            nn.ReLU(True),
            nn.Dropout(),
            nn.Linear(16, num_classes),
        )
        if init_weights:
            self._initialize_weights()

    def forward(self, x):
        x = self.avgpool(self.features(x))
        return self.classifier(torch.flatten(x, 1))

    def _initialize_weights(self):
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
                nn.init.constant_(m.bias, 0)
            elif isinstance(m, nn.Linear):
                nn.init.normal_(m.weight, 0, 0.01)
                nn.init.constant_(m.bias, 0)


def make_layers(cfg, batch_norm=True):
    layers = []
    in_channels = 3
    for v in cfg:
        if v == "M":
            layers += [nn.MaxPool2d(kernel_size=2, stride=2)]
        else:
            conv2d = nn.Conv2d(in_channels, v, kernel_size=3, padding=1)
            layers += (
                [conv2d, nn.BatchNorm2d(v), nn.ReLU(inplace=True)]
                if batch_norm
                else [conv2d, nn.ReLU(inplace=True)]
            )
            in_channels = v
    return nn.Sequential(*layers)


def vgg(**kwargs):
    return VGG(make_layers(CFG["A"]), **kwargs)


class DropPath(nn.Module):
    """Stochastic depth."""

    def __init__(self, drop_prob=None):
        super().__init__()
        self.drop_prob = drop_prob

    def forward(self, x):
        if self.drop_prob == 0.0 or not self.training:
            return x
        keep_prob = 1 - self.drop_prob
        random_tensor = x.new_empty((x.shape[0],) + (1,) * (x.ndim - 1)).bernoulli_(keep_prob)
        return x * random_tensor.div_(keep_prob)


class LayerNorm(nn.Module):
    def __init__(self, dim, eps=1e-6):
        super().__init__()
        self.weight, self.bias, self.eps = (
            nn.Parameter(torch.ones(dim)),
            nn.Parameter(torch.zeros(dim)),
            eps,
        )

    def forward(self, x):
        u = x.mean(1, keepdim=True)
        s = (x - u).pow(2).mean(1, keepdim=True)
        x = (x - u) / torch.sqrt(s + self.eps)
        return self.weight[:, None, None] * x + self.bias[:, None, None]


class ConvNeXt(nn.Module):
    class Block(nn.Module):
        def __init__(self, dim, drop_path, layer_scale_init_value=1e-6):
            super().__init__()
            self.dwconv = nn.Conv2d(dim, dim, kernel_size=7, padding=3, groups=dim)
            self.norm = nn.LayerNorm(dim, eps=1e-6)
            self.pwconv1 = nn.Linear(dim, 4 * dim)
            self.act = nn.GELU()
            self.pwconv2 = nn.Linear(4 * dim, dim)
            self.gamma = (
                nn.Parameter(layer_scale_init_value * torch.ones(dim))
                if layer_scale_init_value > 0
                else None
            )
            self.drop_path = DropPath(drop_path) if drop_path > 0.0 else nn.Identity()

        def forward(self, x):
            input = x
            x = self.norm(self.dwconv(x).permute(0, 2, 3, 1))
            x = self.pwconv2(self.act(self.pwconv1(x)))
            if self.gamma is not None:
                x = self.gamma * x
            return input + self.drop_path(x.permute(0, 3, 1, 2))

    def __init__(self, dim=8, depth=2, num_classes=3):
        super().__init__()
        dp_rates = [x.item() for x in torch.linspace(0, 0.3, depth)]
        self.stem = nn.Sequential(nn.Conv2d(3, dim, 2, 2), LayerNorm(dim))
        self.stage = nn.Sequential(*[self.Block(dim, dp_rates[j]) for j in range(depth)])
        self.norm, self.head = nn.LayerNorm(dim), nn.Linear(dim, num_classes)
        self.apply(self._init_weights)
        self.head.weight.data.mul_(0.001)

    def _init_weights(self, m):
        if isinstance(m, (nn.Conv2d, nn.Linear)):
            nn.init.trunc_normal_(m.weight, std=0.02)
            nn.init.constant_(m.bias, 0)

    def forward(self, x):
        x = self.stage(self.stem(x))
        return self.head(self.norm(x.mean([-2, -1])))


class DenseLayer(nn.Module):
    def __init__(self, num_input_features, growth_rate, bn_size=2):
        super().__init__()
        self.add_module("norm1", nn.BatchNorm2d(num_input_features))
        self.add_module("relu1", nn.ReLU(inplace=True))
        self.add_module(
            "conv1", nn.Conv2d(num_input_features, bn_size * growth_rate, 1, bias=False)
        )
        self.add_module("norm2", nn.BatchNorm2d(bn_size * growth_rate))
        self.add_module("relu2", nn.ReLU(inplace=True))
        self.add_module(
            "conv2", nn.Conv2d(bn_size * growth_rate, growth_rate, 3, padding=1, bias=False)
        )

    def forward(self, input):
        prev_features = [input] if isinstance(input, torch.Tensor) else input
        bottleneck_output = self.conv1(self.relu1(self.norm1(torch.cat(prev_features, 1))))
        return self.conv2(self.relu2(self.norm2(bottleneck_output)))


class DenseNet(nn.Module):
    class Block(nn.ModuleDict):
        def __init__(self, num_layers, num_input_features, growth_rate):
            super().__init__()
            for i in range(num_layers):
                self.add_module(
                    "denselayer%d" % (i + 1),
                    DenseLayer(num_input_features + i * growth_rate, growth_rate),
                )

        def forward(self, init_features):
            features = [init_features]
            for _name, layer in self.items():
                features.append(layer(features))
            return torch.cat(features, 1)

    def __init__(self):
        super().__init__()
        transition = nn.Sequential(
            nn.BatchNorm2d(12), nn.ReLU(inplace=True), nn.Conv2d(12, 8, 1), nn.AvgPool2d(2, 2)
        )
        self.features = nn.Sequential(
            nn.Conv2d(3, 4, 3, padding=1), self.Block(2, 4, 4), transition, nn.BatchNorm2d(8)
        )
        self.classifier = nn.Linear(8, 3)

    def forward(self, x):
        features = self.features(x)
        out = F.relu(features, inplace=True)
        out = F.adaptive_avg_pool2d(out, (1, 1))
        return self.classifier(torch.flatten(out, 1))


InceptionOutputs = namedtuple("InceptionOutputs", ["logits", "aux_logits"])


class BasicConv2d(nn.Module):
    def __init__(self, in_channels, out_channels, **kwargs):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, bias=False, **kwargs)
        self.bn = nn.BatchNorm2d(out_channels, eps=0.001)

    def forward(self, x):
        x = self.conv(x)
        x = self.bn(x)
        return F.relu(x, inplace=True)


class Inception(nn.Module):
    """Its second output exists in training only."""

    def __init__(self, num_classes=3):
        super().__init__()
        self.stem = BasicConv2d(3, 8, kernel_size=3, stride=2)
        self.branch1x1 = BasicConv2d(8, 4, kernel_size=1)
        self.branch3x3 = BasicConv2d(8, 4, kernel_size=3, padding=1)
        self.aux = nn.Linear(8, num_classes)
        self.fc = nn.Linear(16, num_classes)

    def forward(self, x):
        x = self.stem(x)
        aux = self.aux(x.mean((2, 3))) if self.training else None
        outputs = [
            self.branch1x1(x),
            self.branch3x3(x),
            F.avg_pool2d(x, kernel_size=3, stride=1, padding=1),
        ]
        x = self.fc(torch.cat(outputs, 1).mean((2, 3)))
        return InceptionOutputs(x, aux) if self.training else x


class ShuffleNet(nn.Module):
    def __init__(self, num_classes=3):
        super().__init__()
        self.conv1 = nn.Sequential(
            nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU(inplace=True)
        )
        self.branch2 = nn.Sequential(
            nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4), nn.ReLU(inplace=True),
            nn.Conv2d(4, 4, 3, 1, 1, groups=4), nn.BatchNorm2d(4),
            nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4), nn.ReLU(inplace=True),
        )  # fmt: skip
        self.fc = nn.Linear(8, num_classes)

    @staticmethod
    def channel_shuffle(x, groups):
        b, c, h, w = x.size()
        return x.view(b, groups, c // groups, h, w).transpose(1, 2).contiguous().view(b, -1, h, w)

    def forward(self, x):
        x1, x2 = self.conv1(x).chunk(2, dim=1)
        out = self.channel_shuffle(torch.cat((x1, self.branch2(x2)), dim=1), 2)
        return self.fc(out.mean([2, 3]))
