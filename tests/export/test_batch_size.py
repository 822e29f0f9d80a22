"""A `.tflite` of several rows answers each as a file of one row does."""

import numpy as np
import pytest

from zoo import layout, models
from zoo.errors import ZooError
from zoo.export.golden import golden_inputs
from zoo.export.litert import export_litert
from zoo.runtime.litert_engine import LiteRTEngine

ROWS = 3


def _engine(artefact):
    return LiteRTEngine(artefact.read(layout.TFLITE))


@pytest.mark.parametrize(
    "name",
    [
        "transformer_test",
        pytest.param("memory_network_test", marks=pytest.mark.slow),
        pytest.param("neural_turing_machine_test", marks=pytest.mark.slow),
    ],
)
def test_rows_answer_as_they_do_alone(exported, source_of, name):
    preset = models.preset(name)
    inputs = golden_inputs(preset, source_of(name))
    count = ROWS + 1  # the last batch has one alone
    inputs = {key: array[:count] for key, array in inputs.items()}
    assert {len(array) for array in inputs.values()} == {count}
    signature = "generate" if preset.modality == "text" else "predict"

    def answers(engine, rows):
        batches = [
            {key: array[start : start + rows] for key, array in inputs.items()}
            for start in range(0, count, rows)
        ]
        found = engine.run_all(signature, batches)
        return {key: np.concatenate([x[key] for x in found]) for key in found[0]}

    # As other tests export a model, which takes long.
    options = {"quantize": "none", **({"beam_size": 3} if preset.modality == "text" else {})}
    alone = answers(_engine(exported(name, "litert", **options)), 1)
    engine = _engine(exported(name, "litert", **options, batch_size=ROWS))
    assert engine.batch_size == ROWS
    for key, array in answers(engine, ROWS).items():
        assert len(array) == count
        np.testing.assert_allclose(array, alone[key], atol=1e-4, err_msg=key)


@pytest.mark.parametrize("name", ["transformer_test"])
def test_a_batch_size_below_1_is_refused(source_of, name, tmp_path):
    with pytest.raises(ZooError, match="batch_size must be at least 1. Received: 0."):
        export_litert(source_of(name), tmp_path / "new", batch_size=0)
    assert list(tmp_path.iterdir()) == []
