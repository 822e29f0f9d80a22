"""Learning which of several networks a story and its question are for, by their words alone."""

import keras
import numpy as np

from zoo.data.stories import EncodedStories
from zoo.models.entity_network.model import EntityNetwork, words_in

_QUESTIONS = 2000  # of each network, at most
_EPOCHS = 20
_BATCH = 256  # questions whose words are looked up at once


def learn_choice(
    model: EntityNetwork,
    examples: EncodedStories,
    parts: list[np.ndarray],
    *,
    seed: int,
) -> None:
    """Gives `model` what it chooses its networks by: a softmax regression, by Adam.

    Args:
        model: Of several networks.
        examples: Questions with their stories.
        parts: The rows of `examples` that each network was trained on, not empty.
        seed: Of the draw of questions and of their order.
    """
    generator = np.random.default_rng(seed)
    rows = [generator.permutation(part)[:_QUESTIONS] for part in parts]
    labels = np.repeat(np.arange(len(rows)), [len(part) for part in rows])
    rows = np.concatenate(rows)
    features = _in_batches(
        lambda inputs: keras.ops.concatenate(
            [words_in(words, model.config) for words in inputs.values()], axis=-1
        ),
        examples,
        rows,
    )
    order = generator.permutation(len(rows))
    dense = keras.layers.Dense(len(parts), kernel_initializer="zeros")
    regression = keras.Sequential([keras.Input(features.shape[1:]), dense])
    regression.compile(
        optimizer=keras.optimizers.Adam(0.01),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    regression.fit(
        features[order], labels[order], batch_size=64, epochs=_EPOCHS, shuffle=False, verbose=0
    )
    by_story, by_question = np.split(keras.ops.convert_to_numpy(dense.kernel), 2)
    model.choice["choice_by_story"].assign(by_story)
    model.choice["choice_by_question"].assign(by_question)
    model.choice["choice_bias"].assign(dense.bias)


def chosen(model: EntityNetwork, examples: EncodedStories) -> np.ndarray:
    """Returns the network that each question is for, as `model` chooses, `(N,)`."""
    scores = _in_batches(model.choose, examples, np.arange(len(examples)))
    return scores.argmax(axis=-1)


def _in_batches(function, examples: EncodedStories, rows: np.ndarray) -> np.ndarray:
    """Returns `function` of the stories and questions of `rows`."""
    found = []
    for start in range(0, len(rows), _BATCH):
        some = rows[start : start + _BATCH]
        inputs = {"story": examples.story(some), "question": examples.question[some]}
        found.append(keras.ops.convert_to_numpy(function(inputs)))
    return np.concatenate(found)
