"""Short names on the board: what may be renamed, what must not, and that nothing else changes."""

import ast
import builtins
import re
import subprocess
from pathlib import Path

import pytest
from meterseal.cli.main import main
from meterseal.errors import EnvironmentProblem
from meterseal.provision import on_board
from meterseal.provision.image import compile_modules, read_sources
from meterseal.provision.names import names_of, shortened
from meterseal.provision.trace import readable
from meterseal.resources import firmware_dir, micropython_binary

BASE = """
_LIMIT = 3

class Base:
    kind = "base"

    def __init__(self, factor, offset=_LIMIT):
        self._factor = factor
        self.offset = offset

    def value(self, number):
        return self._scaled(number) + self.offset

    def _scaled(self, number):
        return self._factor * number
"""
DERIVED = """
import base
from base import Base

_calls = 0

class Derived(Base):
    def __init__(self, factor, further):
        super().__init__(factor, offset=1)
        self._further = further

    def _scaled(self, number):
        global _calls
        _calls += 1
        plain = [one * self._factor for one in (number,)][0]
        return sum(map(lambda one: one + self._further, (plain,)))

def run(strange_word, kind=None):
    made = Derived(strange_word, strange_word + 1)
    try:
        raise ValueError(made.value(5))
    except ValueError as _error:
        return _error.args[0], _calls, made.kind, kind, base._LIMIT_OF_NOBODY if kind else None
"""
PROGRAM = {"base.py": BASE, "derived.py": DERIVED}


def _used(sources: dict[str, str]) -> dict[str, set[str]]:
    """Module -> every name that it uses."""
    return {
        name: {
            word
            for node in ast.walk(ast.parse(text))
            for field in ("id", "attr", "name", "arg")
            if isinstance(word := getattr(node, field, None), str)
        }
        for name, text in sources.items()
    }


def test_a_program_does_what_it_did(tmp_path: Path) -> None:
    for name, text in PROGRAM.items():
        (tmp_path / name).write_text(text)
    compile_modules(tmp_path, [tmp_path / name for name in PROGRAM], tmp_path / "out")
    script = "import derived; print(derived.run(7)); print(derived.run(7, kind='x'))"
    found = []
    for place in (tmp_path, tmp_path / "out"):
        command = [str(micropython_binary()), "-c", script]
        done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)
        found.append((done.stdout.split("\n")[0], "_LIMIT_OF_NOBODY" in done.stdout))
    assert found[0] == found[1] == ("(44, 1, 'base', None, None)", True)


def test_private_names_and_parameters_that_nobody_names_become_short() -> None:
    short = names_of(PROGRAM)
    renamed = {"_LIMIT", "_factor", "_scaled", "_calls", "_further", "_error"}
    renamed |= {"strange_word", "factor", "further", "number", "one", "self"}
    assert renamed == short.keys()
    text = "".join(shortened(PROGRAM).values())
    assert not [word for word in short if re.search(rf"\b{word}\b", text)]
    # named in a call; an attribute; public; of somebody else
    for word in ("offset", "kind", "value", "_LIMIT_OF_NOBODY"):
        assert re.search(rf"\b{word}\b", text), word


def test_classes_that_inherit_share_no_short_name() -> None:
    short = names_of(PROGRAM)
    assert len({short[word] for word in ("_factor", "_further", "_scaled", "_LIMIT")}) == 4


def test_modules_apart_share_their_short_names() -> None:
    short = names_of({"a.py": "_one_thing = 1\n", "b.py": "def _another():\n    pass\n"})
    assert len(set(short.values())) == 1


def test_a_short_name_that_is_there_already_is_not_given_again() -> None:
    assert names_of({"a.py": "_a = 1\n_longer = 2\n"})["_longer"] != "_a"


def test_a_private_name_that_another_module_uses_stays() -> None:
    sources = {"a.py": "class A:\n    _hidden = _own = 1\n", "b.py": "import a\na.A._hidden\n"}
    assert names_of(sources).keys() == {"_own"}


def test_what_is_no_python_is_refused() -> None:
    with pytest.raises(EnvironmentProblem, match=r"broken\.py") as problem:
        shortened({"broken.py": "def"})
    assert problem.value.code == "names-source"


def test_a_refusal_of_the_compiler_names_the_line_of_the_source(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text("# one\n# two\n\n\nmatch 1:\n    case 1:\n        pass\n")
    with pytest.raises(EnvironmentProblem, match=r"main\.py\", line 5") as problem:
        compile_modules(tmp_path, [tmp_path / "main.py"], tmp_path / "out")
    assert problem.value.code == "mpy-cross-failed"


def test_only_what_belongs_to_a_firmware_is_read(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text("print(1)\n")
    (tmp_path / "._main.py").write_bytes(b"\x00\xff")
    compile_modules(tmp_path, [tmp_path / "main.py"], tmp_path / "out")
    (tmp_path / "main.py").write_bytes(b"# \xff\n")
    with pytest.raises(EnvironmentProblem, match="UTF-8") as problem:
        compile_modules(tmp_path, [tmp_path / "main.py"], tmp_path / "out")
    assert problem.value.code == "names-source"


def test_in_no_module_of_the_firmware_two_names_become_one() -> None:
    sources = read_sources(firmware_dir())
    short = names_of(sources)
    assert len(short) > 1000 > 10 * len(set(short.values()))
    for name, words in _used(sources).items():
        renamed = [word for word in words if word in short]
        assert len({short[word] for word in renamed}) == len(renamed), name
        assert not {short[word] for word in renamed} & (words - set(renamed)), name
    assert not short.keys() & set(dir(builtins))


def test_what_runs_from_outside_names_only_what_kept_its_name() -> None:
    short = names_of(read_sources(firmware_dir()))
    texts = [value for value in vars(on_board).values() if isinstance(value, str)]
    outside = [word for text in texts for word in re.findall(r"[(,]\s*(\w+)=", text)]
    assert not set(outside) & short.keys()


def call(*arguments: str) -> int:
    with pytest.raises(SystemExit) as left:
        main(arguments)
    return int(left.value.code or 0)


TRACE = """Traceback (most recent call last):
  File "main", line 1, in run
  File "agent.log", line 1, in error
  File "agent.log", line 1, in {short}
AttributeError: 'Uplink' object has no attribute '{missing}'
"""


def test_a_trace_becomes_readable(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    short = names_of(read_sources(firmware_dir()))
    trace = TRACE.format(short=short["_write"], missing=short["_connection"]).encode()
    (tmp_path / "console.txt").write_bytes(trace + b"\xff\n")
    assert call("trace", str(tmp_path / "console.txt")) == 0
    said = capsys.readouterr()
    assert said.out == TRACE.format(short="_write", missing="_connection") + "\ufffd\n"
    assert "2 names put in" in said.err
    assert call("trace", str(tmp_path / "nothing.txt")) == 3
    assert call("trace", str(tmp_path / "console.txt"), "--source", str(tmp_path)) == 1


def test_a_trace_of_the_board_names_module_and_function(tmp_path: Path) -> None:
    """As the real interpreter prints it."""
    (tmp_path / "agent").mkdir()
    (tmp_path / "agent/inner.py").write_text(
        "def _deep():\n    raise ValueError\n\n\ndef go():\n    _deep()\n"
    )
    out = tmp_path / "out"
    compile_modules(tmp_path, [tmp_path / "agent/inner.py"], out)
    command = [str(micropython_binary()), "-c", "from agent import inner; inner.go()"]
    done = subprocess.run(command, cwd=out, capture_output=True, text=True, check=False)
    found, put_in = readable(done.stdout, tmp_path)
    assert 'File "agent.inner", line 1, in _deep' in found and put_in == 1
