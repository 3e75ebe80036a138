"""`meterseal collect`: the collector."""

import json
from pathlib import Path
from typing import Annotated

import typer

_HELP = """Collect sealed batches over HTTPS and keep every byte.

With --mqtt it follows a broker as well: stations publish to meterseal/v1/batches/<device> and are
answered on meterseal/v1/answers/<device>.

Acknowledges only what is durable, and only what verifies with a key of the trust file.

Examples:

    meterseal collect --data data --cert server.pem --key server.key --trust trust.json

    meterseal collect --data data --port 0 --json --cert c.pem --key c.key --trust trust.json
"""


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command("collect", help=_HELP)(collect)


def collect(
    data: Annotated[Path, typer.Option(help="Directory of the database.")],
    cert: Annotated[Path, typer.Option(help="Server certificate, PEM.")],
    key: Annotated[Path, typer.Option(help="Key of the certificate, PEM.")],
    trust: Annotated[Path, typer.Option(help="Trust file: whose batches are taken.")],
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0: any free one.")] = 8443,
    database: Annotated[str, typer.Option(help="SQLAlchemy URL; default: SQLite in --data.")] = "",
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes; one a core.")] = 1,
    mqtt: Annotated[str, typer.Option(help="Broker too: mqtts://[USER:PASSWORD@]HOST.")] = "",
    mqtt_ca: Annotated[Path | None, typer.Option(help="Authority of the broker, PEM.")] = None,
    connections_per_address: Annotated[
        int, typer.Option(min=0, help="Of one address and worker; 0: half of all there are.")
    ] = 0,
    quarantine_mib: Annotated[
        int, typer.Option(min=1, help="MiB for all that does not verify; the oldest makes room.")
    ] = 256,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line when ready.")] = False,
) -> None:
    """Serve until told to stop (help text: `_HELP`)."""
    from meterseal.collector.serve import Settings, serve

    def ready(url: str) -> None:
        typer.echo(json.dumps({"ready": True, "url": url}) if as_json else f"Listening on {url}")

    settings = Settings(data, cert, key, trust, host, port, database, workers)
    settings = settings._replace(mqtt=mqtt, mqtt_ca=mqtt_ca, quarantine_mib=quarantine_mib)
    serve(settings._replace(connections_per_address=connections_per_address), ready)
