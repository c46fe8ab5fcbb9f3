"""Small networks whose channels are tied together in ways that a search may get wrong; each can be cut somewhere.

`shape` is one row without the batch, `ties` what is odd about the network.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from paredown.testing import odd_images
from paredown.testing.odd_images import CLASSES, Odd


class Series(Odd):
    """Odd networks for six steps of 16 numbers."""

    shape = (6, 16)


class Gated(Odd):
    ties = "gated linear units: channel i is gated by channel i + half"

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.head = nn.Linear(16, 48), nn.Linear(24, 32), nn.Linear(16, CLASSES)

    def forward(self, felt: Tensor) -> Tensor:
        felt = functional.glu(self.one(felt))
        value, gate = self.two(felt).chunk(2, -1)
        return self.head(value * gate.sigmoid())


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


_FOUND = {**vars(odd_images), **globals()}
ALL: dict[str, type[Odd]] = {name: kind for name, kind in _FOUND.items() if isinstance(kind, type) and issubclass(kind, Odd) and kind.ties}
