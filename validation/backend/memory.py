"""Arrays on the device where a rule runs, and views of them for torch that share their memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pycrld_econ.validation.backend.targets import cuda_is_simulated

if TYPE_CHECKING:
    import torch


def to_device(array: Any, device: str) -> Any:
    """The array itself on the processor, a copy of it on CUDA; what is there already, itself."""
    if device == "cpu" or not isinstance(array, np.ndarray):
        return array
    from numba import cuda

    return cuda.to_device(np.ascontiguousarray(array))


def to_host(array: Any) -> np.ndarray:
    """The array as a numpy array: itself, or a copy of what is on the CUDA device."""
    return array if isinstance(array, np.ndarray) else array.copy_to_host()


def fill(room: Any, array: np.ndarray) -> None:
    """Copy an array into one on the processor or on CUDA, of the same shape; its type is that of the room."""
    if isinstance(room, np.ndarray):
        room[...] = array
    else:
        room.copy_to_device(np.ascontiguousarray(array, dtype=room.dtype))


def as_torch(array: Any) -> torch.Tensor:
    """A torch tensor that shares the memory of an array, on the processor or on CUDA.

    Parameters
    ----------
    array : numpy array or numba device array
        Whose memory to share. Numpy arrays must be writeable.

    Returns
    -------
    torch.Tensor
        Changes of one are changes of the other.

    Raises
    ------
    ImportError
        If torch is not installed.
    ValueError
        If the array cannot be written to.
    """
    try:
        import torch
    except ImportError as error:
        raise ImportError("as_torch needs torch: pip install torch") from error
    if not isinstance(array, np.ndarray) and cuda_is_simulated():
        array = array._ary
    if isinstance(array, np.ndarray):
        if not array.flags.writeable:
            raise ValueError("array must be writeable to share its memory with torch")
        return torch.from_numpy(array)
    return torch.as_tensor(array, device="cuda")


def torch_device(device: str) -> str:
    """Where torch's tensors are that share memory with arrays on a device: in the simulator, on the processor."""
    return "cpu" if device == "cpu" or cuda_is_simulated() else "cuda"


def from_torch(tensor: torch.Tensor, device: str) -> Any:
    """The array that shares the memory of a contiguous tensor, as rules on a device take it.

    Kernels run on the default stream, as torch's do unless told otherwise, so neither waits for the other.
    """
    if device == "cpu":
        return tensor.numpy()
    if cuda_is_simulated():
        from numba.cuda.simulator.cudadrv.devicearray import FakeCUDAArray

        return FakeCUDAArray(tensor.numpy())
    from numba import cuda

    return cuda.as_cuda_array(tensor)
