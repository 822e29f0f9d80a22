"""Trains a preset of the family `seq2seq`.

    python -m zoo.models.seq2seq.train --preset seq2seq_attention_dates

The published date models take ten epochs, about eight minutes on two CPU cores; `README.md` beside
this file has their curves, and their cards have their scores.
"""

from collections.abc import Sequence

from zoo.training import command, text_to_text


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line."""
    command.main("seq2seq", text_to_text.train, arguments)


if __name__ == "__main__":
    main()
