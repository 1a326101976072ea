"""Where an optimization runs: in this process, or on a worker of a Dask cluster with a GPU.

One pure function stands behind both: `seam.run_round`, (problem, warm state) -> (solution, warm state). A loop says:

    with open_engine(experiment.engine) as engine:
        method = Method("tap-space", certify=False, user="desk")
        reply = engine.optimize(round_number, problem, method, deadline_s=0.2)

`reply.solution` is a `hil.optimize.solve.Solution`; `reply.place` says where it was made, "here" or "host", and
`reply.note` why not at the host. Nothing waits longer than its deadline: when the host is late or gone, `optimize` does
a tap-space search here, from the last warm state that arrived. What the loop has on the surface stays there meanwhile.

To sound while the host computes, the two halves:

    ticket = engine.submit(round_number, problem, method)
    ...                                              # radio time
    reply = engine.result(ticket, deadline_s=0.2)
    if isinstance(reply, Late):                      # its answer, should it come, is dropped
        reply = engine.instead(reply)                # search here

`deadline_s` counts from `submit`; None: in process until done, at a host what its section of the file says. Each round
starts from what the last one of the same `Method.user` left; `warm=` gives another start (the code of a neighbour).
Round numbers of a user go up.
"""

from hil.engine.engine import Engine, Late, Reply, Ticket
from hil.engine.open import open_engine
from hil.engine.seam import Method, WarmState

__all__ = ["Engine", "Late", "Method", "Reply", "Ticket", "WarmState", "open_engine"]
