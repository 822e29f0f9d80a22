"""All attention mathematics: which keys answer a query, and what it gets from them.

A use of attention is a score, a mask, a normalizer and a weighted sum, each its own function:

    scores = attention.dot_scores(query, keys)                     # scores.py
    context, weights = attention.attend(scores, values, mask)      # attend.py, normalizers.py

Local attention adds a window (windows.py), hard attention a selection (selection.py). `Attention`
(layer.py) is all of these with their parameters, chosen by a configuration. Multi-head attention
(multi_head.py) keeps keys and values from step to step; multi-step attention (multi_step.py) asks
in every layer of a convolutional decoder. A memory that is written to as well has its own functions
(addressing.py).
"""

from zoo.attention.attend import attend
from zoo.attention.layer import Attention
from zoo.attention.masks import causal_mask, padding_mask
from zoo.attention.multi_head import CrossAttention, SelfAttention
from zoo.attention.multi_step import multi_step_attention, multi_step_source
from zoo.attention.normalizers import masked_softmax, softmax_beside_empty, sparsemax, unnormalized
from zoo.attention.scores import (
    additive_scores,
    concat_scores,
    cosine_scores,
    dot_scores,
    general_scores,
    location_scores,
    scaled_dot_scores,
)

__all__ = [
    "Attention",
    "CrossAttention",
    "SelfAttention",
    "additive_scores",
    "attend",
    "causal_mask",
    "concat_scores",
    "cosine_scores",
    "dot_scores",
    "general_scores",
    "location_scores",
    "masked_softmax",
    "multi_step_attention",
    "multi_step_source",
    "padding_mask",
    "scaled_dot_scores",
    "softmax_beside_empty",
    "sparsemax",
    "unnormalized",
]
