"""The Transformer's sizes and choices, as its papers state them."""

import keras
import numpy as np
import pytest

from zoo.config import ConfigError
from zoo.models.transformer.config import TransformerConfig
from zoo.models.transformer.model import Transformer


def _model(**changes):
    settings = {"vocab_size": 50, "max_source_length": 16, "max_target_length": 16, "width": 16}
    settings |= {"feed_forward_width": 24, "num_heads": 2}
    keras.utils.set_random_seed(0)
    model = Transformer(TransformerConfig(**settings | changes))
    model.build()
    return model


def _inputs():
    generator = np.random.default_rng(0)
    return {
        "source": generator.integers(4, 50, (3, 9)).astype("int32"),
        "target_inputs": generator.integers(4, 50, (3, 7)).astype("int32"),
    }


def test_transformer_tiny_has_as_many_parameters_as_its_paper_says():
    # Wu et al., 2021, table 1: 2.6 million, with a joined dictionary of 9,712.
    config = TransformerConfig(vocab_size=9712, max_source_length=64, max_target_length=64)
    model = Transformer(config)
    model.build()
    table, encoder_layer, decoder_layer = 9712 * 128, 132480, 198784
    assert model.count_params() == table + 4 * encoder_layer + 4 * decoder_layer == 2568192


def test_three_tables_are_three_times_one():
    shared, apart = _model(), _model(share_embeddings=False)
    assert apart.count_params() - shared.count_params() == 2 * 50 * 16


def test_pre_norm_has_two_more_normalizations():
    assert _model(norm="pre").count_params() - _model().count_params() == 2 * 2 * 16


def test_learned_positions_are_trained():
    model = _model(positions="learned")
    assert "positions" in {weight.name for weight in model.trainable_weights}
    assert model.count_params() - _model().count_params() == 16 * 16


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_positions_tell_the_order_of_the_source(norm):
    model, inputs = _model(norm=norm), _inputs()
    turned = {**inputs, "source": inputs["source"][:, ::-1]}
    assert np.abs(np.asarray(model(inputs)) - np.asarray(model(turned))).max() > 1e-3


def test_the_alignment_is_that_of_the_layer_asked_for():
    inputs = _inputs()
    found = []
    for layer in (0, -1):
        model = _model(alignment_layer=layer, num_decoder_layers=2)
        state = model.encode(inputs["source"])
        for index in range(2):
            for name in ("keys", "values"):
                state[f"layer_{index}_{name}"] = np.zeros((3, 2, 16, 8), "float32")
        _, _, weights = model.decode_step(
            inputs["target_inputs"][:, 0], np.int32(0), state, model.decoder_kernels()
        )
        assert weights.shape == (3, 2, 9)
        np.testing.assert_allclose(np.sum(weights, axis=-1), 1, atol=1e-5)
        found.append(np.asarray(weights))
    assert np.abs(found[0] - found[1]).max() > 1e-4


@pytest.mark.parametrize(
    "changes",
    [
        {"width": 15},
        {"num_heads": 3},
        {"alignment_layer": 4},
        {"alignment_layer": -5},
        {"dropout": 1.0},
    ],
)
def test_what_makes_no_transformer_is_refused(changes):
    [name] = changes
    with pytest.raises(ConfigError, match=name):
        _model(**changes)
