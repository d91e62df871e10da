import numpy as np

from worldmodel.data.words import WORDS, hash_words


def test_words_are_hashed_whatever_their_case():
    one, other = hash_words("Push the block!"), hash_words("push THE block !")
    np.testing.assert_array_equal(one, other)
    assert one.dtype == np.int64
    assert (one[:4] > 0).all()
    assert not one[4:].any()
    assert len(set(one[:4].tolist())) == 4


def test_long_and_missing_instructions():
    assert not hash_words(None).any()
    assert not hash_words(" ").any()
    assert hash_words("word " * 100).shape == (WORDS,)
    assert (hash_words("Zu\u0308rich \u4f60\u597d 3") > 0).sum() >= 3
