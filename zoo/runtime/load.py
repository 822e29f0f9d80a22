"""Loads a model by name or folder on one of the runtimes."""

import contextlib
import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal, get_args

from zoo import layout, models, paths, registry
from zoo.config import Preset, require_choice
from zoo.data.algorithmic import sample_sequences
from zoo.data.dataset import sample_pairs
from zoo.data.stories import Story, sample_examples
from zoo.errors import ZooError, missing_extra
from zoo.registry import Artefact
from zoo.runtime.engine import Engine
from zoo.runtime.on_strings import ON_STRINGS
from zoo.runtime.sequence_model import SequenceModel
from zoo.runtime.story_model import StoryModel
from zoo.runtime.text_model import TextModel
from zoo.text.tokenizer import Tokenizer

Runtime = Literal["litert", "saved_model", "keras"]
RUNTIMES = get_args(Runtime)
Model = TextModel | StoryModel | SequenceModel
# The models that turn strings into arrays and back, by a preset's modality.
_ON_ARRAYS: dict[str, type[Model]] = {"text": TextModel, "story": StoryModel}


def load(
    name: str | Path | Artefact,
    *,
    runtime: Runtime = "litert",
    beam_size: int = 1,
) -> Model:
    """Returns a model that is called with a list of inputs and returns a list of results.

        zoo.load("seq2seq_attention_dates")(["september 27, 1994"])[0].text  # "1994-09-27"

    Args:
        name: A published name, `name@version`, a folder with a model, or an artefact.
        runtime: `litert` needs nothing more; `saved_model` needs TensorFlow, and builds a
            SavedModel in the cache where the folder holds none; `keras` needs Keras and a backend.
        beam_size: Hypotheses that the search keeps; 1 is greedy. A `.tflite` holds 1 and one more.

    Raises:
        ZooError: If there is no such model or runtime, a file is damaged, an extra is missing, or
            the model does not hold that beam size.
    """
    require_choice("runtime", runtime, RUNTIMES)
    artefact = name if isinstance(name, Artefact) else registry.resolve(name)
    preset = models.trained_preset(artefact.manifest)
    preset.require_beam_size(beam_size)
    opened = {"litert": _litert, "saved_model": _saved_model, "keras": _keras}[runtime]
    return opened(artefact, preset, beam_size)


def _litert(artefact: Artefact, preset: Preset, beam_size: int) -> Model:
    from zoo.runtime.litert_engine import LiteRTEngine

    if not artefact.holds(layout.TFLITE):
        raise ZooError(
            f"{artefact.folder} holds no {layout.TFLITE}. Make one with: "
            f"zoo export {artefact.folder} --format litert"
        )
    model = model_on(LiteRTEngine(artefact.read(layout.TFLITE)), preset, artefact)
    if beam_size > 1:
        held = artefact.manifest["litert"]["beam_size"]
        if beam_size != held:
            raise ZooError(
                f"The .tflite of {artefact.name} holds the beam sizes 1 and {held}. Received: "
                f"{beam_size}. Make another with: zoo export {artefact.name} --format litert "
                f"--beam-size {beam_size}, or take the runtime saved_model."
            )
        model.signature = "generate_beam"
    return model


def _saved_model(artefact: Artefact, preset: Preset, beam_size: int) -> Model:
    with _needs("train", "The runtime saved_model"):
        from zoo.runtime import saved_model_engine
    artefact = saved_model_of(artefact, beam_size=beam_size)
    facts = artefact.manifest["saved_model"]
    if beam_size != facts["beam_size"]:
        raise ZooError(
            f"The SavedModel in {artefact.folder} holds the beam size {facts['beam_size']}. "
            f"Received: {beam_size}."
        )
    for file in artefact.manifest["files"]:
        artefact.path(file)  # checks it
    engine = saved_model_engine.SavedModelEngine(artefact.folder)
    if facts["ids_only"]:
        return model_on(engine, preset, artefact)
    return model_on(engine, preset, artefact, kinds=ON_STRINGS)


def sample_inputs(preset: Preset) -> list:
    """Returns the few dozen inputs of the data set's sample, as the preset's model is called."""
    if preset.modality == "story":
        return [Story(x.sentences, x.question) for x in sample_examples(preset.data.name)]
    if preset.modality == "sequence":
        return sample_sequences(preset.data)
    return [source for source, _ in sample_pairs(preset.data)]


def saved_model_of(artefact: Artefact, *, beam_size: int) -> Artefact:
    """Returns the artefact if it is a SavedModel, or else its SavedModel in the cache.

    It is built there at first use.
    """
    if artefact.holds(layout.SAVED_MODEL):
        return artefact
    from zoo.export.saved_model import export_saved_model

    made_from = (artefact.manifest["configuration"], artefact.manifest["files"])
    digest = hashlib.sha256(json.dumps(made_from, sort_keys=True).encode()).hexdigest()
    key = f"{artefact.name}-{artefact.version}-{digest[:16]}-beam{beam_size}"
    folder = paths.cache() / "saved_models" / key
    if folder.is_dir():
        return Artefact.open(folder)
    return export_saved_model(artefact, folder, beam_size=beam_size)


def _keras(artefact: Artefact, preset: Preset, beam_size: int) -> Model:
    with _needs("train", "The runtime keras"):
        from zoo.models.restore import restore_task
        from zoo.runtime.keras_engine import KerasEngine
    task = restore_task(artefact)
    signatures = task.signatures(**({"beam_size": beam_size} if beam_size > 1 else {}))
    return model_on(KerasEngine(task.model, signatures), preset, artefact)


def model_on(
    engine: Engine,
    preset: Preset,
    artefact: Artefact,
    *,
    kinds: Mapping[str, type[Model]] = _ON_ARRAYS,
) -> Model:
    """Returns the model of `preset` on `engine`: what people call with their inputs.

    Args:
        engine: What runs its signatures.
        preset: What it was trained as.
        artefact: Where its tokenizer is.
        kinds: The models over engines that take arrays, or `ON_STRINGS`, by modality.
    """
    if preset.modality == "sequence":
        return SequenceModel(engine, preset)
    tokenizer = Tokenizer(artefact.read(layout.TOKENIZER))
    return kinds[preset.modality](engine, tokenizer, preset.model)


@contextlib.contextmanager
def _needs(extra: str, purpose: str) -> Iterator[None]:
    """Turns a failing import into the error that says what to install."""
    try:
        yield
    except ValueError as error:  # Keras, of a KERAS_BACKEND that it does not know
        raise ZooError(f"{purpose} cannot start: {error}") from error
    except ImportError as error:
        raise missing_extra(error.name or str(error), extra=extra, purpose=purpose) from error
