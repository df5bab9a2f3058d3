import json

import torch

from mmfer.evaluation import PredictionDump


def test_round_trip(tmp_path):
    dump = PredictionDump()
    dump.dataset_meta = dict(classes=('a', 'b'))
    scores = [[0.25, 0.75], [0.5, 0.5]]
    samples = [
        dict(img_path=f'{i}.jpg', gt_label=torch.tensor([i]), pred_label=torch.tensor([1]), pred_score=torch.tensor(s))
        for i, s in enumerate(scores)
    ]
    samples[0]['uncertainty'] = torch.tensor(0.5)
    samples[1].update(gender='female', ori_shape=(4, 4))
    dump.process(None, samples)
    assert dump.evaluate(2) == {}
    dump.write(tmp_path / 'new' / 'out.json', metrics=dict(accuracy=50.0))
    content = json.loads((tmp_path / 'new' / 'out.json').read_text())
    assert content['classes'] == ['a', 'b']
    assert content['metrics'] == dict(accuracy=50.0)
    first, second = content['predictions']
    assert first == dict(img_path='0.jpg', gt_label=0, pred_label=1, pred_score=[0.25, 0.75], uncertainty=0.5)
    assert 'uncertainty' not in second
    assert second['gender'] == 'female'
    assert 'ori_shape' not in second
    assert [p.name for p in (tmp_path / 'new').iterdir()] == ['out.json']


def test_each_prediction_is_a_line(tmp_path):
    dump = PredictionDump()
    for predictions in ([], [dict(img_path='a "b".jpg')], [dict(gt_label=i, pred_score=[0.5, 0.5]) for i in range(3)]):
        dump.predictions = predictions
        dump.write(tmp_path / 'out.json', metrics=dict(accuracy=50.0))
        text = (tmp_path / 'out.json').read_text()
        assert json.loads(text) == dict(metrics=dict(accuracy=50.0), classes=[], predictions=predictions)
        assert all(f'  {json.dumps(each)}' in text.replace(',\n', '\n').splitlines() for each in predictions)
