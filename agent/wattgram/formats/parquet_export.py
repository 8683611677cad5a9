"""Records as Parquet. Only this module imports arro3, an optional dependency (`wattgram[parquet]`)."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import BinaryIO

from arro3.core import Array, DataType, Field, RecordBatch, RecordBatchReader, Schema
from arro3.io import write_parquet

from wattgram.base.record import Record

from .export_columns import Cell, Column, RowMaker

BATCH = 2000
"""Records per batch of columns."""

GROUP = 50_000
"""Records per row group. A reader can skip a row group; the library keeps one packed in memory."""

COMPRESSION = "zstd(3)"

TIME_TYPE = DataType.timestamp("ns", tz="UTC")

COLUMN_TYPES = {
    "tag": DataType.dictionary(DataType.int32(), DataType.utf8()),
    "text": DataType.dictionary(DataType.int32(), DataType.utf8()),
    "number": DataType.float64(),
    "whole": DataType.int64(),
}


def write(file: BinaryIO, records: Iterable[Record], columns: Sequence[Column], about: Mapping[str, str]) -> int:
    """Write the records and return the number of omitted records, which is 0.

    The columns are the time in UTC and `columns`, each with its unit as metadata. about: metadata of the file.
    """
    fields = [
        Field("time", TIME_TYPE, nullable=False),
        *(
            Field(column.name, COLUMN_TYPES[column.holds], metadata={"unit": column.unit} if column.unit else {})
            for column in columns
        ),
    ]
    schema = Schema(fields, metadata=dict(about))
    failed: list[BaseException] = []
    packed = io.BytesIO()

    def batches() -> Iterator[RecordBatch]:
        # The file is written here, because an exception or an interruption inside the library ends in a panic.
        try:
            rows, found = RowMaker(columns), iter(records)
            while chosen := list(islice(found, BATCH)):
                made = zip(*(rows.row(record) for record in chosen), strict=True)
                times = Array([record.time for record in chosen], type=DataType.int64()).cast(TIME_TYPE)
                arrays = [_array(column, cells) for column, cells in zip(columns, made, strict=True)]
                yield RecordBatch.from_arrays([times, *arrays], schema=schema)
                file.write(packed.getvalue())
                packed.seek(0)
                packed.truncate()
        except BaseException as error:
            failed.append(error)
            raise

    try:
        write_parquet(
            RecordBatchReader.from_batches(schema, batches()), packed, compression=COMPRESSION, max_row_group_size=GROUP
        )
    except Exception:
        if failed:  # the library hides the original exception
            raise failed[0] from None
        raise
    file.write(packed.getvalue())
    return 0


def _array(column: Column, cells: tuple[Cell, ...]) -> Array:
    kind = COLUMN_TYPES[column.holds]
    if column.holds in ("tag", "text"):
        return Array(cells, type=DataType.utf8()).cast(kind)
    return Array(cells, type=kind)
