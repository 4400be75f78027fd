"""The spelling of an expression, checked before Python's parser sees it.

What is left after it is names, numbers, texts and a dozen operators: no string prefixes, no escapes with side
effects, no comments, no statements. So the parser has no way to warn, and a slip is named in words of our own.
"""

import keyword
import re

MAX_CHARACTERS = 2_000

_TOKEN = re.compile(
    r"(?P<space>[ \t\r\n]+)"
    r"|(?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)(?P<glued>\w*)"
    r"|(?P<name>[^\W\d]\w*)"
    r"|(?P<text>'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")"
    r"|(?P<mistake>===|\*\*|//|&&|\|\||<>|:=|=(?!=)|!(?!=))"
    r"|(?P<operator>[=!<>]=|[-<>+*/()\[\],.])"
)
_INSTEAD = {
    "===": "write == for equality",
    "=": "write == for equality",
    "<>": "write != for inequality",
    "!": "write not",
    "&&": "write and",
    "||": "write or; texts are joined by +",
    "&": "write and",
    "|": "write or",
    "%": "there is no remainder",
    "**": "there is no power",
    "//": "there is no whole division: write round_to(a / b, 0)",
    "?": "write a if condition else b",
    "{": "lists are written in brackets: ['a', 'b']",
    ":=": "an expression stores nothing",
    "#": "an expression has no comments",
    ";": "an expression is a single one",
    "'": "the text has no closing quote",
    '"': "the text has no closing quote",
    "‘": "write straight quotes: '",
    "’": "write straight quotes: '",
    "“": "write straight quotes: '",
    "”": "write straight quotes: '",
    "$": "paths begin with a name: row.amount",
}
_ESCAPES = re.compile(r"\\(?![\\'\"nt])")
_WORDS = frozenset({"and", "or", "not", "in", "if", "else", "True", "False", "None"})


class BadExpression(ValueError):
    """A text that is no expression. `column` counts characters from 1."""

    def __init__(self, message: str, column: int) -> None:
        super().__init__(f"column {column}: {message}")
        self.message = message
        self.column = column


def check_spelling(text: str) -> None:
    """`BadExpression` at the first thing that no expression contains."""
    if not text.strip():
        raise BadExpression("the expression is empty", 1)
    if len(text) > MAX_CHARACTERS:
        raise BadExpression(f"an expression has at most {MAX_CHARACTERS} characters", MAX_CHARACTERS + 1)
    at, previous, after_point = 0, "", False
    while at < len(text):
        token = _TOKEN.match(text, at)
        if token is None or token.lastgroup == "mistake":
            wrong = token.group() if token else text[at]
            raise BadExpression(_INSTEAD.get(wrong, f"{wrong!r} has no place in an expression"), at + 1)
        what = "number" if token["number"] else str(token.lastgroup)
        if token["glued"]:
            raise BadExpression(f"{token.group()} is neither a number nor a name", at + 1)
        if what == "text":
            _check_text(token.group(), at, previous)
        if what == "name":
            _check_name(token.group(), at, after_point)
        if what != "space":
            previous, after_point = what, token.group() == "."
        elif previous == "name":
            previous = "word"  # `f 'a'` is a slip of another kind than the prefix f'a'
        at = token.end()


def _check_text(written: str, at: int, previous: str) -> None:
    if previous == "text":
        raise BadExpression("between two texts stands a comma or +", at + 1)
    if previous == "name":
        raise BadExpression("a text has no prefix", at + 1)
    if escape := _ESCAPES.search(written.replace("\\\\", "__")):
        raise BadExpression(r"after a backslash stands one of \ ' n t or a double quote", at + escape.start() + 1)
    for offset, character in enumerate(written):
        if character < " " or "\ud800" <= character <= "\udfff":
            raise BadExpression("a text has no control characters or lone surrogates", at + offset + 1)


def _check_name(name: str, at: int, after_point: bool) -> None:
    if not keyword.iskeyword(name) or (name in _WORDS and not after_point):
        return
    if name == "is":
        raise BadExpression("write == or !=", at + 1)
    if after_point:
        raise BadExpression(f"{name} is a word of the language: write ['{name}'] instead of .{name}", at)
    raise BadExpression(f"{name} is a word of the language: a member of that name is _['{name}']", at + 1)
