import os

import pytest

from mmfer.utils.image_files import ENDING, HIDDEN, list_images, walk


def make(root, *files):
    for file in files:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).touch()


def below(root, paths):
    return [os.path.relpath(path, root) for path in paths]


def test_links_are_followed_and_each_folder_is_visited_once(tmp_path):
    make(tmp_path, 'own/a/1.png', 'own/b.png', 'far/2.png', 'far/deep/3.png')
    (tmp_path / 'own/a/more').symlink_to(tmp_path / 'far')
    (tmp_path / 'own/z').symlink_to(tmp_path / 'far/deep')  # a second way to the same folder
    (tmp_path / 'own/4.png').symlink_to(tmp_path / 'far/2.png')
    (tmp_path / 'far/deep/self').symlink_to('self')
    found = list_images(tmp_path / 'own')
    assert below(tmp_path / 'own', found.images) == ['4.png', 'b.png', 'a/1.png', 'a/more/2.png', 'a/more/deep/3.png']
    assert below(tmp_path / 'own', found.others) == ['a/more/deep/self']


def test_no_link_leads_to_a_folder_around_the_first_one(tmp_path):
    make(tmp_path, 'data/happy/1.png', 'data/sad/2.png')
    (tmp_path / 'data/happy/up').symlink_to('..')
    (tmp_path / 'data/happy/top').symlink_to(tmp_path)
    (tmp_path / 'data/happy/here').symlink_to('.')
    assert below(tmp_path, list_images(tmp_path / 'data/happy').images) == ['data/happy/1.png']
    (tmp_path / 'link').symlink_to('data/happy')  # the way to the folder may be a link itself
    assert below(tmp_path, list_images(tmp_path / 'link').images) == ['link/1.png']


def test_what_is_left_out(tmp_path):
    make(tmp_path, 'a.JPG', 'b.jxl', 'c.GIF', 'd.jpg?size=large', 'e.txt', 'f.jpg.txt', 'g', '.h.png', '.i/j.jpg', '.k')
    make(tmp_path, '__MACOSX/l.jpg', '._a.JPG', 'm/.n/o/p.png')
    found = list_images(tmp_path)
    assert below(tmp_path, found.images) == ['a.JPG']
    assert [(reason, os.path.relpath(path, tmp_path)) for reason, path in found.left_out] == [
        (HIDDEN, '.h.png'),
        (ENDING, 'b.jxl'),
        (ENDING, 'c.GIF'),
        (ENDING, 'd.jpg?size=large'),
        (HIDDEN, '.i/j.jpg'),
        (HIDDEN, 'm/.n/o/p.png'),
    ]
    assert below(tmp_path, found.others) == ['e.txt', 'f.jpg.txt', 'g']
    assert below(tmp_path, list_images(tmp_path, ('.gif',)).images) == ['c.GIF']


def test_a_folder_that_cannot_be_listed_is_an_error(tmp_path, monkeypatch):
    make(tmp_path, 'a/1.png', 'shut/2.png', 'z/3.png')
    listed = os.scandir

    def scandir(place):
        if str(place).endswith('shut'):
            raise PermissionError(13, 'Permission denied', str(place))
        return listed(place)

    monkeypatch.setattr(os, 'scandir', scandir)
    with pytest.raises(PermissionError, match='shut'):
        list_images(tmp_path)
    errors = []
    assert [names for _, names in walk(tmp_path, on_error=errors.append)] == [[], ['1.png'], ['3.png']]
    assert [error.filename for error in errors] == [str(tmp_path / 'shut')]
