"""What lies in a base path of TensorFlow Serving. Standard library only."""

import re
from pathlib import Path

MODELS_CONFIG = "models.config"
BATCHING_CONFIG = "batching.config"
MONITORING_CONFIG = "monitoring.config"
MOUNT = "/models"  # where the server sees the base path


def versions(folder: Path) -> list[int]:
    """Returns the versions that a model's folder holds, from the oldest up."""
    if not folder.is_dir():
        return []
    return sorted(int(x.name) for x in folder.iterdir() if re.fullmatch("[1-9][0-9]*", x.name))
