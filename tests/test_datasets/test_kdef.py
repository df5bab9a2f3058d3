import pytest
from dataset_trees import check_common_failures, tail, write_images

from mmfer.datasets.kdef import ANGLE_CODES, KDEF

CODES = ('AF', 'AN', 'DI', 'HA', 'NE', 'SA', 'SU')


def names(people=('AF01', 'BF01', 'AM02'), angles=('S', 'HL')):
    return [f'{who}/{who}{code}{angle}.JPG' for who in people for code in CODES for angle in angles]


@pytest.mark.parametrize('top', ['KDEF_and_AKDEF/KDEF', 'KDEF', ''])
def test_published_layout(tmp_path, top):
    write_images(tmp_path / top, *names())
    dataset = KDEF(str(tmp_path))
    assert dataset.classes == ('fear', 'anger', 'disgust', 'happiness', 'neutral', 'sadness', 'surprise')
    assert set(dataset.class_counts().values()) == {3}
    entry = dataset.entry(7)
    assert tail(tmp_path / top, entry['img_path']) == 'AM02/AM02AFS.JPG'
    assert (entry['gt_label'], entry['subject'], entry['session'], entry['angle']) == (0, 'M02', 'A', 'straight')
    assert entry['gender'] == 'male'
    assert dataset.column('subject') == ['F01'] * 7 + ['M02'] * 7 + ['F01'] * 7


def test_angles_and_sessions(tmp_path):
    root = write_images(tmp_path, *names(angles=ANGLE_CODES.values()))
    everything = KDEF(root, angles='all')
    assert len(everything) == 3 * 7 * 5
    assert set(everything.column('angle')) == set(ANGLE_CODES)
    half = KDEF(root, angles=['half_left', 'half_right'], sessions='B')
    assert {path[-6:-4] for path in half.column('img_path')} == {'HL', 'HR'}
    assert set(half.column('session')) == {'B'}
    assert half.protocol == 'KDEF, angles half_left, half_right, sessions B'
    for options in (dict(angles=['left']), dict(angles=()), dict(sessions='AC'), dict(angles=['straight'] * 2)):
        with pytest.raises(ValueError, match=f'{next(iter(options))}=.* must be some of'):
            KDEF(root, **options)


def test_published_counts():
    lazy = dict(lazy_init=True)
    assert KDEF(**lazy).published_counts() == KDEF.PUBLISHED_COUNTS['']
    assert sum(KDEF(angles='all', **lazy).published_counts()) == 4900
    assert sum(KDEF(angles='all', drop_black=True, **lazy).published_counts()) == 4890
    some = KDEF(angles=['half_left'], sessions='A', drop_black=True, **lazy)
    assert some.published_counts() == (70, 70, 69, 70, 69, 70, 70)


def test_known_faults_of_the_distribution(tmp_path, monkeypatch):
    texts = []
    monkeypatch.setattr('mmfer.datasets.kdef.print_log', lambda text, **kwargs: texts.append(text))
    root = write_images(tmp_path, 'AF31/AF31V.JPG', 'AM31/AM31H.JPG', 'AF01/AF01SUFR.JPG', 'AF01/AF01AFS.JPG')
    options = dict(angles='all', allow_empty_classes=True)
    dataset = KDEF(root, **options)
    found = {entry['img_path'][-9:]: (entry['gt_label'], entry['subject'], entry['angle']) for entry in dataset}
    assert found['AF31V.JPG'] == (5, 'F31', 'half_left')
    assert found['AM31H.JPG'] == (6, 'M31', 'half_right')
    assert len(texts) == 1
    assert '1 photographs are black' in texts[0]
    assert 'AF01SUFR.JPG' in texts[0]
    assert len(KDEF(root, drop_black=True, **options)) == 3
    assert len(texts) == 1


def test_other_names_are_all_reported(tmp_path):
    bad = ['AF01/AF01XXS.JPG', 'AF36/AF36AFS.JPG', 'CF01/CF01AFS.JPG', 'AF01/AF01AFSX.JPG']
    root = write_images(tmp_path, *names(), *bad)
    with pytest.raises(ValueError, match=r'4 images with other names than such as AF01AFFL\.JPG') as error:
        KDEF(root)
    assert all(name in str(error.value) for name in bad)


def test_failures(tmp_path):
    check_common_failures(KDEF, write_images(tmp_path / 'kdef', *names()))


def test_no_images(tmp_path):
    with pytest.raises(FileNotFoundError, match='images not found'):
        KDEF(str(tmp_path))
