"""`meterseal devices`: the registry on the command line."""

import typer

_HELP = """The registry: devices, stations and meters. Entries are only ever added.

What decides which energy counts (enrolments, meters, boards, stations, calibrations) does so only
when a second person has countersigned it. Verification takes the signed export. The registry is a
SQLite file, or the collector's database by URL.

Examples:

    meterseal devices list --registry registry.sqlite

    meterseal devices add facts.json --by "S. Chan" --operator-key keys/operator.key

    meterseal devices countersign 4 --second-key keys/second.key

    meterseal devices export --out trust.json --operator-key keys/operator.key
"""
_ADD_HELP = """Enter facts from JSON files, all or none.

A fact is {"type": ..., fields}; a file holds one, a list of them, or what provisioning wrote.
Types: enrol (with nonce and proof of the board's key), station, meter-install, meter-remove,
calibration, set-aside, restart, note.

Example:

    meterseal devices add station.json calibration.json
"""
_METER_HELP = """A meter was taken out and another one put in; both wait for the second role.

REMOVAL and INSTALLATION are JSON files with the fields of meter-remove and meter-install.

Example:

    meterseal devices replace-meter old.json new.json --by "S. Chan"
"""
_DEVICE_HELP = """Another board takes over the meters of a device; the old key is retired.

ENROLMENT is the facts.json that provisioning wrote, or a JSON file with the fields of enrol.
`meterseal provision --replace OLD` does this itself. Both entries wait for the second role.

Example:

    meterseal devices replace-device 746291b0c351eaa7 station/facts.json
"""
_ROLLOVER_HELP = """The board goes on with a new key that its old key has signed.

ENROLMENT and STATEMENT are the files that `meterseal rollover` took from the board. The entries
wait for the second role.

Example:

    meterseal devices rollover 746291b0c351eaa7 enrolment.json statement.cose
"""
_REVOKE_HELP = """Refuse everything that a key seals from a moment on. Cannot be undone.

Example:

    meterseal devices revoke 746291b0c351eaa7 --since 2026-11-20T00:00:00Z --reason stolen
"""
_UNDO_HELP = """Take a relabelling or a station's data back: an entry says the former again.

Example:

    meterseal devices undo 17
"""
_SYNC_HELP = """Hand in what was entered without network: fact files, or another registry.

Handing in twice changes nothing.

Example:

    meterseal devices sync laptop.sqlite facts.json --registry registry.sqlite
"""


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    from meterseal.cli import devices_acts, devices_show

    verb = typer.Typer(help=_HELP, no_args_is_help=True)
    verb.command("list", help="List devices, or the entries that wait.")(devices_show.list_devices)
    verb.command("show", help="Show one device, its meters and entries.")(devices_show.show)
    verb.command("add", help=_ADD_HELP)(devices_acts.add)
    verb.command("countersign", help="Confirm an entry as the second role.")(
        devices_acts.countersign
    )
    verb.command("relabel", help="The device belongs to another station.")(devices_acts.relabel)
    verb.command("replace-meter", help=_METER_HELP)(devices_acts.replace_meter)
    verb.command("replace-device", help=_DEVICE_HELP)(devices_acts.replace_device)
    verb.command("rollover", help=_ROLLOVER_HELP)(devices_acts.rollover)
    verb.command("revoke", help=_REVOKE_HELP)(devices_acts.revoke)
    verb.command("retire", help="Take a device out of service in good order.")(devices_acts.retire)
    verb.command("undo", help=_UNDO_HELP)(devices_acts.undo)
    verb.command("export", help="Write the signed trust file.")(devices_show.export)
    verb.command("sync", help=_SYNC_HELP)(devices_acts.sync)
    app.add_typer(verb, name="devices")
