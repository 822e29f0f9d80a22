"""Compiles and runs `cpp/load_saved_model.cc`, which loads a SavedModel as TensorFlow Serving does.

Linux only: the names of TensorFlow's libraries in its wheel are those of Linux.
"""

import hashlib
import importlib.util
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

SOURCE = Path(__file__).resolve().parent / "cpp" / "load_saved_model.cc"

_DTYPES = {"float": np.float32, "int32": np.int32, "int64": np.int64, "bool": np.bool_}
_NAMES = {np.dtype(dtype): name for name, dtype in _DTYPES.items()}


class LoaderError(Exception):
    """The program cannot be compiled, or says that it failed."""


def compile_loader(folder: Path) -> Path:
    """Returns the program, compiled into `folder` against the installed TensorFlow.

    A program that is there already, of the same source and TensorFlow, is taken as it is; a
    compilation takes about 10 seconds.

    Raises:
        LoaderError: If there is no g++, or it refuses the source.
    """
    libraries = tf.sysconfig.get_lib()
    command = [
        "g++",
        *tf.sysconfig.get_compile_flags(),
        str(SOURCE),
        f"-L{libraries}",
        "-l:libtensorflow_cc.so.2",
        "-l:libtensorflow_framework.so.2",
        f"-Wl,-rpath,{libraries}",
    ]
    if shutil.which("g++") is None:
        raise LoaderError("There is no g++. Install one, as with: apt-get install g++")
    made_of = [tf.__version__, *command, SOURCE.read_text()]
    program = folder / f"load_saved_model-{hashlib.sha256(repr(made_of).encode()).hexdigest()[:16]}"
    if program.exists():
        return program
    with tempfile.TemporaryDirectory(dir=folder) as partial:
        built = Path(partial) / program.name
        done = subprocess.run([*command, "-o", built], capture_output=True, text=True)
        if done.returncode != 0:
            raise LoaderError(f"g++ refuses {SOURCE}:\n{done.stderr}")
        built.replace(program)
    return program


def tensorflow_text_libraries() -> list[Path]:
    """Returns the shared libraries with the operators of `tensorflow_text.SentencepieceTokenizer`.

    What else the tokenizer puts in a graph (ragged tensors, regular expressions) is core.
    """
    [package] = importlib.util.find_spec("tensorflow_text").submodule_search_locations
    return [Path(package) / "python" / "ops" / "_sentencepiece_tokenizer.so"]


def run(
    program: Path,
    folder: Path,
    signature: str,
    inputs: Mapping[str, np.ndarray],
    *,
    libraries: Sequence[Path] = (),
    xla: bool = False,
) -> dict[str, np.ndarray]:
    """Returns the outputs of a signature of the SavedModel in `folder`, by name.

    Args:
        program: What `compile_loader` returned.
        folder: That of `saved_model.pb`.
        signature: What to run.
        inputs: By name; `str` or `bytes` for strings, which come back as `bytes`.
        libraries: Shared libraries of operators to load first.
        xla: Leave XLA's compiler on.

    Raises:
        LoaderError: If the program fails; the message is its own.
    """
    command = [program, folder, signature]
    for library in libraries:
        command += ["--library", library]
    if xla:
        command.append("--xla")
    done = subprocess.run(
        command,
        input="".join(_line(name, np.asarray(array)) for name, array in inputs.items()),
        capture_output=True,
        text=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    if done.returncode != 0:
        raise LoaderError(f"\n{done.stderr}".partition("\nError: ")[2] or done.stderr)
    return dict(map(_named_array, done.stdout.splitlines()))


def _line(name: str, array: np.ndarray) -> str:
    """Returns an input in the program's form."""
    if array.dtype.kind in "OSU":
        dtype, values = "string", [f"x{_bytes(text).hex()}" for text in array.flat]
    else:
        dtype = _NAMES[array.dtype]
        values = [f"{value:.9g}" if dtype == "float" else str(int(value)) for value in array.flat]
    return " ".join([name, dtype, str(array.ndim), *map(str, array.shape), *values]) + "\n"


def _named_array(line: str) -> tuple[str, np.ndarray]:
    """Returns the name and the array of an output in the program's form."""
    name, dtype, rank, *fields = line.split(" ")
    shape = tuple(map(int, fields[: int(rank)]))
    values = fields[int(rank) :]
    if dtype == "string":
        array = np.array([bytes.fromhex(value[1:]) for value in values], dtype=object)
    else:
        number = float if dtype == "float" else int
        array = np.array([number(value) for value in values], dtype=_DTYPES[dtype])
    return name, array.reshape(shape)


def _bytes(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text
