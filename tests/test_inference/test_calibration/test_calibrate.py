import json

import numpy as np
import pytest
import torch
from mmengine.config import Config
from torchmetrics.functional.classification import multiclass_calibration_error
from trained_heads import HEADS, config_with, faces, train_head

from mmfer.apis import build_runner, calibrate, evaluate, init_model
from mmfer.datasets import SynthFER
from mmfer.engine import FERRunner
from mmfer.inference.calibration.sets import describe_sets, fit_label_sets, votes_by_name
from mmfer.inference.export.write import export_onnx, export_weights
from mmfer.inference.inferencer import ExpressionInferencer
from mmfer.models.heads.calibration import Calibration
from mmfer.structures.label_sets import find_sets, name_set
from mmfer.utils.checkpoint import load_checkpoint, write_checkpoint

METHOD_OF_HEAD = dict(zip(HEADS, ('temperature', 'vector', 'vector', 'temperature', 'vector')))


def fields(model, dataset):
    """What ``model`` predicts for the faces of ``dataset``, and their labels."""
    batch = dict(inputs=torch.stack([torch.from_numpy(i['img']).permute(2, 0, 1) for i in dataset]), data_samples=None)
    with torch.no_grad():
        inputs = model.data_preprocessor(batch)['inputs']
        out = model.head.predictions(model.head.pre_logits(model.extract_feat(inputs)))
    return {name: value.numpy() for name, value in out.items()}, dataset.get_gt_labels()


@pytest.fixture(scope='module')
def linear(tmp_path_factory):
    return train_head('linear', tmp_path_factory.mktemp('linear'))


def scaled(raw, weight, bias=0.0):
    logits = weight * np.log(raw.astype(np.float64)) + bias
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


KEPT = {'pred_mean', 'pred_std', 'vacuity', 'pred_samples', 'pred_concentration'}  # by a calibration


@pytest.mark.parametrize(('head', 'method'), METHOD_OF_HEAD.items())
def test_every_head_from_fit_to_test(head, method, tmp_path):
    checkpoint = train_head(head, tmp_path)
    config = config_with(head, tmp_path)
    result = calibrate(config, checkpoint, method, out=tmp_path / 'new.pth')
    record = result.record
    raw, labels = fields(init_model(config, checkpoint), faces('val', 60))
    new, _ = fields(init_model(config, result.path), faces('val', 60))
    weight, bias = np.array(record['weight']), np.array(record['bias'])
    np.testing.assert_allclose(new['pred_score'], scaled(raw['pred_score'], weight, bias), atol=1e-5)
    assert record['samples'] == 60
    assert record['protocol'] == 'SynthFER val'
    for values, out in ((record['before'], raw), (record['after'], new)):
        scores = out['pred_score']
        assert values['nll'] == pytest.approx(-np.log(scores[np.arange(60), labels]).mean(), abs=1e-5)
        assert values['accuracy'] == pytest.approx(100 * (scores.argmax(1) == labels).mean())
        error = multiclass_calibration_error(torch.from_numpy(scores), torch.from_numpy(labels), 7, 15)
        assert values['ece'] == pytest.approx(100 * float(error), abs=1e-3)
        one_hot = np.eye(7)[labels]
        assert values['brier'] == pytest.approx(((scores - one_hot) ** 2).sum(1).mean(), abs=1e-5)
    assert record['after']['nll'] <= record['before']['nll']
    if method == 'temperature':
        assert record['after']['accuracy'] == record['before']['accuracy']
        assert record['temperature'] == pytest.approx(1 / weight[0])
    assert all(np.array_equal(raw[name], new[name]) for name in KEPT & raw.keys())

    out = tmp_path / 'result.json'
    evaluate(config_with(head, tmp_path), result.path, out=out, work_dir=tmp_path)
    dumped = json.loads(out.read_text())
    expected, _ = fields(init_model(config, result.path), faces('test', 40))
    assert dumped['calibration'].startswith(f'{method}')
    assert dumped['calibration'].endswith('fitted on 60 images of SynthFER val')
    assert len(dumped['predictions']) == 40
    expected.pop('pred_samples', None)  # too many numbers for a file
    for name, value in expected.items():
        np.testing.assert_allclose([p[name] for p in dumped['predictions']], value, atol=1e-4, err_msg=name)
    for record in dumped['predictions'] if 'aleatoric' in expected else ():
        assert record['aleatoric'] + record['epistemic'] == pytest.approx(record['uncertainty'], abs=1e-6)


def test_the_checkpoint(linear, tmp_path):
    config = config_with('linear', tmp_path)
    result = calibrate(config, linear)
    assert result.path == linear.with_name('epoch_3_calibrated.pth')
    old, new = load_checkpoint(linear), torch.load(result.path, weights_only=True)
    assert new.keys() == {'state_dict', 'meta'}
    assert new['meta']['dataset_meta'] == old['meta']['dataset_meta']
    assert set(new['state_dict']) - set(old['state_dict']) == {'head.calibration.weight', 'head.calibration.bias'}
    assert all(torch.equal(new['state_dict'][name], value) for name, value in old['state_dict'].items())
    assert len(new['meta']['calibration'].pop('images')) == 60
    assert new['meta']['calibration'] == result.record
    assert 'note' not in str(result)
    assert 'temperature' in str(result)

    # a second fit takes the place of the first, and has the same result whatever the first was
    vector = calibrate(config, result.path, 'vector')
    assert vector.path == result.path
    assert vector.record['before'] == result.record['before']
    assert 'neutral' in str(vector)
    again = calibrate(config, result.path, 'temperature')
    assert again.record == dict(result.record, source='epoch_3_calibrated.pth')
    result.path.unlink()


def test_test_images_are_refused(linear, tmp_path):
    config = config_with('linear', tmp_path)
    config.val_dataloader = config.test_dataloader
    with pytest.raises(ValueError, match=r'(?s)40 of the 40 images are test images.*--holdout'):
        calibrate(config, linear, out=tmp_path / 'x.pth')
    config.val_dataloader.dataset.num_samples = 60  # 40 of which are tested
    config.test_dataloader = dict(config.val_dataloader, dataset=dict(config.val_dataloader.dataset, num_samples=40))
    with pytest.raises(ValueError, match='40 of the 60 images are test images'):
        calibrate(config, linear, out=tmp_path / 'x.pth')
    assert not (tmp_path / 'x.pth').exists()
    result = calibrate(config, linear, out=tmp_path / 'x.pth', allow_test=True)
    assert '40 of the 60 images are test images' in result.notes[0]
    assert result.record['allow_test']


def test_training_images_are_refused(linear, tmp_path):
    config = config_with('linear', tmp_path)
    data = Config(dict(val_dataloader=dict(config.train_dataloader)))
    with pytest.raises(ValueError, match='28 of the 28 images are training images'):
        calibrate(config, linear, data=data, out=tmp_path / 'x.pth')


def test_holdout(linear, tmp_path, caplog):
    config = config_with('linear', tmp_path)
    result = calibrate(config, linear, holdout=0.5, seed=1, out=tmp_path / 'half.pth')
    record = result.record
    labels = faces('test', 40).get_gt_labels()
    assert record['samples'] == sum(round(0.5 * n) for n in np.bincount(labels))
    assert record['samples'] + record['rest']['samples'] == 40
    assert f'{record["samples"]} of 40 images, drawn from each class with seed 1' in record['protocol']
    assert 'other images, after' in str(result)
    raw, _ = fields(init_model(config, linear), faces('test', 40))
    right = (raw['pred_score'].argmax(1) == labels).sum()
    parts = (record['before']['accuracy'] * record['samples'], record['rest']['before']['accuracy'])
    assert parts[0] + parts[1] * record['rest']['samples'] == pytest.approx(100 * right)
    same = calibrate(config, linear, holdout=0.5, seed=1, out=tmp_path / 'same.pth').record
    other = calibrate(config, linear, holdout=0.5, seed=2, out=tmp_path / 'other.pth').record
    assert same == record
    assert other['temperature'] != record['temperature']

    evaluate(config_with('linear', tmp_path), tmp_path / 'half.pth', work_dir=tmp_path / 'test')
    log = next((tmp_path / 'test').rglob('*.log')).read_text()
    assert f'{record["samples"]} of the 40 test images are those that the calibration was fitted on' in log
    assert 'Calibrated: temperature' in log
    with pytest.raises(ValueError, match='leaves none'):
        calibrate(config, linear, holdout=0.01, out=tmp_path / 'x.pth')


def test_data_of_another_config_meet_by_name(linear, tmp_path):
    config = config_with('linear', tmp_path)
    expected = calibrate(config, linear, 'vector', out=tmp_path / 'a.pth').record
    inner = dict(config.val_dataloader.dataset)
    names = SynthFER.METAINFO['classes'][::-1]
    other = dict(config.val_dataloader, dataset=dict(type='MapClasses', classes=names, dataset=inner))
    found = calibrate(config, linear, 'vector', data=Config(dict(val_dataloader=other)), out=tmp_path / 'b.pth').record
    assert found['after'] == expected['after']
    assert found['weight'] == expected['weight']
    eight = dict(config.val_dataloader, dataset=dict(inner, num_classes=8))
    with pytest.raises(ValueError, match='the data show contempt, which the model does not have'):
        calibrate(config, linear, data=Config(dict(test_dataloader=eight)), out=tmp_path / 'x.pth')


def test_few_images_and_missing_classes(linear, tmp_path):
    config = config_with('linear', tmp_path)
    config.val_dataloader.dataset.indices = [
        i for i, label in enumerate(faces('val', 60).get_gt_labels()) if label != 2
    ][:15]
    result = calibrate(config, linear, out=tmp_path / 'a.pth')
    assert any('15 images are very few' in note for note in result.notes)
    assert any('no images of' in note and 'sadness' in note for note in result.notes)
    with pytest.raises(ValueError, match='vector scaling needs images of all classes.*sadness'):
        calibrate(config, linear, 'vector', out=tmp_path / 'x.pth')


def test_trainings_do_not_take_it_over(linear, tmp_path):
    result = calibrate(config_with('linear', tmp_path), linear, out=tmp_path / 'new.pth')
    config = config_with('linear', tmp_path / 'run')
    runner = build_runner(config, load_from=result.path)
    runner.train()
    assert runner.model.head.calibration is None
    assert 'has its weights, and not its calibration' in next((tmp_path / 'run').rglob('*.log')).read_text()
    saved = load_checkpoint(tmp_path / 'run' / 'epoch_1.pth')
    assert not any('calibration' in name for name in saved['state_dict'])
    assert 'calibration' not in saved['meta']
    with pytest.raises(ValueError, match='no state of a training'):
        build_runner(config_with('linear', tmp_path / 'again'), load_from=result.path, resume=True).train()


def test_with_averaged_weights(linear, tmp_path):
    result = calibrate(config_with('linear', tmp_path), linear, 'vector', out=tmp_path / 'new.pth')
    config = config_with('linear', tmp_path / 'ema')
    config.custom_hooks = [dict(type='EMAHook', update_buffers=True)]
    out = tmp_path / 'result.json'
    evaluate(config, result.path, out=out, work_dir=tmp_path / 'ema')
    expected, _ = fields(init_model(config, result.path), faces('test', 40))
    scores = [record['pred_score'] for record in json.loads(out.read_text())['predictions']]
    np.testing.assert_allclose(scores, expected['pred_score'], atol=1e-4)


def test_a_model_takes_the_calibration_of_each_checkpoint(linear, tmp_path):
    config = config_with('linear', tmp_path)
    result = calibrate(config, linear, out=tmp_path / 'new.pth')
    runner = FERRunner.from_cfg(config)
    runner._strict = True
    runner.load_checkpoint(str(result.path))
    assert runner.model.head.calibration.temperature == pytest.approx(result.record['temperature'])
    runner.load_checkpoint(str(linear))
    assert runner.model.head.calibration is None


def test_a_calibration_that_does_not_fit(linear, tmp_path):
    content = load_checkpoint(linear)
    for name, tensor in Calibration(5).state_dict().items():
        content['state_dict'][f'head.calibration.{name}'] = tensor
    write_checkpoint(content, tmp_path / 'bad.pth')
    with pytest.raises(ValueError, match=r'head\.calibration\.weight: file \(5,\), config \(7,\)'):
        init_model(config_with('linear', tmp_path), tmp_path / 'bad.pth')


def test_wrong_arguments(linear, tmp_path):
    config = config_with('linear', tmp_path)
    (tmp_path / 'mine.pth').write_text('x')
    for options, match in (
        (dict(method='platt'), "method='platt'"),
        (dict(holdout=1.0), r'holdout=1\.0'),
        (dict(out=tmp_path / 'x.pt'), r'ends in \.pth'),
        (dict(out=tmp_path / 'epoch_4.pth'), 'a training looks for its own'),
        (dict(out=tmp_path / 'no' / 'x.pth'), 'no such folder'),
        (dict(data=Config(dict(model=1))), 'neither val_dataloader'),
    ):
        with pytest.raises(ValueError, match=match):
            calibrate(config, linear, **options)
    with pytest.raises(FileExistsError, match=r'mine\.pth exists'):
        calibrate(config, linear, out=tmp_path / 'mine.pth')
    with pytest.raises(FileNotFoundError, match=r'none\.pth'):
        calibrate(config, tmp_path / 'none.pth')
    config.model.head = dict(type='mmpretrain.LinearClsHead', num_classes=7, in_channels=16)
    content = load_checkpoint(linear)
    write_checkpoint(content, tmp_path / 'other.pth')
    with pytest.raises(ValueError, match='LinearClsHead cannot be calibrated'):
        calibrate(config, tmp_path / 'other.pth')


@pytest.mark.parametrize('method', ['temperature', 'none'])
def test_abstention(method, linear, tmp_path):
    config = config_with('linear', tmp_path)
    result = calibrate(config, linear, method, out=tmp_path / 'new.pth', coverage=0.8)
    meta = load_checkpoint(result.path)['meta']
    out, labels = fields(init_model(config, result.path), faces('val', 60))
    answered = out['uncertainty'] <= meta['abstention']['threshold'] + 1e-6
    assert answered.mean() == pytest.approx(0.8)
    assert meta['abstention']['coverage'] == pytest.approx(0.8)
    right = out['pred_score'].argmax(1) == labels
    assert meta['abstention']['accuracy'] == pytest.approx(100 * right[answered].mean())
    assert 'no answer above an uncertainty of' in str(result)
    has_calibration = any(name.startswith('head.calibration') for name in load_checkpoint(result.path)['state_dict'])
    assert has_calibration == (method == 'temperature')
    again = calibrate(config, result.path, 'temperature', out=tmp_path / 'again.pth')
    assert 'abstention' not in load_checkpoint(again.path)['meta']


def test_a_threshold_is_added_to_a_calibrated_checkpoint(linear, tmp_path):
    config = config_with('linear', tmp_path)
    first = calibrate(config, linear, out=tmp_path / 'first.pth', sets=0.8)
    second = calibrate(config, first.path, 'none', out=tmp_path / 'second.pth', coverage=0.8)
    before, after = load_checkpoint(first.path), load_checkpoint(second.path)
    assert before['state_dict'].keys() == after['state_dict'].keys()
    assert all(torch.equal(after['state_dict'][name], value) for name, value in before['state_dict'].items())
    threshold = after['meta'].pop('abstention')['threshold']
    assert str(after['meta']) == str(before['meta'])
    out, _ = fields(init_model(config, second.path), faces('val', 60))
    assert (out['uncertainty'] <= threshold + 1e-6).mean() == pytest.approx(0.8)


def test_abstention_is_reported_on_the_other_images(linear, tmp_path):
    config = config_with('linear', tmp_path)
    result = calibrate(config, linear, out=tmp_path / 'new.pth', holdout=0.5, max_error=0.9)
    assert 0 <= result.abstention['rest']['coverage'] <= 1
    assert 'of the others' in str(result)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(coverage=0.5, max_error=0.1), 'one of both'),
        (dict(method='none'), 'nothing to fit'),
        (dict(coverage=2), 'coverage=2'),
        (dict(max_error=0.0001), 'no threshold keeps the error rate'),
    ],
)
def test_abstention_that_cannot_be(options, message, linear, tmp_path):
    with pytest.raises(ValueError, match=message):
        calibrate(config_with('linear', tmp_path), linear, out=tmp_path / 'new.pth', **options)
    assert not (tmp_path / 'new.pth').exists()


@pytest.mark.parametrize('by_class', [False, True])
def test_sets_from_fit_to_answer(by_class, linear, tmp_path):
    """The checkpoint, the exported file, the weights and ``mmfer test`` give the same sets, beside the abstention."""
    config = config_with('linear', tmp_path)
    options = dict(sets=0.6, by_class=by_class, set_method='raps', coverage=0.8)
    result = calibrate(config, linear, out=tmp_path / 'new.pth', **options)
    assert 'sets for 60 % of the labels' in str(result)
    sets = load_checkpoint(result.path)['meta']['sets']
    out, labels = fields(init_model(config, result.path), faces('val', 60))
    inside = find_sets(out['pred_score'], sets)
    assert sets['held'] == pytest.approx(inside[np.arange(60), labels].mean(), abs=0.02)  # one image lies on the edge
    assert sets['held'] >= 0.6
    assert sets['size'] == pytest.approx(inside.sum(1).mean(), abs=0.02)
    assert sets['protocol'] == 'SynthFER val'
    assert (np.size(sets['threshold']), sets['penalty']) == (7 if by_class else 1, 0.1)

    export_onnx(config, result.path, tmp_path / 'a.onnx')
    export_weights(result.path, tmp_path / 'a.safetensors')
    images = [info['img'] for info in faces('test', 40)]
    answers = []
    for model in ((config, result.path, 'cpu'), (tmp_path / 'a.onnx',), (config, tmp_path / 'a.safetensors', 'cpu')):
        answers.append(ExpressionInferencer(*model, detector=None).predict(images, 'bgr'))
    out, labels = fields(init_model(config, result.path), faces('test', 40))
    inside = find_sets(out['pred_score'], sets)
    for i, same in enumerate(zip(*answers)):
        assert {face.label_set for face in same} == {name_set(out['pred_score'][i], same[0].classes, sets)}
        assert len({face.abstain for face in same}) == 1
        assert same[0].label_set[0] == same[0].label
    assert {face.abstain for face in answers[0]} == {True, False}
    assert len({len(face.label_set) for face in answers[0]}) > 1

    found = evaluate(config_with('linear', tmp_path), result.path, work_dir=tmp_path)
    assert found['set_coverage'] == pytest.approx(100 * inside[np.arange(40), labels].mean())
    assert found['set_size'] == pytest.approx(inside.sum(1).mean())
    again = calibrate(config, result.path, out=tmp_path / 'again.pth')
    assert 'sets' not in load_checkpoint(again.path)['meta']


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(sets=1.5), 'coverage=1.5'),
        (dict(by_class=True), r'which share they are to hold \(--sets 0\.9\)'),
        (dict(sets=0.99), 'sets of 99 % need 99 images or more, not 60'),
        (dict(sets=0.95, by_class=True), r'need 19 images of each class, and there are \d+ of neutral'),
        (dict(sets=0.9, set_method='votes'), 'the data have none. Set votes=True in PackInputs'),
    ],
)
def test_sets_that_cannot_be(options, message, linear, tmp_path):
    with pytest.raises(ValueError, match=message):
        calibrate(config_with('linear', tmp_path), linear, out=tmp_path / 'new.pth', **options)
    assert not (tmp_path / 'new.pth').exists()


def test_votes_meet_by_name():
    votes = np.array([[1, 2, 3], [4, 5, 0]])
    found = votes_by_name(votes, ('Happy', 'fear', 'anger'), ('anger', 'sadness', 'happiness', 'fear'), 4)
    assert found.tolist() == [[3, 0, 1, 2], [0, 0, 4, 5]]
    assert votes_by_name(votes, None, None, 3).tolist() == votes.tolist()
    with pytest.raises(ValueError, match='votes for anger, which the model does not have'):
        votes_by_name(votes, ('Happy', 'fear', 'anger'), ('happiness', 'fear'), 2)
    assert votes_by_name(votes[1:], ('Happy', 'fear', 'anger'), ('fear', 'happiness'), 2).tolist() == [[5, 4]]


def test_sets_of_votes_are_reported_by_their_votes():
    rng = np.random.default_rng(0)
    scores = rng.dirichlet(np.ones(4), 80)
    votes, fit = rng.multinomial(10, scores), np.arange(80) < 40
    names = ('neutral', 'happiness', 'sadness', 'fear')
    sets = fit_label_sets(scores, votes.argmax(1), votes, fit, names, 0.8, 'votes', False)
    inside = find_sets(scores, sets)
    assert sets['rest']['held'] == pytest.approx((votes * inside)[40:].sum(1).mean() / 10)
    assert sets['held'] >= 0.8
    assert describe_sets(sets).startswith('sets for 80 % of the votes (votes): of the images of the fit they hold 8')
