"""Models with weights that were drawn, and their exports: what is there to be timed."""

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from contest import SPAWN, note

from zoo import console, layout
from zoo.errors import ZooError
from zoo.text.tokenizer import Tokenizer


def model(folder: Path, draw: Callable[..., None], *arguments) -> Path:
    """Returns `folder` with the model that `draw(folder, *arguments)` makes, if none is there."""
    if not (folder / layout.MANIFEST).is_file():
        # In a process of its own: TensorFlow's threads are none of this one's.
        process = SPAWN.Process(target=_seeded, args=(draw, folder, *arguments))
        process.start()
        process.join()
        if process.exitcode:
            raise ZooError(f"No model of this shape could be made in {folder}.")
    return folder


@console.native_notices_muted()
def _seeded(draw: Callable[..., None], *arguments) -> None:
    import keras

    keras.utils.set_random_seed(0)
    draw(*arguments)


def save(folder: Path, task, preset, tokenizer: Tokenizer | None = None) -> None:
    """Writes a model as a training does."""
    from zoo.training.run_folder import RunFolder

    # Resumed, so that a folder that was left unfinished is no obstacle.
    run = RunFolder(folder, preset, command="python tools/compare_peers.py", resume=True)
    if tokenizer is not None:
        run.write(layout.TOKENIZER, tokenizer.model)
    run.finish(task, preset)


def exported(model: Path, name: str, options: Sequence[str]) -> Path:
    """Returns the folder of a model's export beside it, which is made where it is not there."""
    to = model.parent / name
    made = [path.parent for path in to.glob(f"*/1/{layout.MANIFEST}")]
    if not made:
        note(f"Exporting {to}")
        command = [sys.executable, "-m", "zoo", "export", str(model), "--to", str(to), *options]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise ZooError(f"zoo export: {done.stderr.strip()}")
        made = [path.parent for path in to.glob(f"*/1/{layout.MANIFEST}")]
    [folder] = made
    return folder
