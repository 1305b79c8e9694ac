"""Methods that look at a few images of every task, against their formulas written down a second time."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

import dense_few_images as dense
import numpy as np
import pytest
import torch
from dense import regmean as dense_regmean
from hypothesis import given
from hypothesis import strategies as st
from open_clip.transformer import VisionTransformer
from torch import Tensor

from remerge.checkpoints.weights import Weights
from remerge.images.store import ImageSet
from remerge.merging.essential import merge_essential
from remerge.merging.exemplars import Exemplars, sampled
from remerge.merging.streaming import merged_by
from remerge.methods import apl_style, esm, featcal, greedy_soup, lot, mats, regmean, regmean_plusplus, tsv_m

SEEDS = st.integers(0, 2**16)
ARITHMETIC = {"algorithm": "task_arithmetic"}
HEADS, LAST = 2, "transformer.resblocks.1."


def draw(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def matrices(seed: int, tasks: int = 3, shape: tuple[int, int] = (7, 5)) -> list[dict[str, Tensor]]:
    return [{"w": draw(seed + k, *shape), "b": draw(seed + 50 + k, shape[0])} for k in range(tasks)]


def inputs_of(seed: int, tasks: int = 3, rows: int = 20, width: int = 5) -> list[Tensor]:
    return [draw(seed + 100 + k, rows, width) * (k + 1) for k in range(tasks)]


def products_of(inputs: list[Tensor]) -> list[dict[str, Tensor]]:
    return [{"w": rows.T @ rows / len(rows)} for rows in inputs]


def mean_of(vectors: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    return {key: torch.stack([own[key] for own in vectors]).mean(dim=0) for key in vectors[0]}


def total(tensors: Iterable[Tensor]) -> Tensor:
    return torch.stack(list(tensors)).sum(dim=0)


def close(found: Tensor, expected: object, tolerance: float = 1e-6) -> None:
    expected = torch.as_tensor(expected, dtype=torch.float64)
    assert float((found.double() - expected).abs().max()) <= tolerance * max(1.0, float(expected.abs().max()))


# LOT Merging


@given(SEEDS, st.integers(1, 4), st.sampled_from([3, 20]))
def test_lot_drifts_least(seed: int, tasks: int, rows: int) -> None:
    """Also with fewer inputs than directions, where the shortest solution is taken."""
    vectors, inputs = matrices(seed, tasks, (7, 16)), inputs_of(seed, tasks, rows, 16)
    # Of equal numbers of rows, so that means are in proportion to sums.
    merged = lot.merge(vectors, products_of(inputs))
    expected = dense.lot_linear(np.stack([own["w"] for own in vectors]), [own.numpy() for own in inputs])
    close(merged["w"], expected, 1e-2 if rows * tasks < 20 else 1e-5)
    torch.testing.assert_close(merged["b"], mean_of(vectors)["b"])


@given(SEEDS)
def test_lot_scales_channels_by_their_energy(seed: int) -> None:
    vectors, inputs = [{"g": draw(seed + k, 5)} for k in range(3)], inputs_of(seed)
    for rows in inputs:
        rows[:, 3] = 0
    products = [{"g": rows.square().mean(dim=0)} for rows in inputs]
    merged = lot.merge(vectors, products)["g"]
    expected = dense.lot_scale(
        np.stack([own["g"] for own in vectors])[:, [0, 1, 2, 4]], [rows[:, [0, 1, 2, 4]].numpy() for rows in inputs]
    )
    close(merged[[0, 1, 2, 4]], expected)
    assert merged[3] == 0


@given(SEEDS)
def test_lot_of_one_task_is_its_task_vector_where_inputs_reach_and_nothing_elsewhere(seed: int) -> None:
    vectors, inputs = matrices(seed, 1), inputs_of(seed, 1, rows=2)
    merged = lot.merge(vectors, products_of(inputs))["w"]
    reached = torch.linalg.pinv(inputs[0]) @ inputs[0]
    close(merged, vectors[0]["w"] @ reached, 1e-4)


@given(SEEDS)
def test_lot_of_equal_experts_is_the_expert_and_of_reached_directions_regmean(seed: int) -> None:
    vectors, products = matrices(seed), products_of(inputs_of(seed))
    close(lot.merge(vectors[:1] * 3, products)["w"], vectors[0]["w"])
    close(lot.merge(vectors, products)["w"], regmean.merge(vectors, products, 1.0)["w"])


# MaTS


@given(SEEDS, st.integers(0, 6), st.sampled_from([0.0, 0.3]))
def test_mats_takes_the_steps_of_conjugate_gradients(seed: int, iterations: int, initial: float) -> None:
    vectors, inputs = matrices(seed), inputs_of(seed)
    products = products_of(inputs)
    merged = mats.merge(vectors, products, ARITHMETIC, initial, iterations, 1.0)
    left = total(own["w"] for own in products).numpy()
    right = total(own["w"] @ vector["w"].T for own, vector in zip(products, vectors, strict=True)).numpy()
    start = initial * total(own["w"] for own in vectors).T.numpy()
    close(merged["w"], dense.conjugate_gradients(left, right, start, iterations).T, 1e-4)
    torch.testing.assert_close(merged["b"], mean_of(vectors)["b"])


@given(SEEDS, st.sampled_from([0.9, 1.0]))
def test_mats_without_steps_is_its_start_and_after_many_regmean(seed: int, off_diagonal: float) -> None:
    vectors, products = matrices(seed), products_of(inputs_of(seed))
    first = mats.merge(vectors, products, ARITHMETIC, 0.3, 0, off_diagonal)["w"]
    torch.testing.assert_close(first, 0.3 * total(own["w"] for own in vectors))
    last = mats.merge(vectors, products, {"algorithm": "ties", "keep": 0.5}, 0.7, 500, off_diagonal)["w"]
    close(last, regmean.merge(vectors, products, off_diagonal)["w"], 1e-3)


# ESM


@given(SEEDS, st.integers(1, 3), st.sampled_from([(12, 6), (6, 12), (8, 8)]))
def test_esm_is_the_formula(seed: int, tasks: int, shape: tuple[int, int]) -> None:
    """Of matrices with enough inputs that every kept direction moves."""
    if shape == (12, 6) and tasks == 1:
        return
    vectors, inputs = [draw(seed + k, *shape) for k in range(tasks)], inputs_of(seed, tasks, 40, shape[1])
    merged = merge_essential(vectors, [rows.T @ rows / len(rows) for rows in inputs])
    close(merged, dense.esm(np.stack(vectors), [rows.numpy() for rows in inputs]), 1e-5)


@given(SEEDS)
def test_esm_of_one_task_keeps_its_row_space_and_column_space(seed: int) -> None:
    vector, rows = draw(seed, 8, 3) @ draw(seed + 1, 3, 6), draw(seed + 2, 20, 6)
    merged = merge_essential([vector], [rows.T @ rows / len(rows)])
    assert torch.linalg.matrix_rank(merged, rtol=1e-6) == 3
    spanned = torch.linalg.pinv(vector, rtol=1e-9)
    close(vector @ spanned @ merged, merged, 1e-5)


def test_esm_of_tasks_that_move_nothing_moves_nothing() -> None:
    zero, gram = torch.zeros(8, 6), torch.eye(6)
    assert not merge_essential([zero, zero], [gram, gram]).any()
    assert not merge_essential([zero + 1, zero], [0 * gram, 0 * gram]).any()


@given(SEEDS, st.permutations(range(3)))
def test_esm_does_not_depend_on_the_order_of_tasks(seed: int, order: list[int]) -> None:
    vectors, grams = (
        [draw(seed + k, 9, 6) for k in range(3)],
        [own["w"] for own in products_of(inputs_of(seed, 3, 20, 6))],
    )
    swapped = merge_essential([vectors[k] for k in order], [grams[k] for k in order])
    close(swapped, merge_essential(vectors, grams), 1e-6)


# Encoders


@dataclass(frozen=True)
class Double(Exemplars):
    """Exemplars for an encoder in float64."""

    def inputs(self, task: str) -> Tensor:
        return super().inputs(task).double()


def exemplars_of(seed: int, tasks: int = 2) -> tuple[dict[str, dict[str, Tensor]], Exemplars]:
    """Task vectors of an encoder of two blocks, and images."""
    torch.manual_seed(seed)
    encoder = VisionTransformer(8, 4, width=8, layers=2, heads=HEADS, mlp_ratio=2.0, output_dim=6).double().eval()
    pretrained = {key: tensor.detach().clone() for key, tensor in encoder.state_dict().items()}
    generator = np.random.default_rng(seed)
    names = [f"task{number}" for number in range(tasks)]
    vectors = {
        name: {key: 0.2 * torch.from_numpy(generator.standard_normal(own.shape)) for key, own in pretrained.items()}
        for name in names
    }
    images = {
        name: ImageSet(
            generator.integers(0, 256, (70, 8, 8, 3), np.uint8),
            generator.integers(0, 4, 70),
            name,
            "validation",
            "rendered",
        )
        for name in names
    }
    heads = {name: 5 * draw(seed + number, 6, 4) for number, name in enumerate(names)}
    return vectors, Double(encoder, pretrained, heads, images, lambda vector: 0.0)


def before_blocks(exemplars: Exemplars, vector: Weights, task: str) -> np.ndarray:
    exemplars.encoder.load_state_dict({key: own + vector[key] for key, own in exemplars.pretrained.items()})
    assert isinstance(exemplars.encoder, VisionTransformer)
    with torch.no_grad():
        return exemplars.encoder._embeds(exemplars.inputs(task)).numpy()


def of_block(weights: Weights, block: int) -> dict[str, np.ndarray]:
    prefix = f"transformer.resblocks.{block}."
    return {key.removeprefix(prefix): own.numpy() for key, own in weights.items() if key.startswith(prefix)}


def added(start: dict[str, np.ndarray], vector: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {key: own + vector[key] for key, own in start.items()}


@pytest.mark.parametrize(("tasks", "off_diagonal"), [(2, 0.95), (3, 0.5)])
def test_regmean_plusplus_merges_each_block_on_what_the_merged_blocks_before_give(
    tasks: int, off_diagonal: float
) -> None:
    vectors, exemplars = exemplars_of(tasks, tasks)
    found = regmean_plusplus.merge(vectors, exemplars, off_diagonal=off_diagonal, others="zero")
    mean = mean_of(list(vectors.values()))
    for key in ("class_embedding", "positional_embedding", "conv1.weight", "ln_pre.weight", "ln_pre.bias"):
        close(found[key], mean[key])
    assert not any(found[key].any() for key in ("ln_post.weight", "ln_post.bias", "proj"))
    states = [before_blocks(exemplars, mean, task) for task in vectors]
    for block in range(2):
        start, experts = of_block(exemplars.pretrained, block), [of_block(own, block) for own in vectors.values()]
        seen = [
            dense.run_block(added(start, vector), own, HEADS)[0] for vector, own in zip(experts, states, strict=True)
        ]
        expected = {}
        for key in start:
            if start[key].ndim == 2:
                inputs = [dense.flat(own[key]) for own in seen]
                expected[key] = dense_regmean(np.stack([own[key] for own in experts]), inputs, off_diagonal)
            else:
                expected[key] = np.mean([own[key] for own in experts], axis=0)
            close(found[f"transformer.resblocks.{block}.{key}"], expected[key], 2e-4)
        states = [dense.run_block(added(start, expected), own, HEADS)[1] for own in states]


def test_regmean_plusplus_of_equal_experts_is_the_expert() -> None:
    vectors, exemplars = exemplars_of(4)
    same = dict.fromkeys(vectors, vectors["task0"])
    found = regmean_plusplus.merge(same, exemplars, off_diagonal=0.9, others="mean")
    for key, own in vectors["task0"].items():
        close(found[key], own, 1e-4)


@pytest.mark.parametrize(("alpha", "rho", "ridge"), [(0.25, 2.2, 0.05), (1.0, 0.0, 3.0)])
def test_featcal_calibrates_each_block_to_the_experts_features(alpha: float, rho: float, ridge: float) -> None:
    vectors, exemplars = exemplars_of(7, 2)
    found = featcal.merge(vectors, exemplars, around=ARITHMETIC, initial=0.4, alpha=alpha, rho=rho, ridge=ridge)
    merged = {key: 0.4 * total(own[key] for own in vectors.values()) for key in exemplars.pretrained}
    ours = [before_blocks(exemplars, merged, task) for task in vectors]
    theirs = [before_blocks(exemplars, vector, task) for task, vector in vectors.items()]
    for block in range(2):
        start, moved = of_block(exemplars.pretrained, block), of_block(merged, block)
        experts = [added(start, of_block(own, block)) for own in vectors.values()]
        here = [dense.run_block(added(start, moved), own, HEADS)[0] for own in ours]
        there, theirs = zip(
            *(dense.run_block(e, own, HEADS) for e, own in zip(experts, theirs, strict=True)), strict=True
        )
        anchor = {key: start[key] + rho * moved[key] for key in start}
        expected: dict[str, list[np.ndarray]] = {}
        for key in [key for key in start if key.endswith("weight")]:
            bias = key.removesuffix("weight") + "bias"
            weights = np.ones(here[0][key].shape[:2])
            if block == 1:
                weights[:, 1:] = 0.01
            for rows in (slice(0, 8), slice(8, None)) if key == "attn.in_proj_weight" else (slice(None),):
                if key == "attn.in_proj_weight" and rows.start == 8:
                    weights = np.ones_like(weights)
                pairs = [(own[key][rows], own[bias][rows]) for own in experts]
                inputs = [dense.flat(own[key]) for own in here]
                targets = [alpha * dense.flat(e[key]) + (1 - alpha) * own for e, own in zip(there, inputs, strict=True)]
                drawn, shares = (anchor[key][rows], anchor[bias][rows]), [weights.ravel()] * len(pairs)
                if start[key].ndim == 2:
                    solved = dense.featcal_linear(pairs, inputs, targets, shares, drawn, ridge)
                else:
                    solved = dense.featcal_norm(pairs, inputs, shares, drawn, ridge)
                expected.setdefault(key, []).append(solved[0])
                expected.setdefault(bias, []).append(solved[1])
        made = {key: np.concatenate(parts) for key, parts in expected.items()}
        assert made.keys() == start.keys()
        for key, own in made.items():
            close(found[f"transformer.resblocks.{block}.{key}"], own - start[key], 1e-5)
        ours = [dense.run_block(made, own, HEADS)[1] for own in ours]
    for key in ("conv1.weight", "ln_pre.weight", "ln_post.weight", "proj"):
        close(found[key], merged[key])


def test_featcal_of_one_expert_that_is_the_merge_and_its_anchor_changes_nothing() -> None:
    vectors, exemplars = exemplars_of(8, 1)
    found = featcal.merge(vectors, exemplars, around=ARITHMETIC, initial=1.0, alpha=0.0, rho=1.0, ridge=0.05)
    for key, own in vectors["task0"].items():
        close(found[key], own, 1e-5)


def test_featcal_with_a_great_ridge_is_its_anchor() -> None:
    vectors, exemplars = exemplars_of(9)
    found = featcal.merge(vectors, exemplars, around=ARITHMETIC, initial=0.3, alpha=0.25, rho=2.0, ridge=1e9)
    for key in found:
        share = 0.6 if key.startswith("transformer.") else 0.3
        close(found[key], share * total(own[key] for own in vectors.values()), 1e-5)


def test_lot_and_esm_read_what_they_merge_by_from_an_encoder() -> None:
    vectors, exemplars = exemplars_of(10)
    batch = {task: exemplars.inputs(task) for task in vectors}
    products = [lot.statistics(exemplars.encoder, torch.empty(0), own) for own in batch.values()]
    states = before_blocks(exemplars, dict.fromkeys(exemplars.pretrained, torch.zeros(())), "task0")
    seen, _ = dense.run_block(of_block(exemplars.pretrained, 0), states, HEADS)
    for key, inputs in seen.items():
        rows = dense.flat(inputs)
        expected = (rows**2).mean(axis=0) if key.startswith("ln") else rows.T @ rows / len(rows)
        close(products[0][f"transformer.resblocks.0.{key}"], expected, 1e-5)
    assert {"ln_pre.weight", "ln_post.weight"} < products[0].keys()
    assert lot.merge(list(vectors.values()), products).keys() == exemplars.pretrained.keys()
    products = [esm.statistics(exemplars.encoder, torch.empty(0), own) for own in batch.values()]
    merged = esm.merge(list(vectors.values()), products)
    assert merged.keys() == exemplars.pretrained.keys()
    mean = mean_of(list(vectors.values()))
    close(merged["ln_post.bias"], mean["ln_post.bias"])
    by_tsv = merged_by(tsv_m.merge_rule(list(vectors.values())), list(vectors.values()))
    close(merged["proj"], by_tsv["proj"])
    for kind in ("attn.out_proj.weight", "mlp.c_fc.weight"):
        plain = [
            by_tsv[f"transformer.resblocks.{block}.{kind}"]
            if "out" in kind
            else merge_essential(
                [own[f"transformer.resblocks.{block}.{kind}"] for own in vectors.values()],
                [own[f"transformer.resblocks.{block}.{kind}"] for own in products],
            )
            for block in range(2)
        ]
        norms = [float(own.norm()) for own in plain]
        for block, (own, norm) in enumerate(zip(plain, norms, strict=True)):
            close(merged[f"transformer.resblocks.{block}.{kind}"], own * float(norm / np.mean(norms)) ** 2)


def test_esm_leaves_matrices_pre_trained_that_are_too_small_to_be_shared() -> None:
    shapes = {"mlp.c_fc.weight": (2, 4), "positional_embedding": (2, 4), "proj": (4, 4), "ln_post.bias": (4,)}
    vectors = [{key: draw(k, *shape) for key, shape in shapes.items()} for k in range(3)]
    merged = esm.merge(vectors, [{"mlp.c_fc.weight": torch.eye(4)}] * 3)
    assert [key for key in shapes if merged[key].any()] == ["proj", "ln_post.bias"]


# Greedy soup


@given(st.lists(st.integers(0, 4), min_size=8, max_size=8), st.sampled_from(["better", "equal"]))
def test_greedy_soup_follows_the_recipe(accuracies: list[int], accept: Literal["better", "equal"]) -> None:
    """Of three experts, whose ingredients a soup's entries tell."""
    vectors = {name: {"w": torch.eye(3)[row]} for row, name in enumerate("abc")}
    _, exemplars = exemplars_of(0)

    def accuracy(vector: Weights) -> float:
        return float(accuracies[sum(2**row for row in range(3) if vector["w"][row] > 0)])

    found = greedy_soup.merge(vectors, replace(exemplars, accuracy=accuracy), accept=accept)["w"]
    ranked = sorted(range(3), key=lambda row: -accuracies[2**row])
    ingredients = ranked[:1]
    for row in ranked[1:]:
        new, old = (accuracies[sum(2**each for each in some)] for some in ([*ingredients, row], ingredients))
        if new > old or (accept == "equal" and new == old):
            ingredients.append(row)
    assert found.tolist() == pytest.approx([1 / len(ingredients) if row in ingredients else 0 for row in range(3)])
    # Never less accurate than the best expert.
    assert accuracy({"w": found}) >= max(accuracies[2**row] for row in range(3))


# APL-style


def loss_at(exemplars: Exemplars, task: str, vector: Weights) -> float:
    exemplars.encoder.load_state_dict({key: own + vector.get(key, 0) for key, own in exemplars.pretrained.items()})
    with torch.no_grad():
        features = exemplars.encoder(exemplars.inputs(task)).numpy()
    scores = features / np.linalg.norm(features, axis=1, keepdims=True) @ exemplars.heads[task].numpy()
    chosen = scores[np.arange(len(scores)), exemplars.images[task].labels]
    return float((np.log(np.exp(scores).sum(axis=1)) - chosen).mean())


@pytest.mark.parametrize("keep", [1.0, 0.3])
def test_apl_style_weighs_tensors_by_the_slope_of_the_loss_along_them(keep: float) -> None:
    vectors, exemplars = exemplars_of(11, 2)
    found = apl_style.merge(vectors, exemplars, keep=keep)
    slopes = [
        {
            key: abs(loss_at(exemplars, task, {key: 1e-4 * own}) - loss_at(exemplars, task, {key: -1e-4 * own})) / 2e-4
            for key, own in vector.items()
        }
        for task, vector in vectors.items()
    ]
    for own in slopes:
        least = sorted(own.values(), reverse=True)[round(keep * len(own)) - 1]
        own |= {key: 0.0 for key, slope in own.items() if slope < least}
    for key in found:
        weights = [2 * own[key] / (sum(each[key] for each in slopes) or 1.0) for own in slopes]
        expected = total(weight * vector[key] for weight, vector in zip(weights, vectors.values(), strict=True))
        close(found[key], expected, 1e-3)


def test_apl_style_of_one_expert_keeps_its_most_important_tensors_as_they_are() -> None:
    vectors, exemplars = exemplars_of(12, 1)
    found = apl_style.merge(vectors, exemplars, keep=0.5)
    kept = [key for key in found if found[key].any()]
    assert len(kept) == round(0.5 * len(found))
    for key in kept:
        torch.testing.assert_close(found[key], vectors["task0"][key])


def test_sampled_images_are_a_seeds_own_and_in_order() -> None:
    _, exemplars = exemplars_of(0)
    images = exemplars.images["task0"]
    drawn = sampled(images, 10, 3)
    places = [next(i for i, each in enumerate(images.images) if (each == own).all()) for own in drawn.images]
    assert places == sorted(set(places))
    assert (sampled(images, 10, 4).images != drawn.images).any()
    assert (sampled(images, 1000, 3).images == images.images).all()
