"""Instructions as numbers: every word by its hash, so that no vocabulary has to be kept and no word is unknown."""

import re
import zlib

import numpy as np
from jaxtyping import Int64

WORDS = 32  # of an instruction that are read; later ones are not
WORD = re.compile(r"[^\W_]+|[^\w\s]")


def hash_words(text: str | None) -> Int64[np.ndarray, "words"]:
    """Hashes of the first words and punctuation marks, whatever their case, in order; 0 where there are no more.

    Source: Weinberger et al. 2009, "Feature hashing for large scale multitask learning".
    """
    found = [zlib.crc32(word.encode()) + 1 for word in WORD.findall((text or "").lower())[:WORDS]]
    return np.array(found + [0] * (WORDS - len(found)), np.int64)
