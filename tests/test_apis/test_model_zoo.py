import pytest
from processes import ROOT

from mmfer.apis.model_zoo import fresh_metadata, index_text, zoo_page
from mmfer.apis.models import read_index

METAFILE = """Collections:
  - Name: Mine
    README: configs/mine/README.md

Models:
  - Name: a
    Metadata: {Parameters: 1, FLOPs: 2, Input: 3x4}
    Config: configs/mine/a.py
    Results: null
  - Name: b
    Metadata:
      FLOPs: 2
      Parameters: 1
      Input: 3x4
    Config: configs/mine/b.py
"""


def count(config):
    a = config.endswith('a.py')
    return dict(parameters=10 if a else 30, flops_per_image=20 if a else 40, input=[1, 3, 50, 60 if a else 70])


def test_numbers_are_brought_up_to_date_and_nothing_else():
    text = fresh_metadata(METAFILE, count)
    assert '{Parameters: 10, FLOPs: 20, Input: 50x60}' in text
    assert 'FLOPs: 40\n      Parameters: 30\n      Input: 50x70' in text
    assert fresh_metadata(text, count) == text
    assert [a for a, b in zip(text.splitlines(), METAFILE.splitlines()) if a == b] == [
        line for line in METAFILE.splitlines() if not any(word in line for word in ('Parameters', 'FLOPs', 'Input'))
    ]


def test_an_entry_without_a_place_for_a_number_is_an_error():
    with pytest.raises(ValueError, match='configs/mine/a.py: its entry in the metafile needs FLOPs: once, not 0 times'):
        fresh_metadata(METAFILE.replace('FLOPs: 2, ', ''), count)


def test_every_model_is_on_the_page_with_its_source():
    page, index = zoo_page(), read_index()
    for name, info in index.items():
        assert f'[{name}](../configs/' in page
        for result in info['results']:
            assert f'{result["metrics"].get("Accuracy", 0):.2f}' in page
            assert result['source'].removeprefix('docs/') in page
    assert page.count('\n## ') == len({info['collection'] for info in index.values()})


def test_the_index_names_files_below_the_checkout():
    lines = index_text().splitlines()
    assert 'Import:' in lines
    assert all((ROOT / line[4:]).is_file() for line in lines if line.startswith('  - '))
