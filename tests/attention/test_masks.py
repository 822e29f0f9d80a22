import numpy as np

from zoo import attention


def test_padding_mask_is_true_at_tokens():
    tokens = np.array([[5, 3, 0], [0, 0, 0]])
    mask = attention.padding_mask(tokens, pad_id=0)
    np.testing.assert_array_equal(mask, [[True, True, False], [False, False, False]])


def test_padding_mask_takes_the_padding_id_it_is_given():
    mask = attention.padding_mask(np.array([[5, 3, 0]]), pad_id=3)
    np.testing.assert_array_equal(mask, [[True, False, True]])


def test_a_position_may_attend_to_itself_and_before():
    expected = [[row >= column for column in range(4)] for row in range(4)]
    np.testing.assert_array_equal(attention.causal_mask(4), expected)
