"""Ways to run the layers of a finished network frame by frame: as they are, compiled, or in 8-bit integers.

- ``eager``: as they are.
- ``compiled``: by torch.compile, on CPU or CUDA. Slow at first: each kind of pass (a noisy frame, a finished one), and
  each batch size, is compiled when it first comes.
- ``int8``: on CPU, weights of the layers rounded to 8 bits per row, activations as they come (dynamic quantisation),
  for processors with AVX512-VNNI or the like. It changes the results a little, and cannot be undone or trained.
"""

import warnings

import torch
from torch import nn

from worldmodel.models.backbone import Backbone
from worldmodel.models.layer_pass import RunLayers, run_layers
from worldmodel.types import InputError

ENGINES = ("eager", "compiled", "int8")


def prepare_engine(backbone: Backbone, engine: str) -> RunLayers:
    """Makes a backbone ready for an engine (``int8`` changes it) and returns what runs its layers.

    Raises:
        InputError: no such engine, or one that this device does not have.
    """
    if engine not in ENGINES:
        raise InputError(f"engine: found {engine!r}, wanted one of: {', '.join(ENGINES)}")
    device = backbone.place.device.type
    if engine == "compiled":
        return torch.compile(run_layers, dynamic=False, options={"freezing": device == "cpu"})
    if engine == "int8":
        if device != "cpu":
            raise InputError(f"engine int8: the model is on {device}, wanted it on the CPU")
        _quantize(backbone)
    return run_layers


def _quantize(backbone: Backbone) -> None:
    from torch.ao.quantization import per_channel_dynamic_qconfig, quantize_dynamic

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # torchao is to take over, but is no faster on a CPU
        quantize_dynamic(backbone.layers, {nn.Linear: per_channel_dynamic_qconfig}, inplace=True)
