"""Reading the files of a data set: gzipped or plain CSV, row by row, and joins that need no memory."""

import csv
import gzip
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TextIO, cast

from deploy.demo.datasets.model import DatasetError


def find(folder: Path, stem: str) -> Path | None:
    """`<stem>.csv.gz` or `<stem>.csv` in the folder."""
    return next(
        (path for path in (folder / f"{stem}.csv.gz", folder / f"{stem}.csv") if path.is_file()), None
    )


def rows(folder: Path, stem: str, columns: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """The named columns of a file, in this order, one row at a time. Raises DatasetError for another file."""
    path = find(folder, stem)
    if path is None:
        raise DatasetError(f"{folder} has no {stem}.csv.gz and no {stem}.csv")
    try:
        with _text(path) as file:
            reader = csv.reader(file)
            header = next(reader, [])
            missing = [column for column in columns if column not in header]
            if missing:
                raise DatasetError(
                    f"{path.name} lacks the columns {', '.join(missing)}; it has {', '.join(header)}"
                )
            places = [header.index(column) for column in columns]
            for row in reader:
                if len(row) != len(header):
                    raise DatasetError(
                        f"{path.name} line {reader.line_num}: {len(row)} fields, not {len(header)}"
                    )
                yield tuple(row[place] for place in places)
    except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{path.name} cannot be read: {error}") from error


def _text(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return cast(TextIO, gzip.open(path, "rt", encoding="utf-8", newline=""))
    return path.open(encoding="utf-8", newline="")


def scratch() -> sqlite3.Connection:
    """A database in a file that is gone when it is closed: files sorted by seller are joined by order in it."""
    database = sqlite3.connect("", check_same_thread=False)
    database.execute("PRAGMA journal_mode = OFF")
    database.execute("PRAGMA synchronous = OFF")
    return database


def fill(
    database: sqlite3.Connection, table: str, columns: Sequence[str], source: Iterable[Sequence[object]]
) -> None:
    """Make a table of these columns from rows, a few thousand at a time. Raises DatasetError for a faulty number."""
    database.execute(f"CREATE TABLE {table} ({', '.join(columns)})")
    marks = ", ".join("?" * len(columns))
    source = iter(source)
    done = 0
    try:
        while page := list(islice(source, 5_000)):
            database.executemany(f"INSERT INTO {table} VALUES ({marks})", page)  # noqa: S608 - names of our own
            done += len(page)
    except (ValueError, ArithmeticError) as error:
        raise DatasetError(f"{table}: a number or time after row {done} cannot be read: {error}") from error
