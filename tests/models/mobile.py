"""Image classifiers for small devices, in the manner of the repositories that made them known."""
# ruff: noqa: A002, RUF046  # as people write it
# as people write it

from functools import partial

import torch
import torch.nn.functional as F
from torch import nn


class MobileNetV1(nn.Module):
    def __init__(self, classes=4):
        super().__init__()

        def conv_bn(inp, oup, stride):
            return nn.Sequential(
                nn.Conv2d(inp, oup, 3, stride, 1, bias=False),
                nn.BatchNorm2d(oup),
                nn.ReLU(inplace=True),
            )

        def conv_dw(inp, oup, stride):
            return nn.Sequential(
                nn.Conv2d(inp, inp, 3, stride, 1, groups=inp, bias=False),
                nn.BatchNorm2d(inp),
                nn.ReLU(inplace=True),
                nn.Conv2d(inp, oup, 1, 1, 0, bias=False),
                nn.BatchNorm2d(oup),
                nn.ReLU(inplace=True),
            )

        self.model = nn.Sequential(
            conv_bn(3, 8, 2), conv_dw(8, 16, 1), conv_dw(16, 16, 2), nn.AvgPool2d(2)
        )
        self.fc = nn.Linear(16, classes)

    def forward(self, x):
        x = self.model(x)
        x = x.view(-1, 16)
        return self.fc(x)


class ConvBNReLU(nn.Sequential):
    def __init__(self, in_planes, out_planes, kernel_size=3, stride=1, groups=1):
        padding = (kernel_size - 1) // 2
        super().__init__(
            nn.Conv2d(
                in_planes, out_planes, kernel_size, stride, padding, groups=groups, bias=False
            ),
            nn.BatchNorm2d(out_planes),
            nn.ReLU6(inplace=True),
        )


class InvertedResidual(nn.Module):
    def __init__(self, inp, oup, stride, expand_ratio):
        super().__init__()
        hidden_dim = int(round(inp * expand_ratio))
        self.use_res_connect = stride == 1 and inp == oup
        layers = []
        if expand_ratio != 1:
            layers.append(ConvBNReLU(inp, hidden_dim, kernel_size=1))
        layers.extend([
            ConvBNReLU(hidden_dim, hidden_dim, stride=stride, groups=hidden_dim),
            nn.Conv2d(hidden_dim, oup, 1, 1, 0, bias=False),
            nn.BatchNorm2d(oup),
        ])  # fmt: skip
        self.conv = nn.Sequential(*layers)

    def forward(self, x):
        if self.use_res_connect:
            return x + self.conv(x)
        else:  # noqa: RET505  # as people write it
            return self.conv(x)


class MobileNetV2(nn.Module):
    def __init__(self, num_classes=5, settings=((1, 8, 1, 1), (2, 8, 1, 1))):
        super().__init__()
        features = [ConvBNReLU(3, 8, stride=2)]
        input_channel = 8
        for t, c, n, s in settings:
            for i in range(n):
                features.append(
                    InvertedResidual(input_channel, c, s if i == 0 else 1, expand_ratio=t)
                )
                input_channel = c
        features.append(ConvBNReLU(input_channel, 16, kernel_size=1))
        self.features = nn.Sequential(*features)
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(16, num_classes))

    def forward(self, x):
        x = self.features(x)
        x = nn.functional.adaptive_avg_pool2d(x, 1).reshape(x.shape[0], -1)
        return self.classifier(x)


class SqueezeExcitation(nn.Module):
    def __init__(
        self, input_channels, squeeze_channels, activation=nn.ReLU, scale_activation=nn.Hardsigmoid
    ):
        super().__init__()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc1 = nn.Conv2d(input_channels, squeeze_channels, 1)
        self.fc2 = nn.Conv2d(squeeze_channels, input_channels, 1)
        self.activation, self.scale_activation = activation(), scale_activation()

    def _scale(self, input):
        scale = self.avgpool(input)
        scale = self.fc1(scale)
        scale = self.activation(scale)
        scale = self.fc2(scale)
        return self.scale_activation(scale)

    def forward(self, input):
        return self._scale(input) * input


class MobileNetV3(nn.Module):
    class Block(nn.Module):
        def __init__(self, channels, expanded, use_se, use_hs, norm_layer):
            super().__init__()
            act = nn.Hardswish if use_hs else nn.ReLU
            layers = [
                nn.Conv2d(channels, expanded, 1, bias=False),
                norm_layer(expanded),
                act(inplace=True),
            ]
            layers += [
                nn.Conv2d(expanded, expanded, 3, 1, 1, groups=expanded),
                norm_layer(expanded),
                act(inplace=True),
            ]
            if use_se:
                layers.append(SqueezeExcitation(expanded, 4))
            layers += [nn.Conv2d(expanded, channels, 1, bias=False), norm_layer(channels)]
            self.block = nn.Sequential(*layers)

        def forward(self, input):
            result = self.block(input)
            result += input
            return result

    def __init__(self, num_classes=3):
        super().__init__()
        norm_layer = partial(nn.BatchNorm2d, eps=0.001, momentum=0.01)
        blocks = [
            self.Block(8, 16, se, hs, norm_layer) for se, hs in ((True, False), (False, True))
        ]
        self.stem = nn.Sequential(
            nn.Conv2d(3, 8, 3, 2, 1, bias=False), norm_layer(8), nn.Hardswish()
        )
        self.features = nn.Sequential(*blocks)
        self.classifier = nn.Sequential(
            nn.Linear(8, 16),
            nn.Hardswish(inplace=True),
            nn.Dropout(0.2),
            nn.Linear(16, num_classes),
        )

    def forward(self, x):
        x = self.features(self.stem(x))
        return self.classifier(x.mean([2, 3]))


class SwishImplementation(torch.autograd.Function):
    @staticmethod
    def forward(ctx, i):
        ctx.save_for_backward(i)
        return i * torch.sigmoid(i)

    @staticmethod
    def backward(ctx, grad_output):
        sigmoid_i = torch.sigmoid(ctx.saved_tensors[0])
        return grad_output * (sigmoid_i * (1 + ctx.saved_tensors[0] * (1 - sigmoid_i)))


class MemoryEfficientSwish(nn.Module):
    def forward(self, x):
        return SwishImplementation.apply(x)


def drop_connect(inputs, p, training):
    if not training:
        return inputs
    keep_prob = 1 - p
    random_tensor = keep_prob
    random_tensor += torch.rand(
        [inputs.shape[0], 1, 1, 1], dtype=inputs.dtype, device=inputs.device
    )
    return inputs / keep_prob * torch.floor(random_tensor)


class MBConvBlock(nn.Module):
    def __init__(self, channels, expand_ratio, drop_connect_rate=0.2):
        super().__init__()
        oup = channels * expand_ratio
        self._expand_ratio, self._rate = expand_ratio, drop_connect_rate
        if expand_ratio != 1:
            self._expand_conv, self._bn0 = (
                nn.Conv2d(channels, oup, 1, bias=False),
                nn.BatchNorm2d(oup),
            )
        self._depthwise_conv, self._bn1 = (
            nn.Conv2d(oup, oup, 3, 1, 1, groups=oup, bias=False),
            nn.BatchNorm2d(oup),
        )
        self._se_reduce, self._se_expand = nn.Conv2d(oup, 4, 1), nn.Conv2d(4, oup, 1)
        self._project_conv, self._bn2 = (
            nn.Conv2d(oup, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
        )
        self._swish = MemoryEfficientSwish()

    def forward(self, inputs):
        x = inputs
        if self._expand_ratio != 1:
            x = self._swish(self._bn0(self._expand_conv(x)))
        x = self._swish(self._bn1(self._depthwise_conv(x)))
        x_squeezed = self._se_expand(self._swish(self._se_reduce(F.adaptive_avg_pool2d(x, 1))))
        x = torch.sigmoid(x_squeezed) * x
        x = self._bn2(self._project_conv(x))
        return drop_connect(x, p=self._rate, training=self.training) + inputs


class EfficientNet(nn.Module):
    def __init__(self):
        super().__init__()
        self._conv_stem, self._bn0 = nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8)
        self._blocks = nn.ModuleList([MBConvBlock(8, 1), MBConvBlock(8, 2)])
        self._conv_head, self._fc = nn.Conv2d(8, 16, 1), nn.Linear(16, 3)
        self._swish = MemoryEfficientSwish()

    def forward(self, inputs):
        x = self._swish(self._bn0(self._conv_stem(inputs)))
        for block in self._blocks:
            x = block(x)
        x = self._swish(self._conv_head(x))
        return self._fc(F.adaptive_avg_pool2d(x, 1).flatten(1))
