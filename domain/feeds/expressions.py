"""Expressions over one message: `op == 'c' and row.stage == 'closed_won'`.

Python's expression syntax, parsed by the standard library, but only what is listed here: paths, literals,
comparisons, and, or, not, in, + - * /, `a if condition else b`, and the functions of one table. There are no
loops, no power, no attributes of Python objects; an expression is at most 2,000 characters, 200 nodes and 20
levels. It is compiled once, to closures, and reads a message in about a microsecond.

- A path reads members of objects and items of lists: `row.stage`, `labels['a-b']`, `items[0].price`. `_` is the
  whole message: `_['content-type']`. What is missing is null.
- null goes through: an operation or function on null is null. `==` and `!=` compare with null; any other
  comparison with null is false, and a condition that is null counts as false.
- Text, number and true/false are never mixed: comparing or joining different kinds is an error, and no text or
  number passes for a condition. `+` also joins texts.
- Numbers are exact Decimals of up to 100 digits, below 1e60.
- A column that the sender knows but did not send makes the expression `ColumnNotSent`, unless `and` or `or` is
  decided without it.
"""

import ast
import difflib
import re
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from domain.feeds import evaluation
from domain.feeds.evaluation import COMPARISONS, OPERATIONS, ColumnNotSent, ExpressionError, Placed, Record, Step
from domain.feeds.functions import FUNCTIONS
from domain.feeds.spelling import BadExpression, check_spelling
from domain.feeds.values import as_number, kind

__all__ = ["BadExpression", "ColumnNotSent", "Expression", "ExpressionError", "compile_expression"]

MAX_NODES = 200
MAX_LEVELS = 20

Literal = str | bool | int | Decimal | None
Value = Literal | list[Any] | dict[str, Any]

_NAMED = {"true": True, "false": False, "null": None}
_LOUD = re.compile(r"\b(AND|OR|NOT|IN)\b")


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled expression. Two of the same text are equal.

    `roots` are the first names of its paths, `tree` is what an explanation would walk over.
    """

    text: str
    roots: frozenset[str] = field(compare=False)
    tree: ast.expr = field(compare=False, repr=False)
    step: Step = field(compare=False, repr=False)

    def value(self, record: Record) -> Value:
        """What the expression yields; a number is an int or a Decimal. `ExpressionError` where nothing."""
        result = self.step(record)
        return as_number(result) if isinstance(result, float) else result

    def holds(self, record: Record) -> bool:
        """Whether the condition is met; null is not. `ExpressionError` also for what is no condition."""
        met = self.step(record)
        return met if met is True or met is False else evaluation.condition(met, 1)

    def members(self, root: str) -> frozenset[str]:
        """Which members of `root` its paths read: of `row.a + row['b'].c` a and b."""
        found = set()
        for node in ast.walk(self.tree):
            match node:
                case ast.Attribute(value=ast.Name(id=name), attr=member) if name == root:
                    found.add(member)
                case ast.Subscript(value=ast.Name(id=name), slice=ast.Constant(value=str(member))) if name == root:
                    found.add(member)
        return frozenset(found)


def compile_expression(text: str) -> Expression:
    """The expression that `text` spells. `BadExpression` with the column of what is wrong, and what to write."""
    check_spelling(text)
    compiler = _Compiler(text)
    tree = compiler.parse()
    step = compiler.step(tree)
    return Expression(text.strip(), frozenset(compiler.roots), tree, step)


class _Compiler:
    """Makes the steps of one expression, and says where in the text something is wrong."""

    def __init__(self, text: str) -> None:
        self.roots: set[str] = set()
        self.start = len(text) - len(text.lstrip())
        self.source = re.sub(r"[\t\r\n]", " ", text.strip())
        self.encoded = self.source.encode()  # the parser counts bytes

    def written(self, node: ast.expr) -> str:
        return self.encoded[node.col_offset : node.end_col_offset].decode()

    def column(self, node: ast.expr) -> int:
        return self.start + len(self.encoded[: node.col_offset].decode()) + 1

    def bad(self, node: ast.expr, message: str) -> BadExpression:
        return BadExpression(message, self.column(node))

    def placed(self, node: ast.expr) -> Placed:
        return self.step(node), self.column(node)

    def parse(self) -> ast.expr:
        try:
            tree = ast.parse(self.source, mode="eval").body
        except SyntaxError as error:
            raise self.syntax(error) from None
        except (RecursionError, MemoryError):
            raise BadExpression("the expression is nested too deeply", self.start + 1) from None
        nodes, levels, level = 0, 0, [tree]
        while level:
            nodes, levels = nodes + len(level), levels + 1
            if nodes > MAX_NODES or levels > MAX_LEVELS:
                raise self.bad(level[0], f"an expression has at most {MAX_NODES} parts and {MAX_LEVELS} levels")
            children = (child for node in level for child in ast.iter_child_nodes(node))
            level = [child for child in children if isinstance(child, ast.expr)]
        return tree

    def syntax(self, error: SyntaxError) -> BadExpression:
        if loud := _LOUD.search(self.source):
            return BadExpression("and, or, not and in are written small", self.start + loud.start() + 1)
        message = "something is missing or too much here" if error.msg == "invalid syntax" else error.msg
        return BadExpression(message, self.start + (error.offset or len(self.source) + 1))

    def step(self, node: ast.expr) -> Step:
        match node:
            case ast.Constant() | ast.Name(id="true" | "false" | "null"):
                return evaluation.constant(self.literal(node))
            case ast.Name() | ast.Attribute() | ast.Subscript():
                return self.path(node)
            case ast.BoolOp(op=ast.And(), values=values):
                return evaluation.all_of([self.placed(value) for value in values])
            case ast.BoolOp(values=values):
                return evaluation.any_of([self.placed(value) for value in values])
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return evaluation.opposite(*self.placed(operand))
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return evaluation.arithmetic("Sub", evaluation.constant(0), *self.placed(operand))
            case ast.BinOp(left=left, op=op, right=right) if type(op).__name__ in OPERATIONS:
                return evaluation.arithmetic(type(op).__name__, self.step(left), *self.placed(right))
            case ast.Compare():
                return self.comparison(node)
            case ast.IfExp(test=test, body=body, orelse=orelse):
                return evaluation.choice(*self.placed(test), self.step(body), self.step(orelse))
            case ast.Call():
                return self.function(node)
            case ast.List() | ast.Tuple():
                raise self.bad(node, "a list stands only after in: stage in ['won', 'lost']")
        raise self.bad(node, f"{self.written(node)[:40]} has no place in an expression")

    def literal(self, node: ast.expr) -> Literal:
        match node:
            case ast.Name(id="true" | "false" | "null" as name):
                return _NAMED[name]
            case ast.Constant(value=None | bool() | str() as value):
                return value
            case (
                ast.Constant(value=int() | float())
                | ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float()))
            ):
                number = Decimal(self.written(node).replace(" ", ""))
                if not -59 <= number.adjusted() <= 59:
                    raise self.bad(node, "a number is 0 or between 1e-59 and 1e60")
                return int(number) if number == number.to_integral_value() else number
        raise self.bad(node, f"{self.written(node)[:40]} is no text, number, true, false or null")

    def path(self, node: ast.expr) -> Step:
        keys: list[str | int] = []
        inner = node
        while not isinstance(inner, ast.Name):
            match inner:
                case ast.Attribute(value=value, attr=name):
                    keys.insert(0, self.exact_name(inner, name))
                case ast.Subscript(value=value, slice=ast.Constant(value=str() as name)):
                    keys.insert(0, name)
                case ast.Subscript(value=value, slice=index):
                    keys.insert(0, self.index(index))
                case _:
                    raise self.bad(inner, "a path begins with a name: row.amount")
            inner = value
        if inner.id in _NAMED:
            raise self.bad(inner, f"{inner.id} has no members")
        if inner.id != "_":
            keys.insert(0, self.exact_name(inner, inner.id))
        if not keys or not isinstance(keys[0], str):
            raise self.bad(node, "_ is the whole message: write a member of it, such as _['content-type']")
        self.roots.add(keys[0])
        return evaluation.path(tuple(keys), self.written(node), self.column(node))

    def index(self, node: ast.expr) -> int:
        index = self.literal(node)
        if not isinstance(index, int) or isinstance(index, bool):
            raise self.bad(node, "in brackets stands a text or a whole number: labels['a-b'], items[0]")
        return index

    def exact_name(self, node: ast.expr, name: str) -> str:
        # The parser folds look-alikes such as full-width letters; the name of a member is exact.
        if not self.written(node).endswith(name):
            raise self.bad(node, "a name with compatibility characters is written in brackets: row['…']")
        return name

    def comparison(self, node: ast.Compare) -> Step:
        lefts = [node.left, *node.comparators]
        pairs = [
            (self.pair(op, left, right), self.column(left))
            for op, left, right in zip(node.ops, lefts, node.comparators, strict=False)
        ]
        return pairs[0][0] if len(pairs) == 1 else evaluation.all_of(pairs)

    def pair(self, op: ast.cmpop, left: ast.expr, right: ast.expr) -> Step:
        step, column = self.placed(left)
        match op, right:
            case ast.In(), _:
                return self.membership(step, right, column)
            case ast.NotIn(), _:
                return evaluation.opposite(self.membership(step, right, column), column)
            case ast.Eq() | ast.NotEq(), ast.Constant(value=str() as text):
                return evaluation.equals_text(step, text, isinstance(op, ast.Eq), column)
            case ast.Eq() | ast.NotEq(), _:
                return evaluation.equals(step, self.step(right), isinstance(op, ast.Eq), column)
        return evaluation.ordered(COMPARISONS[type(op).__name__], step, self.step(right), column)

    def membership(self, step: Step, right: ast.expr, column: int) -> Step:
        if not isinstance(right, ast.List | ast.Tuple):
            return evaluation.in_value(step, self.step(right), column)
        items = frozenset(self.literal(item) for item in right.elts)
        kinds = {kind(item) for item in items} - {"null"}
        if len(kinds) != 1:
            raise self.bad(right, "the list has literals of one kind: ['won', 'lost']")
        return evaluation.in_literals(step, items, kinds.pop(), column)

    def function(self, node: ast.Call) -> Step:
        if isinstance(node.func, ast.Attribute):
            raise self.bad(node, f"a function stands before what it takes: {node.func.attr[:40]}(...)")
        name = node.func.id if isinstance(node.func, ast.Name) else self.written(node.func)[:40]
        if name not in FUNCTIONS:
            near = difflib.get_close_matches(name, FUNCTIONS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(FUNCTIONS)}"
            raise self.bad(node, f"there is no function {name[:40]}: {hint}")
        called = FUNCTIONS[name]
        fewest, most = called.arguments
        if not fewest <= len(node.args) <= most:
            raise self.bad(node, f"{called.signature} does not take {len(node.args)} arguments")
        return evaluation.function(called, [self.step(argument) for argument in node.args], self.column(node))
