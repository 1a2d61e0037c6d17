"""Money is never a float: not in a field, not in a literal, not by a call (R6)."""

import ast
import re
from pathlib import Path

import pytest

MODEL = Path(__file__).parents[2] / "model"
SOURCES = sorted(MODEL.rglob("*.py"))
SECONDS = re.compile(r"(^|_)(s|at|now|until|deadline)(_|$)", re.IGNORECASE)
"""What may be a float is a time in seconds, and its name says so."""
FLOAT_MODULES = {"math", "cmath", "statistics"}


def floats_in(tree: ast.AST) -> list[str]:
    """Return every float in a module that is not by its name a time in seconds."""
    nodes = tuple(ast.walk(tree))
    seconds = {id(part) for node in nodes for value in _values_of_seconds(node) for part in ast.walk(value)}
    return [
        f"line {getattr(node, 'lineno', '?')}: {ast.unparse(node)}"
        for node in nodes
        if id(node) not in seconds and (_is_float(node) or _is_annotated_float(node))
    ]


def _values_of_seconds(node: ast.AST) -> list[ast.expr]:
    """Return the values that a node gives to names of times."""
    named: list[tuple[str, ast.expr | None]] = []
    match node:
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            named = [(name, value)]
        case ast.AnnAssign(target=ast.Name(id=name), value=value):
            named = [(name, value)]
        case ast.keyword(arg=str(name), value=value):
            named = [(name, value)]
        case ast.arguments(posonlyargs=first, args=then, defaults=values):
            given = [*first, *then][len(first) + len(then) - len(values) :]
            pairs = [*zip(given, values, strict=True), *zip(node.kwonlyargs, node.kw_defaults, strict=True)]
            named = [(argument.arg, value) for argument, value in pairs]
    return [value for name, value in named if value is not None and SECONDS.search(name)]


def _is_float(node: ast.AST) -> bool:
    """Tell whether a node is a float, makes one, or brings in what computes with them."""
    match node:
        case ast.Constant(value=float() | complex()):
            return True
        case ast.Call(func=ast.Name(id="float" | "complex")):
            return True
        case ast.ImportFrom(module=str(module)):
            return module in FLOAT_MODULES
        case ast.Import(names=names):
            return any(name.name in FLOAT_MODULES for name in names)
    return False


def _is_annotated_float(node: ast.AST) -> bool:
    match node:
        case ast.arg(arg=name, annotation=ast.expr() as annotation):
            pass
        case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation):
            pass
        case ast.FunctionDef(name=name, returns=ast.expr() as annotation):
            pass
        case _:
            return False
    words = {word.id for word in ast.walk(annotation) if isinstance(word, ast.Name)}
    return "float" in words and not SECONDS.search(name)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(MODEL).as_posix())
def test_the_model_has_no_float_but_seconds(path: Path) -> None:
    assert floats_in(ast.parse(path.read_text())) == []


@pytest.mark.parametrize(
    "source",
    [
        *("fee = 0.1", "x = float('1')", "import math", "from math import sqrt", "total += 1e-3"),
        *("def f(price: float): ...", "def f(price=0.5): ...", "def price() -> float: ..."),
        *("class A:\n    equity: float | None = None", "def f():\n    return price * 0.5", "f(fee=0.1)"),
        "def f(now=1.0, price=0.5): ...",
    ],
)
def test_a_float_in_money_would_be_found(source: str) -> None:
    assert floats_in(ast.parse(source))


@pytest.mark.parametrize(
    "source",
    [
        *("WAIT_S_MAX = 25.0", "def f(now: float, age_s: float = 1.5): ...", "heard_at: float"),
        *("f(wait_s=0.5)", "def waited_s() -> float: ...", "def f(*, until: float = 2.0): ..."),
    ],
)
def test_seconds_are_not_money(source: str) -> None:
    assert floats_in(ast.parse(source)) == []
