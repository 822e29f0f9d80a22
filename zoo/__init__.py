"""attention-zoo: attention models, trained, measured, and exported whole.

    import zoo
    zoo.list_models()
    model = zoo.load("seq2seq_attention_dates")
    model(["september 27, 1994"])[0].text

Importing `zoo` imports no framework.
"""

from typing import TYPE_CHECKING

from zoo import models, registry
from zoo.errors import ZooError, missing_extra

if TYPE_CHECKING:
    from zoo.runtime.load import Model, Runtime

__all__ = ["ZooError", "build", "list_models", "load"]
__version__ = "0.1.0"


def list_models() -> list[str]:
    """Returns the names of the published models in the registry."""
    return list(registry.Registry().models())


def load(name, *, runtime: "Runtime" = "litert", beam_size: int = 1) -> "Model":
    """Returns a published model or a folder's, ready to be called; see `zoo.runtime.load`."""
    from zoo.runtime.load import load

    return load(name, runtime=runtime, beam_size=beam_size)


def build(preset: str, *, seed: int | None = None):
    """Returns the task of a preset with untrained weights; its Keras model is `.model`.

    Args:
        preset: A name from `zoo list --presets`.
        seed: Of the weights; None draws one.

    Raises:
        ZooError: If there is no such preset, or Keras is not installed.
    """
    try:
        import keras
    except ImportError as error:
        raise missing_extra(error.name, extra="train", purpose="Building a model") from error
    if seed is not None:
        keras.utils.set_random_seed(seed)
    found = models.preset(preset)
    return models.family_module(found.family, "task").Task.from_preset(found)
