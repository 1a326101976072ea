"""How many captures a run threw away and took again, by stage: clipped, hit by bursts, void by a restart, in doubt."""

from hil.measure.recording import Recording


def retakes_by_stage(recording: Recording) -> dict[str, int]:
    """Of every stage whose steps hold soundings, in the order of recording. Raises RecordingError for damaged steps."""
    counts: dict[str, int] = {}
    for name in recording.names:
        step = recording.read(name)
        if "retakes" in (step.data.dtype.names or ()):
            stage = name.rpartition("/")[0] or name
            counts[stage] = counts.get(stage, 0) + int(step.data["retakes"].sum()) + len(step.facts.get("which", ()))
    return counts
