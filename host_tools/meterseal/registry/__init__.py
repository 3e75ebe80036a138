"""The registry: which key, which board, which meter, since when, entered by whom. Append-only.

`Registry` keeps entries in a database, each with the hash of the one before; `acts` has the steps
that people take; `export` makes the signed trust files that verification takes.
"""

from meterseal.registry.acts import Acts
from meterseal.registry.export import export
from meterseal.registry.log import Fact, Registry
from meterseal.registry.state import State

__all__ = ["Acts", "Fact", "Registry", "State", "export"]
