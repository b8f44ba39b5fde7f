"""python -m deploy.local up|down|status|env|logs|topics|migrate|service"""

import os
import subprocess
import sys
import time
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from deploy.local import topics as topic_list
from deploy.local.errors import PlatformError
from deploy.local.platform import Platform, find_platform, start_platform, sweep
from deploy.local.progress import Report, shown
from deploy.local.services import PREFERRED_PORTS, Services, existing
from deploy.local.settings import ROOT, SERVICES, load_settings

console = Console()
commands = typer.Typer(
    add_completion=False, no_args_is_help=True, help="Kafka, PostgreSQL and the services on this machine."
)


def _services(platform: Platform) -> Services:
    return Services(platform, topic_prefix=load_settings().topic_prefix)


def _create_topics(
    platform: Platform, report: Report, *, prefix: str, repartition: bool = False
) -> topic_list.Outcome:
    with report.step("topics: creating those that are missing"):
        return topic_list.apply(platform.kafka, prefix=prefix, repartition=repartition)


@commands.command()
def up(
    platform_only: Annotated[bool, typer.Option(help="Kafka and PostgreSQL, without services.")] = False,
) -> None:
    """Start everything that does not run yet, and leave it running."""
    started = time.monotonic()
    with shown(console) as report:
        platform = start_platform(report=report)
        if not platform_only:
            _create_topics(platform, report, prefix=load_settings().topic_prefix)
            _services(platform).start(existing(), report)
    console.print(f"\nup after {time.monotonic() - started:.1f} s; `make down` stops it\n")
    _show_status(platform)


@commands.command()
def down(
    purge: Annotated[bool, typer.Option(help="Delete the data as well.")] = False,
) -> None:
    """Stop what `up` started, and what a test run that was killed left, and nothing else; data stays."""
    platform = find_platform()
    killed = _services(platform).stop()
    platform.stop()
    sweep()
    for name in killed:
        console.print(f"{name} did not end by itself and was killed")
    if purge:
        platform.purge()
    console.print("stopped" + (", data deleted" if purge else ""))


@commands.command()
def status() -> None:
    """Every process, its port, health, messages to read and to send."""
    _show_status(find_platform())


def _show_status(platform: Platform) -> None:
    table = Table(box=None, pad_edge=False)
    for column in ("", "process", "port", "health", "lag", "outbox"):
        table.add_column(column, justify="left" if column in ("", "health") else "right")
    for name, pid, address in (
        ("kafka", platform.kafka_pid, platform.kafka),
        ("postgres", platform.postgres_pid, platform.admin_url),
    ):
        running = platform.running[name]
        provider = platform.versions[name]
        port = address.partition("@")[2] or address
        table.add_row(
            name,
            str(pid or "-"),
            port.split("/")[0].rpartition(":")[2],
            f"{'[green]runs' if running else '[red]does not run'}[/] ({provider['provider']} {provider['version']})",
        )
    services = _services(platform)
    for name in existing():
        health = services.health(name)
        table.add_row(
            name,
            str(health.pid or "-"),
            str(health.port or "-"),
            "[green]ready[/]" if health.ready else f"[red]{health.problem}[/]",
            *("-" if figure is None else f"{figure:.0f}" for figure in (health.lag, health.outbox)),
        )
    console.print(table)


@commands.command()
def env() -> None:
    """The addresses as shell variables: eval "$(python -m deploy.local env)"."""
    platform = find_platform()
    print(f"export OMS_KAFKA='{platform.kafka}'")
    print(f"export OMS_ADMIN_DATABASE_URL='{platform.admin_url}'")
    services = _services(platform)
    for name in SERVICES:
        print(f"export OMS_{name.upper()}_DATABASE_URL='{platform.database_url(name)}'")
        if services.port(name):
            print(f"export OMS_{name.upper()}_HTTP_PORT='{services.port(name)}'")


@commands.command()
def logs(
    name: Annotated[str | None, typer.Argument(help="kafka, postgres or a service; all without.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as they grow.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n")] = 30,
) -> None:
    """The last lines of the logs."""
    folder = find_platform().instance.logs
    files = sorted(folder.glob(f"{name or '*'}.log"))
    if not files:
        raise PlatformError(f"no log of {name or 'anything'} in {folder}", "run `make up` first")
    if follow:
        subprocess.run(["tail", "-n", str(lines), "-F", *map(str, files)], check=False)
        return
    for file in files:
        console.rule(file.name, align="left")
        print("\n".join(file.read_text(errors="replace").splitlines()[-lines:]))


@commands.command()
def topics(
    prefix: Annotated[
        str | None, typer.Option(help="Put before every name; default OMS_TOPIC_PREFIX.")
    ] = None,
    repartition: Annotated[bool, typer.Option(help="Add partitions as listed, if all was read.")] = False,
) -> None:
    """Create the topics of deploy/topics.yaml and apply changed settings."""
    with shown(console) as report:
        platform = start_platform(report=report)
        outcome = _create_topics(
            platform,
            report,
            prefix=load_settings().topic_prefix if prefix is None else prefix,
            repartition=repartition,
        )
    for name in outcome.created:
        console.print(f"created    {name}")
    for name, change in outcome.changed.items():
        console.print(f"changed    {name}: {change}")
    for name, why in outcome.left.items():
        console.print(f"[yellow]differs[/]    {name}: {why}")
    console.print(f"{len(outcome.unchanged)} as listed")
    if repartition and outcome.left:
        raise typer.Exit(1)


@commands.command()
def migrate() -> None:
    """Bring every service's database to the newest schema."""
    with shown(console) as report:
        platform = start_platform(report=report)
        _services(platform).migrate(existing(), report)


@commands.command(
    context_settings={
        "allow_extra_args": True,
        "ignore_unknown_options": True,
        "help_option_names": [],  # `service orders --help` is a question to orders.
    }
)
def service(context: typer.Context, name: str) -> None:
    """Run a command of one service with the addresses of this platform: `service orders dead-letters list`."""
    if name not in SERVICES:
        raise PlatformError(f"{name} is no service", f"known are {', '.join(SERVICES)}")
    platform = find_platform()
    if stopped := [server for server, runs in platform.running.items() if not runs]:
        raise PlatformError(f"{' and '.join(stopped)} do not run here", "run `make up` first")
    services = _services(platform)
    os.chdir(ROOT)
    environment = os.environ | services.environment(name, services.port(name) or PREFERRED_PORTS[name])
    os.execve(sys.executable, [sys.executable, "-m", f"services.{name}", *context.args], environment)


def main() -> int:
    """Run one command; a failure that a person can mend is two lines and exit code 1, never a traceback."""
    try:
        result = commands(standalone_mode=False)
    except PlatformError as error:
        Console(stderr=True).print(
            f"[red]error:[/] {error.problem}\n[bold]what to do:[/] {error.remedy}", highlight=False
        )
        return 1
    except (KeyboardInterrupt, typer.Abort):
        return 130
    except Exception as error:
        usage = getattr(error, "format_message", None)
        if usage is None:
            raise
        Console(stderr=True).print(f"[red]error:[/] {usage()}", highlight=False)
        return 2
    return result if isinstance(result, int) else 0


if __name__ == "__main__":
    sys.exit(main())
