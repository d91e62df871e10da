"""Numbers that only tell things apart, such as keys, as the bits that a flow can make: -1 and 1.

Source: Chen et al. 2022, "Analog bits: generating discrete data using diffusion models with self-conditioning".
"""

import numpy as np
from jaxtyping import Float32, Real


def bits_for(count: int) -> int:
    """How many bits tell ``count`` things apart."""
    return max(1, (count - 1).bit_length())


def to_bits(values: Real[np.ndarray, "*t"], count: int) -> Float32[np.ndarray, "*t bits"]:
    """Writes integers from 0 to ``count - 1`` as -1 and 1, the lowest bit first; others go to the nearest of them."""
    whole = np.clip(np.rint(values), 0, count - 1).astype(np.int64)
    return (2 * (whole[..., None] >> np.arange(bits_for(count)) & 1) - 1).astype(np.float32)


def from_bits(bits: Real[np.ndarray, "*t bits"], count: int) -> Float32[np.ndarray, "*t"]:
    """Reads integers from the signs of such numbers; what would be too large becomes the largest."""
    whole = ((np.asarray(bits) > 0) << np.arange(bits.shape[-1])).sum(-1)
    return np.minimum(whole, count - 1).astype(np.float32)
