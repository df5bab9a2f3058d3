import logging

from mmfer.datasets.left_out import LeftOut


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
