"""Arrays to messages of tensors and back, and whether an array fits a signature.

Strings are bytes in arrays of dtype object. What a client says of sizes is believed only as far as
there are bytes for it, so that a message of a few bytes cannot ask for gigabytes.
"""

import math
from collections.abc import Mapping

import numpy as np

from zoo.serving.signatures import Signature, Tensor, data_type, numpy_type
from zoo.serving.status import invalid

# The list of a message that holds the values of a dtype.
_VALUES = {
    "float32": "float_val",
    "float64": "double_val",
    "int32": "int_val",
    "uint8": "int_val",
    "int16": "int_val",
    "int8": "int_val",
    "object": "string_val",
    "int64": "int64_val",
    "bool": "bool_val",
    "uint32": "uint32_val",
    "uint64": "uint64_val",
}
MOST_AXES = 32  # of an array; NumPy has 64, and no signature has ten
_MOST_REPEATED = 1 << 20  # elements of a tensor that one value is repeated for


def from_message(message, name: str) -> np.ndarray:
    """Returns the array of a `TensorProto`.

    Args:
        message: With its values in `tensor_content` or in the list of its dtype. A shorter list is
            continued with its last value, as TensorFlow does.
        name: The input's, for errors.

    Raises:
        Refusal: If the dtype is none that a signature has, or values and shape do not agree.
    """
    dtype = numpy_type(message.dtype)
    if dtype is None:
        raise invalid(f"Input {name} has a dtype that is not served: {message.dtype}.")
    shape = [dim.size for dim in message.tensor_shape.dim]
    if (
        message.tensor_shape.unknown_rank
        or any(size < 0 for size in shape)
        or len(shape) > MOST_AXES
    ):
        raise invalid(f"Input {name} has no shape that a tensor can have: {shape[:8]}.")
    count = math.prod(shape)
    if message.tensor_content:
        return _from_content(message.tensor_content, dtype, shape, name)
    values = getattr(message, _VALUES[dtype])
    if len(values) > count or (len(values) < count and count > _MOST_REPEATED):
        raise invalid(
            f"Input {name} has the shape {shape}, so {count} values. Received: {len(values)}."
        )
    if dtype == "object":
        array = np.empty(count, object)
        array[: len(values)] = values
        array[len(values) :] = values[-1] if values else b""
    else:
        array = np.zeros(count, dtype)
        try:
            array[: len(values)] = values
        except OverflowError as error:
            raise invalid(f"Input {name} has a value that is no {dtype}.") from error
        if values:
            array[len(values) :] = array[len(values) - 1]
    return array.reshape(shape)


def _from_content(content: bytes, dtype: str, shape: list[int], name: str) -> np.ndarray:
    if dtype == "object":
        raise invalid(f"Input {name} is of strings, which belong in string_val.")
    expected = math.prod(shape) * np.dtype(dtype).itemsize
    if len(content) != expected:
        raise invalid(
            f"Input {name} has the shape {shape}, so {expected} bytes of {dtype}. "
            f"Received: {len(content)}."
        )
    if dtype == "bool":
        return np.frombuffer(content, "uint8").reshape(shape) != 0
    return np.frombuffer(content, np.dtype(dtype).newbyteorder("<")).astype(dtype).reshape(shape)


def to_message(array: np.ndarray, message) -> None:
    """Writes `array` to a `TensorProto`, its values in the list of its dtype as the real server."""
    dtype = array.dtype.name
    message.dtype = data_type(dtype)
    message.tensor_shape.SetInParent()
    for size in array.shape:
        message.tensor_shape.dim.add(size=size)
    getattr(message, _VALUES[dtype]).extend(array.ravel().tolist())


def check(inputs: Mapping[str, np.ndarray], signature: Signature) -> None:
    """Raises Refusal unless `inputs` are those of `signature`, each as it is specified.

    Floats must be finite: what is not a number has no answer that is one.
    """
    if inputs.keys() != signature.inputs.keys():
        extra, missing = inputs.keys() - signature.inputs, signature.inputs.keys() - inputs.keys()
        raise invalid(
            f"input size does not match signature: {len(inputs)}!={len(signature.inputs)} "
            f"len({{{_listed(inputs)}}}) != len({{{_listed(signature.inputs)}}}). "
            f"Sent extra: {{{_listed(extra)}}}. Missing but required: {{{_listed(missing)}}}."
        )
    rows = {}
    for name, tensor in signature.inputs.items():
        array = inputs[name]
        if array.dtype.name != tensor.dtype:
            raise invalid(
                f"Expected input {name} of dtype {tensor.type_name}. "
                f"Received: {Tensor(array.dtype.name, ()).type_name}."
            )
        if not _fits(array.shape, tensor.shape):
            raise invalid(
                f"Expected input {name} of shape {list(tensor.shape)}, where -1 is any size. "
                f"Received: {list(array.shape)}."
            )
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise invalid(f"Expected finite numbers in input {name}. Received: NaN or infinity.")
        if tensor.has_rows:
            rows[name] = len(array)
    if len(set(rows.values())) > 1:
        raise invalid(f"Expected as many rows in all inputs. Received: {rows}.")


def _fits(shape: tuple[int, ...], expected: tuple[int, ...]) -> bool:
    return len(shape) == len(expected) and all(
        size in (-1, found) for found, size in zip(shape, expected, strict=True)
    )


def _listed(names) -> str:
    """Returns names for a message, the first of them where a client sends very many."""
    listed = sorted(names)
    return ",".join(name[:64] for name in listed[:16]) + (",..." if len(listed) > 16 else "")
