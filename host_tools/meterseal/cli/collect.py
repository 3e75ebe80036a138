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
    from meterseal.cli import collect_backup, collect_tokens

    verb = typer.Typer(help=_HELP)
    verb.callback(invoke_without_command=True)(collect)
    collect_tokens.register(verb)
    collect_backup.register(verb)
    app.add_typer(verb, name="collect")


def collect(
    context: typer.Context,
    data: Annotated[Path | None, typer.Option(help="Directory of the database.")] = None,
    cert: Annotated[Path | None, typer.Option(help="Server certificate, PEM.")] = None,
    key: Annotated[Path | None, typer.Option(help="Key of the certificate, PEM.")] = None,
    trust: Annotated[
        Path | None, typer.Option(help="Trust file: whose batches are taken; it is followed.")
    ] = None,
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
    client_ca: Annotated[
        Path | None,
        typer.Option(help="Mutual TLS: only clients with a certificate of this authority, PEM."),
    ] = None,
    webhook: Annotated[
        list[str] | None, typer.Option(help="Tell this https:// address of batches and alerts.")
    ] = None,
    webhook_secret: Annotated[
        Path | None, typer.Option(help="File with the secret that signs webhooks.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line when ready.")] = False,
) -> None:
    """Serve until told to stop (help text: `_HELP`)."""
    if context.invoked_subcommand is not None:
        return
    from meterseal.collector.serve import Settings, receipt_key, serve

    if data is None or cert is None or key is None or trust is None:
        raise typer.BadParameter("--data, --cert, --key and --trust are needed to serve")

    settings = Settings(data, cert, key, trust, host, port, database, workers)
    settings = settings._replace(mqtt=mqtt, mqtt_ca=mqtt_ca, quarantine_mib=quarantine_mib)
    settings = settings._replace(
        connections_per_address=connections_per_address, client_ca=client_ca
    )
    settings = settings._replace(webhooks=tuple(webhook or ()), webhook_secret=webhook_secret)
    if webhook and webhook_secret is None:
        raise typer.BadParameter("--webhook needs --webhook-secret: receivers check the signature")

    def ready(url: str) -> None:
        found = receipt_key(settings)
        if as_json:
            typer.echo(json.dumps({"ready": True, "url": url, "receipt_key": found}))
        else:
            typer.echo(f"Listening on {url}")
            typer.echo(f"Receipts are signed by {found} ({settings.data / 'receipt.pem'})")

    serve(settings, ready)
