"""Whose module a name means: ours lie beside tuner, a user's beside the file that imports them.

`python -m tuner` puts the current folder first on the path, and Ray puts tuner's own folder first
on its workers'. A user's `analysis.py` would then stand for our package, and our `tuner/data` for a
user's `data.py`. So the command line finds ours by where tuner lies, and a user's file is imported
with its own folder first, as when Python runs it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

TUNER = Path(__file__).resolve().parents[1]
ROOT = TUNER.parent
OURS = ("analysis", "search_spaces")
"""Our packages beside `tuner`, whose names a user's files may have too."""


def folder_of(name: str) -> Path | None:
    """Where one of our packages lies: beside tuner, or, where a study was sent to a cluster, in a
    folder of its own on the path."""
    if (ROOT / name).is_dir():
        return ROOT / name
    spec = PathFinder.find_spec(
        name, [path for path in sys.path if path not in ("", str(Path.cwd()))]
    )
    return None if spec is None or spec.origin is None else Path(spec.origin).parent


class _Beside(MetaPathFinder):
    """Finds our packages beside tuner, but for those that `given` away to a user's file."""

    def __init__(self) -> None:
        self.given: set[str] = set()

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if path is None and name in OURS and name not in self.given:
            return PathFinder.find_spec(name, [str(ROOT)])
        return None


_BESIDE = _Beside()


def ours_first() -> None:
    """Find our packages beside tuner from now on, and what the current folder holds last."""
    if _BESIDE not in sys.meta_path:
        sys.meta_path.insert(0, _BESIDE)
    if sys.path and sys.path[0] in ("", str(Path.cwd())) and Path.cwd() != ROOT:
        sys.path.append(str(Path.cwd()))
        del sys.path[0]


def import_ours(name: str) -> ModuleType:
    """One of our modules, whatever else has its name."""
    if _BESIDE in sys.meta_path:
        # runs code: ours, of search_spaces
        return import_module(name)
    sys.meta_path.insert(0, _BESIDE)
    try:
        # runs code: ours, of search_spaces
        return import_module(name)
    finally:
        sys.meta_path.remove(_BESIDE)


@contextmanager
def theirs_first(folder: Path) -> Iterator[None]:
    """While a user's file is imported: the modules beside it come first.

    Those that share a name with ours are the file's alone afterwards, where ours are in use.
    """
    names = {name for name in OURS if _holds(folder, name)} if folder != ROOT else set()
    hidden = _take(names)
    _BESIDE.given |= names
    sys.path[:] = [path for path in sys.path if path != str(TUNER)]
    known = str(folder) in sys.path
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        if not known:
            sys.path.append(str(folder))
        _BESIDE.given -= names
        if hidden or _BESIDE in sys.meta_path:
            _take(names)
            sys.modules.update(hidden)


def _holds(folder: Path, name: str) -> bool:
    return (folder / f"{name}.py").is_file() or (folder / name).is_dir()


def _take(names: set[str]) -> dict[str, ModuleType]:
    """The modules of these packages, taken out of those that are imported."""
    found = [name for name in sys.modules if name.partition(".")[0] in names]
    return {name: sys.modules.pop(name) for name in found}
