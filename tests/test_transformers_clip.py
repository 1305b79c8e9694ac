"""transformers' CLIP and open_clip's compute the same features from the same weights under their own names."""

from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import CLIPConfig, CLIPModel

from remerge.checkpoints.towers import both_towers, checked_image_tower, image_tower
from remerge.checkpoints.transformers_clip import check_config, clip_weights, image_encoder_weights
from remerge.encoders import build_clip
from remerge.errors import MismatchError, RemergeError

TALL = {
    "ViT-B-32": {"patch_size": 32},
    "ViT-B-16": {"patch_size": 16},
    "ViT-L-14": {
        "patch_size": 14,
        "hidden_size": 1024,
        "intermediate_size": 4096,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
    },
}


def config_of(architecture: str, **text: Any) -> CLIPConfig:
    """OpenAI's own configuration."""
    large = architecture == "ViT-L-14"
    wide = {"hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12} if large else {}
    return CLIPConfig(
        projection_dim=768 if large else 512,
        vision_config=TALL[architecture] | {"projection_dim": 768 if large else 512},
        text_config=wide | {"projection_dim": 768 if large else 512, "eos_token_id": 49407} | text,
    )


@pytest.fixture(scope="module")
def small() -> dict[str, Tensor]:
    """A ViT-B-32's weights, in transformers' names."""
    torch.manual_seed(0)
    return CLIPModel(config_of("ViT-B-32")).state_dict()


@pytest.mark.parametrize("architecture", TALL)
@torch.inference_mode()
def test_both_libraries_compute_the_same_features(architecture: str) -> None:
    torch.manual_seed(0)
    theirs = CLIPModel(config_of(architecture)).eval()
    # Fresh norms are ones and zeros, which would hide a mix-up.
    for name, parameter in theirs.named_parameters():
        if "norm" in name or name.endswith("bias"):
            parameter.add_(0.1 * torch.randn_like(parameter))
    images = torch.randn(1, 3, 224, 224)
    tokens = torch.randint(1, 49000, (1, 77))
    tokens[0, 0], tokens[0, 20], tokens[0, 21:] = 49406, 49407, 0
    vision = theirs.vision_model(images).pooler_output
    text = theirs.text_model(tokens).pooler_output
    expected = theirs.visual_projection(vision), theirs.text_projection(text)
    weights = clip_weights(theirs.state_dict())
    alone = image_encoder_weights(theirs.vision_model.state_dict(), weights["visual.proj"])
    del theirs
    ours = build_clip(architecture).eval()
    ours.load_state_dict(both_towers(weights, architecture))
    torch.testing.assert_close(ours.encode_image(images), expected[0], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(ours.encode_text(tokens), expected[1], atol=1e-5, rtol=1e-5)
    assert alone.keys() == image_tower(weights).keys()
    assert all(torch.equal(alone[key], tensor) for key, tensor in image_tower(weights).items())


@torch.inference_mode()
def test_a_mix_up_shows(small: dict[str, Tensor]) -> None:
    images = torch.randn(1, 3, 224, 224)

    def features(weights: dict[str, Tensor]) -> Tensor:
        ours = build_clip("ViT-B-32").eval()
        ours.load_state_dict(both_towers(clip_weights(weights), "ViT-B-32"))
        return ours.encode_image(images)

    swapped = dict(small)
    q, k = (f"vision_model.encoder.layers.3.self_attn.{which}_proj.weight" for which in "qv")
    swapped[q], swapped[k] = small[k], small[q]
    assert (features(swapped) - features(small)).abs().max() > 1e-4


def test_files_of_image_towers_come_with_and_without_prefix_and_projection(small: dict[str, Tensor]) -> None:
    projection = torch.randn(768, 512)
    plain = {key.removeprefix("vision_model."): tensor for key, tensor in small.items() if key.startswith("vision_")}
    assert torch.equal(image_encoder_weights(plain, projection)["proj"], projection)
    own = plain | {"visual_projection.weight": small["visual_projection.weight"]}
    assert torch.equal(image_encoder_weights(own, projection)["proj"], small["visual_projection.weight"].T)
    half = {key: tensor.half() for key, tensor in plain.items()}
    converted = checked_image_tower(image_encoder_weights(half, projection), "ViT-B-32")
    assert {tensor.dtype for tensor in converted.values()} == {torch.float32}


def test_what_does_not_fit_is_named(small: dict[str, Tensor]) -> None:
    lost = {key: tensor for key, tensor in small.items() if "layers.5.self_attn.k_proj" not in key}
    with pytest.raises(MismatchError, match=r"layers\.5\.self_attn\.k_proj\.weight' is missing"):
        clip_weights(lost)
    with pytest.raises(MismatchError, match=r"unknown tensor 'vision_model\.extra'"):
        clip_weights(small | {"vision_model.extra": torch.zeros(1)})
    with pytest.raises(MismatchError, match="unknown tensors lora"):
        clip_weights(small | {"lora.weight": torch.zeros(1)})
    with pytest.raises(MismatchError, match=r"(?s)not a ViT-B-16.*conv1\.weight"):
        both_towers(clip_weights(small), "ViT-B-16")


def test_the_configuration_tells_architecture_and_activation() -> None:
    for architecture in TALL:
        check_config(config_of(architecture).to_dict(), architecture)
    check_config({}, "ViT-B-32")
    with pytest.raises(RemergeError, match=r"patch, width and layers \(32, 768, 12\); ViT-L-14 has \(14, 1024, 24\)"):
        check_config(config_of("ViT-B-32").to_dict(), "ViT-L-14")
    with pytest.raises(RemergeError, match="activation gelu; ViT-B-32 is run with quickgelu"):
        check_config({"hidden_act": "gelu"}, "ViT-B-32")
