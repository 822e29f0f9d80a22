"""All attention mathematics: which keys answer a query, and what it gets from them.

A use of attention is a score, a mask, a normalizer and a weighted sum, each its own function:

    scores = attention.dot_scores(query, keys)                     # scores.py
    context, weights = attention.attend(scores, values, mask)      # attend.py, normalizers.py
"""

from zoo.attention.attend import attend
from zoo.attention.masks import padding_mask
from zoo.attention.normalizers import masked_softmax
from zoo.attention.scores import dot_scores

__all__ = ["attend", "dot_scores", "masked_softmax", "padding_mask"]
