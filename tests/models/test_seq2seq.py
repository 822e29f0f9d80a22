"""Each option of the family does what its comment says."""

import dataclasses

import numpy as np
import pytest

from zoo.config import AttentionConfig, ConfigError
from zoo.models.seq2seq.config import Seq2SeqConfig
from zoo.models.seq2seq.model import Seq2Seq

CONFIG = Seq2SeqConfig(
    vocab_size=13, max_source_length=5, max_target_length=7, embedding_dim=3, units=4
)
SOURCE = np.array([[4, 5, 6, 7, 0], [8, 9, 0, 0, 0]], "int32")
TARGET = np.array([[2, 10, 11], [2, 12, 4]], "int32")


def _model(**changes):
    model = Seq2Seq(dataclasses.replace(CONFIG, **changes))
    model.build()
    return model


def _logits(model, source=SOURCE):
    return np.asarray(model({"source": source, "target_inputs": TARGET}))


@pytest.mark.parametrize("transfer_cell", [True, False])
def test_the_cell_state_is_handed_over_or_starts_at_zero(transfer_cell):
    state = _model(transfer_cell=transfer_cell).encode(SOURCE)
    assert np.asarray(state["layer_0_c"]).any() == transfer_cell
    assert np.asarray(state["layer_0_h"]).any()


@pytest.mark.parametrize("context", ["plain", "attention"])
def test_shared_parameters_are_one_set(context):
    own = _model(context=context).count_params()
    shared = _model(context=context, share_parameters=True).count_params()
    embedding, recurrent = 13 * 3, 4 * 4 * (3 + 4 + 1)
    assert own - shared == embedding + recurrent


def test_plain_knows_the_last_state_only():
    state = _model(context="plain").encode(SOURCE)
    assert state.keys() == {"layer_0_h", "layer_0_c"}


def test_peeky_reads_the_summary_at_every_step():
    model = _model(context="peeky")
    state = {name: np.asarray(array) for name, array in model.encode(SOURCE).items()}
    np.testing.assert_array_equal(state["summary"], state["layer_0_h"])
    other = {**state, "summary": state["summary"] + 1}
    before, changed, _ = model.decode_step(TARGET[:, 0], 0, state, model.decoder_kernels())
    after, changed_too, _ = model.decode_step(TARGET[:, 0], 0, other, model.decoder_kernels())
    assert not np.allclose(changed["layer_0_h"], changed_too["layer_0_h"])  # through the input
    kernel = model.readout.get_weights()[0]
    model.readout.set_weights([np.concatenate([kernel[:4] * 0, kernel[4:]]), kernel[0] * 0])
    again, _, _ = model.decode_step(TARGET[:, 0], 0, state, model.decoder_kernels())
    assert not np.allclose(before, again)  # and through the readout
    assert not np.allclose(before, after)


def test_attention_weighs_the_sources_states():
    model = _model(context="attention")
    state = {name: np.asarray(array) for name, array in model.encode(SOURCE).items()}
    _, changed, weights = model.decode_step(TARGET[:, 0], 0, state, model.decoder_kernels())
    scores = np.einsum("bd,bsd->bs", changed["layer_0_h"], state["source_states"])
    scores = np.where(SOURCE != 0, np.exp(scores), 0)
    np.testing.assert_allclose(weights, scores / scores.sum(axis=1, keepdims=True), atol=1e-6)


def test_a_reversed_source_is_read_from_its_end():
    model = _model(context="plain")
    backwards = _model(context="plain", reverse_source=True)
    backwards.set_weights(model.get_weights())
    turned = np.array([[7, 6, 5, 4, 0], [9, 8, 0, 0, 0]], "int32")
    np.testing.assert_allclose(_logits(backwards), _logits(model, turned), atol=1e-6)
    assert not np.allclose(_logits(backwards), _logits(model), atol=1e-6)


@pytest.mark.parametrize("cell", ["simple", "gru", "lstm"])
@pytest.mark.parametrize("num_layers", [1, 3])
def test_state_has_the_tensors_of_every_layer(cell, num_layers):
    state = _model(cell=cell, num_layers=num_layers, context="plain").encode(SOURCE)
    letters = "hc" if cell == "lstm" else "h"
    assert state.keys() == {f"layer_{i}_{x}" for i in range(num_layers) for x in letters}


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"bidirectional": True, "units": 5}, "bidirectional=True, units=5"),
        ({"bidirectional": True, "encoder_units": 5}, "bidirectional=True, encoder_units=5"),
        ({"bidirectional": True, "reverse_source": True}, "reverse_source=True"),
        ({"share_parameters": True, "bidirectional": True}, "share_parameters=True"),
        ({"share_parameters": True, "context": "peeky"}, "context='peeky'"),
        ({"share_parameters": True, "order": "bahdanau"}, "order='bahdanau'"),
        (
            {"share_parameters": True, "encoder_units": 6, "initial_state": "mean"},
            "share_parameters=True, encoder_units=6",
        ),
        ({"transfer_cell": True, "cell": "gru"}, "cell='gru', transfer_cell=True"),
        ({"transfer_cell": True, "initial_state": "mean"}, "initial_state='mean'"),
        ({"initial_state": "backward"}, "bidirectional=False, initial_state='backward'"),
        ({"encoder_units": 6}, "encoder_units=6, units=4, initial_state='last'"),
        ({"encoder_units": 6, "initial_state": "mean"}, "score='dot'"),
        ({"order": "conditional"}, "order='conditional', cell='lstm'"),
        ({"order": "bahdanau", "context": "plain"}, "context='plain', order='bahdanau'"),
        ({"context_dropout": 0.1, "context": "peeky"}, "context_dropout=0.1"),
        ({"input_feeding": True}, "input_feeding=True, readout='linear'"),
        ({"input_feeding": True, "context": "plain"}, "context='plain', input_feeding=True"),
        (
            {"input_feeding": True, "readout": "tanh", "order": "bahdanau"},
            "order='bahdanau', input_feeding=True",
        ),
        ({"tie_embeddings": "all"}, "tie_embeddings='all', readout='linear'"),
        (
            {"tie_embeddings": "output", "readout": "deep", "readout_units": 5},
            "tie_embeddings='output', readout_units=5",
        ),
        ({"readout_units": 5}, "readout='linear', readout_units=5"),
        ({"dropout": 1.0}, "dropout=1.0"),
        ({"readout_dropout": -0.1}, "readout_dropout=-0.1"),
        ({"num_layers": 0}, "num_layers=0"),
        ({"vocab_size": 4}, "vocab_size=4"),
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused(changes, named):
    with pytest.raises(ConfigError, match="Seq2SeqConfig does not accept") as caught:
        dataclasses.replace(CONFIG, **changes)
    assert named in str(caught.value)


@pytest.mark.parametrize("other", [{"normalizer": "none"}, {"window": "local_p"}], ids=str)
@pytest.mark.parametrize("selection", ["hard", "gumbel"])
def test_only_probabilities_are_drawn_from(selection, other):
    with pytest.raises(ConfigError, match=f"selection='{selection}'") as caught:
        AttentionConfig(selection=selection, **other)
    assert next(iter(other)) in str(caught.value)
