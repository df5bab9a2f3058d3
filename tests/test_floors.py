"""A package of mmfer imports from floors below its own only, and the picture of the floors shows what is there."""

from processes import load_tool

DRAWING = load_tool('docs/draw_architecture.py')
IMPORTS = DRAWING.find_imports()


def test_every_package_has_a_floor():
    files = DRAWING.PACKAGE.iterdir()
    parts = {path.stem for path in files if path.suffix == '.py' or (path / '__init__.py').is_file()}
    assert parts - {*DRAWING.SAME} == {*DRAWING.heights()}


def test_no_import_goes_up():
    """Imports within functions count, so circles that they hide do, too."""
    assert {pair: IMPORTS[pair] for pair in DRAWING.upward(IMPORTS)} == {}
    assert DRAWING.upward([('models', 'engine'), ('cli', 'engine')]) == [('models', 'engine')]


def test_every_kind_of_import_is_seen(tmp_path, monkeypatch):
    monkeypatch.setattr(DRAWING, 'PACKAGE', tmp_path)
    file = tmp_path / 'models/heads/own.py'
    file.parent.mkdir(parents=True)
    file.write_text(
        'import mmfer.utils.files\nfrom mmfer import registry\nfrom ..losses import focal\nfrom ...faces import haar\n'
        'def late():\n    from mmfer.engine.run import build_runner\n'
    )
    names = ['mmfer.utils.files', 'mmfer.registry', 'mmfer.models.losses', 'mmfer.faces', 'mmfer.engine.run']
    assert sorted(DRAWING.imported(file)) == sorted(names)


def test_the_picture_is_up_to_date():
    assert DRAWING.PICTURE.read_text() == DRAWING.draw(IMPORTS), 'run: python docs/draw_architecture.py'
