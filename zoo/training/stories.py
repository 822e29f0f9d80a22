"""What every training on stories begins with, and what it shows of its answers."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zoo.config import Preset
from zoo.data import open_data
from zoo.data.stories import SPLITS, EncodedStories, Example, Stories, encode_examples
from zoo.text.tokenizer import Tokenizer, train_tokenizer


@dataclass(frozen=True)
class TrainingStories:
    """A preset's stories, its tokenizer, and the questions of each split, as texts and arrays."""

    stories: Stories
    tokenizer: Tokenizer
    examples: dict[str, list[Example]]
    encoded: dict[str, EncodedStories]

    def sample(self, answers: np.ndarray) -> str:
        """Returns a few validation questions of several tasks, with answers `(N,)` to read."""
        right = self.encoded["validation"].answer
        shown = np.unique(np.linspace(0, len(answers) - 1, num=6, dtype=int))
        return "\n".join(
            f"  {'ok ' if answers[row] == right[row] else 'not'} {example.question} -> "
            f"{self.tokenizer.decode([answers[row]])} ({example.answer})"
            for row, example in ((row, self.examples["validation"][row]) for row in shown)
        )


def training_stories(preset: Preset, *, data_dir: Path | None) -> TrainingStories:
    """Returns the stories of `preset`, and a tokenizer of their words.

    Raises:
        ZooError: If the data is not there, or has not as many words as the model knows.
    """
    stories = open_data(preset, data_dir=data_dir)
    tokenizer = train_tokenizer(
        stories.training_texts(), kind=preset.data.tokenizer, vocab_size=preset.model.vocab_size
    )
    examples = {split: stories.examples(split) for split in SPLITS}
    encoded = {
        split: encode_examples(part, tokenizer, preset.model) for split, part in examples.items()
    }
    return TrainingStories(stories, tokenizer, examples, encoded)
