"""The moving average of the weights, accumulated gradients, clipping and precision, beside plain loops."""

import pytest
import torch
from torch import nn

from nni_dna.retrain import quick, train_classifier
from test_training_classifiers import loader, make_network


def plain_loop(recipe, network, average=None, each=1):
    """SGD at a constant rate; a step after every ``each`` batches; calls ``average`` after each."""
    optimizer = torch.optim.SGD(network.parameters(), lr=recipe.lr, momentum=recipe.momentum)
    network.train()
    for _ in range(recipe.epochs):
        for number, (images, labels) in enumerate(loader(0), start=1):
            (nn.functional.cross_entropy(network(images), labels) / each).backward()
            if number % each == 0:
                if recipe.clip:
                    nn.utils.clip_grad_norm_(network.parameters(), recipe.clip)
                optimizer.step()
                optimizer.zero_grad()
                if average is not None:
                    average(network)


def constant(**changes):
    return quick(**{'optimizer': 'sgd', 'schedule': 'steps', 'weight_decay': 0.0, 'label_smoothing': 0.0, 'epochs': 3, 'lr': 0.05,
                    **changes})


def assert_close(network, weights):
    for name, tensor in network.state_dict().items():
        assert torch.allclose(tensor.double(), weights[name].double(), atol=1e-5), name


def test_the_network_ends_with_the_moving_average_of_weights_and_statistics():
    network, plain, means = make_network(), make_network(), {}

    def average(current):
        for name, tensor in current.state_dict().items():
            if tensor.is_floating_point():
                means[name] = 0.8 * means[name] + 0.2 * tensor if name in means else tensor.clone()

    plain_loop(constant(), plain, average)
    train_classifier(network, 4, constant(ema=0.8), loader(0), lambda value: None)
    found = {name: tensor for name, tensor in network.state_dict().items() if tensor.is_floating_point()}
    assert set(found) == set(means) and len(found) < len(network.state_dict())
    for name, tensor in found.items():
        assert torch.allclose(tensor, means[name], atol=1e-5), name
        assert not torch.allclose(means[name], plain.state_dict()[name], atol=1e-4) or 'running' in name or name.endswith('bias')


def test_gradients_of_several_batches_make_one_step_and_one_average():
    network, plain, means = make_network(), make_network(), []
    plain_loop(constant(), plain, lambda current: means.append(current.classifier.weight.detach().clone()), each=2)
    train_classifier(network, 4, constant(accumulate=2, ema=0.5), loader(0), lambda value: None)
    expected = means[0]
    for weights in means[1:]:
        expected = 0.5 * expected + 0.5 * weights
    assert len(means) == 6
    assert torch.allclose(network.classifier.weight, expected, atol=1e-5)


def test_accumulated_batches_count_for_the_scaled_rate():
    network, plain = make_network(), make_network()
    plain_loop(constant(lr=0.05), plain, each=2)
    train_classifier(network, 4, constant(accumulate=2, lr=0.1, lr_batch=64), loader(0), lambda value: None)
    assert_close(network, plain.state_dict())


@pytest.mark.parametrize('clip', [0.05, 0.5])
def test_the_norm_of_the_gradient_is_clipped(clip):
    network, plain, free = make_network(), make_network(), make_network()
    plain_loop(constant(clip=clip), plain)
    plain_loop(constant(), free)
    train_classifier(network, 4, constant(clip=clip), loader(0), lambda value: None)
    assert_close(network, plain.state_dict())
    assert not torch.allclose(network.classifier.weight, free.classifier.weight, atol=1e-4)


def test_mixed_precision_trains_in_it_and_keeps_full_weights():
    kinds, network = set(), make_network()
    network.classifier.register_forward_hook(lambda module, inputs, output: kinds.add(output.dtype))
    reports = []
    train_classifier(network, 4, quick(epochs=15, lr=0.02, precision='bf16-mixed'), loader(0, shuffle=True), reports.append)
    assert kinds == {torch.bfloat16}
    assert {tensor.dtype for tensor in network.parameters()} == {torch.float32}
    assert reports[-1] > 0.8


def test_mixed_labels_train_and_are_counted_by_their_largest_share():
    reports, network = [], make_network()
    torch.manual_seed(0)
    train_classifier(network, 4, quick(epochs=20, lr=0.02, mixup=0.2), loader(0, shuffle=True), reports.append)
    assert reports[0] < 0.7 < reports[-1] <= 1
