"""Instructions as a model is given them: one for a whole batch, or one for each of it."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from worldmodel.data.words import hash_words
from worldmodel.types import InputError

Text = str | Sequence[str | None] | None  # an instruction for all of a batch, or one for each


def read_instructions(text: Text, batch: int, *, known: bool) -> Int64[Tensor, "b words"] | None:
    """Hashes of their words, see `worldmodel.data.words`; None for a model that reads none.

    Args:
        text: instructions; None where there is none.
        batch: how many are wanted.
        known: whether the model was trained with instructions.

    Raises:
        InputError: an instruction for a model that reads none, or another number of them.
    """
    texts = [text] * batch if text is None or isinstance(text, str) else list(text)
    if len(texts) != batch:
        raise InputError(f"text: found {len(texts)} instructions, wanted one, or one for each of {batch}")
    if known:
        return torch.from_numpy(np.stack([hash_words(one) for one in texts]))
    if any(one is not None for one in texts):
        raise InputError("text: this model was trained without instructions, wanted None")
    return None
