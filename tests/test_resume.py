"""Prepared images that were kept come back, and only whole ones, and only to the same work."""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from remerge.errors import RemergeError
from remerge.images.preparation import IMAGES_AHEAD_PER_THREAD, hash_split, write_split
from remerge.images.store import HASH_BYTES, Description, load_images, pixel_hash
from remerge.run.resume import KeptImages, Progress, state_of

SHAPE = (8, 8, 3)
KEY = "a" * 64
DESCRIBED = Description("task", "test", "real")


def pictures(count: int = 6) -> list[Image.Image]:
    generator = np.random.default_rng(0)
    return [Image.fromarray(generator.integers(0, 256, (12, 10, 3), dtype=np.uint8)) for _ in range(count)]


def write(path: Path, encoded: Iterator[Image.Image], kept: KeptImages | None = None) -> None:
    write_split(path, DESCRIBED, np.zeros(6, np.int64), encoded, 8, 1, path.with_suffix(".txt"), kept)


def test_preparation_goes_on_where_it_was_cut_off(tmp_path: Path) -> None:
    write(tmp_path / "whole.safetensors", iter(pictures()))

    def cut_off() -> Iterator[Image.Image]:
        yield from pictures()[:4]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        for image in KeptImages(tmp_path / "kept", KEY, SHAPE).keep(np.asarray(p.resize((8, 8))) for p in cut_off()):
            assert image.shape == SHAPE
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "cut.safetensors", cut_off(), KeptImages(tmp_path / "other", KEY, SHAPE))
    assert not (tmp_path / "cut.safetensors").exists()

    decoded = []

    def counted() -> Iterator[Image.Image]:
        for index, image in enumerate(pictures()):
            decoded.append(index)
            yield image

    fresh = KeptImages(tmp_path / "fresh", KEY, SHAPE)
    list(fresh.keep(iter(load_images(tmp_path / "whole.safetensors").images[:3])))
    again = KeptImages(tmp_path / "fresh", KEY, SHAPE)
    assert len(again) == 3
    write(tmp_path / "resumed.safetensors", counted(), again)
    for suffix in ("safetensors", "txt"):
        assert (tmp_path / f"resumed.{suffix}").read_bytes() == (tmp_path / f"whole.{suffix}").read_bytes()
    assert not (tmp_path / "fresh").exists()


def test_hashes_are_those_of_the_stored_images_and_go_on_where_they_were_cut_off(tmp_path: Path) -> None:
    write(tmp_path / "stored.safetensors", iter(pictures()))

    def cut_off() -> Iterator[Image.Image]:
        yield from pictures()[:-1]
        raise KeyboardInterrupt

    # As many images as wait for each other, so that some are done with when it breaks off.
    many = IMAGES_AHEAD_PER_THREAD + 2
    with pytest.raises(KeyboardInterrupt):
        hash_split(
            *(tmp_path / "hashes", "task train", many, chain(pictures(many), cut_off()), 8, 1),
            kept(tmp_path),
        )
    assert not (tmp_path / "hashes").exists()
    assert 0 < len(kept(tmp_path)) <= many
    assert (tmp_path / "kept").stat().st_size < 100 * many
    (tmp_path / "kept").unlink()
    hash_split(tmp_path / "hashes", "task train", 6, pictures(), 8, 1, kept(tmp_path))
    assert (tmp_path / "hashes").read_bytes() == (tmp_path / "stored.txt").read_bytes()
    assert not (tmp_path / "kept").exists()
    list(kept(tmp_path).keep(map(pixel_hash, load_images(tmp_path / "stored.safetensors").images[:4])))
    unread = [*["not looked at again"] * 4, *pictures()[4:]]
    hash_split(tmp_path / "resumed", "task train", 6, unread, 8, 1, kept(tmp_path))  # type: ignore[arg-type]
    assert (tmp_path / "resumed").read_bytes() == (tmp_path / "stored.txt").read_bytes()
    with pytest.raises(RemergeError, match="6 images for 7 labels"):
        hash_split(tmp_path / "more", "task train", 7, pictures(), 8, 1, kept(tmp_path))
    assert not (tmp_path / "more").exists()


def kept(folder: Path) -> KeptImages:
    return KeptImages(folder / "kept", KEY, (HASH_BYTES,))


@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_a_damaged_image_and_those_after_it_are_prepared_again(tmp_path: Path, damage: str) -> None:
    images = [np.full(SHAPE, value, np.uint8) for value in range(5)]
    list(KeptImages(tmp_path / "kept", KEY, SHAPE).keep(iter(images)))
    content = bytearray((tmp_path / "kept").read_bytes())
    if damage == "cut":
        del content[-7:]
    else:
        content[len(KEY) + 4 * (8 * 8 * 3 + 4) + 5] ^= 1
    (tmp_path / "kept").write_bytes(content)
    again = KeptImages(tmp_path / "kept", KEY, SHAPE)
    assert [int(image[0, 0, 0]) for image in again] == [0, 1, 2, 3]


def test_the_time_of_earlier_runs_adds_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("remerge.run.resume.time", SimpleNamespace(monotonic=lambda: now[0]))
    for step, expected in ((1, 0.0), (2, 40.0), (3, 80.0)):
        progress = Progress(tmp_path / "kept.pt", KEY)
        assert progress.load() == ({"step": step - 1} if step > 1 else None)
        assert progress.earlier == expected
        now[0] += 40
        state = {"step": step}
        progress.save(lambda: state)  # noqa: B023
        # What is worked after the last save is lost, and done again.
        now[0] += 7
    other = Progress(tmp_path / "kept.pt", "another")
    assert other.load() is None
    assert other.earlier == 0


def test_other_work_begins_anew(tmp_path: Path) -> None:
    list(KeptImages(tmp_path / "kept", KEY, SHAPE).keep(iter([np.zeros(SHAPE, np.uint8)])))
    assert len(KeptImages(tmp_path / "kept", "b" * 64, SHAPE)) == 0


def test_unfinished_work_is_of_the_same_output_inputs_and_settings_and_of_no_other(tmp_path: Path) -> None:
    path = tmp_path / "input"
    path.write_text("one")
    place, key = state_of("results/a.csv", [path], [{"sha256": "c0de"}, 3])
    assert place == Path(".snakemake/remerge/resume/results/a.csv")
    assert state_of("results/a.csv", [path], [{"sha256": "c0de"}, 3]) == (place, key)
    assert state_of("results/b.csv", [path], [])[0] != place
    keys = {key, state_of(place, [], [{"sha256": "c0de"}, 3])[1], state_of(place, [path], [{"sha256": "c0de"}, 4])[1]}
    path.write_text("two")
    assert len(keys | {state_of(place, [path], [{"sha256": "c0de"}, 3])[1]}) == 4
