"""From an artefact back to its task: the model of its own manifest, with its weights."""

from zoo import layout, models, registry, weights


def restore_task(artefact: registry.Artefact):
    """Returns the family's task with the trained weights.

    Raises:
        ZooError: If the artefact has no weights, or other weights than its configuration needs.
    """
    preset = models.trained_preset(artefact.manifest)
    task = models.family_module(preset.family, "task").Task.from_preset(preset)
    weights.load(task.model, artefact.path(layout.WEIGHTS))
    return task
