"""Architectures that people bring, at tiny size with random weights: name -> how to make the network and rows for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

Case = Callable[[], tuple[nn.Module, Callable[[int], tuple[Tensor, ...]]]]

TOKENS: dict[str, Any] = {
    "vocab_size": 200, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64,
    "max_position_embeddings": 64, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip
PIXELS: dict[str, Any] = {
    "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64, "image_size": 32, "patch_size": 8
}  # fmt: skip
TEXTS: dict[str, dict[str, Any]] = {
    "albert": TOKENS | {"embedding_size": 16},
    "bert": TOKENS,
    "big_bird": TOKENS | {"attention_type": "original_full"},
    "bloom": {"vocab_size": 200, "hidden_size": 32, "n_layer": 2, "n_head": 4, "pad_token_id": 0},
    "camembert": TOKENS,
    "canine": TOKENS,
    "convbert": TOKENS | {"embedding_size": 16},
    "data2vec-text": TOKENS,
    "deberta": TOKENS | {"relative_attention": True, "pos_att_type": ["c2p", "p2c"]},
    "deberta-v2": TOKENS | {"relative_attention": True, "position_buckets": 16, "pos_att_type": ["c2p", "p2c"]},
    "distilbert": {"vocab_size": 200, "dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 64, "max_position_embeddings": 64},
    "electra": TOKENS | {"embedding_size": 16},
    "ernie": TOKENS,
    "esm": TOKENS | {"position_embedding_type": "rotary"},
    "falcon": {"vocab_size": 200, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "pad_token_id": 0},
    "fnet": TOKENS,
    "gemma": TOKENS | {"num_key_value_heads": 2, "head_dim": 8},
    "gemma2": TOKENS | {"num_key_value_heads": 2, "head_dim": 8},
    "glm": TOKENS | {"num_key_value_heads": 2, "head_dim": 8},
    "gpt2": {"vocab_size": 200, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64, "pad_token_id": 0},
    "gpt_neo": TOKENS | {"num_layers": 2, "num_heads": 4, "attention_types": [[["global", "local"], 1]]},
    "gpt_neox": TOKENS,
    "gptj": {"vocab_size": 200, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64, "rotary_dim": 4, "pad_token_id": 0},
    "llama": TOKENS | {"num_key_value_heads": 4},
    "layoutlm": TOKENS,
    "luke": TOKENS | {"entity_vocab_size": 10},
    "mistral": TOKENS | {"num_key_value_heads": 2},
    "mixtral": TOKENS | {"num_key_value_heads": 2, "num_local_experts": 2, "num_experts_per_tok": 1},
    "mobilebert": TOKENS | {"embedding_size": 16, "intra_bottleneck_size": 16, "num_feedforward_networks": 2},
    "modernbert": TOKENS | {"global_attn_every_n_layers": 2, "local_attention": 16, "cls_token_id": 1, "sep_token_id": 2},
    "mpnet": TOKENS,
    "nystromformer": TOKENS | {"num_landmarks": 4, "segment_means_seq_len": 8},
    "opt": {
        "vocab_size": 200, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "ffn_dim": 64, "word_embed_proj_dim": 32,
        "max_position_embeddings": 64, "pad_token_id": 0,
    },
    "phi": TOKENS,
    "phi3": TOKENS | {"num_key_value_heads": 2},
    "qwen2": TOKENS | {"num_key_value_heads": 2},
    "qwen3": TOKENS | {"num_key_value_heads": 2, "head_dim": 8},
    "rembert": TOKENS | {"input_embedding_size": 16, "output_embedding_size": 16},
    "roberta": TOKENS,
    "roformer": TOKENS | {"embedding_size": 16},
    "smollm3": TOKENS | {"num_key_value_heads": 2},
    "squeezebert": TOKENS | {"embedding_size": 32},
    "stablelm": TOKENS | {"num_key_value_heads": 2},
    "starcoder2": TOKENS | {"num_key_value_heads": 2},
    "xlm-roberta": TOKENS,
    "xmod": TOKENS | {"languages": ["en"], "default_language": "en"},
    "yoso": TOKENS | {"use_expectation": True},
}  # fmt: skip
IMAGES: dict[str, dict[str, Any]] = {
    "beit": PIXELS,
    "bit": {"embedding_size": 16, "hidden_sizes": [16, 32], "depths": [1, 1], "num_groups": 4},
    "convnext": {"hidden_sizes": [16, 32], "depths": [2, 2], "num_stages": 2, "image_size": 32},
    "convnextv2": {"hidden_sizes": [16, 32], "depths": [2, 2], "num_stages": 2, "image_size": 32},
    "data2vec-vision": PIXELS,
    "deit": PIXELS | {"architectures": ["DeiTForImageClassification"]},
    "dinov2": PIXELS,
    "efficientnet": {"image_size": 32, "width_coefficient": 0.5, "depth_coefficient": 0.5, "hidden_dim": 640},
    "focalnet": {"image_size": 32, "embed_dim": 16, "depths": [1, 1], "hidden_sizes": [16, 32], "focal_levels": [2, 2],
                 "focal_windows": [3, 3]},
    "mobilenet_v1": {"image_size": 32, "depth_multiplier": 0.25},
    "mobilenet_v2": {"image_size": 32, "depth_multiplier": 0.35},
    "mobilevit": {"image_size": 32, "hidden_sizes": [16, 24, 32], "neck_hidden_sizes": [8, 8, 16, 16, 24, 32, 64],
                  "num_attention_heads": 2},
    "poolformer": {"depths": [1, 1], "hidden_sizes": [16, 32], "patch_sizes": [7, 3], "strides": [4, 2], "padding": [2, 1],
                   "num_encoder_blocks": 2},
    "pvt": {"image_size": 32, "depths": [1, 1], "hidden_sizes": [16, 32], "sequence_reduction_ratios": [2, 1], "patch_sizes": [4, 2],
            "strides": [4, 2], "num_attention_heads": [1, 2], "mlp_ratios": [2, 2], "num_encoder_blocks": 2},
    "regnet": {"embedding_size": 16, "hidden_sizes": [16, 32], "depths": [1, 2], "groups_width": 8},
    "resnet": {"embedding_size": 16, "hidden_sizes": [16, 32], "depths": [2, 2], "layer_type": "basic"},
    "segformer": {"depths": [1, 1], "hidden_sizes": [16, 32], "num_attention_heads": [1, 2], "sr_ratios": [2, 1], "patch_sizes": [7, 3],
                  "strides": [4, 2], "mlp_ratios": [2, 2], "num_encoder_blocks": 2},
    "swin": {"image_size": 32, "patch_size": 4, "embed_dim": 16, "depths": [2, 2], "num_heads": [2, 4], "window_size": 4},
    "swinv2": {"image_size": 32, "patch_size": 4, "embed_dim": 16, "depths": [2, 2], "num_heads": [2, 4], "window_size": 4},
    "swiftformer": {"image_size": 32, "depths": [1, 1, 1, 1], "embed_dims": [8, 16, 24, 32]},
    "vit": PIXELS,
    "vit_msn": PIXELS,
}  # fmt: skip
SPEECH: dict[str, Any] = {
    "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64, "conv_dim": (16, 16),
    "conv_kernel": (10, 3), "conv_stride": (5, 2), "num_feat_extract_layers": 2, "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4, "classifier_proj_size": 16,
}  # fmt: skip
SOUNDS: dict[str, tuple[dict[str, Any], tuple[int, ...]]] = {
    "audio-spectrogram-transformer": (PIXELS | {"patch_size": 8, "max_length": 32, "num_mel_bins": 32}, (32, 32)),
    "hubert": (SPEECH, (400,)),
    "wav2vec2": (SPEECH, (400,)),
    "wavlm": (SPEECH, (400,)),
    "whisper": (
        {"d_model": 32, "encoder_layers": 2, "decoder_layers": 1, "encoder_attention_heads": 4, "decoder_attention_heads": 4,
         "encoder_ffn_dim": 64, "decoder_ffn_dim": 64, "num_mel_bins": 16, "max_source_positions": 20, "vocab_size": 200,
         "classifier_proj_size": 16, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 1},
        (16, 40),
    ),
}  # fmt: skip
TIMM = (
    "resnet18", "resnetv2_50", "resnext50_32x4d", "seresnet18", "densenet121", "dla34", "efficientnet_b0", "mobilenetv3_small_100",
    "ghostnet_100", "hrnet_w18_small", "regnety_002", "convnext_atto", "vit_tiny_patch16_224", "deit_tiny_patch16_224",
    "swin_tiny_patch4_window7_224", "mixer_s32_224", "resmlp_12_224", "gmlp_ti16_224", "poolformer_s12", "edgenext_xx_small", "repvgg_a0",
    "cspresnet50", "vgg11", "dpn48b", "xcit_nano_12_p16_224", "efficientformer_l1", "mobilevit_xxs", "inception_v3", "rexnet_100",
)  # fmt: skip


class Logits(nn.Module):
    """A transformers model by position, logits alone."""

    def __init__(self, model: nn.Module, names: tuple[str, ...]) -> None:
        super().__init__()
        self.model, self.names = model, names

    def forward(self, *given: Tensor) -> Tensor:
        """Logits (N, classes)."""
        return self.model(**dict(zip(self.names, given))).logits


def cases() -> dict[str, Case]:
    """Name -> how to make the network and rows for it."""
    import transformers

    from paredown.testing import odd

    def family(auto: Any, kind: str, settings: dict[str, Any], names: tuple[str, ...], rows: Callable[[int], tuple[Tensor, ...]]) -> Case:
        def made() -> Any:
            config = transformers.AutoConfig.for_model(kind, **settings, num_labels=4)
            return Logits(auto.from_config(config).float(), names), rows

        return made

    def words(count: int) -> tuple[Tensor, ...]:
        return torch.randint(3, 200, (count, 8)), torch.ones(count, 8, dtype=torch.long)

    out: dict[str, Case] = {}
    for kind, settings in TEXTS.items():
        out[kind] = family(transformers.AutoModelForSequenceClassification, kind, settings, ("input_ids", "attention_mask"), words)
    for kind, settings in IMAGES.items():
        size = (3, 32, 32)
        out[kind] = family(
            transformers.AutoModelForImageClassification,
            kind,
            settings,
            ("pixel_values",),
            lambda count, size=size: (torch.randn(count, *size),),
        )
    for kind, (settings, shape) in SOUNDS.items():
        name = "input_features" if kind == "whisper" else "input_values"
        out[kind] = family(
            transformers.AutoModelForAudioClassification, kind, settings, (name,), lambda count, shape=shape: (torch.randn(count, *shape),)
        )
    for name, found in odd.ALL.items():

        def rows(count: int, found: type[odd.Odd] = found) -> tuple[Tensor, ...]:
            example = found().example(count)
            return tuple(torch.randn(item.shape) if item.is_floating_point() else torch.randint(1, 50, item.shape) for item in example)

        out[f"odd {name}"] = lambda found=found, rows=rows: (found(), rows)
    try:
        import timm
    except ImportError:
        return out
    for name in TIMM:
        size = 224 if "224" in name else 96
        out[f"timm {name}"] = lambda name=name, size=size: (
            timm.create_model(name, num_classes=4),
            lambda count: (torch.randn(count, 3, size, size),),
        )
    return out
