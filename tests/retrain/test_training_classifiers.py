"""Training with labels on the toy task, and the accuracy against a plain count."""

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import toys
from nni_dna.lightning import seed_all
from nni_dna.retrain import Recipe, accuracy, quick, train_classifier
from nni_dna.spaces.freezing import freeze


def loader(split, shuffle=False, batch_size=16):
    dataset = toys.images(None, 64)[split]
    images = dataset.images.float() / 255 - 0.5
    return DataLoader(TensorDataset(images, torch.tensor(dataset.targets)), batch_size, shuffle=shuffle,
                      generator=torch.Generator().manual_seed(0))


def make_network(seed=0):
    torch.manual_seed(seed)
    space = toys.Space()
    return freeze(space, toys.read_chain().architecture((5, 3)))


class Quadrants(nn.Module):
    """Knows the toy task's rule: which corner is bright."""

    def __init__(self, offset=0):
        super().__init__()
        self.offset = offset

    def forward(self, x):
        return nn.functional.adaptive_avg_pool2d(x, 2).mean(1).flatten(1).roll(self.offset, 1)


class Wrong(nn.Module):
    """Right for the images whose number in the batch is divisible by three."""

    def forward(self, x):
        labels = Quadrants()(x).argmax(1)
        labels[torch.arange(len(x)) % 3 != 0] += 1
        return nn.functional.one_hot(labels % 4, 4).float()


def test_a_few_epochs_learn_the_toy_task_from_scratch():
    seed_all(0)
    network, reports = make_network(), []
    before = accuracy(network, 4, loader(1))
    train_classifier(network, 4, quick(epochs=20, lr=0.02), loader(0, shuffle=True), reports.append)
    assert len(reports) == 20
    assert before < 0.6
    assert accuracy(network, 4, loader(1)) > 0.9
    assert reports[-1] > 0.9 > reports[0]


def test_training_twice_with_one_seed_gives_the_same_weights():
    results = []
    for _ in range(2):
        seed_all(3)
        network = make_network()
        train_classifier(network, 4, quick(epochs=2), loader(0, shuffle=True), lambda value: None)
        results.append(network.state_dict())
    assert all(torch.equal(tensor, results[1][name]) for name, tensor in results[0].items())


def test_training_is_adamw_with_one_cycle_as_in_a_plain_loop():
    recipe = Recipe(epochs=3, lr=0.01, weight_decay=0.1, label_smoothing=0.2)
    network, plain = make_network(), make_network()
    train_classifier(network, 4, recipe, loader(0), lambda value: None)
    plain.train()
    optimizer = torch.optim.AdamW(plain.parameters(), lr=0.01, weight_decay=0.1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.01, total_steps=12)
    for _ in range(3):
        for images, labels in loader(0):
            optimizer.zero_grad()
            nn.functional.cross_entropy(plain(images), labels, label_smoothing=0.2).backward()
            optimizer.step()
            schedule.step()
    for name, tensor in network.state_dict().items():
        assert torch.allclose(tensor, plain.state_dict()[name], atol=1e-6), name


def test_a_network_in_evaluation_mode_is_trained_all_the_same():
    network, plain = make_network().eval(), make_network()
    for given in (network, plain):
        train_classifier(given, 4, quick(epochs=1), loader(0), lambda value: None)
    assert all(torch.equal(tensor, plain.state_dict()[name]) for name, tensor in network.state_dict().items())


class Learnable(Quadrants):
    """With a weight that changes nothing, since training needs one."""

    def __init__(self, offset):
        super().__init__(offset)
        self.weight = nn.Parameter(torch.zeros(()))

    def forward(self, x):
        return super().forward(x) + 0 * self.weight


@pytest.mark.parametrize('offset, expected', [(0, 1.0), (1, 0.0)])
def test_the_report_of_an_epoch_is_the_accuracy_on_its_images(offset, expected):
    reports = []
    train_classifier(Learnable(offset), 4, quick(epochs=2), loader(0), reports.append)
    assert reports == [expected, expected]


@pytest.mark.parametrize('network', [Quadrants(), Quadrants(1), Wrong()], ids=['right', 'never', 'a third'])
@pytest.mark.parametrize('batch_size', [1, 7, 32])
def test_the_accuracy_is_the_share_of_images_with_the_right_label(network, batch_size):
    batches = loader(1, batch_size=batch_size)
    rights = [network(images).argmax(1) == labels for images, labels in batches]
    expected = torch.cat(rights).sum().item() / 32
    assert accuracy(network, 4, batches) == pytest.approx(expected, abs=1e-6)


def test_the_accuracy_is_measured_in_evaluation_mode_without_changing_the_network():
    network = make_network().train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    plain = make_network().eval()
    expected = sum((plain(images).argmax(1) == labels).sum().item() for images, labels in loader(1)) / 32
    assert accuracy(network, 4, loader(1)) == pytest.approx(expected, abs=1e-6)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_a_loss_that_is_not_a_number_ends_the_training():
    images, labels = torch.full((8, 3, 16, 16), float('nan')), torch.arange(8) % 4
    batches = DataLoader(TensorDataset(images, labels), 4)
    with pytest.raises(FloatingPointError, match='loss.*nan'):
        train_classifier(make_network(), 4, quick(epochs=1), batches, lambda value: None)
