"""What verbs answer where no model is needed."""

from mmfer.cli import main
from mmfer.utils.model_index import list_models


def test_models_are_listed_and_described(capsys):
    assert main(['models', '*_raf']) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in list_models('*_raf'))
    assert 'poster_var_synth' not in shown
    assert main(['models', 'poster_var_raf']) == 0
    assert '92.76 (reported by others' in capsys.readouterr().out
    assert main(['models', 'poster_vra']) == 1
    assert 'poster_var_raf' in capsys.readouterr().err
