"""The family does what its paper says: variances, receptive fields, gradients, parameters."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo import models
from zoo.config import ConfigError, DecodeConfig
from zoo.models.conv_seq2seq.config import ConvSeq2SeqConfig
from zoo.models.conv_seq2seq.model import ConvSeq2Seq, DecoderLayer, EncoderLayer
from zoo.models.conv_seq2seq.task import Task

CONFIG = ConvSeq2SeqConfig(
    vocab_size=23,
    max_source_length=13,
    max_target_length=11,
    embedding_width=6,
    width=7,
    out_width=6,
    num_encoder_layers=2,
    num_decoder_layers=3,
)
UNTIED = {"share_embeddings": False, "tie_output": False, "out_width": 5}
SOURCE = np.array([[4, 5, 6, 7, 8, 9, 10, 11, 12], [13, 14, 15, 16, 17, 0, 0, 0, 0]], "int32")
TARGET = np.random.default_rng(0).integers(4, 23, (2, 11)).astype("int32")


def _model(**changes):
    keras.utils.set_random_seed(0)
    model = ConvSeq2Seq(dataclasses.replace(CONFIG, **changes))
    model.build()
    return model


def _logits(model, source=SOURCE, target=TARGET, **options):
    return np.asarray(model({"source": source, "target_inputs": target}, **options))


def _wide(width=192, **changes):
    widths = {"embedding_width": width, "width": width, "out_width": width}
    return dataclasses.replace(CONFIG, vocab_size=4000, max_source_length=64, **widths, **changes)


def _normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


# What each part does to the variance.


@pytest.mark.parametrize("kernel_width", [1, 3, 7])
def test_a_block_of_the_encoder_keeps_the_variance(kernel_width):
    keras.utils.set_random_seed(0)
    layer = EncoderLayer(_wide(encoder_kernel_width=kernel_width))
    layer.build((None, None, 192))
    outputs = layer(_normal(4, 40, 192), source_mask=np.ones((4, 40), bool))
    assert 0.5 < np.asarray(outputs).var() < 2


@pytest.mark.parametrize("kernel_width", [2, 3, 7])
@pytest.mark.parametrize("source_length", [1, 50])
def test_a_block_of_the_decoder_keeps_the_variance(kernel_width, source_length):
    keras.utils.set_random_seed(0)
    layer = DecoderLayer(_wide(decoder_kernel_width=kernel_width))
    layer.build((None, None, 192))
    source = {
        # Attention is uniform, as it is nearly where embeddings are small; values carry sqrt(m).
        "source_keys": np.zeros((4, 192, source_length), "float32"),
        "source_values": source_length**0.5 * _normal(4, source_length, 192, seed=2),
        "source_mask": np.ones((4, source_length), bool),
    }
    embeddings = _normal(4, 40, 192, seed=3)
    outputs = layer(_normal(4, 40, 192), embeddings, source, kernels=layer.kernels())
    assert 0.5 < np.asarray(outputs).var() < 2


@pytest.mark.parametrize("dropout", [0.0, 0.25])
def test_the_variance_of_the_embeddings_reaches_the_top_of_both_stacks(dropout):
    keras.utils.set_random_seed(0)
    config = _wide(num_encoder_layers=8, num_decoder_layers=8, dropout=dropout)
    model = ConvSeq2Seq(config)
    model.build()
    tokens = np.random.default_rng(0).integers(4, 4000, (8, 40)).astype("int32")
    mask = np.ones(tokens.shape, bool)
    embeddings = model.dropout(model.embedding(tokens) + model.source_positions[:40], training=True)
    start = 0.02  # the sum of two of N(0, 0.1)
    np.testing.assert_allclose(np.asarray(embeddings).var(), start / (1 - dropout), rtol=0.1)
    x = model.encoder_input(embeddings)
    for layer in model.encoder_layers:
        assert 0.5 < np.asarray(x).var() / start < 2
        x = layer(x, source_mask=mask, training=True)
    assert 0.5 < np.asarray(model.encoder_output(x)).var() / start < 2

    source, kernels = model.encode(tokens, training=True), model.decoder_kernels()
    x = model.decoder_input(embeddings)
    for layer, layer_kernels in zip(model.decoder_layers, kernels["layers"], strict=True):
        x = layer(x, embeddings, source, kernels=layer_kernels, training=True)
        assert 0.5 < np.asarray(x).var() / start < 2


# Who sees whom.


@pytest.mark.parametrize("kernel_width", [2, 3])
def test_a_token_moves_the_logits_of_its_receptive_field_and_no_others(kernel_width):
    model = _model(decoder_kernel_width=kernel_width)
    changed = TARGET.copy()
    changed[:, 2] = 4 + (TARGET[:, 2] - 3) % 19
    assert (changed[:, 2] != TARGET[:, 2]).all()
    moved = np.abs(_logits(model, target=changed) - _logits(model)).max(axis=-1) > 0
    last = 2 + 3 * (kernel_width - 1)  # three layers
    places = np.arange(11)
    np.testing.assert_array_equal(moved, np.tile((2 <= places) & (places <= last), (2, 1)))


@pytest.mark.parametrize("kernel_width", [1, 3, 5])
def test_a_source_token_moves_the_keys_of_its_receptive_field_and_no_others(kernel_width):
    model = _model(encoder_kernel_width=kernel_width)
    changed = SOURCE.copy()
    changed[:, 4] = 20
    keys, changed_keys = (
        np.asarray(model.encode(source)["source_keys"]) for source in (SOURCE, changed)
    )
    moved = np.abs(changed_keys - keys).max(axis=1) > 0
    reach = 2 * (kernel_width // 2)  # two layers
    real = SOURCE != 0
    np.testing.assert_array_equal(moved[real], (np.abs(np.arange(9) - 4) <= reach + 0 * real)[real])


def test_padding_reads_as_the_zeros_beside_a_sequence():
    model = _model()
    before = _logits(model)
    table = np.array(model.embedding.embeddings)
    table[0] = 100
    model.embedding.embeddings.assign(table)
    other_logits = [index for index in range(23) if index != 0]  # the table is the readout, too
    np.testing.assert_array_equal(_logits(model)[..., other_logits], before[..., other_logits])


def test_batch_mates_and_padding_change_nothing():
    model = _model()
    alone = _logits(model, SOURCE[1:, :5], TARGET[1:])
    np.testing.assert_allclose(_logits(model)[1:], alone, atol=1e-6)


def test_a_target_may_be_padded_to_the_longest_source():
    model = _model()
    padded = np.pad(TARGET, ((0, 0), (0, 2)))
    np.testing.assert_allclose(_logits(model, target=padded)[:, :11], _logits(model), atol=1e-6)


# Training and decoding.


def test_the_encoders_gradient_is_shared_by_all_attentions():
    model = _model(dropout=0.0)
    gradients = []
    for training in (True, False):
        with tf.GradientTape() as tape:
            logits = model({"source": SOURCE, "target_inputs": TARGET}, training=training)
            loss = tf.reduce_sum(logits * _normal(2, 11, 23))
        weights = model.trainable_variables
        found = tape.gradient(loss, [weight.value for weight in weights])
        gradients.append({w.path: np.asarray(g) for w, g in zip(weights, found, strict=True)})
    scaled, whole = gradients
    for path in whole:
        if "encoder" in path:  # reached through the encoder's outputs alone
            np.testing.assert_allclose(6 * scaled[path], whole[path], rtol=1e-3, atol=1e-5)
        elif "decoder" in path or "target" in path:
            np.testing.assert_allclose(scaled[path], whole[path], rtol=1e-3, atol=1e-5)
    path = "source_positions"  # through them, and added to the values
    [path] = [name for name in whole if path in name]
    assert not np.allclose(6 * scaled[path], whole[path], atol=1e-3)
    assert not np.allclose(scaled[path], whole[path], atol=1e-3)


@pytest.mark.parametrize("changes", [{}, UNTIED, {"decoder_kernel_width": 5}], ids=str)
def test_steps_equal_the_forward_pass(changes):
    task = Task(_model(**changes), DecodeConfig())
    parallel = _logits(task.model)
    state = task.start(SOURCE)
    for position in range(11):
        logits, changed, weights = task.step(
            TARGET[:, position], np.array(position, "int32"), state
        )
        np.testing.assert_allclose(logits, parallel[:, position], rtol=0, atol=1e-5)
        np.testing.assert_allclose(np.sum(weights, axis=1), 1, atol=1e-6)
        state = {**state, **changed}


def test_the_alignment_is_the_mean_of_all_layers():
    task = Task(_model(), DecodeConfig())
    found = {}

    def step_of(layer):
        original = layer.step

        def step(*arguments, **options):
            outputs = original(*arguments, **options)
            found[layer.name] = np.asarray(outputs[2])[:, 0]
            return outputs

        return step

    for layer in task.model.decoder_layers:
        object.__setattr__(layer, "step", step_of(layer))
    # Larger queries, so that the layers differ.
    for layer in task.model.decoder_layers:
        layer.query_projection.gain.assign(200 * np.asarray(layer.query_projection.gain))
    _, _, weights = task.step(TARGET[:, 0], np.array(0, "int32"), task.start(SOURCE))
    assert len(found) == 3
    first, second, third = found.values()
    assert np.abs(first - second).max() > 0.01
    np.testing.assert_allclose(weights, (first + second + third) / 3, atol=1e-6)


@pytest.mark.parametrize("beam_size", [1, 3])
def test_a_search_normalizes_the_weights_once(beam_size, monkeypatch):
    task = Task(_model(), DecodeConfig())

    def normalizes(*arguments):
        return task.model.decode_step(*arguments, task.model.decoder_kernels())

    with monkeypatch.context() as patched:
        patched.setattr(task, "_stepper", lambda: normalizes)  # once a step
        expected = task.generate(SOURCE, beam_size=beam_size)
    calls = []
    original = task.model.decoder_kernels
    monkeypatch.setattr(task.model, "decoder_kernels", lambda: calls.append(1) or original())
    actual = task.generate(SOURCE, beam_size=beam_size)
    assert len(calls) == 1
    for name, array in expected.items():
        np.testing.assert_array_equal(actual[name], array, err_msg=name)


def test_a_weight_changed_after_a_search_changes_the_next():
    task = Task(_model(), DecodeConfig())
    before = np.asarray(task.generate(SOURCE)["scores"])
    task.model.decoder_output.gain.assign(9 * np.asarray(task.model.decoder_output.gain))
    assert not np.allclose(task.generate(SOURCE)["scores"], before)


@pytest.mark.parametrize("name", ["conv_seq2seq_test"])
def test_a_tflite_holds_kernels_and_no_norms(exported, name):
    from tensorflow.lite.python import schema_py_generated as schema

    # As other tests export it, which takes long.
    content = exported(name, "litert", quantize="none", beam_size=3).read("model.tflite")
    file = schema.ModelT.InitFromPackedBuf(content)
    codes = {max(code.builtinCode, code.deprecatedBuiltinCode) for code in file.operatorCodes}
    norms = {schema.BuiltinOperator.RSQRT, schema.BuiltinOperator.SQUARE}
    assert not codes & norms
    assert schema.BuiltinOperator.SQRT in codes  # of the source's length, so names are not stale
    kernels = [
        tuple(tensor.shape)
        for graph in file.subgraphs
        for tensor in graph.tensors
        if tensor.type == schema.TensorType.FLOAT32 and len(tensor.shape) == 2
    ]
    assert (64, 3 * 32) in kernels  # a decoder's convolution, as its step multiplies by it


# Sizes.


def test_parameters_are_those_counted_by_hand():
    preset = models.preset("conv_seq2seq_multi30k_en_de")
    model = ConvSeq2Seq(preset.model)
    model.build()
    block = 3 * 192 * 384 + 2 * 384  # kernel, gains, biases
    linear = 192 * 192 + 2 * 192
    embeddings = 4000 * 192 + 2 * 64 * 192
    expected = (
        embeddings
        + 4 * block
        + 3 * (block + 2 * linear)
        + 4 * linear  # in front of and behind both stacks
        + 4000  # biases of the logits
    )
    assert model.count_params() == expected == 2_722_720


def test_own_tables_and_an_own_readout_are_so_many_more():
    tied, untied = _model(), _model(**UNTIED)
    narrower = 7 * (6 - 5) + 2  # of the layer in front of the logits
    readout = 5 * 23 + 2 * 23 - 23
    assert untied.count_params() - tied.count_params() == 23 * 6 + readout - narrower


def test_dropout_acts_in_training_only():
    model = _model(dropout=0.5)
    np.testing.assert_array_equal(_logits(model), _logits(model))
    assert not np.allclose(_logits(model, training=True), _logits(model))


@pytest.mark.parametrize(
    "changes",
    [
        {"encoder_kernel_width": 4},
        {"decoder_kernel_width": 1},
        {"out_width": 5},
        {"dropout": 1.0},
        {"num_encoder_layers": 0},
        {"num_decoder_layers": 0},
        {"vocab_size": 4},
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused(changes):
    with pytest.raises(ConfigError, match="ConvSeq2SeqConfig does not accept"):
        dataclasses.replace(CONFIG, **changes)
