"""Costs of a plain network, each found in another way than nni_dna finds it: slow, and by little code of our own."""

from __future__ import annotations

import operator

import torch
from torch import nn
from torch.fx import Interpreter
from torch.fx.experimental.proxy_tensor import make_fx


def plain_cost(network, image_shape):
    """(parameters, multiply-adds) of convolutions and linear layers: every weight meets every position of its output once."""
    madds = []

    def hook(layer, inputs, output):
        positions = output[0, 0].numel() if output.ndim == 4 else output[0].numel() // output.shape[-1]
        madds.append(layer.weight.numel() * positions)

    handles = [layer.register_forward_hook(hook) for layer in network.modules() if isinstance(layer, (nn.Conv2d, nn.Linear))]
    with torch.no_grad():
        network.eval()(torch.zeros(1, *image_shape, device='meta'))
    for handle in handles:
        handle.remove()
    return sum(parameter.numel() for parameter in network.parameters()), sum(madds)


class _Memory(Interpreter):
    """Runs a graph of operations, lets go of each value after its last use, as torch.fx does, and adds up what is held."""

    peak = 0

    def run_node(self, node):
        result = super().run_node(node)
        if node.op == 'call_function':
            held = [tensor for other, value in [*self.env.items(), (node, result)] for tensor in self._read(other, value)]
            sizes = {tensor.untyped_storage()._cdata: tensor.untyped_storage().nbytes() for tensor in held}
            self.peak = max(self.peak, sum(size for storage, size in sizes.items() if storage not in self.weights))
        return result

    @staticmethod
    def _read(node, value):
        """The tensors of a value that something reads; of several, those that are taken out."""
        if not node.users:
            return []
        if isinstance(value, torch.Tensor):
            return [value]
        return [value[user.args[1]] for user in node.users if user.target is operator.getitem and user.users]


def plain_memory(network, image_shape):
    """Most bytes alive at once while the whole network runs on the meta device, by torch.fx."""
    image = torch.zeros(1, *image_shape, device='meta')
    with torch.no_grad():
        graph = make_fx(network.eval())(image)
        graph.graph.eliminate_dead_code()
        graph.recompile()
        memory = _Memory(graph)
        memory.weights = {tensor.untyped_storage()._cdata for tensor in (*network.parameters(), *network.buffers())}
        memory.run(image)
    return memory.peak
