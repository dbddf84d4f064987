"""Hashes of texts, the same on every machine, for many of them at once."""

from collections.abc import Sequence

from container.texts import WORD, Texts

import numpy as np
from numpy.typing import NDArray

Keys = NDArray[np.uint64]

NO_KEY = np.uint64(0)
HASHED_CHARACTERS = 64


def mixed(one: Keys, other: Keys) -> Keys:
    """A hash of two (the finalizer of SplitMix64: Steele, Lea and Flood, 2014)."""
    result: Keys = one + other * np.uint64(0x9E3779B97F4A7C15)
    result = (result ^ (result >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    result = (result ^ (result >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    result ^= result >> np.uint64(31)
    return result


_FACTORS = mixed(
    np.zeros(HASHED_CHARACTERS, np.uint64), np.arange(1, HASHED_CHARACTERS + 1).astype(np.uint64)
) | np.uint64(1)


def hashes(texts: Sequence[str] | Texts) -> Keys:
    """Of the first HASHED_CHARACTERS of each in upper case; NO_KEY for "".

    A sum of the characters times a random odd factor for each place, mixed.
    """
    sums = _sums_of_bytes(texts) if isinstance(texts, Texts) else _sums(texts)
    result = mixed(sums, np.zeros_like(sums))
    result[sums == 0] = NO_KEY
    return result


def _sums(texts: Sequence[str]) -> Keys:
    upper = [text.upper() for text in texts]
    longest = min(max(map(len, upper), default=0), HASHED_CHARACTERS)
    sums = np.zeros(len(upper), np.uint64)
    if longest:
        characters = np.array(upper, f"<U{longest}").view("<u4").reshape(len(upper), longest)
        for place in range(longest):
            sums += characters[:, place] * _FACTORS[place]
    return sums


def _sums_of_bytes(texts: Texts) -> Keys:
    sums = np.zeros(len(texts), np.uint64)
    for first in range(0, HASHED_CHARACTERS, WORD):
        rows = np.flatnonzero(texts.lengths > first)
        upper = np.frombuffer(texts.words(first, rows).tobytes().upper(), np.uint8)
        characters = upper.reshape(len(rows), WORD).astype(np.uint64)
        sums[rows] += characters @ _FACTORS[first : first + WORD]
    sums[list(texts.others)] = _sums(list(texts.others.values()))
    return sums


def keys(texts: Texts) -> tuple[Keys, NDArray[np.intp]]:
    """Of each text a number, 0 for "", that no other text has; and the rows without one, where
    there is a 0 too: long ones, and those that are not ASCII."""
    lengths = texts.lengths
    keys = texts.words(0)
    for first in range(WORD, HASHED_CHARACTERS, WORD):
        rows = np.flatnonzero(lengths > first)
        keys[rows] = mixed(keys[rows], texts.words(first, rows)) | _HASHED
    without = np.union1d(np.flatnonzero(lengths > HASHED_CHARACTERS), list(texts.others))
    without = without.astype(np.intp)
    keys[without] = 0
    return keys, without


_HASHED = np.uint64(1 << 63)  # which no word of ASCII has
