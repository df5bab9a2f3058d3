"""MobileFaceNet, for face recognition and for 68 facial landmarks.

Paper: MobileFaceNets: Efficient CNNs for Accurate Real-Time Face Verification on Mobile Devices,
https://arxiv.org/abs/1804.07573
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from mmfer.registry import MODELS

from ..layers import PReLU, PretrainedBackbone

NUM_LANDMARKS = 68


class ConvBlock(nn.Module):
    """Convolution, batch normalisation and, where ``act``, PReLU."""

    def __init__(
        self,
        in_channels: int,
        channels: int,
        kernel: int = 1,
        stride: int = 1,
        padding: int | None = None,
        groups: int = 1,
        act: bool = True,
    ) -> None:
        super().__init__()
        padding = kernel // 2 if padding is None else padding
        self.conv = nn.Conv2d(in_channels, channels, kernel, stride, padding, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(channels)
        self.act = PReLU(channels) if act else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.bn(self.conv(x)))


class DepthwiseUnit(nn.Module):
    """Inverted bottleneck: expand 1x1, depthwise 3x3, project 1x1; residual where the stride is 1."""

    def __init__(self, in_channels: int, channels: int, hidden: int, stride: int) -> None:
        super().__init__()
        self.expand = ConvBlock(in_channels, hidden)
        self.depthwise = ConvBlock(hidden, hidden, 3, stride, groups=hidden)
        self.project = ConvBlock(hidden, channels, act=False)
        self.residual = stride == 1

    def forward(self, x: Tensor) -> Tensor:
        out = self.project(self.depthwise(self.expand(x)))
        return x + out if self.residual else out


class LandmarkHead(nn.Module):
    """Global depthwise convolution and a linear layer: the top map to ``(B, 68, 2)`` points, (x, y) in [0, 1]."""

    def __init__(self, channels: int, size: int) -> None:
        super().__init__()
        self.depthwise = ConvBlock(channels, channels, size, padding=0, groups=channels, act=False)
        self.linear = nn.Linear(channels, 2 * NUM_LANDMARKS, bias=False)
        self.bn = nn.BatchNorm1d(2 * NUM_LANDMARKS)

    def forward(self, x: Tensor) -> Tensor:
        x = self.depthwise(x)
        if x.shape[2:] != (1, 1):
            raise ValueError('with_landmarks=True needs input of 112x112 pixels, the size the landmark head covers')
        return self.bn(self.linear(x.flatten(1))).unflatten(1, (NUM_LANDMARKS, 2))


@MODELS.register_module()
class MobileFaceNet(PretrainedBackbone):
    """MobileFaceNet: ``(B, 3, H, W)`` to maps at strides 4, 8 and 16, and to 68 landmarks on request.

    At ``width=1`` the stages have 64, 128 and 512 channels (the last one after its 1x1 expansion). The landmark network
    expects RGB in [0, 1] without mean and deviation when its points are read; the FER networks feed it their own
    normalised input and use its maps alone.

    Args:
        out_indices: Stages whose maps are returned, of 0, 1, 2; later ones are built only for landmarks.
        with_landmarks: Also return the points, as last item of the tuple; needs 112x112 pixels.
        width: Multiplier of all widths, rounded to multiples of 8.
        num_blocks: Residual units in each stage.
        init_cfg: ``dict(type='Pretrained', checkpoint=FILE)`` takes the released ``mobilefacenet_model_best.pth.tar``.

    Raises:
        ValueError: If an argument is not one of those above.
    """

    def __init__(
        self,
        out_indices: Sequence[int] = (0, 1, 2),
        with_landmarks: bool = False,
        width: float = 1.0,
        num_blocks: Sequence[int] = (4, 6, 2),
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        if not all(i in (0, 1, 2) for i in out_indices) or not (out_indices or with_landmarks):
            raise ValueError(f'out_indices={tuple(out_indices)!r}: choose from the stages 0, 1, 2')
        if len(num_blocks) != 3:
            raise ValueError(f'num_blocks={tuple(num_blocks)!r}: MobileFaceNet has three stages')
        self.out_indices = tuple(out_indices)
        stem, *channels, top = (max(8, int(c * width + 4) // 8 * 8) for c in (64, 64, 128, 128, 512))
        self.stem = nn.Sequential(ConvBlock(3, stem, 3, 2), ConvBlock(stem, stem, 3, groups=stem))
        self.stages = nn.ModuleList()
        last = 2 if with_landmarks else max(self.out_indices)
        in_channels = stem
        for i in range(last + 1):
            out = channels[i]
            units = [DepthwiseUnit(in_channels, out, in_channels * (2 if i == 0 else 4), 2)]
            units += [DepthwiseUnit(out, out, 2 * out, 1) for _ in range(num_blocks[i])]
            self.stages.append(nn.Sequential(*units))
            in_channels = out
        self.expand = ConvBlock(in_channels, top) if last == 2 else None
        self.landmark_head = LandmarkHead(top, 7) if with_landmarks else None
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, a=0.25, mode='fan_out')

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Maps of the chosen stages, and with landmarks the points ``(B, 68, 2)`` in [0, 1] of the crop behind them."""
        x = self.stem(x)
        outs = []
        for i, stage in enumerate(self.stages):
            x = stage(x)
            if i == 2:
                x = self.expand(x)
            if i in self.out_indices:
                outs.append(x)
        if self.landmark_head is not None:
            outs.append(self.landmark_head(x))
        return tuple(outs)
