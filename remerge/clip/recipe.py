"""How mini's CLIP is pre-trained, as text that tells whether a file holds what would be trained; needs no torch."""

import json
from collections.abc import Mapping
from typing import Any

SEED = 0
"""Seed of mini's pre-training. As with OpenAI's CLIP, all experts and all seeds share one pre-trained encoder."""
FIELD = "pretraining"
"""The field of a file's header that holds the recipe."""


def recipe(texts: Mapping[str, Any], training: Mapping[str, Any]) -> str:
    """Return the settings of a pre-training run as JSON: equal settings give equal text.

    Args:
        texts: Class names and templates.
        training: Steps, batch size and learning rate.
    """
    return json.dumps({"seed": SEED, **texts, **training}, sort_keys=True, ensure_ascii=False)
