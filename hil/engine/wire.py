"""Questions, answers and warm states as bytes: safetensors, which holds arrays and nothing that could be run.

One format for the wire and for checkpoints. Numbers come back as they were, bit by bit.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from hil.arrays import Complex
from hil.engine.seam import Answer, Method, Question, WarmState
from hil.optimize.objective import Problem
from hil.optimize.solve import Solution

Arrays = dict[str, np.ndarray]
Facts = dict[str, Any]

_DOUBLE = ":complex128"  # ends the name of an array that is stored as pairs: safetensors has no such type
_MAX_HEADER_BYTES = 1 << 20


def pack(kind: str, arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any]) -> bytes:
    """Named arrays and JSON values under the name of what they are."""
    from safetensors.numpy import save

    plain = dict(_plain(name, array) for name, array in arrays.items())
    return save(plain, {"kind": kind, "facts": json.dumps(facts)})


def unpack(kind: str, blob: bytes) -> tuple[Arrays, Facts]:
    """What `pack` was given. Raises ValueError for bytes that are no such thing; nothing in them is ever run."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        told = _metadata(blob)
        found = load(blob)
        facts = json.loads(told["facts"])
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"no {kind} in safetensors: {error}") from None
    if told.get("kind") != kind:
        raise ValueError(f"no {kind} in safetensors: it says {told.get('kind')!r}")
    return dict(_complex(name, array) for name, array in found.items()), facts


def pack_question(question: Question, *, kept: bool) -> bytes:
    """kept: the host has the warm state; its round is named, and the state stays where it is."""
    problem, warm = question.problem, question.warm
    arrays = {"direct": problem.direct.astype(np.complex64), "cascade": problem.cascade.astype(np.complex64)}
    arrays["basis"] = problem.basis
    for name in ("states", "dispersion"):
        if (array := getattr(problem, name)) is not None:
            arrays[name] = array
    if warm is not None and not kept:
        arrays |= {"warm": warm.code, **_numbered(warm.network)}
    facts = {name: getattr(problem, name) for name in ("snr_scale", "num_taps", "bandwidth_hz", "rows", "cols")}
    warm_round = None if warm is None else warm.round_number
    rest = {"problem": facts, "method": asdict(question.method), "round": question.round_number, "warm": warm_round}
    return pack("question", arrays, rest)


def unpack_question(blob: bytes) -> tuple[Question, int | None]:
    """The question, and, where its warm state was not sent along, the round that left it. Raises ValueError."""
    arrays, facts = unpack("question", blob)
    problem = Problem(
        direct=arrays["direct"].astype(complex),
        cascade=arrays["cascade"].astype(complex),
        basis=arrays["basis"],
        states=arrays.get("states"),
        dispersion=arrays.get("dispersion"),
        **facts["problem"],
    )
    warm = WarmState(facts["warm"], arrays["warm"], _network(arrays)) if "warm" in arrays else None
    question = Question(facts["round"], problem, warm, Method(**facts["method"]))
    return question, None if warm else facts["warm"]


def pack_answer(answer: Answer) -> bytes:
    """Where there is a pattern its reflection stays behind: the asker knows the states."""
    solution = answer.solution
    arrays = {name: getattr(solution, name) for name in ("rate_mbps", "bound_mbps", "history", "code")}
    arrays |= {"reflection": solution.reflection} if solution.pattern is None else {"pattern": solution.pattern}
    arrays |= _numbered(solution.network)
    arrays |= {f"stages/{name}": rate for name, rate in solution.stages.items()}
    arrays |= {f"relaxed/{name}": rate for name, rate in solution.relaxed.items()}
    order = {"stages": list(solution.stages), "relaxed": list(solution.relaxed)}
    facts = {"seconds": solution.seconds, "round": answer.state.round_number, "warm": answer.warm, **order}
    return pack("answer", arrays, facts)


def unpack_answer(blob: bytes, asked: Problem) -> Answer:
    """Raises ValueError."""
    arrays, facts = unpack("answer", blob)
    pattern = arrays.get("pattern")
    solution = Solution(
        pattern=pattern,
        reflection=arrays["reflection"] if pattern is None else _reflection(asked, pattern),
        rate_mbps=arrays["rate_mbps"],
        bound_mbps=arrays["bound_mbps"],
        history=arrays["history"],
        code=arrays["code"],
        stages={name: arrays[f"stages/{name}"] for name in facts["stages"]},
        relaxed={name: arrays[f"relaxed/{name}"] for name in facts["relaxed"]},
        seconds=facts["seconds"],
        network=_network(arrays),
    )
    return Answer(solution, WarmState(facts["round"], solution.code, solution.network), facts["warm"])


def pack_state(state: WarmState) -> bytes:
    return pack("warm state", {"code": state.code, **_numbered(state.network)}, {"round": state.round_number})


def unpack_state(blob: bytes) -> WarmState:
    """Raises ValueError."""
    arrays, facts = unpack("warm state", blob)
    if "code" not in arrays or not isinstance(facts.get("round"), int):
        raise ValueError("no warm state in safetensors: it lacks a code or the number of a round")
    return WarmState(facts["round"], arrays["code"], _network(arrays))


def _numbered(network: tuple[np.ndarray, ...]) -> Arrays:
    return {f"network/{index}": array for index, array in enumerate(network)}


def _network(arrays: Arrays) -> tuple[np.ndarray, ...]:
    count = sum(name.startswith("network/") for name in arrays)
    return tuple(arrays[f"network/{index}"] for index in range(count))


def _reflection(problem: Problem, pattern: np.ndarray) -> Complex[np.ndarray, "*batch element"]:
    assert problem.states is not None, "a pattern of a surface without states"
    return np.asarray(problem.states[pattern])


def _plain(name: str, array: np.ndarray) -> tuple[str, np.ndarray]:
    array = np.asarray(array, order="C")
    if array.dtype != np.complex128:
        return name, array
    return name + _DOUBLE, np.stack([array.real, array.imag], axis=-1)


def _complex(name: str, array: np.ndarray) -> tuple[str, np.ndarray]:
    if not name.endswith(_DOUBLE):
        return name, array
    return name.removesuffix(_DOUBLE), np.ascontiguousarray(array).view(complex)[..., 0]


def _metadata(blob: bytes) -> dict[str, str]:
    """The text that safetensors keeps beside the arrays: the header is JSON behind its length."""
    size = int.from_bytes(blob[:8], "little")
    if not 0 < size <= min(_MAX_HEADER_BYTES, len(blob) - 8):
        raise ValueError("its header has no sensible length")
    header = json.loads(blob[8 : 8 + size])
    found: dict[str, str] = header["__metadata__"]
    return found
