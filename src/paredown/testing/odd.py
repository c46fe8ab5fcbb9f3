"""Small networks whose channels are tied together in ways that a search may get wrong; each can be cut somewhere.

`shape` is one row without the batch, `ties` what is odd about the network.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

CLASSES = 4


class Odd(nn.Module):
    """What they share."""

    shape: ClassVar[tuple[int, ...]] = (16,)
    ties: ClassVar[str] = ""

    def example(self, batch: int = 1) -> tuple[Tensor, ...]:
        """Zeros of its shape."""
        return (torch.zeros(batch, *self.shape),)


class Images(Odd):
    """Odd networks for images."""

    shape = (3, 8, 8)


class Series(Odd):
    """Odd networks for six steps of 16 numbers."""

    shape = (6, 16)


def _conv(inside: int, outside: int, kernel: int = 3, **more: Any) -> nn.Conv2d:
    return nn.Conv2d(inside, outside, kernel, padding=kernel // 2, **more)


def _pooled(maps: Tensor) -> Tensor:
    return maps.mean((2, 3))


class Gated(Odd):
    ties = "gated linear units: channel i is gated by channel i + half"

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.head = nn.Linear(16, 48), nn.Linear(24, 32), nn.Linear(16, CLASSES)

    def forward(self, felt: Tensor) -> Tensor:
        felt = functional.glu(self.one(felt))
        value, gate = self.two(felt).chunk(2, -1)
        return self.head(value * gate.sigmoid())


class PixelShuffle(Images):
    ties = "four channels become one at twice the size"

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.head = _conv(3, 32), _conv(8, 16), nn.Linear(16, CLASSES)

    def forward(self, maps: Tensor) -> Tensor:
        return self.head(_pooled(self.two(functional.pixel_shuffle(self.one(maps).relu(), 2)).relu()))


class ChannelsLast(Images):
    ties = "channels last before the flatten: what one channel gives lies apart"

    def __init__(self) -> None:
        super().__init__()
        self.one, self.wide, self.head = _conv(3, 16), nn.Linear(16 * 64, 24), nn.Linear(24, CLASSES)

    def forward(self, maps: Tensor) -> Tensor:
        return self.head(self.wide(self.one(maps).relu().permute(0, 2, 3, 1).flatten(1)).relu())


class WrittenWidth(Images):
    ties = "a width stands in the code, view(-1, 16 * 64)"

    def __init__(self) -> None:
        super().__init__()
        self.one, self.wide, self.head = _conv(3, 16), nn.Linear(16 * 64, 24), nn.Linear(24, CLASSES)

    def forward(self, maps: Tensor) -> Tensor:
        return self.head(self.wide(self.one(maps).relu().view(-1, 16 * 64)).relu())


class Shuffle(Images):
    ties = "channels are shuffled before a depthwise convolution"

    def __init__(self) -> None:
        super().__init__()
        self.one, self.each, self.point, self.head = _conv(3, 16), _conv(16, 16, groups=16), _conv(16, 24, 1), nn.Linear(24, CLASSES)

    def forward(self, maps: Tensor) -> Tensor:
        maps = self.one(maps).relu()
        rows, channels, high, wide = maps.shape
        maps = maps.view(rows, 2, channels // 2, high, wide).transpose(1, 2).reshape(rows, channels, high, wide)
        return self.head(_pooled(self.point(self.each(maps).relu()).relu()))


class Tied(Odd):
    ties = "two layers hold one and the same Parameter"

    def __init__(self) -> None:
        super().__init__()
        self.enter, self.one, self.two, self.head = nn.Linear(16, 24), nn.Linear(24, 24), nn.Linear(24, 24), nn.Linear(24, CLASSES)
        self.two.weight = self.one.weight

    def forward(self, felt: Tensor) -> Tensor:
        return self.head(self.two(self.one(self.enter(felt).relu()).relu()).relu())


class Transposed(Odd):
    ties = "a layer's weight is used again the other way round, as in an autoencoder"

    def __init__(self) -> None:
        super().__init__()
        self.enter, self.one, self.head = nn.Linear(16, 24), nn.Linear(24, 12), nn.Linear(24, CLASSES)

    def forward(self, felt: Tensor) -> Tensor:
        felt = self.one(self.enter(felt).relu()).relu()
        return self.head(functional.linear(felt, self.one.weight.t()).relu())


class Shared(Odd):
    ties = "one layer is asked twice"

    def __init__(self) -> None:
        super().__init__()
        self.enter, self.again, self.head = nn.Linear(16, 24), nn.Linear(24, 24), nn.Linear(24, CLASSES)

    def forward(self, felt: Tensor) -> Tensor:
        return self.head(self.again(self.again(self.enter(felt).relu()).relu()).relu())


class Dense(Images):
    ties = "a layer's output stands beside its input"

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.three, self.head = _conv(3, 12), _conv(12, 8), _conv(20, 16), nn.Linear(16, CLASSES)
        self.norm = nn.BatchNorm2d(20)

    def forward(self, maps: Tensor) -> Tensor:
        old = self.one(maps).relu()
        return self.head(_pooled(self.three(self.norm(torch.cat([self.two(old).relu(), old], 1)).relu()).relu()))


class HalfPassesBy(Images):
    ties = "half of the channels is worked on, the rest passes by, split where the code says so"

    def __init__(self) -> None:
        super().__init__()
        self.one, self.work, self.mix, self.head = _conv(3, 16), _conv(8, 8), _conv(16, 24, 1), nn.Linear(24, CLASSES)

    def forward(self, maps: Tensor) -> Tensor:
        maps = self.one(maps).relu()
        return self.head(_pooled(self.mix(torch.cat([maps[:, :8], self.work(maps[:, 8:]).relu()], 1)).relu()))


class HalfByChunk(HalfPassesBy):
    ties = "the same, split in two wherever the middle is"

    def forward(self, maps: Tensor) -> Tensor:
        by, on = self.one(maps).relu().chunk(2, 1)
        return self.head(_pooled(self.mix(torch.cat([by, self.work(on).relu()], 1)).relu()))


class LayerScale(Images):
    ties = "a bare Parameter scales the branch beside a shortcut"

    def __init__(self) -> None:
        super().__init__()
        self.one, self.branch, self.head = _conv(3, 16), _conv(16, 16), nn.Linear(16, CLASSES)
        self.scale = nn.Parameter(torch.full((16, 1, 1), 1e-6))

    def forward(self, maps: Tensor) -> Tensor:
        maps = self.one(maps).relu()
        return self.head(_pooled(maps + self.scale * self.branch(maps)))


class ClassToken(Series):
    ties = "a class token and positions are bare Parameters"

    def __init__(self) -> None:
        super().__init__()
        self.enter, self.norm, self.up, self.down = nn.Linear(16, 24), nn.LayerNorm(24), nn.Linear(24, 32), nn.Linear(32, 24)
        self.head = nn.Linear(24, CLASSES)
        self.token, self.places = nn.Parameter(torch.zeros(1, 1, 24)), nn.Parameter(torch.randn(7, 24))

    def forward(self, felt: Tensor) -> Tensor:
        felt = torch.cat([self.token.expand(len(felt), -1, -1), self.enter(felt)], 1) + self.places
        felt = felt + self.down(functional.gelu(self.up(self.norm(felt))))
        return self.head(felt[:, 0])


class RootMean(Odd):
    ties = "a norm by the root of the mean square"

    def __init__(self) -> None:
        super().__init__()
        self.one, self.norm, self.two, self.head = nn.Linear(16, 24), nn.RMSNorm(24), nn.Linear(24, 16), nn.Linear(16, CLASSES)

    def forward(self, felt: Tensor) -> Tensor:
        return self.head(self.two(self.norm(self.one(felt))).relu())


class GroupedQueries(Series):
    ties = "two heads of queries share one head of keys and values"

    def __init__(self) -> None:
        super().__init__()
        self.q_proj, self.k_proj, self.v_proj = nn.Linear(16, 32), nn.Linear(16, 16), nn.Linear(16, 16)
        self.o_proj, self.head = nn.Linear(32, 16), nn.Linear(16, CLASSES)

    def forward(self, felt: Tensor) -> Tensor:
        rows, steps, _ = felt.shape
        query, key, value = (layer(felt).view(rows, steps, -1, 8).transpose(1, 2) for layer in (self.q_proj, self.k_proj, self.v_proj))
        seen = functional.scaled_dot_product_attention(query, key.repeat_interleave(2, 1), value.repeat_interleave(2, 1))
        return self.head(self.o_proj(seen.transpose(1, 2).reshape(rows, steps, -1)).relu().mean(1))


class FusedHeads(Series):
    ties = "queries, keys and values from one layer, heads that divide the width"

    def __init__(self) -> None:
        super().__init__()
        self.heads = 4
        self.enter, self.norm, self.qkv, self.out, self.head = (
            nn.Linear(16, 32), nn.LayerNorm(32), nn.Linear(32, 96), nn.Linear(32, 32), nn.Linear(32, CLASSES),
        )  # fmt: skip

    def forward(self, felt: Tensor) -> Tensor:
        felt = self.enter(felt)
        rows, steps, width = felt.shape
        query, key, value = self.qkv(self.norm(felt)).reshape(rows, steps, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        seen = (query @ key.transpose(-1, -2)).softmax(-1) @ value
        return self.head((felt + self.out(seen.transpose(1, 2).reshape(rows, steps, width))).mean(1))


class Encoder(Series):
    ties = "torch's own encoder layer with its fast path"

    def __init__(self) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
        self.encoder, self.head = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False), nn.Linear(16, CLASSES)
        self.enter = nn.Linear(16, 16)

    def forward(self, felt: Tensor) -> Tensor:
        return self.head(self.encoder(self.enter(felt)).mean(1))


class EinsumWeight(Series):
    ties = "einsum with a bare Parameter"

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.head = nn.Linear(16, 24), nn.Linear(12, 16), nn.Linear(16, CLASSES)
        self.weight = nn.Parameter(torch.randn(24, 12) * 0.2)

    def forward(self, felt: Tensor) -> Tensor:
        return self.head(self.two(torch.einsum("ntc,cd->ntd", self.one(felt).relu(), self.weight)).relu().mean(1))


class Rolled(Odd):
    ties = "channels moved by one place around the end"

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.head = nn.Linear(16, 24), nn.Linear(24, 16), nn.Linear(16, CLASSES)

    def forward(self, felt: Tensor) -> Tensor:
        return self.head(self.two(torch.roll(self.one(felt).relu(), 1, 1)).relu())


class Unfolded(Images):
    ties = "patches by unfold: nine inputs of the next layer per channel"

    def __init__(self) -> None:
        super().__init__()
        self.one, self.wide, self.head = _conv(3, 8), nn.Linear(8 * 9, 24), nn.Linear(24, CLASSES)

    def forward(self, maps: Tensor) -> Tensor:
        return self.head(self.wide(functional.unfold(self.one(maps).relu(), 3).transpose(1, 2)).relu().mean(1))


class GroupNorm(Images):
    ties = "statistics over groups of channels"

    def __init__(self) -> None:
        super().__init__()
        self.one, self.norm, self.two, self.head = _conv(3, 16), nn.GroupNorm(4, 16), _conv(16, 16), nn.Linear(16, CLASSES)

    def forward(self, maps: Tensor) -> Tensor:
        return self.head(_pooled(self.two(self.norm(self.one(maps)).relu()).relu()))


class GroupedConv(Images):
    ties = "a convolution in groups, and one that goes back up"

    def __init__(self) -> None:
        super().__init__()
        self.one, self.parts, self.up, self.head = (
            _conv(3, 16),
            _conv(16, 24, groups=4),
            nn.ConvTranspose2d(24, 12, 2, 2),
            nn.Linear(12, CLASSES),
        )

    def forward(self, maps: Tensor) -> Tensor:
        return self.head(_pooled(self.up(self.parts(self.one(maps).relu()).relu()).relu()))


class Excite(Images):
    ties = "a gate per channel from the mean of all"

    def __init__(self) -> None:
        super().__init__()
        self.one, self.each, self.point = _conv(3, 16), _conv(16, 16, groups=16), _conv(16, 24, 1)
        self.down, self.up, self.head = _conv(16, 8, 1), _conv(8, 16, 1), nn.Linear(24, CLASSES)

    def forward(self, maps: Tensor) -> Tensor:
        maps = functional.silu(self.each(functional.silu(self.one(maps))))
        gate = self.up(functional.silu(self.down(maps.mean((2, 3), keepdim=True)))).sigmoid()
        return self.head(_pooled(functional.silu(self.point(maps * gate))))


class Recurrent(Series):
    ties = "a recurrent layer in both directions with a start of written width"

    def __init__(self) -> None:
        super().__init__()
        self.enter, self.lstm = nn.Linear(16, 24), nn.LSTM(24, 16, batch_first=True, bidirectional=True)
        self.mid, self.head = nn.Linear(32, 24), nn.Linear(24, CLASSES)

    def forward(self, felt: Tensor) -> Tensor:
        start = torch.zeros(2, len(felt), 16, dtype=felt.dtype)
        return self.head(self.mid(self.lstm(self.enter(felt).relu(), (start, start))[0].mean(1)).relu())


class Gru(Series):
    ties = "two recurrent layers that know their own width"

    def __init__(self) -> None:
        super().__init__()
        self.enter, self.gru, self.head = nn.Linear(16, 24), nn.GRU(24, 16, num_layers=1, batch_first=True), nn.Linear(16, CLASSES)

    def forward(self, felt: Tensor) -> Tensor:
        return self.head(self.gru(self.enter(felt).relu())[1][-1])


class Tokens(Odd):
    ties = "a table of tokens whose rows meet positions, normalized by hand"
    shape = (8,)

    def __init__(self) -> None:
        super().__init__()
        self.table, self.places = nn.Embedding(50, 24), nn.Embedding(8, 24)
        self.up, self.head = nn.Linear(24, 32), nn.Linear(32, CLASSES)

    def example(self, batch: int = 1) -> tuple[Tensor, ...]:
        """Ones of its shape, whole numbers."""
        return (torch.ones(batch, *self.shape, dtype=torch.long),)

    def forward(self, words: Tensor) -> Tensor:
        felt = self.table(words) + self.places(torch.arange(words.shape[1]))
        felt = felt - felt.mean(-1, keepdim=True)
        felt = felt / (felt.pow(2).mean(-1, keepdim=True) + 1e-5).sqrt()
        return self.head(self.up(felt).relu().mean(1))


class Mixer(Series):
    ties = "layers along the steps and layers along the channels"

    def __init__(self) -> None:
        super().__init__()
        self.enter, self.across, self.back = nn.Linear(16, 24), nn.Linear(6, 12), nn.Linear(12, 6)
        self.up, self.down, self.head = nn.Linear(24, 32), nn.Linear(32, 24), nn.Linear(24, CLASSES)

    def forward(self, felt: Tensor) -> Tensor:
        felt = self.enter(felt)
        felt = felt + self.back(self.across(felt.transpose(1, 2)).relu()).transpose(1, 2)
        return self.head((felt + self.down(self.up(felt).relu())).mean(1))


class MeanOfChannels(Images):
    ties = "the mean and the greatest of all channels weigh the places"

    def __init__(self) -> None:
        super().__init__()
        self.one, self.see, self.two, self.head = _conv(3, 16), _conv(2, 1, 3), _conv(16, 24), nn.Linear(24, CLASSES)

    def forward(self, maps: Tensor) -> Tensor:
        maps = self.one(maps).relu()
        seen = torch.cat([maps.mean(1, keepdim=True), maps.amax(1, keepdim=True)], 1)
        return self.head(_pooled(self.two(maps * self.see(seen).sigmoid()).relu()))


class Softmaxed(Odd):
    ties = "a softmax over the channels"

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.head = nn.Linear(16, 24), nn.Linear(24, 16), nn.Linear(16, CLASSES)

    def forward(self, felt: Tensor) -> Tensor:
        return self.head(self.two(self.one(felt).softmax(-1)).relu())


class Numbered(Odd):
    ties = "one channel is taken by its number"

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.head = nn.Linear(16, 24), nn.Linear(24, 16), nn.Linear(16, CLASSES)

    def forward(self, felt: Tensor) -> Tensor:
        felt = self.one(felt).relu()
        return self.head((self.two(felt) * felt[:, 3:4] + felt[:, 3, None]).relu())


class WeightNorm(Odd):
    ties = "a weight that is computed from two others"

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.head = nn.Linear(16, 24), nn.Linear(24, 16), nn.Linear(16, CLASSES)
        nn.utils.parametrizations.weight_norm(self.one)

    def forward(self, felt: Tensor) -> Tensor:
        return self.head(self.two(self.one(felt).relu()).relu())


class PaddedShortcut(Images):
    ties = "a shortcut that is filled up with channels of zeros"

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.three, self.head = _conv(3, 8), _conv(8, 12), _conv(12, 16), nn.Linear(16, CLASSES)

    def forward(self, maps: Tensor) -> Tensor:
        maps = self.one(maps).relu()
        maps = functional.pad(maps, (0, 0, 0, 0, 2, 2)) + self.two(maps)
        return self.head(_pooled(self.three(maps.relu()).relu()))


ALL: dict[str, type[Odd]] = {
    name: found for name, found in vars().copy().items() if isinstance(found, type) and issubclass(found, Odd) and found.ties
}
