"""The formats in which business systems send messages.

A new one is one file here, with its `FORMAT`, and its golden messages among the tests. What its docstring says is
what `okr feeds formats NAME` prints.
"""

from importlib import import_module
from pkgutil import iter_modules

from domain.feeds.message import Format


def _found() -> dict[str, Format]:
    modules = [import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__)]
    return {module.FORMAT.name: module.FORMAT for module in modules if hasattr(module, "FORMAT")}


FORMATS = _found()


def docs_table() -> str:
    """The table of formats in docs/feeds.md."""
    rows = ["| format | messages | an entity, where the feed names none | specification |", "|---|---|---|---|"]
    rows += [
        f"| `{each.name}` | {each.summary} | {each.entity} | <{each.specification}> |" for each in FORMATS.values()
    ]
    return "\n".join(rows)
