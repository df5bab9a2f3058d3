"""The methods of a comparison: their names, configs and settings."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmfer.engine.swap_head import swap_head
from mmfer.engine.train import train_config
from mmfer.structures.run_record import MARKER, changed_settings, config_settings, shown_changes
from mmfer.utils.checkpoint import list_checkpoints
from mmfer.utils.config_options import load_config
from mmfer.utils.files import write_text

from .label_noise import LabelNoise, add_label_noise

CONFIG = 'config.py'


@dataclass
class Method:
    """What is compared with others.

    Args:
        name: Of the method.
        folder: Of its config and its runs.
        text: Content of the config.
        settings: Of :func:`mmfer.structures.run_record.config_settings`.
    """

    name: str
    folder: Path
    text: str
    settings: Mapping[str, Any]

    @property
    def config(self) -> Path:
        return self.folder / CONFIG


def plan_methods(
    configs: Sequence[str | Path],
    heads: Sequence[str | Path],
    work_dir: str | Path,
    cfg_options: Mapping | None = None,
    amp: str | None = None,
    noise: LabelNoise | None = None,
    epochs: int | None = None,
) -> list[Method]:
    """The methods of a comparison: several configs, or one config with several heads. Nothing is written.

    Args:
        configs: Config files.
        heads: Names or files of heads, see :func:`mmfer.engine.swap_head.swap_head`; none for the configs' own.
        work_dir: Folder of the comparison.
        cfg_options: Dotted names to values, set in the config of each method, whatever its head.
        amp: See :func:`mmfer.engine.train.train`.
        noise: What becomes of the training labels of each method.
        epochs: See :func:`mmfer.engine.train.train`.

    Raises:
        ValueError: If that is no comparison, two methods have one name, or a config has no labels for the noise.
    """
    if heads and len(configs) != 1:
        raise ValueError(
            f'{len(configs)} configs and --heads: compare the heads of one config, or several configs as they are'
        )
    if not heads and len(configs) < 2:
        raise ValueError('one config: name several heads to compare with --heads (see --list-heads), or more configs')
    names = unique_names(heads or configs)
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f'{name} is there twice')
    methods = []
    base = load_config(configs[0]) if heads else None
    for name, source in zip(names, heads or configs):
        if heads:
            config = train_config(swap_head(base, source), cfg_options, amp, epochs=epochs)
            what = f'{configs[0]} with the head {source}'
        else:
            config = train_config(source, cfg_options, amp, epochs=epochs)
            what = str(source)
        config._cfg_dict.pop('work_dir', None)  # set for each run
        if noise is not None and noise.rate:
            add_label_noise(config, noise)
            what += f' and {noise}'
        folder = Path(work_dir, name)
        note = f'{what}, as `mmfer compare` trained it.\n\nCommand: mmfer train {folder / CONFIG}'
        text = f'"""{note} --seed 0\n"""\n\n{config.pretty_text}'
        methods.append(Method(name, folder, text, text_settings(text)))
    return methods


def unique_names(sources: Sequence[str | Path]) -> list[str]:
    """Names of files (or heads) without folder and suffix; where these are equal, with their folder's name before it.

    >>> unique_names(['configs/dan/raf.py', 'dan/synth', 'configs/poster_var/synth.py'])
    ['raf', 'dan_synth', 'poster_var_synth']
    """
    paths = [Path(source) for source in sources]
    stems = [path.stem if path.suffix == '.py' else path.name for path in paths]
    return [
        f'{path.resolve().parent.name}_{stem}' if stems.count(stem) > 1 and len(path.parts) > 1 else stem
        for path, stem in zip(paths, stems)
    ]


def text_settings(text: str) -> dict[str, Any]:
    """The settings of a config, from the text of its file."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, CONFIG)
        file.write_text(text, encoding='utf-8')
        return config_settings(load_config(file))


def write_configs(methods: Sequence[Method]) -> None:
    """Write the configs of the methods into their folders.

    Raises:
        ValueError: If runs there were begun with other settings. Nothing is written then.
    """
    lines = []
    for method in methods:
        if not method.config.is_file() or method.config.read_text(encoding='utf-8') == method.text:
            continue
        changes = changed_settings(text_settings(method.config.read_text(encoding='utf-8')), method.settings)
        runs = [
            path for path in sorted(method.folder.glob('seed_*')) if list_checkpoints(path) or (path / MARKER).exists()
        ]
        if changes and runs:
            names = ', '.join(run.name for run in runs)
            lines.append(f'  {method.folder} ({names}): {shown_changes(changes)}')
    if lines:
        raise ValueError(
            'there are runs with other settings (old -> new):\n' + '\n'.join(lines) + '\n'
            'Compare into another --work-dir, set the options as they were, or delete these folders.'
        )
    for method in methods:
        method.folder.mkdir(parents=True, exist_ok=True)
        write_text(method.config, method.text)
