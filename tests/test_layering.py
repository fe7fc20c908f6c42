"""The house rules that can be read off the source: who imports whom, opens, prints, exits."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "rnndiag"
FILES = sorted(PACKAGE.rglob("*.py"))
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in FILES}

ORDER = (
    {"_version", "errors", "escape", "paths", "progress", "rounding", "threads", "whole_file"},
    {"containers"},
    {"recognise"},
    {"cells"},
    {"rollout", "drives", "given", "probe"},
    {"measure"},
    {"tracing"},
    {"analysis"},
    {"comparison"},
    {"readings"},
    {"rules"},
    {"advice", "baseline"},
    {"report"},
    {"accepting", "candidates", "claims", "portable", "workers"},
    {"gate"},
    {"render", "plots"},
    {"cli"},
    {"api", "__init__", "__main__", "capturing"},
)
"""Each stage may import those before it and itself."""

LATE = {("__main__", "cli"), ("__init__", "api")}


def stage(name: str) -> int:
    found = [rank for rank, names in enumerate(ORDER) if name in names]
    assert found, f"{name} has no place in the order of stages"
    return found[0]


def own_name(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(tree: ast.AST):
    """(module, line) of every import at any depth, relative ones refused."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            yield node.module or "", node.lineno
            if node.module == "rnndiag":
                yield from ((f"rnndiag.{alias.name}", node.lineno) for alias in node.names)


def named(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


@pytest.mark.parametrize("path", FILES, ids=named)
def test_imports_only_point_upwards(path):
    mine = stage(own_name(path))
    for module, line in imports(TREES[path]):
        if module.startswith("rnndiag."):
            other = module.split(".")[1]
            assert stage(other) <= mine, f"{named(path)}:{line} imports {module}"


def test_api_needs_nothing_of_the_command_line():
    for name in ("api.py", "__init__.py"):
        modules = {module for module, _ in imports(TREES[PACKAGE / name])}
        assert not any(module.startswith("rnndiag.cli") for module in modules)


@pytest.mark.parametrize("path", FILES, ids=named)
def test_heavy_libraries_stay_outside(path):
    for module, line in imports(TREES[path]):
        top = module.split(".")[0]
        where = f"{named(path)}:{line}"
        assert top not in {"pickle", "safetensors", "scipy"}, where
        assert top != "torch" or own_name(path) == "capturing", where
        assert top != "rich" or own_name(path) == "render", where
        assert top != "typer" or own_name(path) == "cli", where


def calls(path: Path):
    """(name of what is called, line): "open" for open(…), ".open" for anything.open(…)."""
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name):
                yield node.func.id, node.lineno
            elif isinstance(node.func, ast.Attribute):
                yield f".{node.func.attr}", node.lineno


OPENING = {"open", ".open", ".read_text", ".read_bytes", ".write_text", ".write_bytes", "FileIO"}
OPENING |= {".fdopen", ".NamedTemporaryFile", ".memmap", ".fromfile", ".tofile", ".save"}
MAY_OPEN = {"cli/configuration.py", "cli/output.py", "whole_file.py"}


@pytest.mark.parametrize("path", FILES, ids=named)
def test_only_containers_open_files(path):
    if own_name(path) == "containers" or named(path) in MAY_OPEN:
        return
    opened = [(name, line) for name, line in calls(path) if name in OPENING]
    assert not opened


@pytest.mark.parametrize("path", FILES, ids=named)
def test_only_the_command_line_prints_or_exits(path):
    if own_name(path) == "cli":
        return
    for name, line in calls(path):
        assert name not in {"print", "exit", "quit", ".exit", "._exit", "input"}, line
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            streams = node.value.id == "sys" and node.attr in {"stdout", "stderr", "argv", "exit"}
            assert not streams, node.lineno
        assert not (isinstance(node, ast.Name) and node.id == "SystemExit"), node.lineno


def test_nothing_is_evaluated():
    for path in FILES:
        found = {name for name, _ in calls(path)}
        assert found.isdisjoint({"eval", "exec", "compile", "__import__", ".system", ".Popen"})


def broad_handlers(path: Path):
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.ExceptHandler):
            kinds = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
            for kind in kinds:
                if kind is None or ast.unparse(kind) in {"Exception", "BaseException"}:
                    yield node.lineno


def test_everything_is_caught_where_a_process_ends_and_nowhere_else():
    found = {named(path): len(list(broad_handlers(path))) for path in FILES}
    ends = {"cli/__init__.py": 1, "workers.py": 1}
    assert {name: count for name, count in found.items() if count} == ends


@pytest.mark.parametrize("path", FILES, ids=named)
def test_files_and_functions_are_small(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.FunctionDef):
            assert length(node) <= 40, f"{node.name} has {length(node)} lines"


def length(function: ast.FunctionDef) -> int:
    """Lines of a function's body without its docstring: a command's signature lists its options."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def test_every_file_and_public_name_is_documented():
    for path in FILES:
        assert ast.get_docstring(TREES[path]), path
        for node in TREES[path].body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                assert ast.get_docstring(node), f"{named(path)}: {node.name}"


def test_no_real_file_is_named_in_the_package(shared):
    real = [path.name for path in (shared / "checkpoints").iterdir()]
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        assert not any(name in text or name.split("__")[0] in text for name in real), path
