"""Writes the data set `dates`: dates as people write them, and the same dates as YYYY-MM-DD.

    python datasets/dates/prepare.py --output DIR [--rows 50000]

The manner is that of chapter 8 of "Deep Learning from Scratch 2" (Koki Saitoh, 2018): four forms, a
quarter each, in usual, lower or upper case. The split is not: a tenth of the days from 1970 to 2018
is held out, and every test pair falls on one of them, so no tested day was seen in training. The
same arguments always give the same bytes. Needs Babel.
"""

import argparse
import datetime
import random
from collections.abc import Iterator
from pathlib import Path

from babel.dates import format_date

FORMS = ("short", "medium", "long", "full")
CASES = (str, str.lower, str.upper)
FIRST_DAY = datetime.date(1970, 1, 1)
LAST_DAY = datetime.date(2018, 12, 31)
SEED = 1984


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, required=True, help="folder for the .tsv files")
    parser.add_argument("--rows", type=int, default=50_000, help="pairs in both splits together")
    arguments = parser.parse_args()
    if not 10 <= arguments.rows <= 60_000:
        parser.error(f"--rows must be from 10 to 60000. Received: {arguments.rows}.")

    generator = random.Random(SEED)
    number_of_days = (LAST_DAY - FIRST_DAY).days + 1
    days = [FIRST_DAY + datetime.timedelta(days=offset) for offset in range(number_of_days)]
    generator.shuffle(days)
    held_out = len(days) // 10
    test_rows = arguments.rows // 10
    arguments.output.mkdir(parents=True, exist_ok=True)
    for split, split_days, rows in (
        ("test", days[:held_out], test_rows),
        ("train", days[held_out:], arguments.rows - test_rows),
    ):
        lines = [f"{source}\t{target}\n" for source, target in pairs(split_days, rows, generator)]
        (arguments.output / f"{split}.tsv").write_text("".join(lines), encoding="utf-8")


def pairs(
    days: list[datetime.date], rows: int, generator: random.Random
) -> Iterator[tuple[str, str]]:
    """Yields `rows` pairs over `days`, the forms in turn, no source twice."""
    seen = set()
    for row in range(rows):
        while True:
            day = generator.choice(days)
            written = generator.choice(CASES)(format_date(day, FORMS[row % 4], locale="en_US"))
            if written not in seen:
                break
        seen.add(written)
        yield written, day.isoformat()


if __name__ == "__main__":
    main()
