import pytest

from zoo.evaluation.exact_match import exact_match


def test_it_is_the_fraction_of_equal_texts():
    assert exact_match(["a", "b ", "c", "d"], ["a", "b", "c", "D"]) == 0.5


@pytest.mark.parametrize(("predictions", "references"), [([], []), (["a"], ["a", "b"])])
def test_nothing_to_compare_is_refused(predictions, references):
    with pytest.raises(ValueError, match="as many predictions as references"):
        exact_match(predictions, references)
