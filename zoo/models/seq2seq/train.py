"""Trains a preset of the family `seq2seq`.

    python -m zoo.models.seq2seq.train --preset seq2seq_attention_dates

The published date models take ten epochs, about eight minutes on two CPU cores; `README.md` beside
this file has their curves, and their cards have their scores.
"""

from collections.abc import Sequence
from pathlib import Path

from zoo.models.seq2seq.config import Seq2SeqPreset
from zoo.training import command as train_command


def train(
    preset: Seq2SeqPreset, *, output: Path, data_dir: Path | None, command: str, resume: bool
) -> None:
    """Trains `preset` in the folder `output` and writes its model there.

    Args:
        preset: What to train.
        output: A new folder, or with `resume` the folder of a training that was stopped.
        data_dir: Folder of data sets; None makes or finds the data as `open_dataset` does.
        command: The command line, for the report.
        resume: Go on from the last checkpoint in `output`.
    """
    # Here, so that the command line answers a wrong option before a framework starts.
    import keras

    from zoo import layout, paths
    from zoo.data.batches import encode_pairs
    from zoo.data.dataset import open_dataset
    from zoo.evaluation.evaluate import METRICS
    from zoo.models.seq2seq.task import Task
    from zoo.runtime.keras_engine import KerasEngine
    from zoo.runtime.text_model import TextModel
    from zoo.text.tokenizer import PAD_ID, train_character_tokenizer
    from zoo.training.fit import fit
    from zoo.training.run_folder import RunFolder

    if not resume:
        paths.require_new_folder(output)
    dataset = open_dataset(preset.data, data_dir=data_dir)
    train_pairs, test_pairs = dataset.pairs("train"), dataset.pairs("test")
    tokenizer = train_character_tokenizer(text for pair in train_pairs for text in pair)
    tokenizer.require_vocab_size(preset.model.vocab_size)
    run = RunFolder(output, preset, command=command, resume=resume)
    keras.utils.set_random_seed(preset.train.seed)
    run.write(layout.TOKENIZER, tokenizer.model)

    task = Task.from_preset(preset)
    translate = TextModel(
        KerasEngine(
            task.model, task.signatures(), max_source_length=preset.model.max_source_length
        ),
        tokenizer,
        max_source_length=preset.model.max_source_length,
    )
    sources, references = zip(*test_pairs, strict=True)
    metric = dataset.manifest["metric"]

    def evaluate() -> dict[str, float]:
        predictions = [result.text for result in translate(sources)]
        return {metric: METRICS[metric](predictions, references)}

    def sample() -> str:
        results = translate(sources[:4])
        rows = zip(sources, results, references, strict=False)
        return "\n".join(
            f"  {'ok ' if result.text == reference else 'not'} {source} -> {result.text}"
            + ("" if result.text == reference else f" (expected {reference})")
            for source, result, reference in rows
        )

    arrays = encode_pairs(
        train_pairs,
        tokenizer,
        source_length=preset.model.max_source_length,
        target_length=preset.model.max_target_length,
    )
    fit(
        task.model,
        arrays,
        arrays.pop("target_outputs"),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=PAD_ID),
        config=preset.train,
        run=run,
        evaluate=evaluate,
        sample=sample,
    )
    run.finish(task, preset)
    print(output)


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line."""
    train_command.main("seq2seq", train, arguments)


if __name__ == "__main__":
    main()
