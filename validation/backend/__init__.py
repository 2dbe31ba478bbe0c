"""One source, two targets: plain Python rules on processor threads or CUDA, with counter-based random numbers."""

from pycrld_econ.validation.backend.memory import as_torch, fill, from_torch, to_device, to_host, torch_device
from pycrld_econ.validation.backend.philox import philox, uniform
from pycrld_econ.validation.backend.targets import (
    Lanes,
    check_device,
    cuda_is_simulated,
    kernel_ptx,
    split_seed,
)

__all__ = [
    "Lanes",
    "as_torch",
    "check_device",
    "cuda_is_simulated",
    "fill",
    "from_torch",
    "kernel_ptx",
    "philox",
    "split_seed",
    "to_device",
    "to_host",
    "torch_device",
    "uniform",
]
