"""A SavedModel as a server runs it. Importing this starts TensorFlow."""

import numpy as np

from zoo import layout, models
from zoo.errors import ZooError
from zoo.registry import Artefact
from zoo.runtime.load import saved_model_of
from zoo.runtime.saved_model_engine import INPUT_ERRORS, SavedModelEngine
from zoo.serving.limits import Limits
from zoo.serving.signatures import Signature, of_saved_model
from zoo.serving.status import invalid


class SavedModel:
    """A SavedModel; where the artefact holds none, one is made in the cache.

    Args:
        artefact: A SavedModel, a published model, or a finished training.
        beam_size: Of the search.

    Raises:
        ZooError: If a file is damaged or the SavedModel is of another beam size.
    """

    rows_together = True

    def __init__(self, artefact: Artefact, *, beam_size: int = 1):
        artefact = saved_model_of(artefact, beam_size=beam_size)
        held = artefact.manifest["saved_model"]["beam_size"]
        if beam_size not in (1, held):
            raise ZooError(
                f"The SavedModel in {artefact.folder} holds the beam size {held}. "
                f"Received: {beam_size}."
            )
        for file in artefact.manifest["files"]:
            artefact.path(file)  # checks it
        self._limits = Limits(models.trained_preset(artefact.manifest))
        self._engine = SavedModelEngine(artefact.path(layout.SAVED_MODEL).parent)
        self.signatures: dict[str, Signature] = of_saved_model(artefact.folder)

    def run(self, signature: str, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Returns the outputs of `signature` for inputs that are as it says.

        Raises:
            Refusal: If the graph refuses them.
        """
        self._limits.check(signature, inputs)
        try:
            return self._engine.run(signature, **inputs)
        except INPUT_ERRORS as error:
            raise invalid(" ".join(error.message.split())) from error
