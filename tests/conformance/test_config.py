"""A manifest's configuration is enough to build its model again."""

import json

import pytest
from cases import PUBLISHED, published

import zoo
from zoo import models
from zoo.config import ConfigError, from_dict


@pytest.mark.parametrize("name", models.presets())
def test_configuration_survives_json(name):
    preset = models.preset(name)
    manifest = {
        "family": preset.family,
        "configuration": json.loads(json.dumps(preset.configuration())),
    }
    again = models.trained_preset(manifest)
    assert again.configuration() == preset.configuration()
    assert type(again) is type(preset) and again.model == preset.model


@pytest.mark.parametrize("name", models.presets())
def test_unknown_setting_is_refused(name):
    preset = models.preset(name)
    values = preset.configuration()
    values["model"]["unitz"] = 3
    with pytest.raises(ConfigError, match="unitz"):
        from_dict(type(preset), values)


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameters_are_as_many_as_published(name):
    manifest = published(name).manifest
    assert zoo.build(name).model.count_params() == manifest["parameters"]
    # Equal as presets: a field that came later stands at its default in the older manifest.
    trained = models.trained_preset(manifest)
    assert trained.configuration() == models.preset(name).configuration()
