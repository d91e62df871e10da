import copy

import torch
from torch import nn

from worldmodel.models.optimizers import build_optimizer, hidden_matrices, orthogonalise
from worldmodel.models.tokenizer import Tokenizer, TokenizerConfig


def test_singular_values_come_near_one():
    generator = torch.Generator().manual_seed(0)
    for shape in ((2, 24, 60), (2, 60, 24)):
        values = torch.linalg.svdvals(orthogonalise(torch.randn(shape, generator=generator)))
        assert values.min() > 0.5
        assert values.max() < 1.5


def test_kernels_to_and_from_pictures_are_not_hidden():
    tokenizer = Tokenizer(TokenizerConfig(channels=16, width=24, stem_width=20, blocks=1))
    hidden = {id(p) for p in hidden_matrices(tokenizer)}
    edges = [tokenizer.encoder[1], tokenizer.encoder[-1], tokenizer.decoder[0], tokenizer.decoder[-2]]
    assert hidden
    assert not any(id(layer.weight) in hidden for layer in edges)


def test_a_kernel_is_stepped_as_a_matrix():
    """A step on a kernel equals the step on the same numbers laid out as a matrix."""
    torch.manual_seed(0)

    class Net(nn.Module):
        def __init__(self, shape: tuple[int, ...]) -> None:
            super().__init__()
            self.layers = nn.ModuleList([nn.Linear(1, 1)])
            self.layers[0].weight = nn.Parameter(start.reshape(shape).clone())

    start, gradient = torch.randn(20, 24 * 9), torch.randn(20, 24 * 9)
    results = []
    for shape in ((20, 216), (20, 24, 3, 3)):
        network = Net(shape)
        optimizer = build_optimizer(network, "muon", 0.01, 0.1)
        weight = network.layers[0].weight
        for _ in range(2):
            weight.grad = gradient.reshape(shape).clone()
            optimizer.step()
        results.append(weight.detach().flatten(1))
    torch.testing.assert_close(*results)
    assert (results[0] - start).abs().max() > 1e-3


def test_products_in_bfloat16_step_about_as_far():
    torch.manual_seed(0)
    network = nn.ModuleDict({"layers": nn.ModuleList([nn.Linear(60, 24)])})
    start = network["layers"][0].weight.detach().clone()
    gradient, steps = torch.randn(24, 60), []
    for precision in ("float32", "bfloat16"):
        other = copy.deepcopy(network)
        optimizer = build_optimizer(other, "muon", 0.01, 0.0, precision)
        other["layers"][0].weight.grad = gradient.clone()
        optimizer.step()
        assert other["layers"][0].weight.dtype == torch.float32
        steps.append((other["layers"][0].weight.detach() - start).flatten())
    assert torch.nn.functional.cosine_similarity(*steps, dim=0) > 0.999
    assert not torch.equal(*steps)


def test_a_state_that_was_saved_goes_on_alike():
    def three_steps(stop: int) -> dict[str, torch.Tensor]:
        torch.manual_seed(0)
        network = nn.ModuleDict({"layers": nn.ModuleList([nn.Linear(12, 8)]), "edge": nn.Linear(12, 3)})
        optimizer = build_optimizer(network, "muon", 0.01, 0.1)
        generator = torch.Generator().manual_seed(1)
        for step in range(3):
            if step == stop:
                saved = copy.deepcopy(optimizer.state_dict())
                optimizer = build_optimizer(network, "muon", 0.5, 0.0)
                optimizer.load_state_dict(saved)
            for parameter in network.parameters():
                parameter.grad = torch.randn(parameter.shape, generator=generator)
            optimizer.step()
        return network.state_dict()

    for name, value in three_steps(stop=3).items():
        torch.testing.assert_close(three_steps(stop=2)[name], value, rtol=0, atol=0, msg=name)
