import json
import math

import numpy as np
import pytest
from comparison_runs import CLASSES, make_images, make_predictions, write_methods, write_run

from mmfer.comparison.results import load_runs, methods_of, observer_accuracy


@pytest.fixture
def images():
    return make_images(12)


@pytest.fixture
def records(images):
    return make_predictions(*images, deviation='good')


def test_runs_come_by_method_and_seed_with_their_facts(tmp_path):
    write_methods(tmp_path, dict(vich=dict(deviation='good'), linear={}), seeds=(10, 2), num=12)
    runs = load_runs([tmp_path])
    assert [(run.method, run.seed) for run in runs] == [('linear', 2), ('linear', 10), ('vich', 2), ('vich', 10)]
    assert list(methods_of(runs)) == ['linear', 'vich']
    vich, linear = runs[-1], runs[0]
    assert vich.folder == tmp_path / 'vich/seed_10'
    assert vich.classes == CLASSES
    assert vich.pred_std.shape == vich.scores.shape == vich.gt_distribution.shape == (12, 7)
    assert vich.deviation == pytest.approx(vich.pred_std.mean(1))
    assert linear.deviation is None
    assert linear.aleatoric is None
    assert vich.facts['epochs'] == 7
    assert (vich.config, vich.protocol) == ('configs/poster_var/synth.py', 'SynthFER test')


def test_a_folder_found_twice_counts_once(tmp_path, records):
    write_run(tmp_path / 'a/seed_0', records)
    assert len(load_runs([tmp_path, tmp_path / 'a', tmp_path / 'a' / 'seed_0'])) == 1
    assert len(load_runs(tmp_path)) == 1


def test_without_a_seed_folder_the_name_is_that_of_the_folder(tmp_path, records):
    write_run(tmp_path / 'mine', records, finished=False, seed=5)
    (run,) = load_runs([tmp_path / 'mine'])
    assert (run.method, run.seed, run.name) == ('mine', 5, 'mine, seed 5')
    assert run.facts == {}


def test_uncertainty_is_the_entropy_where_there_is_none(tmp_path, records):
    expected = [record.pop('uncertainty') for record in records]
    write_run(tmp_path / 'a', records)
    assert load_runs([tmp_path])[0].uncertainty == pytest.approx(expected)


def test_folders_without_predictions_are_all_named(tmp_path, records):
    write_run(tmp_path / 'good', records)
    (tmp_path / 'empty').mkdir()
    with pytest.raises(FileNotFoundError) as error:
        load_runs([tmp_path / 'good', tmp_path / 'empty', tmp_path / 'gone'])
    assert f'{tmp_path / "empty"}: no predictions.json' in str(error.value)
    assert f'{tmp_path / "gone"}: no such folder' in str(error.value)
    with pytest.raises(FileNotFoundError, match='no folders'):
        load_runs([])


def test_broken_files_are_all_named(tmp_path, records):
    for name in 'ab':
        folder = write_run(tmp_path / name, records)
        (folder / 'predictions.json').write_text('{"predictions": [')
    with pytest.raises(ValueError, match='no whole JSON file') as error:
        load_runs([tmp_path])
    assert 'a/predictions.json' in str(error.value)
    assert 'b/predictions.json' in str(error.value)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lambda r: r[3].pop('pred_score'), r'1 of 12 predictions have no pred_score \(first: number 3, test/0003.png'),
        (lambda r: [x.pop('gt_label') for x in r], '12 of 12 predictions have no gt_label'),
        (lambda r: r[3].pop('epistemic'), '1 of 12 predictions have no epistemic'),
        (lambda r: r[3].update(pred_score=[0.5, 0.5]), 'pred_score is not made of numbers, as many for each image'),
        (lambda r: [x.update(pred_std=[1.0]) for x in r], r'pred_std has shape \(1,\) for each image, expected \(7\)'),
        (lambda r: r[2].update(uncertainty=math.nan), r'uncertainty is not finite in 1 .*test/0002.png'),
        (lambda r: r[2].update(pred_score=[2.0] * 7), 'scores does not sum to 1'),
        (lambda r: r[2].update(gt_label=7), 'target is not a label in 0..6'),
        (lambda r: r[2].update(gt_distribution=[0.0] * 7), 'distributions is all zero'),
        (lambda r: r.clear(), 'it has no predictions'),
    ],
)
def test_missing_and_impossible_fields(tmp_path, records, change, message):
    change(records)
    write_run(tmp_path / 'a', records)
    with pytest.raises(ValueError, match=message) as error:
        load_runs([tmp_path])
    assert str(error.value).startswith(str(tmp_path / 'a/predictions.json'))


def test_a_list_is_no_run(tmp_path):
    (tmp_path / 'predictions.json').write_text('[]')
    with pytest.raises(ValueError, match='expected an object with predictions and classes'):
        load_runs([tmp_path])


def test_a_damaged_mark_is_named(tmp_path, records):
    (write_run(tmp_path / 'a', records) / 'finished.json').write_text('{}')
    with pytest.raises(ValueError, match=r'a/finished.json is damaged'):
        load_runs([tmp_path])


def test_one_method_and_seed_twice(tmp_path, records):
    write_run(tmp_path / 'x/vich/seed_0', records)
    write_run(tmp_path / 'y/vich/seed_0', records)
    with pytest.raises(ValueError, match=r'vich, seed 0 is there twice: .*x/vich/seed_0 and .*y/vich/seed_0'):
        load_runs([tmp_path])


def test_other_images(tmp_path, records):
    write_run(tmp_path / 'a', records)
    changed = [dict(record) for record in records]
    changed[4]['img_path'] = 'test/other.png'
    write_run(tmp_path / 'b', changed)
    with pytest.raises(ValueError, match=r'a and .*b were tested on other images.*number 4.*0004.png and test/other'):
        load_runs([tmp_path])
    write_run(tmp_path / 'b', records[:-1])
    with pytest.raises(ValueError, match=r'12 and 11, of which number 11 .*0011.png and none'):
        load_runs([tmp_path])


def test_other_labels_classes_and_distributions(tmp_path, records):
    write_run(tmp_path / 'a', records)
    changed = [dict(record) for record in records]
    changed[3]['gt_label'] = (changed[3]['gt_label'] + 1) % 7
    write_run(tmp_path / 'b', changed)
    with pytest.raises(ValueError, match=r'a and .*b have other labels for 1 images.*test/0003.png \(number 3\)'):
        load_runs([tmp_path])
    write_run(tmp_path / 'b', records, classes=(*CLASSES[:-1], 'contempt'))
    with pytest.raises(ValueError, match=r'a and .*b have other classes: neutral.*and neutral.*contempt'):
        load_runs([tmp_path])
    changed = [dict(record) for record in records]
    changed[6]['gt_distribution'] = changed[6]['gt_distribution'][::-1]
    write_run(tmp_path / 'b', changed)
    with pytest.raises(ValueError, match=r'other true distributions for 1 images.*test/0006.png'):
        load_runs([tmp_path])


def test_data_elsewhere_and_in_another_order(tmp_path, records):
    write_run(tmp_path / 'a', records)
    moved = [dict(record, img_path=f'/else/where/{record["img_path"]}') for record in records]
    write_run(tmp_path / 'b', moved[::-1])
    a, b = load_runs([tmp_path])
    assert b.images[0] == '/else/where/test/0000.png'
    for name in ('labels', 'scores', 'uncertainty', 'pred_std', 'gt_distribution'):
        assert getattr(b, name) == pytest.approx(getattr(a, name))


def test_classes_in_another_order_are_matched_by_name(tmp_path, records):
    write_run(tmp_path / 'a', records)
    order = [3, 0, 6, 1, 2, 5, 4]
    changed = []
    for record in records:
        record = dict(record, gt_label=order.index(record['gt_label']), pred_label=order.index(record['pred_label']))
        for name in ('pred_score', 'pred_mean', 'pred_std', 'gt_distribution'):
            record[name] = [record[name][k] for k in order]
        changed.append(record)
    write_run(tmp_path / 'b', changed, classes=[CLASSES[k] for k in order])
    a, b = load_runs([tmp_path])
    assert b.classes == CLASSES
    for name in ('labels', 'scores', 'pred_mean', 'pred_std', 'gt_distribution'):
        np.testing.assert_array_equal(getattr(b, name), getattr(a, name))


def test_images_without_paths(tmp_path, records):
    for record in records:
        record['img_path'] = None
    write_run(tmp_path / 'a', records)
    write_run(tmp_path / 'b', records)
    assert len(load_runs([tmp_path])) == 2


def test_true_distributions_are_shared(tmp_path, records):
    write_run(tmp_path / 'b', records)
    bare = [{k: v for k, v in record.items() if k != 'gt_distribution'} for record in records]
    write_run(tmp_path / 'a', bare)
    a, b = load_runs([tmp_path])
    assert a.gt_distribution is b.gt_distribution


def test_perfect_observer(tmp_path, images, records):
    truth, labels = images
    write_run(tmp_path / 'a', records)
    (run,) = load_runs([tmp_path])
    assert observer_accuracy(run) == pytest.approx(100 * np.mean(truth.argmax(1) == labels))
    run.protocol = 'FER+ test, majority of votes'
    assert math.isnan(observer_accuracy(run))
    run.metrics = dict(observer_accuracy=90.0)
    assert observer_accuracy(run) > 0


def test_predictions_of_another_rule_are_read(tmp_path, records):
    folder = write_run(tmp_path / 'a', records)
    content = json.loads((folder / 'predictions.json').read_text())
    content.update(seconds=12.5, parameters=1000, command='python train.py')
    (folder / 'predictions.json').write_text(json.dumps(content))
    assert load_runs([tmp_path])[0].facts['parameters'] == 1000
