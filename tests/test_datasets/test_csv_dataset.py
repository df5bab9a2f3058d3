import numpy as np
import pytest
from dataset_trees import check_common_failures, write_image

from mmfer.datasets.csv_dataset import CSVDataset
from mmfer.registry import DATASETS

ROWS = [
    'a.png,Happy,train,0,anna',
    'b.png,fear,train,1,bert',
    'c.png,joy,test,2,',
    'd.png,FEAR,test,2,anna',
]


def make_table(root, rows=ROWS, header='path,label,split,fold,subject'):
    root.mkdir(parents=True, exist_ok=True)
    (root / 'metadata.csv').write_text('\n'.join([header, *rows]) + '\n')
    for stem in 'abcdefgh':
        write_image(root / f'{stem}.png')
    return str(root)


def stems(dataset):
    return ''.join(path[-5] for path in dataset.column('img_path'))


@pytest.fixture
def warnings(monkeypatch):
    texts = []
    monkeypatch.setattr('mmfer.datasets.csv_dataset.print_log', lambda text, **kwargs: texts.append(text))
    return texts


def test_table(tmp_path, warnings):
    dataset = DATASETS.build(dict(type=CSVDataset, data_root=make_table(tmp_path)))
    assert dataset.classes == ('happiness', 'fear')  # of the table, in the canonical order
    assert dataset.get_gt_labels().tolist() == [0, 1, 0, 1]
    assert dataset.column('subject') == ['anna', 'bert', None, 'anna']
    assert dataset.column('fold') == ['0', '1', '2', '2']
    assert dataset[1]['img_path'] == str(tmp_path / 'b.png')
    assert dataset.protocol == 'CSVDataset, metadata.csv'
    assert dataset.published_counts() is None
    assert warnings == []


def test_splits_and_folds(tmp_path):
    root = make_table(tmp_path)
    options = dict(allow_empty_classes=True)
    assert stems(CSVDataset(root, split='test')) == 'cd'
    assert stems(CSVDataset(root, folds=[0, '1'])) == 'ab'
    others = CSVDataset(root, exclude_folds=[2], split='train')
    assert stems(others) == 'ab'
    assert others.protocol == 'CSVDataset train, metadata.csv, all folds but 2'
    assert stems(CSVDataset(root, split='train', folds=[0], **options)) == 'a'
    # what is not used need not be known; the classes are still those of the whole table
    assert CSVDataset(root, split='train', folds=[0], **options).classes == ('happiness', 'fear')
    assert stems(CSVDataset(root, split='train', exclude_folds=[2])) == 'ab'
    for wrong, message in (
        (dict(split='val'), "no split 'val' .* has train, test"),
        (dict(folds=[0, 3, 4]), 'no folds 3, 4; there are 0, 1, 2'),
        (dict(exclude_folds=['x']), 'no folds x; there are 0, 1, 2'),
        (dict(split='train', folds=[2]), r"no samples found, searched .*csv \(split 'train'\), folds 2"),
    ):
        with pytest.raises(ValueError, match=message):
            CSVDataset(root, **wrong)
    with pytest.raises(ValueError, match='no samples of fear'):
        CSVDataset(root, folds=[0])


@pytest.mark.parametrize(('delimiter', 'options'), [(',', {}), ('\t', {}), (';', {}), ('|', dict(delimiter='|'))])
def test_delimiters_bom_windows_lines_and_quotes(tmp_path, delimiter, options):
    make_table(tmp_path)
    text = '\r\n'.join(['label, path ,note', 'fear,a.png,"1 2"', '', 'happy,.\\b.png,x', '']).replace(',', delimiter)
    (tmp_path / 'other.tsv').write_bytes(b'\xef\xbb\xbf' + text.encode())
    dataset = CSVDataset(str(tmp_path), 'other.tsv', **options)
    assert stems(dataset) == 'ab'
    assert dataset.get_gt_labels().tolist() == [1, 0]


def test_numbers_as_labels(tmp_path):
    root = make_table(tmp_path, ['a.png,0', 'b.png,1.0', 'c.png,fear'], 'path,label')
    assert CSVDataset(root, classes=['Sad', 'fear']).get_gt_labels().tolist() == [0, 1, 1]
    with pytest.raises(ValueError, match=r'numbers as labels \(0, 1.0, fear\); set classes='):
        CSVDataset(root)
    mapped = CSVDataset(root, label_map={0: 'joy', '1': 'sad'})
    assert [mapped.classes[label] for label in mapped.get_gt_labels()] == ['happiness', 'sadness', 'fear']
    with pytest.raises(ValueError, match=r"1 labels that are not in 0..0: row 3 '1.0'"):
        CSVDataset(root, classes=['fear'])


def test_label_map_leaves_rows_out(tmp_path):
    root = make_table(tmp_path, [*ROWS, 'e.png,unsure,train,0,', 'f.png,contempt,train,0,'])
    classes = ['fear', 'happiness']
    dataset = CSVDataset(root, classes=classes, label_map=dict(unsure=None, contempt=None))
    assert stems(dataset) == 'abcd'
    assert dataset.classes == ('fear', 'happiness')
    with pytest.raises(ValueError) as error:
        CSVDataset(root, classes=classes)
    assert "1 unknown labels (name them with label_map, to None to leave them out): row 6 'unsure'" in str(error.value)
    assert "1 labels that are not in classes=('fear', 'happiness')" in str(error.value)
    assert "row 7 'contempt'" in str(error.value)
    assert stems(CSVDataset(root, classes=classes, exclude_folds=[0], split='test')) == 'cd'


def test_votes(tmp_path, warnings):
    rows = ['a.png,3,1,0', 'b.png,0,2,2.0', 'c.png,0,0,4']
    root = make_table(tmp_path, rows, 'path,Fear,Happy,neutral')
    columns = ['Fear', 'Happy', 'neutral']
    dataset = CSVDataset(root, vote_columns=columns)
    assert dataset.classes == ('fear', 'happiness', 'neutral')
    assert dataset.get_gt_labels().tolist() == [0, 1, 2]
    scores = np.stack(dataset.column('gt_score'))
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, [[0.75, 0.25, 0], [0, 0.5, 0.5], [0, 0, 1]])
    votes = np.stack(dataset.column('votes'))
    assert votes.dtype == np.int64
    assert votes.tolist() == [[3, 1, 0], [0, 2, 2], [0, 0, 4]]
    assert dataset.protocol == 'CSVDataset, metadata.csv, most votes (ties: first)'
    assert 'tied' not in dataset.entry(1)

    classes = ['neutral', 'joy', 'anger', 'fear']
    other = CSVDataset(root, vote_columns=columns, classes=classes, allow_empty_classes=True)
    assert other.get_gt_labels().tolist() == [3, 0, 0]
    np.testing.assert_allclose(other.entry(0)['gt_score'], [0, 0.25, 0, 0.75])
    assert other.entry(0)['votes'].tolist() == [0, 1, 0, 3]

    dropped = CSVDataset(root, vote_columns=columns, ties='drop', allow_empty_classes=True)
    assert stems(dropped) == 'ac'
    assert any('1 rows with tied votes are left out' in text for text in warnings)

    named = CSVDataset(root, vote_columns=dict(Fear='anger', neutral='sad'), indices=[0], allow_empty_classes=True)
    assert named.classes == ('anger', 'sadness')


def test_some_of_the_votes(tmp_path):
    rows = [f'{i // 2}.png,{5 + i % 3},4,3,{i % 2},{i % 2},9,9,{i % 4}' for i in range(60)]
    header = 'path,fear,joy,neutral,x1,y1,x2,y2,fold'
    options = dict(vote_columns=['fear', 'joy', 'neutral'], votes_used=2, validate=False)
    few = CSVDataset(make_table(tmp_path / 'a', rows, header), **options)
    votes = np.stack(few.column('votes'))
    assert (votes.sum(1) == 2).all()
    assert few.get_gt_labels().tolist() == votes.argmax(1).tolist()
    np.testing.assert_array_equal(np.stack(few.column('gt_score')), votes / 2)
    assert few.protocol.endswith('most votes (ties: first), at most 2 votes a face (seed 0)')
    pairs = votes.reshape(30, 2, 3)
    assert (pairs[:, 0] != pairs[:, 1]).any()  # two faces of an image are drawn apart

    def faces(dataset):
        paths = [path.rsplit('/', 1)[1] for path in dataset.column('img_path')]
        return dict(zip(zip(paths, dataset.column('face_box')), map(tuple, dataset.column('votes'))))

    other = CSVDataset(make_table(tmp_path / 'b', rows[::-1], header), folds=[1, 2], **options)
    assert len(other) == 30
    assert faces(other).items() <= faces(few).items()
    # all votes decide which rows are tied: drawn from 2:2 and 2:1, one vote each
    root = make_table(tmp_path / 'c', ['a.png,2,2', 'b.png,2,1'], 'path,fear,joy')
    options = dict(vote_columns=['fear', 'joy'], votes_used=1, allow_empty_classes=True)
    assert stems(CSVDataset(root, ties='drop', **options)) == 'b'


def test_bad_votes_and_vote_columns(tmp_path):
    rows = ['a.png,1,2', 'b.png,x,1', 'c.png,-1,2', 'd.png,0,0', 'e.png,,3', 'f.png,nan,1', 'g.png,2,1', 'h.png,.5,1.5']
    root = make_table(tmp_path, rows, 'path,fear,joy')
    with pytest.raises(ValueError, match=r'entries read from .*metadata\.csv') as error:
        CSVDataset(root, vote_columns=['fear', 'joy'])
    assert (
        '6 bad votes (expected whole numbers from 0 up, not all 0): row 3 (x, 1), row 4 (-1, 2), row 5 (0, 0), '
        'row 6 (, 3), row 7 (nan, 1), row 9 (.5, 1.5)'
    ) in str(error.value)
    with pytest.raises(ValueError, match='votes_used=3 needs vote_columns'):
        CSVDataset(root, votes_used=3)
    with pytest.raises(ValueError, match='label_map=.* is about label_column, which vote_columns replace'):
        CSVDataset(root, vote_columns=['fear', 'joy'], label_map=dict(fear=None))
    with pytest.raises(ValueError, match='has no column sad; its columns are path, fear, joy'):
        CSVDataset(root, vote_columns=['fear', 'sad'])
    with pytest.raises(ValueError, match='each expression once'):
        CSVDataset(root, vote_columns=dict(fear='joy', joy='joy'))
    with pytest.raises(ValueError, match=r"vote_columns of happiness, which classes=\('fear',\) lacks"):
        CSVDataset(root, vote_columns=['fear', 'joy'], classes=['fear'])


def test_face_boxes_and_doubles(tmp_path, warnings):
    rows = ['a.png,fear,1,2,3,4.5', 'a.png,joy,5,5,6,7', 'b.png,joy,,,,']
    dataset = CSVDataset(make_table(tmp_path, rows, 'path,label,x1,y1,x2,y2'))
    assert dataset.column('face_box') == [(1, 2, 3, 4.5), (5, 5, 6, 7), None]
    assert warnings == []
    CSVDataset(make_table(tmp_path, [*rows, rows[2]], 'path,label,x1,y1,x2,y2'))
    assert len(warnings) == 1
    assert '1 images are listed several times, over all splits: b.png' in warnings[0]
    bad = ['a.png,fear,1,2,1,4', 'a.png,joy,5,5,6,x', 'b.png,joy,1,,,', 'c.png,joy,0,0,inf,2']
    root = make_table(tmp_path, bad, 'path,label,x1,y1,x2,y2')
    with pytest.raises(ValueError, match='4 face boxes that are not x1 < x2, y1 < y2: row 2 '):
        CSVDataset(root)
    assert CSVDataset(root, box_columns=None).column('face_box') == [None] * 4
    with pytest.raises(ValueError, match='has no column y1, x2, y2'):
        CSVDataset(make_table(tmp_path, ['a.png,fear,3'], 'path,label,x1'))


def test_the_same_image_in_two_splits_is_warned_of(tmp_path, warnings):
    CSVDataset(make_table(tmp_path, [*ROWS, 'a.png,happy,test,2,anna']), split='train')
    assert len(warnings) == 1
    assert 'a.png' in warnings[0]


def test_missing_columns(tmp_path):
    root = make_table(tmp_path, ['a.png,fear'], 'file,emotion')
    with pytest.raises(ValueError, match='has no column path, label; its columns are file, emotion'):
        CSVDataset(root)
    names = dict(path_column='file', label_column='emotion')
    assert stems(CSVDataset(root, **names)) == 'a'
    for option, column in (
        (dict(split='train'), 'split'),
        (dict(folds=[0]), 'fold'),
        (dict(exclude_folds=[0]), 'fold'),
    ):
        with pytest.raises(ValueError, match=f'has no column {column}; its'):
            CSVDataset(root, **names, **option)
    with pytest.raises(ValueError, match='has several columns path'):
        CSVDataset(make_table(tmp_path, ['a.png,a.png,fear'], 'path,path,label'))


def test_empty_tables_and_bad_rows(tmp_path):
    (tmp_path / 'metadata.csv').touch()
    with pytest.raises(ValueError, match='its columns are none'):
        CSVDataset(str(tmp_path))
    root = make_table(tmp_path, [])
    with pytest.raises(ValueError, match='no known expression in column label .*: no rows'):
        CSVDataset(root)
    with pytest.raises(ValueError, match='no samples found'):
        CSVDataset(root, classes=['fear'])
    root = make_table(
        tmp_path, ['a.png,sleepy', ',fear', 'b.png', 'c.png,fear,x', 'd.png,', 'e.png,fear'], 'path,label'
    )
    with pytest.raises(ValueError) as error:
        CSVDataset(root)
    message = str(error.value)
    assert "2 unknown labels (name them with label_map, to None to leave them out): row 2 'sleepy', row 6 ''" in message
    assert '1 rows without a path: row 3' in message
    assert '2 rows with missing or extra cells: row 4 (1 cells), row 5 (3 cells)' in message
    with pytest.raises(ValueError, match="no known expression in column label .*: 'sleepy'"):
        CSVDataset(make_table(tmp_path, ['a.png,sleepy'], 'path,label'))


def test_failures(tmp_path):
    check_common_failures(CSVDataset, make_table(tmp_path / 'own'))


def test_lazy_init_with_classes_looks_at_nothing(tmp_path):
    dataset = CSVDataset(str(tmp_path / 'absent'), classes=['happy'], lazy_init=True)
    assert dataset.classes == ('happiness',)
    with pytest.raises(FileNotFoundError):
        dataset.full_init()


def test_wrong_arguments(tmp_path):
    root = make_table(tmp_path)
    for option in ('classes', 'vote_columns', 'folds', 'exclude_folds', 'box_columns'):
        with pytest.raises(TypeError, match=f"{option}='fear' must be a sequence"):
            CSVDataset(root, **{option: 'fear'})
    for options, message in (
        (dict(folds=[0], exclude_folds=[1]), 'folds or exclude_folds, not both'),
        (dict(ties='random'), "ties='random'"),
        (dict(delimiter='tab'), "delimiter='tab'"),
        (dict(box_columns=['x1']), 'box_columns'),
        (dict(classes=['fear', 'Fear']), 'each expression once'),
        (dict(classes=['sleepy']), r"4 labels that are not in classes=\('sleepy',\)"),
        (dict(label_map=dict(fear='sleepy')), 'unknown expression'),
        (dict(metainfo=dict(classes=('fear',))), 'option `classes`'),
    ):
        with pytest.raises(ValueError, match=message):
            CSVDataset(root, **options)


def test_case_and_blanks_of_splits_and_folds_do_not_matter(tmp_path, left_out):
    rows = ['a.png,fear,Train,A', 'b.png,joy, train ,a', 'c.png,fear,TRAIN,b', 'd.png,joy,Test,B', 'e.png,joy,,b']
    root = make_table(tmp_path, rows, 'path,label,split,fold')
    assert stems(CSVDataset(root, split='train')) == 'abc'
    assert left_out == [
        f"CSVDataset: 2 rows of {tmp_path}/metadata.csv (split 'train') were left out: 1 of split 'Test' (row 5), "
        "1 of split '' (row 6)"
    ]
    assert stems(CSVDataset(root, split=' Train')) == 'abc'
    assert stems(CSVDataset(root, folds=['a '])) == 'ab'
    assert stems(CSVDataset(root, exclude_folds=['A'])) == 'cde'
    assert left_out[-1].endswith("were left out: 1 of fold 'A' (row 2), 1 of fold 'a' (row 3)")
    assert CSVDataset(root, classes=['joy'], label_map={' Fear': None}).class_counts() == dict(happiness=3)
    assert "2 labelled 'fear', by label_map (row 2)" in left_out[-1]
    left_out.clear()
    assert len(CSVDataset(root)) == 5
    assert left_out == []
    with pytest.raises(ValueError, match="no split 'val' .*, which has TRAIN, Test, "):
        CSVDataset(root, split='val')


def test_case_of_column_names_does_not_matter(tmp_path):
    rows = ['a.png,fear,train,anna,1,2,3,4', 'b.png,joy,test,bert,1,2,3,4']
    root = make_table(tmp_path, rows, ' Path,LABEL,Split,Subject,X1,Y1,X2,Y2')
    dataset = CSVDataset(root)
    assert dataset.column('subject') == ['anna', 'bert']
    assert dataset.column('face_box') == [(1, 2, 3, 4)] * 2
    assert stems(CSVDataset(root, split='train', allow_empty_classes=True)) == 'a'
    exact = make_table(tmp_path, ['b.png,a.png,fear'], 'Path,path,label')
    assert stems(CSVDataset(exact)) == 'a'  # the exact name comes first


def test_classes_of_any_name(tmp_path):
    root = make_table(tmp_path, ['a.png,Bored', 'b.png, engaged', 'c.png,joy', 'd.png,meh', 'e.png,1'], 'path,label')
    classes = ['engaged', 'bored', 'happy']
    dataset = CSVDataset(root, classes=classes, label_map=dict(MEH='Bored'))
    assert dataset.classes == ('engaged', 'bored', 'happiness')
    assert dataset.get_gt_labels().tolist() == [1, 0, 2, 1, 1]  # the last one counts the classes
    with pytest.raises(ValueError, match="1 unknown labels .*: row 5 'meh'"):
        CSVDataset(root, classes=classes)
    votes = make_table(tmp_path, ['a.png,3,1', 'b.png,0,2'], 'path,Bored,engaged')
    assert CSVDataset(votes, classes=classes[:2], vote_columns=['bored', 'engaged']).get_gt_labels().tolist() == [1, 0]
    with pytest.raises(ValueError, match='unknown expression'):
        CSVDataset(votes, vote_columns=['bored', 'engaged'])


def test_classes_named_by_digits_are_names_first(tmp_path):
    root = make_table(tmp_path, ['a.png,1', 'b.png,2.0', 'c.png,3'], 'path,label')
    assert CSVDataset(root, classes=('1', 2, '3')).get_gt_labels().tolist() == [0, 1, 2]


def test_further_columns(tmp_path):
    rows = ['a.png,happy,female,20', 'b.png,fear, ,31']
    root = make_table(tmp_path, rows, 'path,label,Gender,age')
    dataset = CSVDataset(root, columns=['gender', 'age'])
    assert dataset.column('gender') == ['female', None]
    assert dataset.column('age') == ['20', '31']
    with pytest.raises(ValueError, match='no column race.*options path_column.*columns'):
        CSVDataset(root, columns=['race'])
    for taken in ('img_path', 'clean_label'):
        with pytest.raises(ValueError, match=f'{taken} means something else'):
            CSVDataset(root, columns=[taken])
    with pytest.raises(TypeError, match="columns='gender' must be a sequence"):
        CSVDataset(root, columns='gender')
