import json

import numpy as np
import pytest
from comparison_runs import make_images, make_predictions, write_run
from nested_data import KINDS, nested
from small_runs import shallow_config

from mmfer.apis import evaluate, init_model
from mmfer.comparison import load_runs, occlusion
from mmfer.comparison.occlusion import occlude_test, occluded_file, occlusions, run_occluded
from mmfer.datasets import AlignFace, LoadImageFromFile, Occlude
from mmfer.utils.checkpoint import write_checkpoint
from mmfer.utils.nesting import leaves

BLOCK = dict(region='block', share=0.4, seed=0)


@pytest.fixture
def run(tmp_path):
    """A run with a network that was not trained, tested on clean faces."""
    folder = tmp_path / 'linear/seed_0'
    folder.mkdir(parents=True)
    config = shallow_config(tmp_path / 'unused')
    config.model.head = dict(type='LinearHead', num_classes=7, in_channels=8)
    config.dump(folder.parent / 'config.py')
    file = folder / 'epoch_1.pth'
    write_checkpoint(dict(state_dict=init_model(folder.parent / 'config.py').state_dict(), meta=dict()), file)
    evaluate(folder.parent / 'config.py', file, out=folder / 'predictions.json', work_dir=tmp_path / 'test')
    return load_runs([tmp_path])[0]


def test_what_is_wanted():
    wanted = occlusions([0.1, 0.25], ['eyes'], seed=2)
    assert list(wanted) == ['block 10 %', 'block 25 %', 'eyes']
    assert wanted['block 25 %'] == dict(region='block', share=0.25, seed=2)
    assert occluded_file('d', wanted['block 25 %']).name == 'occluded_block_25_seed_2.json'
    assert occluded_file('d', wanted['eyes']).name == 'occluded_eyes.json'
    assert occluded_file('d', BLOCK).name == 'occluded_block_40.json'
    for words, text in (
        (([0],), 'covers nothing'),
        (([0.1, 0.1],), 'block 10 % is there twice'),
        (([30],), 'share=30'),
    ):
        with pytest.raises(ValueError, match=text):
            occlusions(*words, [])
    with pytest.raises(ValueError, match="region='nose' is not one of"):
        occlusions([], ['nose'])


def test_a_run_is_tested_on_covered_faces_once(run, monkeypatch):
    lines = []
    found = run_occluded([run], {'block 40 %': BLOCK}, lines.append)['block 40 %']
    assert lines[0] == '1 tests on covered faces'
    assert lines[1].startswith('[1/1] linear, seed 0, block 40 %: accuracy ')
    (other,) = found
    assert other.protocol == 'SynthFER test, a block covers 40 % (seed 0)'
    assert (other.images, other.method, other.seed) == (run.images, 'linear', 0)
    np.testing.assert_array_equal(other.labels, run.labels)
    assert (other.scores != run.scores).any()
    content = json.loads((run.folder / 'occluded_block_40.json').read_text())
    assert content['occlusion'] == BLOCK
    assert not list(run.folder.glob('.*'))
    assert [other.name for other in load_runs([run.folder])] == ['linear, seed 0']  # covered faces are no other method
    monkeypatch.setattr(occlusion, 'evaluate', None)
    run_occluded([run], {'block 40 %': BLOCK}, lines.append)
    assert len(lines) == 2


@pytest.mark.parametrize(
    ('steps', 'place'),
    [
        ([dict(type=LoadImageFromFile), dict(type='ImageResize', size=8), dict(type='PackInputs')], 1),
        ([dict(type='LoadImageFromFile'), dict(type='CropFace'), dict(type=AlignFace), dict(type='PackInputs')], 3),
        ([dict(type='PackInputs')], 0),
    ],
)
def test_faces_are_covered_before_the_preprocessing_of_the_model(tmp_path, steps, place):
    config = shallow_config(tmp_path)
    config.test_dataloader.dataset = dict(type='FewPerClass', num=1, dataset=config.test_dataloader.dataset)
    config.test_dataloader.dataset.dataset.pipeline = steps
    occlude_test(config, dict(region='eyes'))
    pipeline = config.test_dataloader.dataset.dataset.pipeline
    assert len(pipeline) == len(steps) + 1
    assert pipeline[place] == dict(type=Occlude, region='eyes')


@pytest.mark.parametrize('kind', KINDS)
def test_faces_of_joined_data_are_all_covered(kind, tmp_path):
    config = shallow_config(tmp_path)
    part = config.test_dataloader.dataset
    config.test_dataloader.dataset = nested(kind, part, dict(part, pipeline=[dict(type='PackInputs')]))
    occlude_test(config, dict(region='eyes'))
    first, second = (each['pipeline'] for each in leaves(config.test_dataloader.dataset))
    assert first[1] == second[0] == dict(type=Occlude, region='eyes')
    assert len(first), len(second) == (4, 2)


def test_stale_tests_are_made_again(run, monkeypatch):
    run_occluded([run], {'block 40 %': BLOCK}, lambda line: None)
    made = []
    monkeypatch.setattr(occlusion, '_test', lambda run, *args: made.append(args) or 50.0)
    file = run.folder / 'occluded_block_40.json'
    content = json.loads(file.read_text())
    for change in (dict(checkpoint='epoch_9.pth'), dict(occlusion={}), dict(predictions=content['predictions'][:3])):
        file.write_text(json.dumps({**content, **change}))
        run_occluded([run], {'block 40 %': BLOCK}, lambda line: None)
    assert len(made) == 3


def test_runs_without_their_checkpoint_are_all_named(tmp_path):
    truth, labels = make_images()
    for seed in (0, 1):
        write_run(tmp_path / f'vich/seed_{seed}', make_predictions(truth, labels, seed=seed), seed)
    with pytest.raises(FileNotFoundError) as caught:
        run_occluded(load_runs([tmp_path]), {'block 40 %': BLOCK})
    text = str(caught.value)
    assert 'vich, seed 0: the checkpoint is not there' in text
    assert 'vich, seed 1: the checkpoint is not there' in text
