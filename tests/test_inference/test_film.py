import pytest
from face_results import ColourClassifier, two_faces, write_video
from film_results import film_results

from mmfer.inference.film import _Seen, film
from mmfer.inference.inferencer import ExpressionInferencer
from mmfer.inference.videos import read_video


class Stopped(ColourClassifier):
    """Ctrl-C, while this batch of faces is looked at."""

    def __call__(self, images):
        if len(self.batches) == self.last:
            raise KeyboardInterrupt
        return super().__call__(images)


@pytest.mark.parametrize(('last', 'kept'), [(0, 2), (3, 3)])
def test_what_is_drawn_until_it_is_stopped_is_kept(last, kept, tmp_path):
    """Where that is nothing, an older file stays as it is, and nobody says that it was written."""
    path = write_video(tmp_path / 'v.mp4', [(30, 30, 200)] * 9, code='mp4v')
    out = write_video(tmp_path / 'out.mp4', [(0, 0, 0)] * 2, code='mp4v')
    before = out.read_bytes()
    inferencer = ExpressionInferencer(Stopped(last=last), detector=two_faces, batch_size=2)
    with pytest.raises(KeyboardInterrupt) as stopped:
        film(inferencer, str(path), out=out)
    told = str(stopped.value)
    assert f'{last} frames' in told
    assert (f'written to {out}' in told, out.read_bytes() != before) == (last > 0, last > 0)
    assert len(list(read_video(str(out)))) == kept


def test_the_most_frequent_label_is_of_the_frames_that_are_answered():
    seen = _Seen()
    for result in film_results(['HHHHsshs', 'NNNN....']):
        seen.add(result)
    rows = [line.split() for line in seen.lines(1.0)[0].splitlines()[-2:]]
    assert [(row[2:-3], row[-2:]) for row in rows] == [
        (['8', 'sadness', '75', '%'], ['50', '%']),
        (['4', '-'], ['100', '%']),
    ]
