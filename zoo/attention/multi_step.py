"""Multi-step attention: every layer of a decoder asks the source anew.

Source: Gehring et al., 2017 (arXiv:1705.03122), section 3.3, with the factors of section 3.4. In
its letters, for a decoder layer with states h, target embeddings g, encoder outputs z and source
embeddings e:

    d[i] = (W_d h[i] + b_d + g[i]) sqrt(.5)                             (1)
    a[i, j] = exp(d[i] . z[j]) / sum over t of exp(d[i] . z[t])
    c[i] = sqrt(m) sum over j of a[i, j] (z[j] + e[j]) sqrt(.5)         (2)
    h[i] <- (W_c c[i] + b_c + h[i]) sqrt(.5)

m is how many tokens the source has: the mean of m independent vectors varies 1 / m as much as one
of them, and sqrt(m) undoes that. The factors sqrt(.5) keep the variance of sums.
"""

from keras import ops

from zoo.attention.attend import attend

_HALF = 0.5**0.5  # of a sum of two terms that vary alike, the variance of one


def multi_step_source(states, embeddings, mask):
    """Returns the keys and the values of a source, which serve all layers and all steps.

        keys[:, j] = z[j] sqrt(.5)
        values[j] = sqrt(m) (z[j] + e[j]) sqrt(.5)

    The keys carry the factor of equation 1, the values the sqrt(m) of equation 2, and the keys lie
    as the scores' matrix product reads them: what no step of a decoder then has to do.

    Args:
        states: `(B, S, E)`, z in the paper.
        embeddings: `(B, S, E)`, e in the paper.
        mask: `(B, S)`, True at real tokens. m counts them: with the padded length, a row would
            depend on its batch mates.

    Returns:
        Keys `(B, E, S)` and values `(B, S, E)`.
    """
    lengths = ops.sum(ops.cast(mask, states.dtype), axis=1)  # (B,)
    scale = ops.sqrt(lengths)[:, None, None] * _HALF
    return ops.transpose(states, (0, 2, 1)) * _HALF, (states + embeddings) * scale


def multi_step_attention(
    states,
    embeddings,
    *,
    keys,
    values,
    mask,
    query_kernel,
    query_bias,
    context_kernel,
    context_bias,
):
    """Returns a decoder layer's states after they asked the source; equations above.

    Args:
        states: `(B, T, D)`, h in the paper: outputs of the layer's convolution.
        embeddings: `(B, T, E)`, g in the paper: of the target's tokens, with their positions.
        keys: `(B, E, S)`, of `multi_step_source`.
        values: `(B, S, E)`, of `multi_step_source`.
        mask: `(B, S)`, True where a query may attend.
        query_kernel: `(D, E)`, `W_d` in the paper.
        query_bias: `(E,)`, `b_d` in the paper.
        context_kernel: `(E, D)`, of the projection of c back to the states' width.
        context_bias: `(D,)`.

    Returns:
        The states `(B, T, D)` and the weights over the source `(B, T, S)`.
    """
    query = ops.matmul(states, query_kernel) + query_bias + embeddings  # (B, T, E)
    context, weights = attend(ops.matmul(query, keys), values, mask)
    return (ops.matmul(context, context_kernel) + context_bias + states) * _HALF, weights
