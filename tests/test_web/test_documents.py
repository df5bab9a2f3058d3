import cv2
import numpy as np
import pytest

from mmfer.web.documents import Documents

PAGE = """# Über & so

<script>alert(1)</script>

| a | b |
|---|---|
| 1 | 2 |

[more](other.md#x) [code](../setup.py) [web](https://example.org)

![one](images/a.png) ![two](../secret.png)
"""


@pytest.fixture
def folder(tmp_path):
    docs = tmp_path / 'docs'
    docs.mkdir()
    (docs / 'app.md').write_text(PAGE, encoding='utf-8')
    (docs / 'other.md').write_text('text')
    (docs / 'images').mkdir()
    for path in (docs / 'images/a.png', tmp_path / 'secret.png'):
        cv2.imwrite(str(path), np.zeros((2, 2, 3), np.uint8))
    return docs


def test_a_page_is_rendered_whole(folder):
    page = Documents(folder).page('app.md')
    assert '<title>Über &amp; so</title>' in page
    assert '<td>2</td>' in page
    assert '<script>' not in page
    assert '<a href="other.md#x">more</a>' in page
    assert '>code<' not in page
    assert 'code' in page
    assert page.count('data:image/png;base64,') == 1
    assert 'secret' not in page


@pytest.mark.parametrize('name', ['', 'none.md', '../app.md', 'images/a.png', '/etc/passwd'])
def test_nothing_else_is_read(folder, name):
    assert Documents(folder).page(name) is None


def test_without_a_folder_there_are_no_pages(tmp_path):
    assert Documents(None).files == Documents(tmp_path / 'none').files == {}


def test_the_documentation_of_the_page(root):
    page = Documents(root / 'docs').page('app.md')
    assert 'data:image/png;base64,' in page
    assert 'href="uncertainty.md"' in page
