"""The signatures of a served model: what goes in and out, as metadata states it.

Read from a SavedModel's own file, or made from a manifest for the same model on LiteRT; the two are
equal but for the names of the graph's tensors.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from google.protobuf import json_format

from zoo.serving import protos

DEFAULT = "serving_default"  # the signature of a request that names none
PREDICT = "tensorflow/serving/predict"  # the kind of signature that predict takes

# NumPy's dtype of what an API calls DT_*; strings are bytes in arrays of objects.
DTYPES = {
    "DT_FLOAT": "float32",
    "DT_DOUBLE": "float64",
    "DT_INT32": "int32",
    "DT_UINT8": "uint8",
    "DT_INT16": "int16",
    "DT_INT8": "int8",
    "DT_STRING": "object",
    "DT_INT64": "int64",
    "DT_BOOL": "bool",
    "DT_UINT32": "uint32",
    "DT_UINT64": "uint64",
}
_NUMBERS = {name: number for number, name in protos.ENUMS["DataType"].items()}
_NAMES = {dtype: name for name, dtype in DTYPES.items()}


@dataclass(frozen=True)
class Tensor:
    """An input or output: NumPy's dtype, the shape with -1 for an open axis, the graph's name."""

    dtype: str
    shape: tuple[int, ...]
    name: str = ""

    @property
    def type_name(self) -> str:
        """The dtype as messages to people say it: `string`, `int32`."""
        return "string" if self.dtype == "object" else self.dtype

    @property
    def has_rows(self) -> bool:
        """True if the first axis is open: one row of it is one item."""
        return self.shape[:1] == (-1,)


@dataclass(frozen=True)
class Signature:
    """A named function as a server shows it."""

    inputs: dict[str, Tensor]
    outputs: dict[str, Tensor]

    @property
    def has_rows(self) -> bool:
        """True if every input has rows, so that rows of several requests can be put together."""
        return all(tensor.has_rows for tensor in self.inputs.values())


def data_type(dtype: str) -> int:
    """Returns the number of NumPy's `dtype` in messages."""
    return _NUMBERS[_NAMES[dtype]]


def numpy_type(number: int) -> str | None:
    """Returns NumPy's dtype of a message's, or None if no signature has it."""
    return DTYPES.get(protos.ENUMS["DataType"].get(number, ""))


def of_saved_model(folder: Path) -> dict[str, Signature]:
    """Returns the signatures of the SavedModel in `folder`, but the one for its loader."""
    [graph] = protos.SavedModel.FromString((folder / "saved_model.pb").read_bytes()).meta_graphs
    return of_message(graph)


def of_message(message) -> dict[str, Signature]:
    """Returns the signatures of predict in a message with `signature_def`."""
    return {
        name: Signature(_tensors(found.inputs), _tensors(found.outputs))
        for name, found in message.signature_def.items()
        if found.method_name == PREDICT
    }


def of_json(metadata: Mapping) -> dict[str, Signature]:
    """Returns the signatures of predict in a server's metadata by REST.

    Raises:
        ValueError: If it is none.
    """
    message = protos.SignatureDefMap()
    try:
        # The real server's has kinds of tensors that are described nowhere here.
        json_format.ParseDict(metadata, message, ignore_unknown_fields=True)
    except json_format.ParseError as error:
        raise ValueError("no SignatureDefMap") from error
    return of_message(message)


def of_manifest(manifest: Mapping, *, modality: str, beam_size: int = 1) -> dict[str, Signature]:
    """Returns the signatures that the SavedModel of a manifest's model would have.

    Args:
        manifest: That of the model, with a `.tflite`.
        modality: Of its preset.
        beam_size: Of the search.
    """
    listed = {
        name: Signature(
            _specified(facts["inputs"], f"{name}_"), _specified(facts["outputs"], f"{name}_")
        )
        for name, facts in manifest["signatures"].items()
    }
    if beam_size > 1:
        generate = listed["generate"]
        # In all outputs of the search the axis after the rows is that of the hypotheses.
        beams = {
            name: Tensor(x.dtype, (x.shape[0], beam_size, *x.shape[2:]), x.name)
            for name, x in generate.outputs.items()
        }
        listed["generate"] = Signature(generate.inputs, beams)
    on_strings = {"text": _text, "story": _story, "sequence": _sequence}[modality]
    return {DEFAULT: on_strings(listed), **listed}


def _text(listed: dict[str, Signature]) -> Signature:
    """Returns `serving_default` of a model from text to text; see `zoo.export.serve_text`."""
    generated = listed["generate"].outputs
    outputs = {
        "text": Tensor("object", (-1,)),
        "score": Tensor("float32", (-1,)),
        "tokens": Tensor("object", (-1, generated["tokens"].shape[2])),
        "source_tokens": Tensor("object", (-1, -1)),
    }
    if "alignment" in generated:
        rows, _, *others = generated["alignment"].shape
        outputs["alignment"] = Tensor("float32", (rows, *others))
    return _named({"text": Tensor("object", (-1,))}, outputs)


def _story(listed: dict[str, Signature]) -> Signature:
    """Returns `serving_default` of a model that answers; see `zoo.export.serve_story`."""
    predicted = listed["predict"].outputs
    rows = predicted["alignment"].shape[1]  # hops or slots
    of_slots = {"reads": predicted["reads"]} if "reads" in predicted else {}
    return _named(
        {"story": Tensor("object", (-1, -1)), "question": Tensor("object", (-1,))},
        {
            "answer": Tensor("object", (-1,)),
            "probability": Tensor("float32", (-1,)),
            "probabilities": predicted["probabilities"],
            "sentences": Tensor("object", (-1, -1)),
            "alignment": Tensor("float32", (-1, rows, -1)),
            **of_slots,
        },
    )


def _sequence(listed: dict[str, Signature]) -> Signature:
    predict = listed["predict"]
    return _named(predict.inputs, predict.outputs)


def _named(inputs: dict[str, Tensor], outputs: dict[str, Tensor]) -> Signature:
    def named(tensors):
        return {
            name: Tensor(x.dtype, x.shape, f"{DEFAULT}_{name}:0") for name, x in tensors.items()
        }

    return Signature(named(inputs), named(outputs))


def _specified(specs: Mapping, prefix: str) -> dict[str, Tensor]:
    return {
        name: Tensor(
            spec["dtype"],
            tuple(-1 if isinstance(size, str) else size for size in spec["shape"]),
            f"{prefix}{name}:0",
        )
        for name, spec in specs.items()
    }


def _tensors(infos) -> dict[str, Tensor]:
    return {
        name: Tensor(
            numpy_type(info.dtype), tuple(dim.size for dim in info.tensor_shape.dim), info.name
        )
        for name, info in infos.items()
    }


def to_message(listed: Mapping[str, Signature]):
    """Returns the signatures as the `SignatureDefMap` that metadata holds."""
    message = protos.SignatureDefMap()
    for name, signature in listed.items():
        described = message.signature_def[name]
        described.method_name = PREDICT
        for infos, tensors in (
            (described.inputs, signature.inputs),
            (described.outputs, signature.outputs),
        ):
            for alias, tensor in tensors.items():
                infos[alias].name = tensor.name
                infos[alias].dtype = data_type(tensor.dtype)
                infos[alias].tensor_shape.SetInParent()
                for size in tensor.shape:
                    infos[alias].tensor_shape.dim.add(size=size)
    return message
