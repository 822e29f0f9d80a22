"""What both protocols tell of a model: its status and its signatures."""

from collections.abc import Sequence

from zoo.serving import protos
from zoo.serving.signatures import PREDICT, to_message
from zoo.serving.status import Code
from zoo.serving.versions import Version

_STATES = {name: number for number, name in protos.ENUMS["State"].items()}

# Classify and regress are for signatures of those kinds, which no model here has.
ONLY_PREDICT = (
    "Expected classification signature method_name to be tensorflow/serving/classify or "
    f"tensorflow/serving/regress. Was: {PREDICT}"
)


def status(versions: Sequence[Version]):
    """Returns the state of each version as `GetModelStatusResponse`."""
    response = protos.GetModelStatusResponse()
    for version in versions:
        found = response.model_version_status.add(
            version=version.number, state=_STATES[version.state]
        )
        found.status.SetInParent()
        if version.error:
            found.status.error_code = Code.INTERNAL.number
            found.status.error_message = "It cannot be loaded; the log of the server says why."
    return response


def signatures(version: Version):
    """Returns the signatures of a version as `SignatureDefMap`."""
    return to_message(version.signatures)


def model_spec(name: str, version: int, signature: str = ""):
    """Returns a `ModelSpec` that names who answered."""
    spec = protos.ModelSpec(name=name, signature_name=signature)
    spec.version.value = version
    return spec
