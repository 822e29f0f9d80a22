"""How the heads of a Neural Turing machine find their rows of a memory, read it and write to it.

    weights = address(memory, previous, keys=..., strengths=..., gates=..., shifts=...,
                      sharpness=...)
    vectors = read(memory, weights)
    memory = write(memory, weights, erase_vectors=..., add_vectors=...)

Shapes: B batch, H heads, N rows of the memory, W width of a row (the paper's M), R the radius of a
shift. Weights `(B, H, N)` are at least 0, and a head's sum to 1. Rows lie in a circle: after row
N - 1 comes row 0.

Source of all: Graves, Wayne and Danihelka, 2014 (arXiv:1410.5401), sections 3.1 to 3.3.
"""

from keras import ops

from zoo.attention.scores import cosine_scores

_EPSILON = 1e-8  # keeps the logarithm of a weight of 0 finite, and its gradient


def content_weights(memory, *, keys, strengths):
    """Returns weights by how like its key each row is, `(B, H, N)`.

        w[b, h] = softmax over i of strengths[b, h] cos(keys[b, h], memory[b, i])

    Args:
        memory: `(B, N, W)`.
        keys: `(B, H, W)`, k in the paper.
        strengths: `(B, H)`, beta in the paper, at least 0: at 0 all rows weigh alike, and the
            greater it is, the more the likest row has.

    Source: equations 5 and 6.
    """
    return ops.softmax(strengths[:, :, None] * cosine_scores(keys, memory), axis=-1)


def interpolate(weights, previous, *, gates):
    """Returns weights between what the content says and where the head was, `(B, H, N)`.

        w[b, h, i] = gates[b, h] weights[b, h, i] + (1 - gates[b, h]) previous[b, h, i]

    Args:
        weights: `(B, H, N)`, by content.
        previous: `(B, H, N)`, those of the step before.
        gates: `(B, H)`, g in the paper, 0 to 1.

    Source: equation 7.
    """
    gates = gates[:, :, None]
    return gates * weights + (1.0 - gates) * previous


def shift(weights, shifts):
    """Returns the weights moved along the circle of rows, `(B, H, N)`.

        w[b, h, i] = sum over j from -R to R of shifts[b, h, R + j] weights[b, h, (i - j) mod N]

    What is at row i goes to row i + j in the share `shifts[b, h, R + j]`: first comes the share
    that moves back by R, in the middle the share that stays, last the one that moves on by R.

    Args:
        weights: `(B, H, N)`.
        shifts: `(B, H, 2 R + 1)`, s in the paper, at least 0, with the sum 1.

    Raises:
        ValueError: If there is no middle, or are more shifts than rows.

    Source: equation 8.
    """
    rows, count = weights.shape[-1], shifts.shape[-1]
    if count % 2 == 0 or count > rows:
        raise ValueError(
            "shifts must be an odd number of them, and at most as many as rows. Received: "
            f"shifts.shape={shifts.shape}, weights.shape={weights.shape}."
        )
    radius = count // 2
    if not radius:
        return weights * shifts
    # Slices of the circle cut open, its ends repeated: no roll, gather or Fourier transform, which
    # not every runtime has.
    circle = ops.concatenate([weights[..., -radius:], weights, weights[..., :radius]], axis=-1)
    moved = 0.0
    for index in range(count):
        start = count - 1 - index
        moved = moved + shifts[..., index : index + 1] * circle[..., start : start + rows]
    return moved


def sharpen(weights, *, sharpness):
    """Returns the weights raised to a power, so that the large ones gain, `(B, H, N)`.

        w[b, h, i] = weights[b, h, i]^gamma / sum over n of weights[b, h, n]^gamma

    Args:
        weights: `(B, H, N)`.
        sharpness: `(B, H)`, gamma[b, h], at least 1; 1 changes nothing.

    Source: equation 9. Computed as a softmax of logarithms: a bare power has no gradient at 0, and
    the powers of many small weights may all be 0 in float32.
    """
    return ops.softmax(sharpness[:, :, None] * ops.log(weights + _EPSILON), axis=-1)


def address(memory, previous, *, keys, strengths, gates, shifts, sharpness):
    """Returns each head's weights, by content and then by location, `(B, H, N)`.

    Args:
        memory: `(B, N, W)`.
        previous: `(B, H, N)`, the weights of the step before.
        keys: `(B, H, W)`; see `content_weights`.
        strengths: `(B, H)`; see `content_weights`.
        gates: `(B, H)`; see `interpolate`.
        shifts: `(B, H, 2 R + 1)`; see `shift`.
        sharpness: `(B, H)`; see `sharpen`.

    Source: figure 2.
    """
    weights = content_weights(memory, keys=keys, strengths=strengths)
    weights = interpolate(weights, previous, gates=gates)
    return sharpen(shift(weights, shifts), sharpness=sharpness)


def read(memory, weights):
    """Returns what each head reads, `(B, H, W)`.

        r[b, h] = sum over i of weights[b, h, i] memory[b, i]

    Args:
        memory: `(B, N, W)`.
        weights: `(B, H, N)`.

    Source: equation 2.
    """
    return ops.matmul(weights, memory)


def erase(memory, weights, vectors):
    """Returns the memory after one head erased, `(B, N, W)`.

        m[b, i] = memory[b, i] (1 - weights[b, i] vectors[b])

    Args:
        memory: `(B, N, W)`.
        weights: `(B, N)`, the head's.
        vectors: `(B, W)`, e in the paper, 0 to 1: which columns to erase.

    Source: equation 3.
    """
    return memory * (1.0 - weights[:, :, None] * vectors[:, None])


def add(memory, weights, vectors):
    """Returns the memory after one head added, `(B, N, W)`.

        m[b, i] = memory[b, i] + weights[b, i] vectors[b]

    Args:
        memory: `(B, N, W)`.
        weights: `(B, N)`, the head's.
        vectors: `(B, W)`, a in the paper.

    Source: equation 4.
    """
    return memory + weights[:, :, None] * vectors[:, None]


def write(memory, weights, *, erase_vectors, add_vectors):
    """Returns the memory after every head erased and then added, `(B, N, W)`.

    Args:
        memory: `(B, N, W)`.
        weights: `(B, H, N)`.
        erase_vectors: `(B, H, W)`; see `erase`.
        add_vectors: `(B, H, W)`; see `add`.

    Deviation: the paper lets all heads erase before any adds. Here the heads write one after
    another, so that a later one may erase what an earlier one added.
    """
    for head in range(weights.shape[1]):
        memory = erase(memory, weights[:, head], erase_vectors[:, head])
        memory = add(memory, weights[:, head], add_vectors[:, head])
    return memory
