"""LiteRT for browsers: the files of the npm package that the page runs a `.tflite` with.

They are fetched by npm, never by the page, and checked here: what runs in people's browsers are
these bytes or none.
"""

from pathlib import Path

from zoo.errors import ZooError
from zoo.layout import check_sha256

_VERSION = "2.5.3"
_PACKAGES = f"@litertjs/core@{_VERSION} @litertjs/wasm-utils@{_VERSION}"
# Where the page asks for a file, where npm puts it, and its sha256. Of the four builds of the
# package these two have one thread, which needs no isolation from other origins; `compat` is for
# browsers without relaxed SIMD.
_FILES = {
    "core.js": (
        "@litertjs/core/dist/index.js",
        "e7daccc3a31eef890848a737ccb863ded5f046a6b40c3fdc0556495adeb5d9b3",
    ),
    "wasm-utils.js": (
        "@litertjs/wasm-utils/dist/index.js",
        "e0e20bc28ab001ac732cf40d15b6eebd24fb0deaeb95eeba5100f51eebf015f2",
    ),
    "wasm/litert_wasm_internal.js": (
        "@litertjs/core/wasm/litert_wasm_internal.js",
        "68efb69f770e3f76aff36a377de629ca496c131b86ac0f0f4b592a1543a898eb",
    ),
    "wasm/litert_wasm_internal.wasm": (
        "@litertjs/core/wasm/litert_wasm_internal.wasm",
        "7280cf4471774867e385e6c3cd53e2b45e2975b80fea338fff4ef359b0865614",
    ),
    "wasm/litert_wasm_compat_internal.js": (
        "@litertjs/core/wasm/litert_wasm_compat_internal.js",
        "4d8f894b7883654fd6e8439730aa41e79ceaab7d19184fc4f1f0b0f1a2a2c8a5",
    ),
    "wasm/litert_wasm_compat_internal.wasm": (
        "@litertjs/core/wasm/litert_wasm_compat_internal.wasm",
        "5255c8ad06eabdbd2522cdebf6b22fc10faf74625c23a49b9e072570cd1fa41c",
    ),
}


def install_command(folder: Path | str) -> str:
    """Returns the command that puts the files in `folder`."""
    return f"npm install --prefix {folder} {_PACKAGES}"


def read_browser_runtime(folder: Path) -> dict[str, bytes]:
    """Returns the files by the path under which the page asks for them.

    Args:
        folder: What npm was told to install to.

    Raises:
        ZooError: If a file is missing or is another than that of the version this zoo knows.
    """
    files = {}
    for name, (path, sha256) in _FILES.items():
        path = folder / "node_modules" / path
        try:
            files[name] = path.read_bytes()
        except OSError as error:
            raise ZooError(
                f"Expected LiteRT for browsers in {folder}. There is no {path}. "
                f"Install it with: {install_command(folder)}"
            ) from error
        try:
            check_sha256(files[name], sha256, path)
        except ZooError as error:
            raise ZooError(f"{error} Install it with: {install_command(folder)}") from error
    return files
