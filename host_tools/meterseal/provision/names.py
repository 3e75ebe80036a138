"""Short names for the modules that go onto a board, where each name takes heap.

MicroPython keeps every name of a loaded module. Two kinds of them mean nothing to anybody outside:
private names (`_name`), which only their module and the classes that inherit from there use, and
parameters that nobody names in a call. Those of different modules may be called alike, so that a
thousand names become fewer than a hundred. A name has the same short one everywhere, see
`names_of`; a private name that another module uses stays as it is.
"""

import ast
import builtins
import string
from collections.abc import Collection, Iterator, Mapping
from itertools import chain
from typing import Final

from meterseal.errors import EnvironmentProblem

_POOL: Final = tuple(f"_{letter}" for letter in string.ascii_letters)
_MORE: Final = tuple(one + letter for one in _POOL for letter in string.ascii_letters)
_FIELDS: Final = ("id", "attr", "name", "arg", "asname")
_Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


def shortened(sources: Mapping[str, str]) -> dict[str, str]:
    """Module -> its source with short names; `sources`: all of one firmware.

    Raises EnvironmentProblem `names-source` for what is no Python.
    """
    trees = {name: _parsed(name, text) for name, text in sources.items()}
    short = _short_names(trees)
    return {name: ast.unparse(_rename(tree, short)) for name, tree in trees.items()}


def names_of(sources: Mapping[str, str]) -> dict[str, str]:
    """Name -> what `shortened` calls it. Raises as `shortened`."""
    return _short_names({name: _parsed(name, text) for name, text in sources.items()})


def words_of(text: str) -> set[str]:
    """Every name that a module uses."""
    return set(_words(ast.parse(text)))


def _parsed(name: str, text: str) -> ast.Module:
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError) as problem:
        raise EnvironmentProblem(
            "names-source",
            f"expected {name} to be Python, found: {problem}",
            "Correct the source.",
        ) from problem


def _short_names(trees: Mapping[str, ast.Module]) -> dict[str, str]:
    """Colours the names: no two that one family of modules has are called alike."""
    used = {name: set(_words(tree)) for name, tree in trees.items()}
    meant = _private(trees, used) | _parameters(trees.values())
    near: dict[str, set[str]] = {word: set() for word in meant if len(word) > len(_POOL[0])}
    for members in _families(trees):
        words = set().union(*(used[name] for name in members)) & near.keys()
        for word in words:
            near[word] |= words
    taken = set().union(*used.values()) - near.keys()
    pool = [word for word in _POOL + _MORE if word not in taken]
    short: dict[str, str] = {}
    for word in sorted(near, key=lambda one: (-len(near[one]), one)):
        neighbours = {short[other] for other in near[word] if other in short}
        short[word] = next(one for one in pool if one not in neighbours)
    return short


def _words(tree: ast.AST) -> Iterator[str]:
    return chain.from_iterable(_words_at(node) for node in ast.walk(tree))


def _words_at(node: ast.AST) -> Iterator[str]:
    """The names that this node itself has, without those below it."""
    if isinstance(node, ast.Global | ast.Nonlocal):
        yield from node.names
    for word in (getattr(node, field, None) for field in _FIELDS):
        if isinstance(word, str):
            yield word


def _private(trees: Mapping[str, ast.Module], used: Mapping[str, set[str]]) -> set[str]:
    """The private names that the agent binds, but for those that are used where they are not."""
    bound = {name: set(_bound(tree)) for name, tree in trees.items()}
    everywhere = set().union(*bound.values())
    foreign = set()
    for members in _families(trees):
        own = set().union(*(bound[name] for name in members))
        foreign |= set().union(*(used[name] for name in members)) - own
    return everywhere - foreign


def _bound(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if not isinstance(getattr(node, "ctx", None), ast.Load | ast.Del):
            for word in _words_at(node):
                if word.startswith("_") and not word.startswith("__") and word != "_":
                    yield word


def _families(trees: Mapping[str, ast.Module]) -> list[frozenset[str]]:
    """Modules whose classes inherit from one another: one object has names of all of them."""
    homes: dict[str, set[str]] = {}
    for name, tree in trees.items():
        for node in _classes(tree):
            homes.setdefault(node.name, set()).add(name)
    family = {name: frozenset({name}) for name in trees}
    for name, tree in trees.items():
        for base in chain.from_iterable(node.bases for node in _classes(tree)):
            for home in homes.get(ast.unparse(base).rpartition(".")[2], ()):
                joined = family[name] | family[home]
                family.update(dict.fromkeys(joined, joined))
    return sorted(set(family.values()), key=sorted)


def _classes(tree: ast.Module) -> Iterator[ast.ClassDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef))


def _parameters(trees: Collection[ast.Module]) -> set[str]:
    """Words that are a parameter somewhere, and everywhere else at most a local variable."""
    nodes = [node for tree in trees for node in ast.walk(tree)]
    found = {node.arg for node in nodes if isinstance(node, ast.arg)}
    other = set(dir(builtins))
    for node in nodes:
        if not isinstance(node, ast.Name | ast.arg | ast.ExceptHandler):
            other.update(chain.from_iterable(word.split(".") for word in _words_at(node)))
    for tree in trees:
        other.update(_outside_functions(tree))
    return {word for word in found - other if not word.startswith("_")}


def _outside_functions(tree: ast.AST) -> Iterator[str]:
    """Names at the level of the module and of its classes."""
    for node in ast.iter_child_nodes(tree):
        if not isinstance(node, _Function):
            yield from _words_at(node)
            yield from _outside_functions(node)


def _rename(tree: ast.Module, short: Mapping[str, str]) -> ast.Module:
    for node in ast.walk(tree):
        for field in _FIELDS:
            word = getattr(node, field, None)
            if isinstance(word, str) and word in short:
                setattr(node, field, short[word])
        if isinstance(node, ast.Global | ast.Nonlocal):
            node.names = [short.get(word, word) for word in node.names]
    return tree
