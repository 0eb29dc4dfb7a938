"""The one-shot baseline runs the path that it is given, with statistics of its own."""

import torch

import one_shot
from nats_space import NatsSizeSpace, architecture_of
from nni_dna.lightning import seed_all
from nni_dna.spaces.freezing import plain_network


def test_a_path_of_the_supernet_computes_what_its_network_with_the_sliced_weights_does():
    seed_all(0)
    supernet = one_shot._Supernet(NatsSizeSpace()).eval()
    architecture = architecture_of('16:8:24:8:64')
    network = plain_network(NatsSizeSpace(), architecture).eval()
    shared = dict(supernet.space.named_parameters())
    for name, weight in network.named_parameters():
        weight.data.copy_(shared[name][tuple(slice(size) for size in weight.shape)])
    images = torch.randn(4, 3, 32, 32)
    supernet.choose(architecture)
    torch.testing.assert_close(supernet(images), network(images))


def test_training_takes_another_path_each_time():
    seed_all(0)
    supernet = one_shot._Supernet(NatsSizeSpace()).train()
    images = torch.randn(2, 3, 32, 32)
    seen = set()
    supernet.space.last[0].register_forward_hook(lambda module, given, output: seen.add(output.shape[1]))
    for _ in range(6):
        supernet(images)
    assert len(seen) > 1
