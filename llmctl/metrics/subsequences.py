"""Longest common subsequences of token lists, a column of the table at a time as one integer."""

from __future__ import annotations

from collections.abc import Sequence


class Reference:
    """Tokens that others are held against.

    The table t[i][j] holds the length of the longest common subsequence of the first i tokens of
    the reference and the first j of the other. Its column j is kept as an integer whose bit i - 1
    is 0 where t[i][j] is greater than t[i - 1][j] (Hyyrö 2004, "Bit-parallel LCS-length
    computation revisited"): a column costs a few operations however long the reference is.
    """

    def __init__(self, tokens: Sequence[str]) -> None:
        self.tokens = tokens
        self._ones = (1 << len(tokens)) - 1
        self._places: dict[str, int] = {}
        for place, token in enumerate(tokens):
            self._places[token] = self._places.get(token, 0) | 1 << place

    def common_length(self, other: Sequence[str]) -> int:
        """The length of the longest common subsequence.

        >>> Reference("a b c d".split()).common_length("b x d".split())
        2
        """
        return (self._columns(other)[-1] ^ self._ones).bit_count()

    def common_places(self, other: Sequence[str]) -> list[int]:
        """Where in the reference one longest common subsequence lies, from its end.

        Of several the one that rouge_score finds: from the end on, it takes equal tokens, else
        leaves out one of the reference where the length allows, else one of `other`.

        >>> Reference("a b c b".split()).common_places("b x".split())
        [1]
        """
        columns = self._columns(other)
        places = []
        i, j = len(self.tokens), len(other)
        while i and j:
            if self.tokens[i - 1] == other[j - 1]:
                i, j = i - 1, j - 1
                places.append(i)
            elif columns[j] >> (i - 1) & 1:
                i -= 1
            else:
                j -= 1
        return places

    def _columns(self, other: Sequence[str]) -> list[int]:
        column = self._ones
        columns = [column]
        for token in other:
            if shared := column & self._places.get(token, 0):
                column = ((column + shared) | (column - shared)) & self._ones
            columns.append(column)
        return columns
