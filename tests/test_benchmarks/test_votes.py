import json

import numpy as np
import pytest
import votes as study


@pytest.fixture
def trunk(tmp_path):
    """Features that tell the class, of faces whose votes scatter more than a multinomial distribution."""
    rng = np.random.default_rng(0)
    content = {}
    for part, size in (('train', 600), ('val', 60), ('test', 60)):
        labels = rng.integers(3, size=size)
        centre = np.eye(3)[labels] * 2 + 0.8 * rng.standard_normal((size, 3))
        shares = np.exp(centre) / np.exp(centre).sum(1, keepdims=True)
        votes = rng.multinomial(10, shares)
        features = np.concatenate((np.eye(3)[labels] * 2, rng.standard_normal((size, 5))), 1).astype(np.float32)
        content[part] = features[None] if part == 'train' else features
        content.update({f'{part}_votes': votes, f'{part}_labels': votes.argmax(1)})
        content.update({f'{part}_majority': votes.max(1) > 5, f'{part}_truth': shares})
        content[f'own_{part}_pred_score'] = shares.astype(np.float32)
    np.savez(tmp_path / 'trunk_a.npz', **content)
    return tmp_path / 'trunk_a.npz'


def test_from_features_to_the_report(trunk, monkeypatch, capsys):
    words = ['votes.py', 'fit', str(trunk), '--heads', 'vich', 'vich_votes', '--seeds', '0', '1']
    monkeypatch.setattr('sys.argv', words)
    study.main()
    monkeypatch.setattr('sys.argv', ['votes.py', 'report', str(trunk.parent), '--part', 'test'])
    study.main()
    content = json.loads((trunk.parent / 'votes_test.json').read_text())
    assert {head: len(runs) for head, runs in content['rows'].items()} == dict(
        vich=2, vich_votes=2, **{'network as trained': 1}
    )
    assert {test['head'] for test in content['tests']} == {'vich_votes'}
    assert all(np.isfinite(run['truth_kl']) for run in content['rows']['vich_votes'])
    assert '| vich_votes | 2 |' in (trunk.parent / 'votes_test.md').read_text()
    assert (trunk.parent / 'votes_test.png').stat().st_size
    assert 'vich_votes on trunk_a, seed 1' in capsys.readouterr().out


def test_some_of_the_votes(trunk):
    content = dict(np.load(trunk))
    heads = [study.fit(content, 'linear', 0, used)[0] for used in (1, None)]
    assert not np.allclose(*(head.fc.weight.detach().numpy() for head in heads))


def test_a_scale_widens_about_the_same_centre():
    fields = dict(pred_mean=np.zeros((1, 3)), pred_std=np.ones((1, 3)))
    assert study.scaled(fields, 2.0)['pred_std'].tolist() == [[2, 2, 2]]
    dirichlet = study.scaled(dict(pred_concentration=np.array([[2.0, 4.0, 6.0]])), 2.0)['pred_concentration']
    assert dirichlet.tolist() == [[0.5, 1, 1.5]]
    members = dict(pred_samples=np.array([[[0.5, 0.3, 0.2], [0.2, 0.3, 0.5]]]))
    same, wider = (study.scaled(members, factor)['pred_samples'] for factor in (1.0, 2.0))
    assert np.abs(wider - wider.mean(1, keepdims=True)).sum() > np.abs(same - same.mean(1, keepdims=True)).sum()
