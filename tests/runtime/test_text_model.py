"""What a model of texts refuses, called from Python."""

import sys

import pytest
from conftest import NAME

import zoo

TEXT = "september 27, 1994"


@pytest.mark.parametrize(("beam_size", "n"), [(1, 0), (1, 2), (4, 5), (4, -1)])
def test_more_results_than_the_beam_holds_are_refused(beam_size, n):
    model = zoo.load(NAME, beam_size=beam_size)
    with pytest.raises(zoo.ZooError, match=f"1 to the beam size, here {beam_size}. Received: {n}"):
        model.n_best([TEXT], n)


@pytest.mark.parametrize("beam_size", ["4", 2.0, None])
def test_a_beam_size_that_is_no_whole_number_is_refused(beam_size):
    with pytest.raises(zoo.ZooError, match="beam_size must be a whole number"):
        zoo.load(NAME, beam_size=beam_size)


def test_building_a_model_without_keras_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "keras", None)
    with pytest.raises(zoo.ZooError, match=r"needs the package keras.*attention-zoo\[train\]"):
        zoo.build(NAME)
