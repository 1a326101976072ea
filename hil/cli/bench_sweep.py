"""`hil bench sweep`: how close a station's sweeps come to the floor that its link, surface and radio allow."""

from typing import Annotated

import typer

from hil.cli.options import Json, Set, TestbedFile, overrides, required
from hil.cli.output import emit_json, print_table, progress

SHOWN = (
    "mode",
    "patterns",
    "symbols",
    "radio_time_s",
    "floor_s",
    "ratio",
    "upload_s",
    "drain_s",
    "took_s",
    "wall_time_s",
    "software_s",
    "estimate_s",
    "left_s",
    "left_share",
    "two_ffts_share",
)


def sweep(
    testbed: TestbedFile = None,
    modes: Annotated[
        str | None, typer.Option(help="Names, separated by commas; all of the station by default.")
    ] = None,
    scheme: Annotated[str, typer.Option(help="hadamard (N patterns), hadamard_plus_one, pairs (2N).")] = "hadamard",
    repetitions: Annotated[
        int | None, typer.Option(min=1, help="Symbols of each pattern; the station's, in a sequence one.")
    ] = None,
    memory: Annotated[
        bool, typer.Option("--memory", help="Sweep once more, slowly, and tell the most memory that is held.")
    ] = False,
    set_: Set = None,
    json: Json = False,
) -> None:
    """Sweep in each mode: radio time against its floor. The computer's time apart.

    A sweep's radio time is that of the testbed's clock; storing patterns on the board before it is `upload_s`,
    bringing the samples over USB `drain_s`, at the simulation's `usb_bytes_per_s` or 28 MB/s;
    `software_s` is the processor's time without the simulator's, `estimate_s` that of the estimate behind it, and
    `left_s` what of both comes after the last sample; `left_share` over `took_s`, from the first sample to the last one
    on this side of the USB, `two_ffts_share` what two FFTs over all soundings are of that: an estimate's own bound.
    `peak_memory_mb` is beyond what program and station held before, without what the simulator uses up.

    Examples: `hil bench sweep --testbed configs/testbeds/sim-64x64.yaml --modes sequence,pipelined`,
    `hil bench sweep --testbed configs/testbeds/sim-opensource-ris.yaml --set simulation.usb_turnaround_s=0.016`
    """
    from hil.campaign.sweep_modes import FLOOR, time_modes
    from hil.config import SweepConfig, TestbedConfig
    from hil.yamlfile import load_yaml, load_yaml_text

    station = load_yaml(required(testbed), TestbedConfig, overrides(None, None, set_))
    names = modes.split(",") if modes else []
    asked = [
        load_yaml_text("{}", "hil bench sweep", SweepConfig, {"mode": name, "scheme": scheme}).mode for name in names
    ]
    chosen = [mode for mode in asked if mode != "auto"] or None
    with progress() as report_progress:
        rows = time_modes(
            station, chosen, scheme=scheme, repetitions=repetitions, memory=memory, progress=report_progress
        )
    shown = (*SHOWN, *(["peak_memory_mb"] if memory else []))
    print_table(shown, [[row[name] for name in shown] for row in rows])
    print(FLOOR)
    if json:
        emit_json({"testbed": station.name, "floor": FLOOR, "rows": rows})
