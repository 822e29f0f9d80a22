"""Trains the attentions of `seq2seq` at one equal, small budget and writes table and picture.

    python tools/compare_attention.py --data DIR [--work DIR] [--seeds 2] [--epochs 3] [VARIANT]...
    python tools/compare_attention.py --check

Every variant is the preset `seq2seq_additive_multi30k_en_de` with another attention, and in Luong's
order without feeding, so that a target is read at once: the same encoder, decoder, data, batches
and number of updates. A run that is finished is not run again, and one that was stopped goes on, so
that the tool may be called until all are done, and on two cores at once with other variants. What
is measured goes to `zoo/models/seq2seq/comparison.json`; the table in the family's README and the
picture beside it are made of that file. With --check it trains and writes nothing, and exits with 1
if the table is not that of the file.
"""

import argparse
import statistics
import time
from pathlib import Path

import comparison
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from zoo import layout
from zoo.data.dataset import open_dataset
from zoo.evaluation import evaluate
from zoo.export.litert import export_litert
from zoo.models import preset, trained_preset
from zoo.registry import Artefact
from zoo.runtime.load import load

PRESET = "seq2seq_additive_multi30k_en_de"
DECODER = {"model.order": "luong", "model.readout": "tanh", "model.attention.half_width": 4}
# Narrower, with smaller batches and less dropout, so that ten minutes have many updates. The states
# of encoder and decoder are of one width, as some scores want them.
BUDGET = {
    "model.embedding_dim": 128,
    "model.units": 192,
    "model.encoder_units": 192,
    "model.attention.units": 192,
    "model.embedding_dropout": 0.2,
    "model.context_dropout": 0.2,
    "model.readout_dropout": 0.2,
    "train.batch_tokens": 1024,
    "train.warmup_steps": 300,
    "train.average": 1,
}
TABLE = comparison.Comparison("seq2seq", "comparison")
TIMED_SENTENCES = 200

# What differs from a global, soft attention of Luong's order with a general score.
VARIANTS = {
    "dot": {"score": "dot"},
    "scaled dot": {"score": "scaled_dot"},
    "general": {},
    "additive": {"score": "additive"},
    "concat": {"score": "concat"},
    "cosine": {"score": "cosine"},
    "location": {"score": "location"},
    "general, sparsemax": {"normalizer": "sparsemax"},
    "general, local-m": {"window": "local_m"},
    "general, local-p": {"window": "local_p"},
    "general, hard": {"selection": "hard"},
    "general, Gumbel": {"selection": "gumbel"},
}
GENERAL = {"score": "general", "normalizer": "softmax", "window": "global", "selection": "soft"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("variants", nargs="*", metavar="VARIANT", help="default: all")
    parser.add_argument("--data", type=Path, help="folder of data sets")
    parser.add_argument("--work", type=Path, default=Path("runs/compare_attention"))
    parser.add_argument("--seeds", type=int, default=2, help="runs of every variant")
    parser.add_argument("--epochs", type=int, default=3, help="of every run")
    parser.add_argument("--check", action="store_true", help="train and write nothing")
    arguments = parser.parse_args()
    if unknown := set(arguments.variants) - VARIANTS.keys():
        parser.error(f"unknown {', '.join(sorted(unknown))}; known: {', '.join(VARIANTS)}")
    if arguments.check:
        TABLE.check(parser, table=table(TABLE.read()))
    # All variants with one seed before any with the next: the table is whole as early as can be.
    for seed in range(arguments.seeds):
        for variant in arguments.variants or VARIANTS:
            known = TABLE.read().get(variant, {}).get(str(seed))
            if known is None or known["epochs"] != arguments.epochs:
                row = measured(variant, seed, arguments)
                results = TABLE.read_with(row, variant, str(seed))
                TABLE.write(results, table=table(results), figure=picture(results))
    results = TABLE.read()
    for variant, milliseconds in milliseconds_a_sentence(results, arguments).items():
        results[variant]["0"]["milliseconds_a_sentence"] = milliseconds
    TABLE.write(results, table=table(results), figure=picture(results))


def settings(variant: str) -> dict[str, object]:
    """Returns what differs from the preset, by field."""
    attention = GENERAL | VARIANTS[variant]
    return DECODER | BUDGET | {f"model.attention.{name}": x for name, x in attention.items()}


def run_of(variant: str, seed: int, arguments: argparse.Namespace) -> Path:
    """Returns the folder of a training; `litert` in it is its export."""
    name = variant.replace(", ", "_").replace(" ", "_")
    return arguments.work / f"{arguments.epochs}_epochs" / name / str(seed)


def measured(variant: str, seed: int, arguments: argparse.Namespace) -> dict:
    """Returns what one training came to; it is trained first, as far as that is not done."""
    changed = {"train.seed": seed, "train.epochs": arguments.epochs, **settings(variant)}
    run = run_of(variant, seed, arguments)
    trained = comparison.trained(run, PRESET, changed, data=arguments.data)
    epochs = trained.manifest["training"]["epochs"]
    folder = run / "litert"
    exported = Artefact.open(folder) if folder.is_dir() else export_litert(trained, folder)
    dataset = open_dataset(trained_preset(trained.manifest).data, data_dir=arguments.data)
    scores = evaluate(load(exported), dataset)
    return {
        "epochs": len(epochs),
        "bleu": scores["value"],
        **scores["also"],
        "seconds_an_epoch": statistics.median(epoch["train_seconds"] for epoch in epochs),
        "tflite_bytes": exported.manifest["files"][layout.TFLITE]["bytes"],
    }


def milliseconds_a_sentence(results: dict, arguments: argparse.Namespace) -> dict[str, float]:
    """Returns the median time of one sentence, greedy, on one core, by variant.

    All are timed in turn, sentence by sentence, so that a noisy moment hits them all alike; if one
    was trained elsewhere, none is.
    """
    folders = {variant: run_of(variant, 0, arguments) / "litert" for variant in results}
    if not all(folder.is_dir() for folder in folders.values()):
        return {}
    models = {variant: load(Artefact.open(folder)) for variant, folder in folders.items()}
    dataset = open_dataset(preset(PRESET).data, data_dir=arguments.data)
    times = {variant: [] for variant in models}
    for source, _ in dataset.pairs("test")[:TIMED_SENTENCES]:
        for variant, model in models.items():
            started = time.perf_counter()
            model([source])
            times[variant].append((time.perf_counter() - started) * 1e3)
    return {variant: statistics.median(milliseconds) for variant, milliseconds in times.items()}


def table(results: dict) -> list[str]:
    """Returns the lines of the table: a row a variant."""
    lines = [
        "| attention | BLEU | each seed | tokenized lower case | s an epoch | ms a sentence "
        "| .tflite |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for variant in filter(results.__contains__, VARIANTS):
        rows = [run for _, run in sorted(results[variant].items())]

        def mean(name, rows=rows):
            return statistics.mean(row[name] for row in rows)

        seeds = " ".join(f"{row['bleu']:.1f}" for row in rows)
        milliseconds = rows[0].get("milliseconds_a_sentence")  # None until all are timed
        shown = "-" if milliseconds is None else f"{milliseconds:.1f}"
        lines.append(
            f"| {variant} | {mean('bleu'):.1f} | {seeds} | {mean('bleu_tokenized_lowercase'):.1f} "
            f"| {mean('seconds_an_epoch'):.0f} | {shown} "
            f"| {mean('tflite_bytes') / 1e6:.2f} MB |"
        )
    return (
        [*lines, "", "![BLEU of each attention, a dot a seed](comparison.png)"] if results else []
    )


def picture(results: dict) -> Figure:
    """Returns a dot a run: BLEU along the bottom, the variants down the side, the best on top."""
    ordered = sorted(
        results.items(), key=lambda item: statistics.mean(x["bleu"] for x in item[1].values())
    )
    figure = Figure(figsize=(6.4, 0.8 + 0.32 * len(ordered)))
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for height, (_, runs) in enumerate(ordered):
        scores = [run["bleu"] for run in runs.values()]
        axes.plot([min(scores), max(scores)], [height, height], color="0.7")
        axes.plot(scores, [height] * len(scores), "o", color="tab:blue")
    axes.set_yticks(range(len(ordered)), [variant for variant, _ in ordered])
    axes.set_xlabel("BLEU, Multi30k English to German, test 2016; a dot a seed")
    axes.grid(axis="x", color="0.9")
    return figure


if __name__ == "__main__":
    main()
