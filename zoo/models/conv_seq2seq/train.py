"""Trains a preset of the family `conv_seq2seq`.

    python -m zoo.models.conv_seq2seq.train --preset conv_seq2seq_multi30k_en_de --data DIR

`README.md` beside this file says what is trained; the cards of the models have their scores.
"""

from collections.abc import Sequence

from zoo.training import command, text_to_text


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line."""
    command.main("conv_seq2seq", text_to_text.train, arguments)


if __name__ == "__main__":
    main()
