import threading

import pytest

from mmfer.datasets.prepare.parallel import in_threads


@pytest.mark.parametrize('workers', [1, 3])
def test_order_is_kept(workers):
    assert list(in_threads(lambda x: x * x, range(100), workers)) == [x * x for x in range(100)]


def test_items_are_made_only_a_few_ahead_in_the_calling_thread():
    made, threads = [], set()

    def items():
        for i in range(100):
            made.append(i)
            threads.add(threading.get_ident())
            yield i

    results = in_threads(lambda x: x, items(), 2)
    next(results)
    assert len(made) <= 8
    results.close()
    assert threads == {threading.get_ident()}


@pytest.mark.parametrize('workers', [1, 2])
def test_errors_end_it(workers):
    done = []

    def work(x):
        if x == 5:
            raise ValueError('five')
        done.append(x)
        return x

    with pytest.raises(ValueError, match='five'):
        list(in_threads(work, range(1000), workers))
    assert len(done) < 30
