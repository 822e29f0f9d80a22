import numpy as np
import pytest
import reference

from zoo import attention


def test_dot_scores_are_those_of_the_paper():
    generator = np.random.default_rng(0)
    query, keys = generator.normal(size=(2, 3, 7)), generator.normal(size=(2, 5, 7))
    actual = attention.dot_scores(query.astype("float32"), keys.astype("float32"))
    np.testing.assert_allclose(actual, reference.dot_scores(query, keys), atol=1e-5)


def test_dot_scores_of_unequal_widths_are_refused():
    with pytest.raises(ValueError, match="equally wide"):
        attention.dot_scores(np.zeros((2, 3, 7)), np.zeros((2, 5, 11)))
