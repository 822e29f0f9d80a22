"""Models with a memory, timed beside PyTorch modules of the same shape by `compare_peers.py`.

A module is timed as one writes it, and as `torch.compile` makes it.

The shapes are those of `memory_network_babi_10k`, with a full memory of full sentences, and of
`neural_turing_machine_copy`, over as many steps as its `.tflite` takes.
"""

import dataclasses
from pathlib import Path

import drawn
import numpy as np
from contest import CORES, Contestant, Part, Ratio

from zoo import models
from zoo.config import Preset
from zoo.runtime.litert_engine import LiteRTEngine
from zoo.runtime.load import load
from zoo.text.tokenizer import train_tokenizer

ROWS = 32  # of a batch; a `.tflite` takes them one by one, on all cores
EXPORTS = {
    "LiteRT": ("--format", "litert", "--quantize", "none"),
    "SavedModel": ("--format", "saved_model", "--ids-only"),
}
PEERS = {"PyTorch": {"compiled": False}, "torch.compile": {"compiled": True}}
SPREADS = [{"threads": threads} for threads in sorted({1, CORES})]


def stories(_, work: Path) -> Part:
    """Questions about stories, with 1 and with 3 hops."""
    contestants, ratios = [], []
    for hops in (1, 3):
        preset = models.preset("memory_network_babi_10k")
        model = dataclasses.replace(preset.model, hops=hops)
        preset = dataclasses.replace(preset, name=f"stories_{hops}", model=model)
        plural = "hop" if hops == 1 else "hops"
        _add(contestants, ratios, preset, f"{hops} {plural}", torch_stories, work)
    return Part("Questions about stories of 50 sentences", contestants, ratios)


def machine(_, work: Path) -> Part:
    """Sequences that a Neural Turing machine reads and writes."""
    contestants, ratios = [], []
    preset = models.preset("neural_turing_machine_copy")
    preset = dataclasses.replace(preset, name="machine")
    _add(contestants, ratios, preset, "all steps", torch_machine, work)
    steps = preset.model.max_length
    return Part(f"A Neural Turing machine, {steps} steps", contestants, ratios)


def _add(contestants: list, ratios: list, preset: Preset, what: str, peer, work: Path) -> None:
    """Adds our runtimes and the peer, one sequence at a time and a batch of them."""
    folder = drawn.model(work / preset.name / "model", _draw, preset)
    exports = {name: drawn.exported(folder, name, options) for name, options in EXPORTS.items()}
    for rows in (1, ROWS):
        kind = f"{what}, batch {rows}"
        for name, export in exports.items():
            runtime = "litert" if name == "LiteRT" else "saved_model"
            options = {"folder": export, "runtime": runtime, "rows": rows}
            contestants.append(Contestant(f"{name}, {kind}", ours, preset, options))
        for name, options in PEERS.items():
            options = {**options, "rows": rows}
            contestants.append(Contestant(f"{name}, {kind}", peer, preset, options, SPREADS))
        for name in EXPORTS:
            for against in PEERS:
                goal = 0.5 if (name, against, rows) == ("LiteRT", "PyTorch", 1) else ""
                ratios.append(Ratio(f"{name}, {kind}", [f"{against}, {kind}"], goal))


def _draw(folder: Path, preset: Preset) -> None:
    task = models.family_module(preset.family, "task").Task.from_preset(preset)
    tokenizer = None
    if preset.modality == "story":
        letters = "abcdefghijklmnop"
        words = [f"{x}{y}" for x in letters for y in letters][: preset.model.vocab_size - 4]
        kind = preset.data.tokenizer
        tokenizer = train_tokenizer(words, kind=kind, vocab_size=preset.model.vocab_size)
    drawn.save(folder, task, preset, tokenizer)


def batch(preset: Preset, rows: int) -> dict[str, np.ndarray]:
    """Returns what `predict` is called with: memories that are full, sequences that are longest."""
    generator, config = np.random.default_rng(0), preset.model
    if preset.modality == "sequence":
        shape = (rows, config.max_length, config.input_width)
        bits = generator.integers(0, 2, shape).astype("float32")
        return {"inputs": bits, "length": np.full(rows, config.max_length, "int32")}

    def words(*shape: int) -> np.ndarray:
        return generator.integers(4, config.vocab_size, shape).astype("int32")

    return {
        "story": words(rows, config.max_sentences, config.max_sentence_length),
        "question": words(rows, config.max_question_length),
    }


def ours(preset: Preset, *, folder: Path, runtime: str, rows: int):
    engine, inputs = load(folder, runtime=runtime).engine, batch(preset, rows)
    if isinstance(engine, LiteRTEngine) and rows > 1:
        single = [{name: x[row : row + 1] for name, x in inputs.items()} for row in range(rows)]
        return lambda: engine.run_all("predict", single)
    return lambda: engine.run("predict", **inputs)


def _without_gradients(function, arrays, *, threads: int):
    import torch

    torch.set_num_threads(threads)
    tensors = [torch.tensor(array) for array in arrays]

    def call():
        with torch.inference_mode():
            return function(*tensors)

    return call


def torch_stories(preset: Preset, *, rows: int, threads: int, compiled: bool):
    """A memory network with adjacent tables, as one writes it."""
    import torch
    from torch import nn

    config = preset.model

    class MemoryNetwork(nn.Module):
        def __init__(self):
            super().__init__()
            tables = range(config.hops + 1)
            words, times = config.vocab_size, config.max_sentences
            self.words = nn.ModuleList(nn.Embedding(words, config.width) for _ in tables)
            self.times = nn.ParameterList(torch.randn(times, config.width) for _ in tables)
            self.places = nn.Parameter(torch.randn(config.max_sentence_length, config.width))

        def forward(self, story, question):
            places = self.places[: question.shape[1]]
            asked = (self.words[0](question) * places).sum(1)
            memories = [
                (words(story) * self.places).sum(2) + times
                for words, times in zip(self.words, self.times, strict=True)
            ]
            for matched, read in zip(memories, memories[1:], strict=False):
                weights = torch.softmax((matched * asked[:, None]).sum(2), 1)
                asked = asked + (weights[..., None] * read).sum(1)
            return torch.softmax(asked @ self.words[-1].weight.T, 1)

    network = torch.compile(MemoryNetwork()) if compiled else MemoryNetwork()
    return _without_gradients(network, batch(preset, rows).values(), threads=threads)


def torch_machine(preset: Preset, *, rows: int, threads: int, compiled: bool):
    """A Neural Turing machine with one head that reads and one that writes, as one writes it."""
    import torch
    from torch import nn
    from torch.nn import functional

    config = preset.model
    width = config.memory_width
    # Key, strength, gate, three shifts, sharpness; and for the one that writes erase and add.
    sizes = [width, 1, 1, 3, 1]

    class Machine(nn.Module):
        def __init__(self):
            super().__init__()
            units = config.controller_units
            self.controller = nn.LSTMCell(config.input_width + width, units)
            self.settings = nn.Linear(units, 2 * sum(sizes) + 2 * width)
            self.readout = nn.Linear(units + width, config.output_width)

        def address(self, settings, before, memory):
            key, strength, gate, shifts, sharpness = settings.split(sizes, 1)
            match = functional.cosine_similarity(memory, torch.tanh(key)[:, None], 2)
            by_content = torch.softmax(functional.softplus(strength) * match, 1)
            gate = torch.sigmoid(gate)
            weights = gate * by_content + (1 - gate) * before
            shifts = torch.softmax(shifts, 1)
            weights = sum(
                shifts[:, by + 1 : by + 2] * torch.roll(weights, by, 1) for by in (-1, 0, 1)
            )
            weights = weights ** (1 + functional.softplus(sharpness))
            return weights / weights.sum(1, keepdim=True)

        def step(self, x, h, c, memory, reads, writes, read):
            h, c = self.controller(torch.cat([x, read], 1), (h, c))
            for_reading, for_writing, erase, add = self.settings(h).split(
                [sum(sizes), sum(sizes), width, width], 1
            )
            reads = self.address(for_reading, reads, memory)
            writes = self.address(for_writing, writes, memory)
            read = (reads[..., None] * memory).sum(1)
            memory = memory * (1 - writes[..., None] * torch.sigmoid(erase)[:, None])
            memory = memory + writes[..., None] * torch.tanh(add)[:, None]
            output = torch.sigmoid(self.readout(torch.cat([h, read], 1)))
            return output, (h, c, memory, reads, writes, read)

    machine = Machine()
    # A step, not the loop: that would be unrolled, and take many minutes to compile.
    step = torch.compile(machine.step) if compiled else machine.step

    def run(inputs):
        h = inputs.new_zeros(rows, config.controller_units)
        memory = inputs.new_full((rows, config.memory_rows, width), 1e-6)
        weights = inputs.new_full((rows, config.memory_rows), 1 / config.memory_rows)
        state, outputs = (h, h, memory, weights, weights, inputs.new_zeros(rows, width)), []
        for x in inputs.unbind(1):
            output, state = step(x, *state)
            outputs.append(output)
        return torch.stack(outputs, 1)

    return _without_gradients(run, [batch(preset, rows)["inputs"]], threads=threads)
