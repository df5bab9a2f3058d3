import json
from pathlib import Path

import pytest

from mmfer.benchmark import image_list
from mmfer.datasets import AffectNet


def test_the_list_is_one_of_affect_net(tmp_path):
    image_list.write_list(tmp_path, 21)
    dataset = AffectNet(str(tmp_path), 'train')
    assert len(dataset) == 21
    x1, y1, x2, y2 = dataset.entry(3)['face_box']
    assert x1 < x2
    assert y1 < y2
    assert Path(dataset.entry(3)['img_path']).stat().st_size == 0


@pytest.mark.skipif(not Path('/proc/self/smaps_rollup').is_file(), reason='needs /proc/self/smaps_rollup')
def test_time_and_memory(monkeypatch):
    sizes = []

    def cost(folder, workers, start_method, repeat):
        sizes.append((len(AffectNet(folder, 'train')), workers, start_method, repeat))
        return [3.0, 1.0, 2.0], 100.0 * len(sizes)

    class Here:
        def __init__(self, *args, **options):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *error):
            pass

        def submit(self, function, *args):
            self.result = lambda: cost(*args)
            return self

    monkeypatch.setattr(image_list, 'ProcessPoolExecutor', Here)
    monkeypatch.setattr(image_list, 'FEW', 10)
    result = image_list.benchmark_list(num=40, workers=2)
    assert sizes == [(10, 2, 'fork', 3), (40, 2, 'fork', 3)]
    assert (result['seconds'], result['total_mb'], result['list_mb']) == (2, 200, 100)
    json.dumps(result)


@pytest.mark.skipif(not Path('/proc/self/smaps_rollup').is_file(), reason='needs /proc/self/smaps_rollup')
def test_workers_count(tmp_path):
    image_list.write_list(tmp_path, 2000)
    seconds, total = image_list._cost(str(tmp_path), 2, 'fork', 1)
    assert len(seconds) == 1
    assert total > 50


@pytest.mark.parametrize('wrong', [dict(num=1000), dict(workers=0), dict(repeat=0)])
def test_arguments_out_of_bounds(wrong):
    with pytest.raises(ValueError, match=f'{next(iter(wrong))}=.* must be at least'):
        image_list.benchmark_list(**wrong)
