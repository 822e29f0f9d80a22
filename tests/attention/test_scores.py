"""Every score against a slow loop written from its paper."""

import math

import numpy as np
import pytest
import reference

from zoo import attention

GENERATOR = np.random.default_rng(0)
QUERY, KEYS = GENERATOR.normal(size=(2, 3, 7)), GENERATOR.normal(size=(2, 5, 7))
WIDE_KEYS = GENERATOR.normal(size=(2, 5, 11))
BILINEAR = GENERATOR.normal(size=(7, 11))
QUERY_KERNEL, KEY_KERNEL = GENERATOR.normal(size=(7, 13)), GENERATOR.normal(size=(11, 13))
VECTOR = GENERATOR.normal(size=13)
LOCATION = GENERATOR.normal(size=(7, 17))


def _additive(query, key):
    sums = zip(reference.times(query, QUERY_KERNEL), reference.times(key, KEY_KERNEL), strict=True)
    return reference.dot(VECTOR, [math.tanh(one + other) for one, other in sums])


def _cosine(query, key):
    norms = math.sqrt(reference.dot(query, query)) * math.sqrt(reference.dot(key, key))
    return reference.dot(query, key) / norms


CASES = {
    "dot": (attention.dot_scores, KEYS, {}, reference.dot),
    "scaled_dot": (
        attention.scaled_dot_scores,
        KEYS,
        {},
        lambda query, key: reference.dot(query, key) / math.sqrt(7),
    ),
    "general": (
        attention.general_scores,
        WIDE_KEYS,
        {"kernel": BILINEAR},
        lambda query, key: reference.dot(reference.times(query, BILINEAR), key),
    ),
    "additive": (
        attention.additive_scores,
        WIDE_KEYS,
        {"query_kernel": QUERY_KERNEL, "key_kernel": KEY_KERNEL, "vector": VECTOR},
        _additive,
    ),
    "concat": (
        attention.concat_scores,
        WIDE_KEYS,
        {"kernel": np.concatenate([QUERY_KERNEL, KEY_KERNEL]), "vector": VECTOR},
        _additive,
    ),
    "cosine": (attention.cosine_scores, KEYS, {}, _cosine),
}


@pytest.mark.parametrize("name", CASES)
def test_scores_are_those_of_the_paper(name):
    function, keys, parameters, score = CASES[name]
    single = {key: value.astype("float32") for key, value in parameters.items()}
    actual = function(QUERY.astype("float32"), keys.astype("float32"), **single)
    expected = reference.scores(QUERY, keys, score)
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-4)


def test_location_scores_know_the_query_alone():
    actual = attention.location_scores(
        QUERY.astype("float32"), kernel=LOCATION.astype("float32"), source_length=5
    )
    for b, t, s in np.ndindex(2, 3, 5):
        expected = reference.dot(QUERY[b, t], LOCATION[:, s])
        np.testing.assert_allclose(actual[b, t, s], expected, atol=1e-5)


def test_general_with_the_identity_is_dot():
    query, keys = QUERY.astype("float32"), KEYS.astype("float32")
    expected = attention.dot_scores(query, keys)
    actual = attention.general_scores(query, keys, kernel=np.eye(7, dtype="float32"))
    np.testing.assert_allclose(actual, expected, atol=1e-6)


def test_keys_may_be_multiplied_once_for_all_steps():
    parameters = {"query_kernel": QUERY_KERNEL, "vector": VECTOR}
    at_once = attention.additive_scores(QUERY, WIDE_KEYS, key_kernel=KEY_KERNEL, **parameters)
    before = attention.additive_scores(QUERY, WIDE_KEYS @ KEY_KERNEL, key_kernel=None, **parameters)
    np.testing.assert_allclose(at_once, before)


def test_cosine_of_zeros_is_zero():
    keys = np.zeros((1, 2, 3), "float32")
    np.testing.assert_array_equal(attention.cosine_scores(keys, keys), np.zeros((1, 2, 2)))


@pytest.mark.parametrize("name", ["dot", "scaled_dot", "cosine"])
def test_unequal_widths_are_refused(name):
    with pytest.raises(ValueError, match="equally wide"):
        CASES[name][0](QUERY, WIDE_KEYS)


def test_a_kernel_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="a row for each column"):
        attention.concat_scores(QUERY, KEYS, kernel=QUERY_KERNEL, vector=VECTOR)
