"""transformers' image tower and open_clip's compute the same features from the same weights under their own names."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import CLIPConfig, CLIPVisionConfig, CLIPVisionModelWithProjection

from remerge.clip.encoders import build_clip
from remerge.clip.towers import checked_image_tower
from remerge.clip.transformers_clip import check_config, image_encoder_weights
from remerge.errors import MismatchError, RemergeError

TALL: dict[str, dict[str, Any]] = {
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


def config_of(architecture: str) -> CLIPConfig:
    """OpenAI's own configuration."""
    large = architecture == "ViT-L-14"
    return CLIPConfig(
        projection_dim=768 if large else 512,
        vision_config=TALL[architecture] | {"projection_dim": 768 if large else 512},
    )


def random_tower(architecture: str) -> CLIPVisionModelWithProjection:
    """An image tower of transformers with its projection, of random weights."""
    torch.manual_seed(0)
    config = config_of(architecture).vision_config
    assert isinstance(config, CLIPVisionConfig)
    return CLIPVisionModelWithProjection(config).eval()


def open_clips_tower(weights: dict[str, Tensor], architecture: str) -> nn.Module:
    """open_clip's image tower with these weights."""
    # On the meta device, weights that are replaced and the text tower cost nothing.
    with torch.device("meta"):
        tower = build_clip(architecture).visual
    tower.load_state_dict(weights, assign=True)
    return tower.eval()


NO_PROJECTION = torch.empty(0)


@pytest.fixture(scope="module")
def small() -> dict[str, Tensor]:
    """A ViT-B-32's image tower and projection, in transformers' names."""
    return random_tower("ViT-B-32").state_dict()


@pytest.mark.parametrize("architecture", TALL)
@torch.inference_mode()
def test_both_libraries_compute_the_same_features(architecture: str) -> None:
    theirs = random_tower(architecture)
    # Fresh norms are ones and zeros, which would hide a mix-up.
    for name, parameter in theirs.named_parameters():
        if "norm" in name or name.endswith("bias"):
            parameter.add_(0.1 * torch.randn_like(parameter))
    images = torch.randn(1, 3, 224, 224)
    expected = theirs.visual_projection(theirs.vision_model(images).pooler_output)
    weights = image_encoder_weights(theirs.vision_model.state_dict(), theirs.visual_projection.weight.T)
    ours = open_clips_tower(checked_image_tower(weights, architecture), architecture)
    torch.testing.assert_close(ours(images), expected, atol=1e-5, rtol=1e-5)


@torch.inference_mode()
def test_a_mix_up_shows(small: dict[str, Tensor]) -> None:
    images = torch.randn(1, 3, 224, 224)

    def features(weights: dict[str, Tensor]) -> Tensor:
        return open_clips_tower(image_encoder_weights(weights, NO_PROJECTION), "ViT-B-32")(images)

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
        image_encoder_weights(lost, NO_PROJECTION)
    with pytest.raises(MismatchError, match=r"unknown tensor 'vision_model\.extra'"):
        image_encoder_weights(small | {"vision_model.extra": torch.zeros(1)}, NO_PROJECTION)
    with pytest.raises(MismatchError, match="unknown tensors lora"):
        image_encoder_weights(small | {"lora.weight": torch.zeros(1)}, NO_PROJECTION)
    with pytest.raises(MismatchError, match=r"(?s)not a ViT-B-16.*conv1\.weight"):
        checked_image_tower(image_encoder_weights(small, NO_PROJECTION), "ViT-B-16")


def test_the_configuration_tells_architecture_and_activation() -> None:
    for architecture in TALL:
        check_config(config_of(architecture).to_dict(), architecture)
    check_config({}, "ViT-B-32")
    with pytest.raises(RemergeError, match=r"patch, width and layers \(32, 768, 12\); ViT-L-14 has \(14, 1024, 24\)"):
        check_config(config_of("ViT-B-32").to_dict(), "ViT-L-14")
    with pytest.raises(RemergeError, match="activation gelu; ViT-B-32 is run with quickgelu"):
        check_config({"hidden_act": "gelu"}, "ViT-B-32")
