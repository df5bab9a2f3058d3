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


def test_photos_and_videos_do_not_mix_with_a_drawn_video(tmp_path, capsys):
    assert main(['predict', 'm.onnx', 'a.mp4', 'b.jpg', '--draw', str(tmp_path / 'c.mp4')]) == 1
    assert '--draw FILE.mp4 and --show are for one video at a time, not 2 inputs' in capsys.readouterr().err
