"""What tools that compare trainings share: trainings that are resumed, a table in a README."""

import argparse
import json
import subprocess
import sys
from pathlib import Path

from zoo import layout, models, paths
from zoo.registry import Artefact

FAMILIES = Path(__file__).resolve().parent.parent / "zoo" / "models"


def trained(run: Path, preset: str, settings: dict[str, object], *, data: Path | None) -> Artefact:
    """Returns the training of `preset` with `settings` in `run`, trained as far as it is not done.

    Args:
        run: Folder; one that was stopped goes on.
        preset: A preset's name.
        settings: Values by field.
        data: Folder of data sets, or None where they are made or not needed.
    """
    if not (run / layout.MANIFEST).is_file():
        family = models.preset(preset).family
        command = [sys.executable, "-m", f"zoo.models.{family}.train", "--preset", preset]
        for assignment in assignments(settings):
            command += ["--set", assignment]
        command += ["--output", str(run)]
        command += ["--data", str(data)] if data else []
        command += ["--resume"] if (run / "checkpoints").is_dir() else []
        print(f"--- {run}", file=sys.stderr, flush=True)
        subprocess.run(command, check=True, stdout=sys.stderr)
    return Artefact.open(run)


def assignments(settings: dict[str, object]) -> list[str]:
    """Returns `settings`, values by field, as `--set` takes them."""
    return [
        f"{name}={value if isinstance(value, str) else json.dumps(value)}"
        for name, value in settings.items()
    ]


class Comparison:
    """The results of a family's comparison: a file, and a table and a picture made of it.

    Args:
        family: The family whose folder holds them.
        name: Of the files `<name>.json` and `<name>.png`, and of the table's marks in the README.
    """

    def __init__(self, family: str, name: str):
        self.readme = FAMILIES / family / "README.md"
        self._file = FAMILIES / family / f"{name}.json"
        self._picture = FAMILIES / family / f"{name}.png"
        self._begin = f"<!-- {name}: a tool's table -->\n"
        self._end = f"<!-- end of {name} -->"

    def read(self) -> dict:
        """Returns what was measured so far."""
        return json.loads(self._file.read_text(encoding="utf-8")) if self._file.is_file() else {}

    def read_with(self, row: dict, *keys: str) -> dict:
        """Returns what was measured so far, with `row` at `keys`: one key in another.

        It is read now, for another process may have written while `row` was measured.
        """
        results = inner = self.read()
        *outer, last = keys
        for key in outer:
            inner = inner.setdefault(key, {})
        inner[last] = row
        return results

    def write(self, results: dict, *, table: list[str], figure) -> None:
        """Writes the results, the table's lines and the picture."""
        with paths.new_file(self._file) as partial:
            partial.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        text = self._with(table)
        with paths.new_file(self.readme) as partial:
            partial.write_text(text, encoding="utf-8")
        with paths.new_file(self._picture) as partial:
            figure.savefig(partial, dpi=120, bbox_inches="tight")

    def check(self, parser: argparse.ArgumentParser, *, table: list[str]) -> None:
        """Ends the program: with status 1 if the README's table is not `table`."""
        if self.readme.read_text(encoding="utf-8") == self._with(table):
            parser.exit()
        parser.exit(1, f"The table in {self.readme} is out of date.\n")

    def _with(self, table: list[str]) -> str:
        before, rest = self.readme.read_text(encoding="utf-8").split(self._begin)
        _, after = rest.split(self._end)
        return before + self._begin + "".join(f"{line}\n" for line in table) + self._end + after
