"""What every training on stories begins with, and what it shows of its answers."""

from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from zoo import layout, paths
from zoo.config import Preset
from zoo.data import open_data
from zoo.data.stories import SPLITS, EncodedStories, Example, Stories, encode_examples
from zoo.models.story_task import StoryTask
from zoo.text.tokenizer import Tokenizer, train_tokenizer
from zoo.training.run_folder import RunFolder


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


def start_training(
    task_class: type[StoryTask],
    preset: Preset,
    *,
    output: Path,
    data_dir: Path | None,
    command: str,
    resume: bool,
) -> tuple[StoryTask, TrainingStories, RunFolder]:
    """Returns a new model's task, its data, and the folder of its training, with the tokenizer.

    Raises:
        ZooError: If `output` is no new folder, or with `resume` not that of this training.
    """
    if not resume:
        paths.require_new_folder(output)
    data = training_stories(preset, data_dir=data_dir)
    run = RunFolder(output, preset, command=command, resume=resume)
    keras.utils.set_random_seed(preset.train.seed)
    run.write(layout.TOKENIZER, data.tokenizer.model)
    return task_class.from_preset(preset), data, run
