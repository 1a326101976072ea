"""The engine in this process: the same tickets and deadlines, on a thread of its own."""

from concurrent.futures import Future, ThreadPoolExecutor

from hil.engine.engine import Engine
from hil.engine.seam import Answer, Question, run_round


class LocalEngine(Engine):
    """Rounds one after the other on one thread, so that the caller can sound meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="optimizer")

    def _begin(self, question: Question) -> "Future[Answer]":
        return self._thread.submit(run_round, question)

    def close(self) -> None:
        """Rounds not begun are dropped; one that runs comes to its end."""
        self._thread.shutdown(cancel_futures=True)
