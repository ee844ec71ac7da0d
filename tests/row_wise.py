"""Rows as tests like to read them: one at a time, each with what it has."""


def row_wise(columns):
    """The rows of columns, as dictionaries without what is missing."""
    turned = (dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True))
    return [{name: cell for name, cell in row.items() if not _is_blank(cell)} for row in turned]


def _is_blank(cell):
    return cell is None or cell != cell
