"""Draws the accuracy by epoch of a family's published models on one data set.

    python tools/plot_curves.py --family seq2seq --dataset dates

Reads the trainings' reports in `exports/` and writes
`zoo/models/<family>/<dataset>_by_epoch.png`, which the family's README shows.
"""

import argparse
from pathlib import Path

from zoo import paths, registry
from zoo.data.dataset import read_manifest
from zoo.visualize.curves import curves_figure

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--family", required=True)
    parser.add_argument("--dataset", required=True)
    arguments = parser.parse_args()
    published = registry.Registry(str(ROOT / "exports"))
    manifests = [published.find(name).manifest for name in published.models()]
    trainings = {
        manifest["name"]: manifest["training"]["epochs"]
        for manifest in manifests
        if (manifest["family"], manifest["dataset"]) == (arguments.family, arguments.dataset)
    }
    if not trainings:
        parser.error(f"{arguments.family} has no published model on {arguments.dataset}.")
    dataset = read_manifest(arguments.dataset)
    figure = curves_figure(trainings, metric=dataset["metric"], title=dataset["title"])
    picture = f"{arguments.dataset}_by_epoch.png"
    with paths.new_file(ROOT / "zoo" / "models" / arguments.family / picture) as partial:
        figure.savefig(partial, dpi=120, bbox_inches="tight")


if __name__ == "__main__":
    main()
