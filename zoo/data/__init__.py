"""Reads data sets and makes arrays of them."""

from pathlib import Path

from zoo.config import Preset


def open_data(preset: Preset, *, data_dir: Path | None = None):
    """Returns the data set of `preset`: pairs of texts, stories, or sequences that are drawn.

    See `zoo.data.dataset.open_dataset`, `zoo.data.stories.open_stories` and
    `zoo.data.algorithmic.TestSequences`.
    """
    if preset.modality == "sequence":
        from zoo.data.algorithmic import TestSequences

        return TestSequences(preset.data)
    if preset.modality == "story":
        from zoo.data.stories import TASKS, open_stories

        data = preset.data
        tasks = TASKS if data.task is None else (data.task,)
        return open_stories(data.name, size=data.size, tasks=tasks, data_dir=data_dir)
    from zoo.data.dataset import open_dataset

    return open_dataset(preset.data, data_dir=data_dir)
