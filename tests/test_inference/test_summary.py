"""The figures of made-up videos, by hand: ten frames a second, a letter a frame."""

import csv

import numpy as np
import pytest
from face_results import CLASSES, make_face
from film_results import film_results, write_results

import mmfer
from mmfer.cli import main
from mmfer.inference.summary import summarise
from mmfer.structures.results import ImageResult

pytest.importorskip('pandas')
pytest.importorskip('pyarrow')


@pytest.fixture
def read(tmp_path):
    """The table of videos, each given by what its people show."""

    def read(*films, more=()):
        results = [result for i, people in enumerate(films) for result in film_results(people, f'{i}.mp4')]
        return mmfer.read_results(write_results(tmp_path / 'r.parquet', [*results, *more]))

    return read


def test_shares_are_of_the_time_seen(read):
    summary = summarise(read(['hhhhhHHHnn..........', '..........ssss']))
    first, second = summary.people.to_dict('records')
    assert (first['source'], first['track'], first['frames']) == ('0.mp4', 0, 10)
    assert (first['seconds'], first['first'], first['last']) == pytest.approx((1.0, 0.0, 1.0))
    assert first['abstained'] == pytest.approx(0.3)
    assert [first[f'share_{name}'] for name in CLASSES] == pytest.approx([0.2, 0.8, 0])
    assert [first[f'answered_{name}'] for name in CLASSES] == pytest.approx([2 / 7, 5 / 7, 0])
    assert (second['first'], second['seconds'], second['share_sadness']) == pytest.approx((1.0, 0.4, 1.0))


def test_frames_last_until_the_next_one(read):
    """Of a variable rate, and across a gap, which nobody was seen in."""
    times = [0, 0.1, 0.2, 0.6, 0.7, 100.0, 100.1]
    faces = [make_face(label=label, track=0) for label in ('neutral', 'neutral', 'happiness', *['neutral'] * 4)]
    results = [ImageResult('v', 9, 9, (face,), frame=i, time=t) for i, (t, face) in enumerate(zip(times, faces))]
    (person,) = summarise(read(more=results)).people.to_dict('records')
    assert person['seconds'] == pytest.approx(0.7 + 1 + 0.1 + 0.1)
    assert person['share_happiness'] == pytest.approx(0.4 / 1.9)


def test_episodes_and_their_apex(read):
    table = read(['nnhhhhhhnnhhh....hhhhhhnnnn'])
    found = summarise(table, min_length=0.5, gap=0.15).episodes.to_dict('records')
    happy = [episode for episode in found if episode['expression'] == 'happiness']
    assert [(e['onset'], e['offset']) for e in happy] == [pytest.approx((0.2, 0.8)), pytest.approx((1.7, 2.3))]
    joined = summarise(table, min_length=0.5, gap=0.25).episodes
    assert joined[joined.expression == 'happiness'].onset.tolist() == pytest.approx([0.2, 1.7])
    assert joined[joined.expression == 'happiness'].offset.tolist() == pytest.approx([1.3, 2.3])
    table.loc[4, 'scores_happiness'] = 0.9
    apex = summarise(table).episodes.query('expression == "happiness"').iloc[0]
    assert (apex.apex, apex.peak) == pytest.approx((0.4, 0.9))
    assert summarise(table, min_length=2).episodes.empty
    assert summarise(table, threshold=0.85, min_length=0).episodes.seconds.tolist() == pytest.approx([0.1])


def test_transitions_are_between_labels_that_last(read):
    summary = summarise(read(['nnnnnhnnnnnHHHHhhhhhsssss', 'hhhhh..........sssss']), min_length=0.5)
    found = {(t.track, t.before, t.after): t.times for t in summary.transitions.itertuples()}
    assert found == {(0, 'neutral', 'happiness'): 1, (0, 'happiness', 'sadness'): 1}


def test_seconds_of_abstention_are_those_of_no_label(read):
    """A glimpse of a label before and behind does not make it last; what is answered in between still counts."""
    glimpse, lasting = 'nnnnnhHHHHHHhsssss', 'nnnnnhhhHHHhhsssss'
    summary = summarise(read([glimpse, lasting]), min_length=0.5)
    found = {(t.track, t.before, t.after): t.times for t in summary.transitions.itertuples()}
    pairs = [('neutral', 'happiness'), ('happiness', 'sadness')]
    assert found == {(0, 'neutral', 'sadness'): 1, **{(1, *pair): 1 for pair in pairs}}


def test_people_who_were_not_tracked_are_not_one(read):
    faces = [make_face(label=label) for label in ('happiness', 'sadness')]
    alone = [ImageResult('v', 9, 9, tuple(faces[:1]), frame=i, time=i / 10) for i in range(5)]
    assert summarise(read(more=alone)).people.share_happiness.tolist() == [1]
    with pytest.raises(ValueError, match='v: several faces in a frame, and no tracks'):
        summarise(read(more=[*alone, ImageResult('v', 9, 9, tuple(faces), frame=5, time=0.5)]))


def test_photos_are_summed_up_by_folder(read):
    photos = [ImageResult(f'{place}/{i}.jpg', 9, 9, (make_face(abstain=i == 1),)) for place in 'ab' for i in range(2)]
    summary = summarise(read(['hhh'], more=[*photos, ImageResult('c/0.jpg', error='damaged')]))
    assert summary.people.source.tolist() == ['0.mp4', 'a', 'b']
    assert summary.people.share_happiness.tolist() == [1, 1, 1]
    assert summary.people.abstained.tolist() == [0, 0.5, 0.5]
    assert np.isnan(summary.people.seconds[1])


def test_numbers_out_of_range(read):
    table = read(['h'])
    for options in (dict(threshold=0), dict(threshold=1.5), dict(min_length=-1), dict(gap=float('nan'))):
        with pytest.raises(ValueError, match=f'{next(iter(options))}='):
            summarise(table, **options)
    with pytest.raises(ValueError, match='no columns scores_'):
        summarise(table[['source', 'frame', 'time', 'label']])


def test_the_command(read, tmp_path, capsys):
    read(['hhhhhhHH', 'nnnnn'], ['ssss'], more=[ImageResult('=x.jpg', error='=x.jpg: damaged')])
    assert main(['summarise', str(tmp_path / 'r.parquet'), '--out', str(tmp_path / 'sums')]) == 0
    told = capsys.readouterr().out
    assert '100 %' in told
    assert '2 episodes, 0 transitions' in told
    assert 'note: =x.jpg: damaged' in told
    people = list(csv.DictReader((tmp_path / 'sums/people.csv').open()))
    assert [(row['source'], row['track'], row['seconds']) for row in people] == [
        ('0.mp4', '0', '0.8'),
        ('0.mp4', '1', '0.5'),
        ('1.mp4', '0', '0.4'),
    ]
    assert len(list(csv.DictReader((tmp_path / 'sums/episodes.csv').open()))) == 2
