"""The index of models tells the truth: its files exist, its numbers are counted, its figures have a source."""

import json
import statistics
from pathlib import Path

import pytest
import yaml
from processes import ROOT, load_tool

from mmfer.apis import load_config
from mmfer.models.flops import count_flops, count_parameters, input_size, shape_model
from mmfer.utils.model_index import REPORTED

METAFILES = sorted(ROOT.glob('configs/*/metafile.yml'))
UPDATE = 'run: python docs/write_model_zoo.py'
ZOO = load_tool('docs/write_model_zoo.py')


MODELS = [
    pytest.param(entry, id=entry['Name']) for file in METAFILES for entry in yaml.safe_load(file.read_text())['Models']
]
COUNTED = {}


def test_the_index_lists_every_metafile():
    index = yaml.safe_load((ROOT / 'model-index.yml').read_text())
    assert index == dict(Import=[file.relative_to(ROOT).as_posix() for file in METAFILES]), UPDATE
    assert (ROOT / 'model-index.yml').read_text() == ZOO.index_text(), UPDATE


def test_the_page_is_made_of_the_metafiles():
    assert (ROOT / 'docs/model_zoo.md').read_text() == ZOO.zoo_page(), UPDATE


@pytest.mark.parametrize('file', METAFILES, ids=lambda file: file.parent.name)
def test_a_metafile_names_what_exists(file):
    content = yaml.safe_load(file.read_text())
    for collection in content['Collections']:
        assert (ROOT / collection['README']).is_file()
        assert collection['Paper']['URL'].startswith('https://')
    names = {collection['Name'] for collection in content['Collections']}
    for entry in content['Models']:
        assert entry['In Collection'] in names
        assert (ROOT / entry['Config']).is_file(), entry['Config']
        assert (ROOT / entry['Config']).parent == file.parent


def test_every_folder_of_configs_has_a_metafile_and_a_page():
    folders = {path.parent for path in ROOT.glob('configs/[!_]*/*.py')}
    assert {path.name for path in folders if not (path / 'metafile.yml').is_file()} == set()
    assert {path.name for path in folders if not (path / 'README.md').is_file()} == set()


@pytest.mark.parametrize('entry', MODELS)
def test_numbers_are_those_of_the_model(entry):
    """Networks that differ in their number of classes alone, which changes little, are counted once."""
    config, metadata = load_config(ROOT / entry['Config']), entry['Metadata']
    size = input_size(config)
    assert metadata['Input'] == '{}x{}'.format(*size), f'{UPDATE} --metadata'
    assert metadata['Parameters'] == count_parameters(shape_model(config)), f'{UPDATE} --metadata'
    network = config.model.to_dict()
    own = network['head'].pop('num_classes', None)
    classes, flops = COUNTED.setdefault((str(network), size), (own, None))
    if flops is None:
        flops = count_flops(config, size)['flops_per_image']
        COUNTED[str(network), size] = classes, flops
    assert metadata['FLOPs'] == (flops if own == classes else pytest.approx(flops, rel=1e-3)), f'{UPDATE} --metadata'


def recorded_accuracy(source, entry):
    """The last in a log, or in the report of a comparison the mean over the runs of a config, or under its name."""
    if source.suffix == '.jsonl':
        return json.loads(source.read_text().splitlines()[-1])['accuracy']
    assert source.is_file()
    runs = json.loads(source.with_suffix('.json').read_text())['runs']
    names = [entry['Name']]
    if f' {entry["Config"]} ' in source.read_text():  # in the command, which calls its methods after their files
        names.append(Path(entry['Config']).stem)
    own = [run for run in runs if entry['Config'] == run['config'] or run['method'] in names]
    return statistics.mean(run['metrics']['accuracy'] for run in own)


@pytest.mark.parametrize('entry', MODELS)
def test_figures_have_a_source(entry):
    for result in entry['Results'] or []:
        source = result['Source']
        if source.startswith(REPORTED):
            continue
        assert source.startswith('docs/results/'), source
        found = recorded_accuracy(ROOT / source, entry)
        assert result['Metrics'] == dict(Accuracy=pytest.approx(found, abs=0.005))
