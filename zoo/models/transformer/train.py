"""Trains a preset of the family `transformer`.

    python -m zoo.models.transformer.train --preset transformer_tiny_multi30k_en_de --data DIR

The models of Multi30k and Tatoeba take one to two hours on two CPU cores; `README.md` beside this
file has their curves, and their cards have their scores.
"""

from collections.abc import Sequence

from zoo.training import command, text_to_text


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line."""
    command.main("transformer", text_to_text.train, arguments)


if __name__ == "__main__":
    main()
