"""`meterseal devices`: the verbs that enter something."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from meterseal.cli import output
from meterseal.cli.keys import Passphrase, passphrase_of
from meterseal.cli.who import named
from meterseal.errors import ConfigurationError, EnvironmentProblem
from meterseal.trust_write import Entry

Registry = Annotated[
    str,
    typer.Option(
        "--registry", envvar="METERSEAL_REGISTRY", help="SQLite file, or SQLAlchemy URL."
    ),
]
By = Annotated[str, typer.Option("--by", help="Who enters it; default: the user's name.")]
OperatorKey = Annotated[
    Path | None, typer.Option("--operator-key", help="Sign the entries with this key.")
]
Json = Annotated[bool, typer.Option("--json", help="JSON on stdout.")]
Since = Annotated[str, typer.Option("--since", help="From when on; default: now.")]
Device = Annotated[str, typer.Argument(help="Device id, 16 hexadecimal digits.")]
DEFAULT_REGISTRY = "registry.sqlite"


def add(
    files: Annotated[list[Path], typer.Argument(help="JSON files with facts.")],
    registry: Registry = DEFAULT_REGISTRY,
    by: By = "",
    operator_key: OperatorKey = None,
    passphrase_file: Passphrase = None,
    as_json: Json = False,
) -> None:
    """Enter facts (help text: devices.py)."""
    facts = [fact for file in files for fact in _facts(file)]
    for kind, fields in facts:
        if kind == "enrol":
            _proven(fields)
    acts = _acts(registry, by, operator_key, passphrase_file)
    _say(acts.enter(*facts), as_json)


def countersign(
    number: Annotated[int, typer.Argument(help="Number of the entry.")],
    second_key: Annotated[Path, typer.Option(help="Private key of the second role.")],
    registry: Registry = DEFAULT_REGISTRY,
    by: By = "",
    passphrase_file: Passphrase = None,
    as_json: Json = False,
) -> None:
    """Confirm entry NUMBER."""
    from meterseal.registry.role_keys import load_key

    second = load_key(second_key, passphrase_of(passphrase_file))
    _say(_acts(registry, by, None, None).countersign(number, second), as_json)


def relabel(
    device: Device,
    station: Annotated[str, typer.Argument(help="Id of the station.")],
    registry: Registry = DEFAULT_REGISTRY,
    by: By = "",
    operator_key: OperatorKey = None,
    passphrase_file: Passphrase = None,
    as_json: Json = False,
) -> None:
    """Put a device under another station."""
    acts = _acts(registry, by, operator_key, passphrase_file)
    _say(acts.relabel(device, station), as_json)


def replace_meter(
    removal: Annotated[Path, typer.Argument(help="Fields of meter-remove, JSON.")],
    installation: Annotated[Path, typer.Argument(help="Fields of meter-install, JSON.")],
    registry: Registry = DEFAULT_REGISTRY,
    by: By = "",
    operator_key: OperatorKey = None,
    passphrase_file: Passphrase = None,
    as_json: Json = False,
) -> None:
    """One meter out, another one in."""
    acts = _acts(registry, by, operator_key, passphrase_file)
    _say(acts.replace_meter(_fields(removal), _fields(installation)), as_json)


def replace_device(
    device: Device,
    enrolment: Annotated[Path, typer.Argument(help="Fields of enrol, JSON.")],
    since: Since = "",
    registry: Registry = DEFAULT_REGISTRY,
    by: By = "",
    operator_key: OperatorKey = None,
    passphrase_file: Passphrase = None,
    as_json: Json = False,
) -> None:
    """Another board for the same meters."""
    acts = _acts(registry, by, operator_key, passphrase_file)
    _say(acts.replace_device(device, _enrolment(enrolment), since), as_json)


def rollover(
    device: Device,
    enrolment: Annotated[Path, typer.Argument(help="Fields of enrol, JSON.")],
    statement: Annotated[Path, typer.Argument(help="COSE_Sign1 of the old key.")],
    since: Since = "",
    registry: Registry = DEFAULT_REGISTRY,
    by: By = "",
    operator_key: OperatorKey = None,
    passphrase_file: Passphrase = None,
    as_json: Json = False,
) -> None:
    """A new key for the same board."""
    acts = _acts(registry, by, operator_key, passphrase_file)
    entries = acts.rollover(device, _enrolment(enrolment), _read(statement), since)
    _say(entries, as_json)


def revoke(
    device: Device,
    reason: Annotated[str, typer.Option(help="Why.")],
    since: Since = "",
    registry: Registry = DEFAULT_REGISTRY,
    by: By = "",
    operator_key: OperatorKey = None,
    passphrase_file: Passphrase = None,
    as_json: Json = False,
) -> None:
    """The key is not to be trusted any more."""
    acts = _acts(registry, by, operator_key, passphrase_file)
    _say(acts.revoke(device, since, reason), as_json)


def retire(
    device: Device,
    since: Since = "",
    registry: Registry = DEFAULT_REGISTRY,
    by: By = "",
    operator_key: OperatorKey = None,
    passphrase_file: Passphrase = None,
    as_json: Json = False,
) -> None:
    """Out of service."""
    acts = _acts(registry, by, operator_key, passphrase_file)
    _say(acts.retire(device, since), as_json)


def undo(
    number: Annotated[int, typer.Argument(help="Number of the entry to take back.")],
    registry: Registry = DEFAULT_REGISTRY,
    by: By = "",
    operator_key: OperatorKey = None,
    passphrase_file: Passphrase = None,
    as_json: Json = False,
) -> None:
    """Say the former again."""
    _say(_acts(registry, by, operator_key, passphrase_file).undo(number), as_json)


def sync(
    sources: Annotated[list[Path], typer.Argument(help="Fact files (*.json) or registries.")],
    registry: Registry = DEFAULT_REGISTRY,
    as_json: Json = False,
) -> None:
    """Hand in what was entered elsewhere."""
    from meterseal.collector.registry_database import open_registry
    from meterseal.registry import sync as handing
    from meterseal.registry.log import Registry as Log

    def one(source: Path, target: Log) -> handing.Synced:
        if source.suffix == ".json":
            return handing.hand_in(target, handing.read_facts(_json(source)))
        return handing.sync(target, open_registry(source, create=False).entries())

    target = open_registry(registry)
    results = {str(source): one(source, target) for source in sources}
    if as_json:
        output.result_json({source: found._asdict() for source, found in results.items()})
        return
    for source, found in results.items():
        output.verdict(True, f"{source}: {len(found.made)} entered, {found.present} known already")
        if found.unsigned:
            output.note(f"{found.unsigned} countersignatures have to be made again here")


def _acts(registry: str, by: str, operator_key: Path | None, passphrase_file: Path | None) -> Any:
    from meterseal.collector.registry_database import open_registry
    from meterseal.registry.acts import Acts
    from meterseal.registry.role_keys import load_key

    signers = []
    if operator_key is not None:
        signers.append(("operator", load_key(operator_key, passphrase_of(passphrase_file))))
    return Acts(open_registry(registry), named(by), signers)


def _say(entries: list[Entry], as_json: bool) -> None:
    if as_json:
        output.result_json(entries)
        return
    from meterseal.trust_countersigned import NEED_SECOND

    for entry in entries:
        output.verdict(True, f"entry {entry['n']}: {entry['type']}")
        if entry["type"] in NEED_SECOND:
            output.note(f"counts once countersigned: meterseal devices countersign {entry['n']}")


def _facts(file: Path) -> list[tuple[str, dict[str, Any]]]:
    document = _json(file)
    if isinstance(document, dict) and "facts" in document:
        from meterseal.registry.sync import read_facts

        return [(one.kind, one.fields) for one in read_facts(document)]
    facts = document if isinstance(document, list) else [document]
    if not all(isinstance(one, dict) and "type" in one for one in facts):
        text = f'{file}: expected {{"type": ..., fields}} or a list of them, found something else'
        raise ConfigurationError("facts-format", text, "See `meterseal devices add --help`.")
    return [(one["type"], {k: v for k, v in one.items() if k != "type"}) for one in facts]


def _enrolment(file: Path) -> dict[str, Any]:
    """Fields of enrol, or the one enrolment of a file that provisioning wrote."""
    document = _fields(file)
    if "facts" in document:
        found = [fields for kind, fields in _facts(file) if kind == "enrol"]
        if len(found) != 1:
            text = f"{file}: expected one enrolment, found {len(found)}"
            raise ConfigurationError("facts-format", text, "Give each board's own file.")
        document = found[0]
    return _proven(document)


def _proven(fields: dict[str, Any]) -> dict[str, Any]:
    """Nobody is enrolled on somebody's word. Raises RegistryError `possession-proof`."""
    from meterseal.registry.fields import check_fields
    from meterseal.registry.proof import check_enrolment

    check_fields("enrol", fields)
    check_enrolment(fields, needed=True)
    return fields


def _fields(file: Path) -> dict[str, Any]:
    document = _json(file)
    if not isinstance(document, dict):
        raise ConfigurationError(
            "facts-format", f"{file}: expected an object", "Correct the file."
        )
    return {name: value for name, value in document.items() if name != "type"}


def _json(file: Path) -> Any:
    try:
        return json.loads(_read(file))
    except ValueError as problem:
        text = f"{file}: expected JSON, found: {problem}"
        raise ConfigurationError("facts-format", text, "Correct the file.") from problem


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as problem:
        text = f"expected to read {file}: {problem}"
        raise EnvironmentProblem("file-unreadable", text, "Check the path.") from problem
