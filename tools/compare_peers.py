"""Times our models beside CTranslate2, KerasHub and PyTorch, all in one run.

    pip install -e '.[train,peers]'
    python tools/compare_peers.py [--only PART] [--rounds 10] [--work DIR] [--json]

Everyone has the same shape and the same tokens, and weights that were drawn. The Transformer is in
this file, models with a memory in `memory_peers.py`. Every translation has its full length: the row
of the end token is zero in our table of embeddings, and CTranslate2 has an option for it. --set
changes the Transformer.

Exporting takes minutes. --work keeps what was exported for later runs; after a change to the model
or to an exporter take another folder.
"""

import argparse
import dataclasses
import importlib.metadata
import json
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

import drawn
import memory_peers
import numpy as np
from contest import CORES, Contestant, Part, Ratio, as_text, measure

from zoo import layout
from zoo.cli.lines import chunks
from zoo.cli.run import FILE_CHUNK
from zoo.config import DataConfig, DecodeConfig, override, require
from zoo.errors import ZooError
from zoo.models.transformer.config import TransformerConfig, TransformerPreset
from zoo.runtime.load import load
from zoo.text.tokenizer import END_ID, PAD_ID, Tokenizer, train_tokenizer
from zoo.training.allocator import keep_freed_memory

PACKAGES = ("ai-edge-litert", "tensorflow", "keras", "ctranslate2", "keras-hub", "torch")
EXPORTS = {  # options of `zoo export`
    "litert_int8": ("--format", "litert", "--quantize", "int8"),
    "litert_int8_batch_4": ("--format", "litert", "--quantize", "int8", "--batch-size", "4"),
    "litert_float32": ("--format", "litert", "--quantize", "none"),
    "saved_model": ("--format", "saved_model", "--ids-only"),
    "saved_model_xla": ("--format", "saved_model", "--ids-only", "--xla"),
}


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What everyone is given."""

    vocab_size: int = 8000
    width: int = 128
    feed_forward_width: int = 256
    num_heads: int = 4
    num_layers: int = 4  # of the encoder, and as many of the decoder
    source_length: int = 20  # tokens; of the training step's targets too
    target_length: int = 32  # tokens of every output
    longest: int = 256  # tokens, to which the outputs of `growth` double from 16
    beam_size: int = 4
    batch_size: int = 32  # sentences
    corpus_size: int = 1000  # sentences
    training_rows: int = 128

    def __post_init__(self):
        require(self, beam_size=self.beam_size >= 2, longest=self.longest >= 32)

    def preset(self) -> TransformerPreset:
        """Returns our model of this shape."""
        return TransformerPreset(
            name="peers",
            family="transformer",
            summary="Drawn weights, to be timed.",
            paper="None.",
            model=TransformerConfig(
                vocab_size=self.vocab_size,
                max_source_length=self.source_length,
                max_target_length=self.target_length,
                width=self.width,
                feed_forward_width=self.feed_forward_width,
                num_heads=self.num_heads,
                num_encoder_layers=self.num_layers,
                num_decoder_layers=self.num_layers,
            ),
            decode=DecodeConfig(beam_size=self.beam_size, length_penalty=1.0),
            data=DataConfig(name="dates"),  # the exporters check their files with its sample
        )

    def symbols(self) -> list[str]:
        """Returns the texts of all tokens but the special ones, a Hangul syllable each."""
        return [chr(0xAC00 + index) for index in range(self.vocab_size - 4)]

    def sources(self, rows: int, *, seed: int = 0) -> np.ndarray:
        """Returns ids `(rows, S)`, none of them special."""
        shape = rows, self.source_length
        return np.random.default_rng(seed).integers(4, self.vocab_size, shape, dtype=np.int32)

    def corpus(self) -> list[str]:
        """Returns sentences that are from a quarter of the source's length to all of it long."""
        generator, symbols, longest = np.random.default_rng(0), self.symbols(), self.source_length
        lengths = generator.integers(-(-longest // 4), longest + 1, self.corpus_size)
        return ["".join(generator.choice(symbols, length)) for length in lengths]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--only", action="append", choices=PARTS, help="a part; may be given again")
    add("--rounds", type=int, default=10)
    add("--work", type=Path, help="folder to keep exports in, and to find them in")
    add("--json", action="store_true", help="print JSON")
    add("--set", action="append", default=[], metavar="FIELD=VALUE", help="change the shape")
    arguments = parser.parse_args()
    if arguments.rounds < 1:
        parser.error(f"--rounds must be at least 1. Received: {arguments.rounds}.")
    with ExitStack() as stack:
        work = arguments.work or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        try:
            shape = override(Shape(), arguments.set)
            facts = {"cores": CORES, "versions": versions(), "rounds": arguments.rounds}
            facts |= {"shape": dataclasses.asdict(shape), "parts": {}}
            for name in arguments.only or PARTS:
                facts["parts"][name] = measure(PARTS[name](shape, work.resolve()), arguments.rounds)
                if not arguments.json:
                    print(as_text(facts["parts"][name]), flush=True)
        except ZooError as error:
            parser.exit(1, f"Error: {error}\n")
    if arguments.json:
        print(json.dumps(facts, indent=2))
    else:
        print(f"{CORES} cores;", ", ".join(f"{name} {x}" for name, x in versions().items() if x))


def versions() -> dict[str, str | None]:
    """Returns the version of each package that is timed, None of one that is not installed."""
    found = dict.fromkeys(PACKAGES)
    for package in PACKAGES:
        with suppress(importlib.metadata.PackageNotFoundError):
            found[package] = importlib.metadata.version(package)
    return found


# The parts. The goals are those of the project's plan, on two cores.


def batch1(shape: Shape, work: Path) -> Part:
    goals = {("int8", 1): 0.75, ("int8", shape.beam_size): 1.0}
    contestants, ratios = _graphs(shape, work, rows=1), []
    for number in ("int8", "float32"):
        folder = exported(shape, work, f"litert_{number}")
        for beam_size in (1, shape.beam_size):
            kind = f"{number}, {_search(beam_size)}"
            ours, peer = f"LiteRT {kind}", f"CTranslate2 {kind}"
            options = {"folder": folder, "beam_size": beam_size}
            contestants += [
                Contestant(ours, litert, shape, options),
                # The engine has no such option; this shows whether it should.
                Contestant(f"{ours}, 2 threads", litert, shape, {**options, "threads": 2}),
                _translator(peer, shape, work, number=number, beam_size=beam_size, rows=1),
            ]
            ratios.append(Ratio(ours, [peer], goals.get((number, beam_size), "")))
    ratios += [
        Ratio("SavedModel", ["Keras's own graph"], "SavedModel at most 31.5 ms"),
        Ratio("SavedModel, XLA", ["CTranslate2 float32, greedy"], 1.0),
    ]
    return Part(f"A sentence at a time, to {shape.target_length} tokens", contestants, ratios)


def batch32(shape: Shape, work: Path) -> Part:
    rows = shape.batch_size
    batches = sorted({rows, -(-rows // CORES), min(rows, 8)})
    contestants = _graphs(shape, work, rows=rows)
    for number in ("int8", "float32"):
        name = f"CTranslate2 {number}"
        contestants.append(_translator(name, shape, work, number=number, rows=rows, batch=batches))
    ratios = [
        Ratio("SavedModel, XLA", ["CTranslate2 float32"], 0.6),
        Ratio("SavedModel, XLA", ["CTranslate2 int8"]),
        Ratio("SavedModel", ["Keras's own graph"]),
    ]
    return Part(f"{rows} sentences in a batch, greedy", contestants, ratios)


def corpus(shape: Shape, work: Path) -> Part:
    ours = {
        "LiteRT int8": ("litert", {1: "litert_int8", 4: "litert_int8_batch_4"}),
        "XLA": ("saved_model", {64: "saved_model_xla"}),
    }
    contestants, ratios = [], []
    for name, (runtime, exports) in ours.items():
        folders = {batch: exported(shape, work, export) for batch, export in exports.items()}
        options = {"folders": folders, "runtime": runtime}
        settings = [{"batch": batch} for batch in folders]
        contestants.append(Contestant(f"zoo run --file, {name}", zoo_run, shape, options, settings))
    for number, goal in (("float32", 1.0), ("int8", 1.5)):
        peer = f"CTranslate2 {number}"
        batches = (16, 32, 64, 128)
        contestants.append(_translator(peer, shape, work, number=number, batch=batches))
        ratios.append(Ratio("zoo run --file, LiteRT int8", [peer], goal))
    return Part(f"{shape.corpus_size} sentences, text to text, greedy", contestants, ratios)


def training(shape: Shape, work: Path) -> Part:
    """All keep the memory that they free, as our train scripts do."""
    policies = [{"policy": policy} for policy in ("float32", "mixed_bfloat16")]
    modes = [
        {"threads": threads, "bfloat16": bfloat16, "compiled": compiled}
        for threads in sorted({1, CORES})
        for bfloat16 in (False, True)
        for compiled in (False, True)
    ]
    contestants = [
        Contestant("zoo, XLA", train_zoo, shape, settings=policies),
        Contestant("KerasHub, XLA", train_keras_hub, shape, settings=policies),
        Contestant("PyTorch", train_torch, shape, settings=modes),
    ]
    title = f"Training step, {shape.training_rows} x ({shape.source_length} + as many)"
    return Part(title, contestants, [Ratio("zoo, XLA", ["KerasHub, XLA", "PyTorch"], 0.6)])


def growth(shape: Shape, work: Path) -> Part:
    """Each length has an export of its own, whose state has room for just so many tokens."""
    lengths = [16 << doublings for doublings in range((shape.longest // 16).bit_length())]
    longer = [dataclasses.replace(shape, target_length=length) for length in lengths]
    linear = f"linear is {lengths[-1] / lengths[0]:g}"
    contestants, ratios = [], []
    for beam_size in (1, shape.beam_size):
        ours, peer = (f"{name} int8, {_search(beam_size)}" for name in ("LiteRT", "CTranslate2"))
        for at in longer:
            tokens = f"{at.target_length} tokens"
            options = {"folder": exported(at, work, "litert_int8"), "beam_size": beam_size}
            contestants += [
                Contestant(f"{ours}, {tokens}", litert, at, options),
                _translator(f"{peer}, {tokens}", at, work, beam_size=beam_size, rows=1),
            ]
        for name in (ours, peer):
            ends = [f"{name}, {length} tokens" for length in (lengths[-1], lengths[0])]
            ratios.append(Ratio(ends[0], ends[1:], linear))
    return Part("A sentence at a time, to ever longer outputs", contestants, ratios, by_token=True)


PARTS = {part.__name__: part for part in (batch1, batch32, corpus, training, growth)}
PARTS |= {part.__name__: part for part in (memory_peers.stories, memory_peers.machine)}


def _search(beam_size: int) -> str:
    return "greedy" if beam_size == 1 else f"beam {beam_size}"


def _graphs(shape: Shape, work: Path, *, rows: int) -> list[Contestant]:
    """Returns the contestants that TensorFlow runs, all greedy."""
    runtimes = {
        "SavedModel": ("saved_model", exported(shape, work, "saved_model")),
        "SavedModel, XLA": ("saved_model", exported(shape, work, "saved_model_xla")),
        "Keras's own graph": ("keras", drawn_model(shape, work)),
    }
    return [
        Contestant(name, graph, shape, {"runtime": runtime, "folder": folder, "rows": rows})
        for name, (runtime, folder) in runtimes.items()
    ]


def _translator(
    name: str, shape: Shape, work: Path, *, batch: Sequence[int] = (1,), **options
) -> Contestant:
    """Returns a contestant that CTranslate2 runs, at all spreads of work over the cores."""
    spreads = {(1, 1), (1, CORES)} | ({(CORES, 1)} if options.get("rows") != 1 else set())
    settings = [
        {"workers": workers, "threads": threads, "batch": size}
        for workers, threads in sorted(spreads)
        for size in batch
    ]
    tokenizer = drawn_model(shape, work) / layout.TOKENIZER
    return Contestant(name, ctranslate2, shape, {"tokenizer": tokenizer, **options}, settings)


# Our models: weights are drawn once, and everything else is done by the project's own commands.


def exported(shape: Shape, work: Path, export: str) -> Path:
    """Returns the folder of one of EXPORTS, which is made where it is not there."""
    return drawn.exported(drawn_model(shape, work), export, EXPORTS[export])


def drawn_model(shape: Shape, work: Path) -> Path:
    """Returns the folder of our model with drawn weights, which is made where it is not there."""
    sizes = dataclasses.astuple(shape.preset().model)[:8]
    folder = work / "_".join(map(str, (*sizes, shape.beam_size))) / "model"
    return drawn.model(folder, _draw, shape)


def _draw(folder: Path, shape: Shape) -> None:
    from zoo.models.transformer.task import Task

    preset = shape.preset()
    task = Task.from_preset(preset)
    table = task.model.embedding.table
    # A logit of 0, which is never the highest, so that no output ends before it is full.
    table.assign(np.where(np.arange(shape.vocab_size)[:, None] == END_ID, 0.0, table))
    tokenizer = train_tokenizer(shape.symbols(), kind="char", vocab_size=shape.vocab_size)
    drawn.save(folder, task, preset, tokenizer)


def litert(shape: Shape, *, folder: Path, beam_size: int, threads: int = 1):
    model = load(folder, beam_size=beam_size)
    source = shape.sources(1)
    if threads == 1:
        return lambda: model.engine.run(model.signature, source=source)
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(folder / layout.TFLITE), num_threads=threads)
    runner = interpreter.get_signature_runner(model.signature)
    return lambda: (interpreter, runner(source=source))


def graph(shape: Shape, *, folder: Path, runtime: str, rows: int):
    engine = load(folder, runtime=runtime).engine
    source = shape.sources(rows)
    return lambda: engine.run("generate", source=source)


def zoo_run(shape: Shape, *, folders: dict[int, Path], runtime: str, batch: int):
    """Runs the corpus in the chunks of the command, whose start is not counted."""
    model, texts = load(folders[batch], runtime=runtime), shape.corpus()
    return lambda: [model(chunk) for chunk in chunks(iter(texts), FILE_CHUNK)]


def _training_batch(shape: Shape) -> tuple[dict[str, np.ndarray], np.ndarray]:
    rows = (shape.sources(shape.training_rows, seed=seed) for seed in range(3))
    source, target_inputs, targets = rows
    return {"source": source, "target_inputs": target_inputs}, targets


def train_zoo(shape: Shape, *, policy: str):
    keep_freed_memory()
    import keras

    from zoo.models.transformer.task import Task
    from zoo.training.losses import TokenCrossEntropy

    keras.config.set_dtype_policy(policy)
    model = Task.from_preset(shape.preset()).model
    inputs, targets = _training_batch(shape)
    loss = TokenCrossEntropy(pad_id=PAD_ID)
    model.compile(optimizer=keras.optimizers.Adam(1e-3), loss=loss, jit_compile=True)
    return lambda: model.train_on_batch(inputs, targets)


# The peers, with the weights that their libraries draw.


def ctranslate2(
    shape: Shape, *, tokenizer: Path, workers: int, threads: int, batch: int,
    rows: int | None = None, number: str = "int8", beam_size: int = 1,
):  # fmt: skip
    """Translates `rows` sentences of tokens, or the corpus, text to text."""
    import ctranslate2
    from sentencepiece import SentencePieceProcessor

    with tempfile.TemporaryDirectory() as folder:
        _write_ctranslate2(shape, Tokenizer.from_file(tokenizer), folder)
        translator = ctranslate2.Translator(
            folder, compute_type=number, inter_threads=workers, intra_threads=threads
        )
    processor = SentencePieceProcessor(model_file=str(tokenizer))

    def translate(sentences):
        return translator.translate_batch(
            sentences,
            beam_size=beam_size,
            max_batch_size=batch,
            min_decoding_length=shape.target_length,
            max_decoding_length=shape.target_length,
        )

    if rows is not None:
        pieces = [processor.id_to_piece(row) for row in shape.sources(rows).tolist()]
        return lambda: translate(pieces)
    texts = shape.corpus()

    def translate_texts():
        answers = translate(processor.encode(texts, out_type=str))
        return processor.decode([answer.hypotheses[0] for answer in answers])

    return translate_texts


def _write_ctranslate2(shape: Shape, tokenizer: Tokenizer, folder: str) -> None:
    from ctranslate2 import specs

    width, generator = shape.width, np.random.default_rng(0)

    def draw(*size: int) -> np.ndarray:
        return generator.normal(0, size[-1] ** -0.5, size).astype("float32")

    def fill(linear, outputs: int, inputs: int = width) -> None:
        linear.weight, linear.bias = draw(outputs, inputs), np.zeros(outputs, "float32")

    def fill_block(block, linears: Sequence, sizes: Sequence[tuple[int, ...]]) -> None:
        block.layer_norm.gamma = np.ones(width, "float32")
        block.layer_norm.beta = np.zeros(width, "float32")
        for linear, size in zip(linears, sizes, strict=True):
            fill(linear, *size)

    layers = (shape.num_layers, shape.num_layers)
    model = specs.TransformerSpec.from_config(layers, shape.num_heads, pre_norm=False)
    model.encoder.embeddings[0].weight = draw(shape.vocab_size, width)
    model.decoder.embeddings.weight = draw(shape.vocab_size, width)
    for layer in (*model.encoder.layer, *model.decoder.layer):
        own, inner = layer.self_attention, shape.feed_forward_width
        fill_block(own, own.linear, [(3 * width,), (width,)])
        fill_block(layer.ffn, [layer.ffn.linear_0, layer.ffn.linear_1], [(inner,), (width, inner)])
    for layer in model.decoder.layer:
        fill_block(layer.attention, layer.attention.linear, [(width,), (2 * width,), (width,)])
    fill(model.decoder.projection, shape.vocab_size)
    pieces = tokenizer.pieces(range(shape.vocab_size))
    model.register_source_vocabulary(pieces)
    model.register_target_vocabulary(pieces)
    model.validate()
    model.optimize()
    model.save(folder)


def train_keras_hub(shape: Shape, *, policy: str):
    keep_freed_memory()
    import keras
    from keras_hub import layers

    keras.config.set_dtype_policy(policy)
    options = {"intermediate_dim": shape.feed_forward_width, "num_heads": shape.num_heads}
    options["dropout"] = shape.preset().model.dropout
    table, dropout = layers.ReversibleEmbedding(shape.vocab_size, shape.width), options["dropout"]

    def embedded(ids):
        x = table(ids)
        return keras.layers.Dropout(dropout)(x + layers.SinePositionEncoding()(x))

    inputs, targets = _training_batch(shape)
    asked = {name: keras.Input((shape.source_length,), dtype="int32") for name in inputs}
    mask = keras.ops.not_equal(asked["source"], PAD_ID)
    x, y = embedded(asked["source"]), embedded(asked["target_inputs"])
    for _ in range(shape.num_layers):
        x = layers.TransformerEncoder(**options)(x, padding_mask=mask)
    for _ in range(shape.num_layers):
        y = layers.TransformerDecoder(**options)(y, x, encoder_padding_mask=mask)
    model = keras.Model(asked, table(y, reverse=True))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=keras.optimizers.Adam(1e-3), loss=loss, jit_compile=True)
    return lambda: model.train_on_batch(inputs, targets)


def train_torch(shape: Shape, *, threads: int, bfloat16: bool, compiled: bool):
    keep_freed_memory()
    import torch
    from torch import nn

    torch.set_num_threads(threads)
    config = shape.preset().model
    table = nn.Embedding(shape.vocab_size, shape.width)
    core = nn.Transformer(
        shape.width, shape.num_heads, shape.num_layers, shape.num_layers, shape.feed_forward_width,
        config.dropout, batch_first=True,
    )  # fmt: skip
    dropout, length = nn.Dropout(config.dropout), shape.source_length
    positions = torch.randn(length, shape.width)
    causal = torch.ones(length, length, dtype=torch.bool).triu(1)
    inputs, targets = _training_batch(shape)
    source, target_inputs = (torch.tensor(array).long() for array in inputs.values())
    targets = torch.tensor(targets).long()
    weights = [*table.parameters(), *core.parameters()]
    optimizer = torch.optim.Adam(weights, lr=1e-3, fused=True)

    def loss():
        padding = source == PAD_ID
        states = core(
            dropout(table(source) + positions),
            dropout(table(target_inputs) + positions),
            tgt_mask=causal,
            src_key_padding_mask=padding,
            memory_key_padding_mask=padding,
        )
        logits = nn.functional.linear(states, table.weight)
        return nn.functional.cross_entropy(
            logits.flatten(0, 1), targets.flatten(), ignore_index=PAD_ID
        )

    forward = torch.compile(loss) if compiled else loss

    def step():
        with torch.autocast("cpu", dtype=torch.bfloat16) if bfloat16 else nullcontext():
            value = forward()
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        return value.item()

    return step


if __name__ == "__main__":
    main()
