"""A few threads for work that leaves Python's lock, such as decoding images."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor


def in_threads(function: Callable, items: Iterable, workers: int) -> Iterator:
    """Yield ``function(item)`` for each of ``items`` in their order.

    The items are made in the calling thread, only a few ahead, so they may be read from one archive and be large. The
    first error ends it; what was begun is finished, what was not is dropped.
    """
    if workers <= 1:
        yield from map(function, items)
        return
    with ThreadPoolExecutor(workers) as pool:
        running: deque = deque()
        try:
            for item in items:
                running.append(pool.submit(function, item))
                if len(running) >= 4 * workers:
                    yield running.popleft().result()
            while running:
                yield running.popleft().result()
        finally:
            for future in running:
                future.cancel()
