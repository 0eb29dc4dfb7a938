"""A trial of somebody else's: builds the architecture that a tuner of NNI's drew, and reports its number of parameters."""

import nni
import torch
from nni.nas.hub.pytorch import MobileNetV3Space
from nni.nas.space import model_context

if __name__ == '__main__':
    sample = nni.get_next_parameter()
    with torch.device('meta'), model_context(sample):
        network = MobileNetV3Space()
    nni.report_final_result(float(sum(weight.numel() for weight in network.parameters())))
