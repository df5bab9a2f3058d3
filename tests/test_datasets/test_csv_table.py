import pytest

from mmfer.datasets.csv_table import read_table


def read(path, text, columns=('a', 'b'), encoding='utf-8', **options):
    path.write_text(text, encoding=encoding)
    problems = []
    return list(read_table(str(path), columns, 'Name', lambda *problem: problems.append(problem), **options)), problems


def test_columns_in_any_order_among_others(tmp_path):
    rows, problems = read(tmp_path / 'a.csv', 'b, x ,a\n1,2,3\n\n 4 ,"5,5",6\n', optional=('x', 'y'))
    assert rows == [(2, ['3', '1', '2', None]), (4, ['6', '4', '5,5', None])]
    assert problems == []


def test_rows_of_another_length_are_reported_and_counted(tmp_path):
    rows, problems = read(tmp_path / 'a.csv', 'a,b\n1\n1,2\n1,2,3\n')
    assert rows == [(2, None), (3, ['1', '2']), (4, None)]
    kind = 'rows with missing or extra cells'
    assert problems == [(kind, 'row 2 (1 cells)'), (kind, 'row 4 (3 cells)')]


def test_file_without_header(tmp_path):
    options = dict(columns=('b',), headerless=('a', 'b'))
    assert read(tmp_path / 'a.csv', '1,2\n3,4\n', **options)[0] == [(1, ['2']), (2, ['4'])]
    assert read(tmp_path / 'a.csv', 'b,a\n3,4\n', **options)[0] == [(2, ['3'])]
    with pytest.raises(ValueError, match='has no column b'):
        read(tmp_path / 'a.csv', '1,2,3\n', **options)


def test_file_that_is_no_csv(tmp_path):
    with pytest.raises(ValueError, match=r'Name: .*a\.csv is no csv file, line 2'):
        read(tmp_path / 'a.csv', f'a,b\n1,{"2" * 200_000}\n')
