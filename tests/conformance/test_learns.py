"""One batch is learnt, and every weight takes part."""

import keras
import numpy as np
import pytest
from cases import COSTLIEST_TINY, COSTLY_TINY, batch

import zoo
from zoo.text.tokenizer import PAD_ID
from zoo.training.losses import TokenCrossEntropy


@pytest.mark.parametrize("name", COSTLY_TINY)
def test_one_batch_is_learnt_by_every_weight(name):
    task, arrays = zoo.build(name, seed=0), batch(name)
    targets = arrays.pop("target_outputs")
    model = task.model
    model.compile(
        optimizer=keras.optimizers.Adam(1e-2, global_clipnorm=5.0),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=PAD_ID),
    )
    before = [weight.numpy() for weight in model.trainable_weights]
    losses = []

    def stop_once_learnt(epoch, logs):
        losses.append(logs["loss"])
        model.stop_training = losses[-1] < 0.2 * losses[0]

    model.fit(
        arrays,
        targets,
        epochs=160,  # without attention, where all of the source is in one vector, it takes most
        batch_size=len(targets),
        callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=stop_once_learnt)],
        verbose=0,
    )
    for weight, start in zip(model.trainable_weights, before, strict=True):
        assert not np.array_equal(weight.numpy(), start), weight.path
    assert losses[-1] < 0.2 * losses[0]


@pytest.mark.parametrize("name", COSTLIEST_TINY)
def test_mixed_precision_learns_too(name):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model, arrays = zoo.build(name, seed=0).model, batch(name)
        targets = arrays.pop("target_outputs")
        model.compile(keras.optimizers.Adam(1e-2), loss=TokenCrossEntropy(pad_id=PAD_ID))
        history = model.fit(arrays, targets, epochs=20, batch_size=len(targets), verbose=0)
        assert model(arrays).dtype == "bfloat16"
    finally:
        keras.config.set_dtype_policy(before)
    assert history.history["loss"][-1] < 0.8 * history.history["loss"][0]
