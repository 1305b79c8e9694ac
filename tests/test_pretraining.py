"""Mini's pre-trained CLIP: packed, shipped with the repository, and trained anew where the settings differ."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from project import ROOT, copy_project, planned

from remerge.checkpoints.headers import read_metadata
from remerge.checkpoints.weights import load_weights, save_weights
from remerge.clip.encoders import build_clip
from remerge.clip.packed import packed, token_embeddings, unpacked
from remerge.clip.recipe import FIELD
from remerge.config import load_config
from remerge.config.models import Config
from remerge.errors import MismatchError
from remerge.plan.pretraining import TRAINED, Pretraining, Shipped
from remerge.plan.tasks import Tasks

SHIPPED = ROOT / "pretrained" / "mini.safetensors"


def pretraining(header: dict[str, str], **settings: Any) -> Pretraining:
    """The pre-training of a pool with other settings than the default's, where a file with a header ships."""
    config = Config.model_validate(
        {
            "pools": {"mini": {}, "mini-1": {"seed": 1}},
            "suites": {"pair": ["digits", "latin"]},
            "methods": {"pretrained": {"label": "Pretrained", "algorithm": "pretrained"}},
            "training": {"pretraining": settings},
        }
    )
    return Pretraining(config, Tasks(config), Shipped("shipped.safetensors", header))


@pytest.fixture(scope="module")
def clip() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return build_clip("mini").state_dict()


def test_what_ships_is_used_where_it_was_made_by_the_same_settings_and_classes() -> None:
    recipe = pretraining({}).recipe()
    assert pretraining({}).clip() == TRAINED
    assert pretraining({FIELD: recipe}).clip() == "shipped.safetensors"
    for settings in ({"steps": 3}, {"batch_size": 5}, {"learning_rate": 0.5}, {"logit_scale": 9}):
        assert pretraining({FIELD: recipe}, **settings).clip() == TRAINED
    told = json.loads(recipe)
    for others in ({"classes": told["classes"][1:]}, {"templates": ["a {}"]}, {"seed": told["seed"] + 1}):
        assert pretraining({FIELD: json.dumps(told | others, sort_keys=True, ensure_ascii=False)}).clip() == TRAINED


def test_a_packed_clip_is_the_same_but_for_rounding_to_half_precision(
    tmp_path: Path, clip: dict[str, torch.Tensor]
) -> None:
    drawn = "token_embedding.weight"
    save_weights(tmp_path / "packed.safetensors", packed(clip))
    assert (tmp_path / "packed.safetensors").stat().st_size < 12e6
    back = unpacked(load_weights(tmp_path / "packed.safetensors"), "mini")
    assert back.keys() == clip.keys()
    for key in clip.keys() - {drawn}:
        assert back[key].dtype == torch.float32
        torch.testing.assert_close(back[key], clip[key], rtol=2**-11, atol=2**-24)
    assert torch.equal(back[drawn], token_embeddings(*clip[drawn].shape))
    again = unpacked(packed(back), "mini")
    assert all(torch.equal(again[key], back[key]) for key in back), "what is rounded stays what it is"


def test_a_packed_clip_of_another_shape_is_refused(clip: dict[str, torch.Tensor]) -> None:
    with pytest.raises(MismatchError, match=r"(?s)not a mini.*visual\.proj"):
        unpacked(packed(clip) | {"visual.proj": torch.zeros(3, 3)}, "mini")


def test_token_embeddings_are_the_same_bits_everywhere() -> None:
    drawn = token_embeddings(1000, 64)
    assert abs(drawn.mean()) < 0.002
    assert abs(drawn.std() - 0.2) < 0.002
    digest = hashlib.sha256(drawn.numpy().astype("<f4").tobytes()).hexdigest()
    assert digest == "1900636c750ad56b96804e1dfd8333b0f7a0f68fcb0d49c5c5a2ce7cde90cbed"


def test_the_workflow_trains_only_what_does_not_ship(tmp_path: Path, clip: dict[str, torch.Tensor]) -> None:
    folder = copy_project(tmp_path / "project")
    target = "results/mini/weights/pretrained.safetensors"
    assert planned(folder, target) == {"render_pretraining": 1, "pretrain": 1, "unpack_clip": 1}
    config = load_config(yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8")), [])
    (folder / "pretrained").mkdir()
    recipe = Pretraining(config, Tasks(config), Shipped()).recipe()
    save_weights(folder / "pretrained" / "mini.safetensors", packed(clip), {FIELD: recipe})
    assert planned(folder, target) == {"unpack_clip": 1}
    (folder / "other.yaml").write_text("training: {pretraining: {steps: 4}}")
    assert planned(folder, "--configfile", "other.yaml", "--", target)["pretrain"] == 1


@pytest.mark.skipif(not SHIPPED.exists(), reason="no pre-trained CLIP ships")
def test_the_clip_that_ships_is_of_the_default_configuration() -> None:
    config = load_config(yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8")), [])
    header = read_metadata(SHIPPED)
    assert Pretraining(config, Tasks(config), Shipped("it", header)).clip() == "it", "make pretrained"
    assert unpacked(load_weights(SHIPPED), "mini").keys() == build_clip("mini").state_dict().keys()
    assert SHIPPED.stat().st_size <= 12e6
