"""The built-in tasks: the same bytes every time, splits apart, every class there."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from remerge.images.store import fingerprint
from remerge.tasks import ALPHABETS, MINI_TASKS, pretraining_images, render
from remerge.tasks.prompts import pretraining_classes


@pytest.mark.parametrize("name", MINI_TASKS)
def test_a_task_is_what_it_says(name: str) -> None:
    splits = render(name)
    task = MINI_TASKS[name]
    assert list(splits) == ["train", "validation", "test"]
    assert len(splits["test"]) == 500
    seen: set[bytes] = set()
    for split, part in splits.items():
        assert (part.task, part.split, part.origin) == (name, split, task.origin)
        assert part.images.dtype == np.uint8
        assert part.images.shape == (len(part.labels), 32, 32, 3)
        assert set(part.labels) == set(range(len(task.classes)))
        contents = {image.tobytes() for image in part.images}
        assert not contents & seen, f"an image of {split} is in an earlier split"
        seen |= contents


def test_a_task_has_the_same_bytes_in_every_process() -> None:
    code = (
        "from remerge.images.store import fingerprint\n"
        "from remerge.tasks import render\n"
        "print(fingerprint(render('arrows')['test']))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parent.parent, capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == fingerprint(render("arrows")["test"])


def test_every_font_has_every_character_of_its_alphabet() -> None:
    from PIL import ImageFont

    from remerge.tasks.glyphs import _font

    for name, alphabet in ALPHABETS.items():
        for font_name in alphabet.fonts:
            font: ImageFont.FreeTypeFont = _font(font_name, 24)
            missing = bytes(font.getmask("\U0010ffff"))
            drawn = [bytes(font.getmask(character)) for character in alphabet.characters]
            assert missing not in drawn, f"{font_name} lacks a character of {name}"
            assert len(set(drawn)) == len(drawn)


def test_pretraining_shows_every_class_of_every_task() -> None:
    classes = pretraining_classes()
    assert set(classes) == {name for task in MINI_TASKS.values() for name in task.classes}
    assert len(set(classes)) == len(classes)
    assert set(pretraining_images().labels) == set(range(len(classes)))


def test_describing_the_tasks_imports_nothing_heavy() -> None:
    code = (
        "import sys, remerge.tasks\n"
        "assert not {'torch', 'sklearn', 'scipy', 'matplotlib'} & set(sys.modules)\n"
        "remerge.tasks.render('latin')\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parent.parent)
