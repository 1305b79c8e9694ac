"""Muon in float32 does what PyTorch's does, but for the rounding."""

import pytest
import torch

from remerge.training.muon import Muon, orthogonalised

COEFFICIENTS = (3.4445, -4.7750, 2.0315)


@pytest.mark.parametrize("shape", [(32, 32), (48, 16), (16, 48)])
def test_steps_are_pytorchs_up_to_its_rounding(shape: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(0)
    begin = torch.randn(shape, generator=generator)
    ours, theirs = (begin.clone().requires_grad_() for _ in range(2))
    optimizers = (
        Muon([ours], lr=0.1, momentum=0.9, weight_decay=0.05),
        torch.optim.Muon([theirs], lr=0.1, momentum=0.9, weight_decay=0.05),
    )
    for _ in range(3):
        gradient = torch.randn(shape, generator=generator)
        for parameter, optimizer in zip((ours, theirs), optimizers, strict=True):
            parameter.grad = gradient.clone()
            optimizer.step()
    moved, expected = (ours - begin).detach(), (theirs - begin).detach()
    # bfloat16 has eight bits.
    assert (moved - expected).norm() < 0.03 * expected.norm()


@pytest.mark.parametrize("shape", [(32, 32), (48, 16), (16, 48)])
def test_singular_vectors_stay_and_values_come_near_one(shape: tuple[int, int]) -> None:
    drawn = torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    left, _, right = torch.linalg.svd(drawn, full_matrices=False)
    matrix = left * torch.linspace(0.1, 1, min(shape), dtype=torch.float64) @ right
    result = orthogonalised(matrix, COEFFICIENTS, 5, 1e-7)
    values = left.T @ result @ right.T
    assert torch.allclose(values, values.diagonal().diag(), atol=1e-9)
    assert values.diagonal().min() > 0.3
    assert values.diagonal().max() < 1.3


def test_a_matrix_of_zeros_stays_one() -> None:
    assert orthogonalised(torch.zeros(4, 3), COEFFICIENTS, 5, 1e-7).eq(0).all()
