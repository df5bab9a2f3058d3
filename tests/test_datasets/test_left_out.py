import logging

from mmfer.datasets.left_out import LeftOut


def test_one_line_with_counts_and_first_examples():
    unused = LeftOut()
    assert unused.describe('data') == ''
    unused.add('in hidden files and folders', '.a.png')
    unused.add_all([('by class_map', 'x/b.png'), ('by class_map', 'x/c.png')])
    assert unused.describe('data') == (
        '3 image files under data were left out: 1 in hidden files and folders (.a.png), 2 by class_map (x/b.png)'
    )


def test_nothing_is_logged_where_nothing_is_left_out(monkeypatch):
    lines = []
    monkeypatch.setattr('mmfer.datasets.left_out.print_log', lambda text, logger, level: lines.append((text, level)))
    rows = LeftOut('rows of', logging.INFO)
    rows.log('CSVDataset', 'a.csv')
    assert lines == []
    for i in range(12):
        rows.add(f'of fold {i}', f'row {i}')
    rows.log('CSVDataset', 'a.csv')
    [(text, level)] = lines
    assert text.startswith('CSVDataset: 12 rows of a.csv were left out: 1 of fold 0 (row 0), ')
    assert text.endswith('1 of fold 9 (row 9), ... (2 more reasons)')
    assert level == logging.INFO
