from mmfer.utils.tables import render_table


def test_columns_line_up():
    lines = render_table(('class', 'images'), [('anger', 12), ('fear', 3456)], title='counts').splitlines()
    assert 'counts' in lines[0]
    assert lines[-1].rstrip().endswith('3456')
    assert lines[-2].rstrip().endswith('  12')
    assert len(lines[-1]) == len(lines[-2])
