"""Trains a preset that reads a text and writes a text, whatever its family."""

import functools
from pathlib import Path

from zoo.config import Preset
from zoo.models import family_module


def train(
    preset: Preset, *, output: Path, data_dir: Path | None, command: str, resume: bool
) -> None:
    """Trains `preset` in the folder `output` and writes its model there.

    After each epoch the model is scored on the validation split, or on the test split of a data set
    that has no other: by greedy search, and by the `cross_entropy` (nats) of a token, which differs
    from the loss in having no label smoothing.

    Args:
        preset: What to train.
        output: A new folder, or with `resume` the folder of a training that was stopped.
        data_dir: Folder of data sets; None makes or finds the data as `open_dataset` does.
        command: The command line, for the report.
        resume: Go on from the last checkpoint in `output`.
    """
    # Here, so that the command line answers a wrong option before a framework starts.
    import keras
    import numpy as np

    from zoo import layout, paths, registry, weights
    from zoo.data.batches import encode_pairs
    from zoo.data.dataset import open_dataset
    from zoo.evaluation.cross_entropy import cross_entropy
    from zoo.evaluation.evaluate import score
    from zoo.models.restore import restore_task
    from zoo.runtime.keras_engine import KerasEngine
    from zoo.runtime.text_model import TextModel
    from zoo.text.tokenizer import Tokenizer, train_tokenizer
    from zoo.training.fit import fit
    from zoo.training.run_folder import RunFolder

    if not resume:
        paths.require_new_folder(output)
    dataset = open_dataset(preset.data, data_dir=data_dir)
    split = "validation" if "validation" in dataset.manifest["splits"] else "test"
    train_pairs, scored_pairs = dataset.pairs("train"), dataset.pairs(split)
    start = preset.train.start_from and registry.resolve(preset.train.start_from)
    if start:
        tokenizer = Tokenizer(start.read(layout.TOKENIZER))
    else:
        tokenizer = train_tokenizer(
            (text for pair in train_pairs for text in pair),
            kind=preset.data.tokenizer,
            vocab_size=preset.model.vocab_size,
        )
    keras.utils.set_random_seed(preset.train.seed)
    task = family_module(preset.family, "task").Task.from_preset(preset)
    if start:
        weights.copy_trainable(restore_task(start).model, task.model, partly="attention")
    run = RunFolder(output, preset, command=command, resume=resume)
    run.write(layout.TOKENIZER, tokenizer.model)
    model = TextModel(KerasEngine(task.model, task.signatures()), tokenizer, preset.model)
    sources = [source for source, _ in scored_pairs]
    lengths = {
        "source_length": preset.model.max_source_length,
        "target_length": preset.model.max_target_length,
    }
    scored = encode_pairs(scored_pairs, tokenizer, **lengths)
    scored_targets = scored.pop("target_outputs")

    def evaluate() -> dict[str, float]:
        return {
            **score([result.text for result in model(sources)], dataset, split=split),
            "cross_entropy": cross_entropy(
                task.model, scored, scored_targets, pad_id=tokenizer.pad_id
            ),
        }

    def sample() -> str:
        shown = scored_pairs[:4]
        results = model([source for source, _ in shown])
        return "\n".join(
            f"  {'ok ' if result.text == reference else 'not'} {source} -> {result.text}"
            + ("" if result.text == reference else f" (expected {reference})")
            for (source, reference), result in zip(shown, results, strict=True)
        )

    @functools.lru_cache(maxsize=1)  # without sampling, all epochs have the examples of the first
    def encode(epoch: int):
        inputs = encode_pairs(
            train_pairs,
            tokenizer,
            **lengths,
            sampling=preset.data.sampling,
            seed=int(np.random.SeedSequence((preset.train.seed, epoch)).generate_state(1)[0]),
        )
        targets = inputs.pop("target_outputs")
        return inputs, targets

    fit(
        task.model,
        encode if preset.data.sampling else lambda epoch: encode(0),
        pad_id=tokenizer.pad_id,
        config=preset.train,
        run=run,
        evaluate=evaluate,
        sample=sample,
    )
    run.finish(task, preset)
    print(output)
