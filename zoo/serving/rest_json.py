"""The JSON of TensorFlow Serving's REST API: requests of predict to arrays, arrays to answers."""

import base64
import binascii
from collections.abc import Mapping
from itertools import chain
from typing import Any, Literal

import numpy as np
import orjson

from zoo.serving.signatures import DEFAULT, Signature, Tensor
from zoo.serving.status import Code, Refusal, invalid
from zoo.serving.tensors import MOST_AXES

Format = Literal["row", "column"]
# The JSON types that a tensor takes; `bool` is none of `int` here.
_TAKEN = {"i": {int}, "u": {int}, "f": {int, float}, "b": {bool}, "O": {str, dict}}
_WORDS = {str: "String", int: "Number", float: "Number", dict: "Object", list: "Array"}
_SHOWN = 80  # characters of a value in an error


def parse(body: bytes) -> dict:
    """Returns the object that a request's body holds.

    Raises:
        Refusal: If it is no JSON, or no object.
    """
    if not body:
        raise invalid("JSON Parse error: The document is empty")
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise invalid(f"JSON Parse error: {error.msg} at offset: {error.pos}") from error
    if not isinstance(found, dict):
        raise invalid(f"JSON Value: {_shown(found)} Is not object")
    return found


def signature_name(request: dict) -> str:
    """Returns the signature that a request names.

    Raises:
        Refusal: If its name is no string.
    """
    name = request.get("signature_name", DEFAULT)
    if not isinstance(name, str):
        raise invalid(
            f"JSON Value: {_shown(request)} not formatted correctly. "
            "'signature_name' key must be a string value."
        )
    return name or DEFAULT


def inputs_of(request: dict, signature: Signature) -> tuple[dict[str, np.ndarray], Format]:
    """Returns the arrays of a request, by input, and the format that they came in.

    Whether they are as the signature says is left to `tensors.check`.

    Raises:
        Refusal: If it is in neither format, or a value has another type than the signature says.
    """
    if "instances" in request and "inputs" in request:
        raise invalid(
            f"JSON Value: {_shown(request)} Not formatted correctly expecting only one of "
            "'inputs' or 'instances' keys to exist"
        )
    if "instances" in request:
        return _of_rows(request["instances"], signature), "row"
    if "inputs" in request:
        return _of_columns(request["inputs"], signature), "column"
    raise invalid("Missing 'inputs' or 'instances' key")


def _of_rows(instances: Any, signature: Signature) -> dict[str, np.ndarray]:
    if not isinstance(instances, list):
        raise invalid(f"JSON Value: {_shown(instances)} Excepting 'instances' to be an list/array")
    if not instances:
        raise invalid("JSON Value: [] No values in 'instances' array")
    expected = signature.inputs.keys()
    are_objects = [isinstance(row, dict) and not _is_base64(row) for row in instances]
    if not are_objects[0]:
        if len(expected) > 1:
            raise invalid(
                "instances is a plain list, but expecting list of objects as multiple input "
                "tensors required as per tensorinfo_map"
            )
        if any(are_objects):
            item = are_objects.index(True)
            raise invalid(f"Expecting value/list but got object at item {item} of input list")
        [(name, tensor)] = signature.inputs.items()
        return {name: _array(instances, name, tensor)}
    if not all(are_objects):
        item = are_objects.index(False)
        raise invalid(f"Expecting object but got list at item {item} of input list")
    for item, row in enumerate(instances):
        if row.keys() != expected:
            raise invalid(
                f"Failed to process element: {item} of 'instances' list. JSON object: "
                f"{_shown(row)} keys must be equal to: {','.join(sorted(expected))}"
            )
    return {
        name: _array([row[name] for row in instances], name, tensor)
        for name, tensor in signature.inputs.items()
    }


def _of_columns(inputs: Any, signature: Signature) -> dict[str, np.ndarray]:
    if isinstance(inputs, dict) and not _is_base64(inputs):
        for name in signature.inputs:
            if name not in inputs:
                raise invalid(f"Missing named input: {name} in 'inputs' object.")
        # Other keys say nothing: the real server looks up the inputs that it knows.
        return {
            name: _array(inputs[name], name, tensor) for name, tensor in signature.inputs.items()
        }
    if len(signature.inputs) > 1:
        raise invalid(
            "inputs is a plain value/list, but expecting an object as multiple input tensors "
            "required as per tensorinfo_map"
        )
    [(name, tensor)] = signature.inputs.items()
    return {name: _array(inputs, name, tensor)}


def _array(value: Any, name: str, tensor: Tensor) -> np.ndarray:
    """Returns nested lists as an array of the dtype of `tensor`.

    Level by level, so that the loops run in C and a deep nesting costs no stack.
    """
    shape: list[int] = []
    level = [value]
    while level and isinstance(level[0], list):
        if set(map(type, level)) != {list} or len(set(map(len, level))) > 1:
            raise invalid(
                f"Input {name}: Encountered lists of different sizes at level: {len(shape)}."
            )
        shape.append(len(level[0]))
        if len(shape) > MOST_AXES:
            raise invalid(
                f"Expected input {name} of shape {list(tensor.shape)}, where -1 is any size. "
                f"Received: lists in lists, more than {MOST_AXES} deep."
            )
        level = list(chain.from_iterable(level))
    dtype = np.dtype(tensor.dtype)
    if wrong := set(map(type, level)) - _TAKEN[dtype.kind]:
        found = next(item for item in level if type(item) in wrong)
        raise invalid(
            f"Input {name}: JSON Value: {_shown(found)} Type: {_word(found)} is not of expected "
            f"type: {tensor.type_name}"
        )
    if dtype.kind == "O":
        array = np.empty(len(level), object)
        array[:] = [_bytes(item, name) for item in level]
    else:
        try:
            with np.errstate(over="ignore"):  # what is too large becomes infinite, which is refused
                array = np.array(level, dtype)
        except OverflowError as error:
            raise invalid(
                f"Input {name}: a JSON Number is not of expected type: {tensor.type_name}"
            ) from error
    return array.reshape(shape)


def _bytes(value: str | dict, name: str) -> bytes:
    if isinstance(value, str):
        return value.encode()
    if not _is_base64(value):
        raise invalid(
            f"Input {name}: JSON Value: {_shown(value)} not formatted correctly for base64 data"
        )
    try:
        # Without its padding too, as the real server takes it.
        text = value["b64"].rstrip("=")
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise invalid(f"Input {name}: Unable to base64 decode") from error


def _is_base64(value: dict) -> bool:
    return value.keys() == {"b64"} and isinstance(value["b64"], str)


def answer(outputs: Mapping[str, np.ndarray], format: Format) -> bytes:
    """Returns the body that answers a request which came in `format`.

    Raises:
        Refusal: If rows are asked for, and the outputs have not all the same number of them.
    """
    if format == "column":
        columns = {name: _listed(name, array) for name, array in outputs.items()}
        return _dumped({"outputs": _flat(columns)}, outputs)
    rows = {len(array) if array.ndim else None for array in outputs.values()}
    if len(rows) > 1 or None in rows:
        raise Refusal(
            Code.INVALID_ARGUMENT,
            "The outputs have no common batch size, so there are no rows. Ask with 'inputs'.",
        )
    columns = {name: _listed(name, array) for name, array in outputs.items()}
    if len(columns) == 1:
        [column] = columns.values()
        return _dumped({"predictions": column}, outputs)
    names = list(columns)
    listed = [dict(zip(names, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return _dumped({"predictions": listed}, outputs)


def _flat(columns: dict[str, Any]) -> Any:
    return next(iter(columns.values())) if len(columns) == 1 else columns


def _listed(name: str, array: np.ndarray) -> Any:
    """Returns an output as orjson writes it: strings as lists, numbers as they are."""
    if array.dtype.kind != "O":
        return np.ascontiguousarray(array)
    if name.endswith("_bytes"):
        written = [{"b64": base64.b64encode(item).decode()} for item in array.ravel()]
    else:
        written = [item.decode(errors="replace") for item in array.ravel()]
    return _nested(written, array.shape)


def _nested(flat: list, shape: tuple[int, ...]) -> Any:
    if not shape:
        return flat[0]
    for position in range(len(shape) - 1, 0, -1):
        size = shape[position]
        count = int(np.prod(shape[:position]))
        flat = [flat[item * size : (item + 1) * size] for item in range(count)]
    return flat


def _dumped(body: dict, outputs: Mapping[str, np.ndarray]) -> bytes:
    if all(array.dtype.kind != "f" or np.isfinite(array).all() for array in outputs.values()):
        return orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY)
    import json  # writes NaN and Infinity, as the real server does

    return json.dumps(body, default=_digits).encode()


def _digits(array: np.ndarray) -> Any:
    """Returns an array's values as lists, floats with the nine digits that float32 has."""
    if array.dtype.kind != "f":
        return array.tolist()
    return np.vectorize(lambda value: float(f"{value:.9g}"), otypes=[object])(array).tolist()


def error(message: str) -> bytes:
    """Returns the body of a refusal."""
    return orjson.dumps({"error": message.encode(errors="replace").decode()})


def _word(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "Null", True: "True", False: "False"}[value]
    return _WORDS[type(value)]


def _shown(value: Any) -> str:
    """Returns the beginning of a value's JSON, for an error."""
    if isinstance(value, dict | list) and len(value) > _SHOWN:
        return f"{_word(value)} of {len(value)}"
    text = orjson.dumps(value).decode()
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
