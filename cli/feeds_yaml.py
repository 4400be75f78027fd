"""Definitions of feeds in files: YAML, one or many, each mistake with its line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from cli import finding
from cli.client import Api, Json
from cli.output import Failure
from domain.feeds.definition import BadDefinition, FeedDefinition, parse_definition

DEEPEST = 10


@dataclass(frozen=True, slots=True)
class Written:
    """A definition as it stands in a file, with the line of each of its fields."""

    file: Path
    mapping: Json
    lines: Mapping[str, int]

    def place(self, field: str = "") -> str:
        """Where the field stands, or the nearest thing around it."""
        while field and field not in self.lines:
            field = field.rpartition(".")[0]
        return f"{self.file}:{self.lines[field]}"


def read_file(file: Path) -> list[Written]:
    """The definitions in a file: documents, or lists of them. A Failure where it holds none."""
    try:
        found = list(_documents(file, file.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(f"{file} cannot be read: {getattr(error, 'strerror', None) or error}.") from None
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        line = f" at line {where.line + 1}" if where is not None else ""
        raise Failure(f"{file} is no YAML{line}: {getattr(error, 'problem', None) or error}.") from None
    if not found:
        raise Failure(f"{file} holds no feed: a feed is a mapping with name, key_result, source, aggregate.")
    return found


def understood(api: Api, written: list[Written]) -> list[FeedDefinition]:
    """What the definitions say, each key result found by its id or title. A Failure with all that is wrong."""
    understood, wrong = [], []
    for each in written:
        mapping = dict(each.mapping)
        if isinstance(mapping.get("key_result"), str):
            try:
                mapping["key_result"] = finding.key_result(api, mapping["key_result"])["id"]
            except Failure as failure:
                wrong.append(f"{each.place('key_result')}: key_result: {failure.message}")
                continue
        try:
            understood.append(parse_definition(mapping))
        except BadDefinition as bad:
            wrong += [f"{each.place(field)}: {field}: {message}" for field, _, message in bad.problems]
    names = [definition.name for definition in understood]
    wrong += [f"{written[0].file}: there are two feeds named {name}" for name in sorted(_twice(names))]
    if wrong:
        raise Failure("\n  ".join(["this cannot be understood:", *wrong]))
    return understood


def one_of(file: Path, written: list[Written], name: str | None) -> Written:
    """The definition of that name, or the only one."""
    wanted = [each for each in written if name is None or each.mapping.get("name") == name]
    if len(wanted) == 1:
        return wanted[0]
    names = ", ".join(str(each.mapping.get("name")) for each in written)
    raise Failure(f"{file} holds {names}: name one with --name.")


def document(definition: Json, comment: str) -> str:
    """A definition as a YAML document."""
    text = yaml.safe_dump(definition, allow_unicode=True, sort_keys=False, width=110)
    return f"---\n# {comment}\n{text}"


def _documents(file: Path, text: str) -> Iterator[Written]:
    loader = yaml.SafeLoader(text)
    try:
        while loader.check_node():
            node = loader.get_node()
            content = loader.construct_document(node) if node is not None else None
            if node is None or content is None:
                continue
            is_list = isinstance(content, list)
            nodes = node.value if is_list else [node]
            for mapping, below in zip(content if is_list else [content], nodes, strict=True):
                if not isinstance(mapping, dict):
                    return
                yield Written(file, mapping, dict(_lines(below, "", file)))
    finally:
        loader.dispose()


def _lines(node: yaml.Node, path: str, file: Path) -> Iterator[tuple[str, int]]:
    yield path, node.start_mark.line + 1
    if not isinstance(node, yaml.MappingNode) or path.count(".") > DEEPEST:
        return
    seen = set()
    for key, value in node.value:
        line = key.start_mark.line + 1
        if key.value in seen:
            raise Failure(f"{file}:{line}: {key.value} is said twice.")
        seen.add(key.value)
        below = f"{path}.{key.value}" if path else str(key.value)
        yield from _lines(value, below, file)
        yield below, line


def _twice(names: list[str]) -> set[str]:
    return {name for name in names if names.count(name) > 1}
