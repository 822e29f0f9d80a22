"""The families of the zoo and their presets. Importing this starts no framework."""

import functools
import importlib
from collections.abc import Mapping
from types import ModuleType

from zoo.config import ConfigError, Preset, from_dict, unknown_name

# Written out so that it can be searched; a test holds it equal to the folders beside this file.
FAMILIES = (
    "conv_seq2seq",
    "entity_network",
    "memory_network",
    "neural_turing_machine",
    "seq2seq",
    "transformer",
)


@functools.cache
def presets() -> dict[str, Preset]:
    """Returns every preset by its name.

    Raises:
        ConfigError: If two presets have one name.
    """
    found: dict[str, Preset] = {}
    for family in FAMILIES:
        for preset in family_module(family, "config").PRESETS:
            if preset.name in found:
                raise ConfigError(f"Two presets are named {preset.name!r}.")
            found[preset.name] = preset
    return found


def preset(name: str) -> Preset:
    """Returns the preset of that name.

    Raises:
        ConfigError: If there is none; the message has close matches.
    """
    if name not in presets():
        raise ConfigError(unknown_name("preset", name, presets()))
    return presets()[name]


def trained_preset(manifest: Mapping) -> Preset:
    """Returns the preset that a manifest's model was trained as, not what it is in today's code."""
    config = family_module(manifest["family"], "config")
    return from_dict(config.PRESET_TYPE, manifest["configuration"])


def family_module(family: str, module: str) -> ModuleType:
    """Returns `zoo.models.<family>.<module>`: its config, model, task or train."""
    if family not in FAMILIES:
        raise ConfigError(unknown_name("family", family, FAMILIES))
    return importlib.import_module(f"zoo.models.{family}.{module}")
