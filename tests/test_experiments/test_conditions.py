import pytest
from nested_data import KINDS, nested
from small_runs import shallow_config

from mmfer.apis import load_config
from mmfer.datasets import AlignFace, LoadImageFromFile
from mmfer.experiments.conditions import condition_of_file, occlude_test, wanted_conditions, write_occluded
from mmfer.utils.nesting import leaves


def test_what_is_wanted(tmp_path):
    data = tmp_path / 'masks.py'
    data.write_text('test_dataloader = dict(dataset=dict())')
    wanted = wanted_conditions([0.1, 0.25], ['eyes'], 2, dict(masks=data))
    assert [condition.name for condition in wanted] == ['block 10 % (seed 2)', 'block 25 % (seed 2)', 'eyes', 'masks']
    assert wanted[1].options == dict(region='block', share=0.25, seed=2)
    files = ['occluded_block_10_seed_2.json', 'occluded_block_25_seed_2.json', 'occluded_eyes.json', 'ood_masks.json']
    assert [condition.file for condition in wanted] == files
    assert [condition_of_file(file) for file in files] == wanted
    assert not any(map(condition_of_file, ('predictions.json', 'finished.json', 'occluded_block_20.log')))


@pytest.mark.parametrize(
    ('shares', 'regions', 'text'),
    [
        ([0], [], 'covers nothing'),
        ([0.1, 0.1], [], 'block 10 % is there twice'),
        ([30], [], 'share=30'),
        ([], ['nose'], "region='nose' is not one of"),
    ],
)
def test_what_cannot_be_covered(shares, regions, text):
    with pytest.raises(ValueError, match=text):
        wanted_conditions(shares, regions)


def test_data_without_a_test(tmp_path):
    (tmp_path / 'empty.py').write_text('model = dict()')
    with pytest.raises(ValueError, match='has no test_dataloader'):
        wanted_conditions(data=dict(empty=tmp_path / 'empty.py'))


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
    assert pipeline[place] == dict(type='mmfer.datasets.Occlude', region='eyes')


def test_a_config_with_occlusion_is_written(tmp_path):
    shallow_config(tmp_path).dump(tmp_path / 'plain.py')
    options = dict(region='block', share=0.4, seed=0)
    file = write_occluded(tmp_path / 'plain.py', options, tmp_path / 'test/block.py')
    assert 'a block covers 40 % (seed 0)' in file.read_text()
    plain, config = load_config(tmp_path / 'plain.py'), load_config(file)
    occlude_test(plain, options)
    assert config.test_dataloader == plain.test_dataloader
    assert config.val_dataloader == plain.val_dataloader


@pytest.mark.parametrize('kind', KINDS)
def test_faces_of_joined_data_are_all_occluded(kind, tmp_path):
    config = shallow_config(tmp_path)
    part = config.test_dataloader.dataset
    config.test_dataloader.dataset = nested(kind, part, dict(part, pipeline=[dict(type='PackInputs')]))
    occlude_test(config, dict(region='eyes'))
    first, second = (each['pipeline'] for each in leaves(config.test_dataloader.dataset))
    assert first[1] == second[0] == dict(type='mmfer.datasets.Occlude', region='eyes')
    assert (len(first), len(second)) == (4, 2)
