"""`hil profiles`: the surface boards that hil knows, and what each profile says."""

from typing import Annotated

import typer

from hil.cli.options import Json
from hil.cli.output import emit_json


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(profiles)


def profiles(
    name: Annotated[str | None, typer.Argument(help="Name of a profile, or a path to a YAML file: explain it.")] = None,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON schema of profiles, for editors.")] = False,
    json: Json = False,
) -> None:
    """List the surface boards that hil can drive, or explain one.

    Examples: `hil profiles`, `hil profiles reference-64x64`, `hil profiles my-board.yaml`, `hil profiles --schema`.
    """
    from hil.firmware.profile import describe, list_profiles, load_profile, profile_json_schema

    if schema:
        emit_json(profile_json_schema())
        return
    names = [name] if name else list_profiles()
    found = {each: describe(load_profile(each)) for each in names}
    if json:
        emit_json({"profiles": found})
        return
    if name is None:
        width = max(map(len, found))
        print("\n".join(f"{each:<{width}}  {topics['title']}" for each, topics in found.items()))
        return
    print("\n".join([name, *(f"  {topic}: {words}" for topic, words in found[name].items())]))
