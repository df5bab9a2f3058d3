# PYTHON_ARGCOMPLETE_OK
"""The command ``mmfer``.

A verb is a module ``mmfer.cli.<verb>`` with ``add_arguments(parser)`` and ``run(args)``, which imports what it needs
within ``run``, so that ``--help`` comes at once. A verb of two words is a module with ``_`` between them.
"""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Sequence
from importlib import import_module

VERBS = {
    'train': 'train the model of a config, with one seed or with several',
    'test': 'test a checkpoint on the test data of a config',
    'predict': 'predict the expressions of faces in photos, folders and videos',
    'summarise': 'summarise the results of videos: time seen, shares, episodes, transitions',
    'compare': 'compare heads or whole methods on equal terms, also with label noise, occlusion and other data',
    'calibrate': 'calibrate a checkpoint, and find its threshold of abstention',
    'export': 'write a trained model as an ONNX file',
    'convert': 'convert released weights to a checkpoint',
    'models': 'list the models of the index, or describe one',
    'flops': 'count parameters and operations of a model',
    'data verify': 'count the samples of data sets, find damaged images and duplicates',
    'data browse': 'draw samples of a data set before and after augmentation',
    'data prepare': 'unpack a downloaded data set into the folder that mmfer reads',
    'data align': 'crop the main face of each photo of a folder',
    'data synth': 'write faces of SynthFER to disk',
    'plot curves': 'draw the curves of trainings',
    'plot cam': 'draw which parts of a face a prediction depends on',
    'plot tsne': 'draw the features of a data set in two dimensions',
    'plot latent': 'draw the latent Gaussians of faces',
    'plot timeline': 'draw the expressions of each person of a video over time',
    'app': 'serve a page to try a model in the browser',
    'download': 'download a file that mmfer needs and does not contain',
    'explain': 'explain an error, and what to do',
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run a verb; the exit code: 0 if all is well, 1 for bad input, 2 for wrong usage, 130 for Ctrl-C.

    Args:
        argv: Words of the command line after the name of the program; by default those of this process.
    """
    if '_ARGCOMPLETE' in os.environ:  # set by a shell that asks how a command line goes on
        from .completion import complete

        complete()
    if argv is None:  # a process of its own: warnings are sentences, without the place in the code
        warnings.formatwarning = lambda message, *place, **more: f'warning: {message}\n'
    words = list(sys.argv[1:] if argv is None else argv)
    verb = next((name for name in (' '.join(words[:2]), *words[:1]) if name in VERBS), None)
    if verb is None:
        verbs = '\n'.join(f'  {name:16s}{text}' for name, text in VERBS.items())
        parser = argparse.ArgumentParser(
            'mmfer',
            description='Facial expression recognition with uncertainty.',
            epilog=f'verbs:\n{verbs}\n\nmmfer VERB --help shows the options of a verb.',
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        parser.add_argument('verb', choices=list(VERBS), metavar='VERB', help='what to do')
        parser.parse_args(words[:1])
        return 2
    # How long waiting threads spin, read when PyTorch is imported. 1000 costs an eighth of the speed of a training that
    # is alone. More than 10,000 gains nothing, and starves others on the same cores (docs/benchmarks.md).
    os.environ.setdefault('GOMP_SPINCOUNT', '10000')
    module = import_module(f'{__name__}.{verb.replace(" ", "_")}')
    parser = argparse.ArgumentParser(
        f'mmfer {verb}', description=module.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    module.add_arguments(parser)
    args = parser.parse_args(words[len(verb.split()) :])
    args.words, args.refuse = words, parser.error  # of the whole command line; for options that do not go together
    from mmfer.utils.errors import run_tool

    return run_tool(lambda: module.run(args), stopped=getattr(module, 'STOPPED', ''))


def add_tta(parser: argparse.ArgumentParser) -> None:
    """The option ``--tta``, whose choices are the keys of ``mmfer.utils.views.VIEWS``."""
    parser.add_argument(
        '--tta',
        choices=['flip', 'flip+shifts'],
        help='test-time augmentation: average over the face and its mirror image (2 views), or over small shifts of '
        'both as well (10 views) [one view]',
    )


def options_of(args: argparse.Namespace) -> dict:
    """The options of a verb, without what :func:`main` adds."""
    return {name: value for name, value in vars(args).items() if name not in ('words', 'refuse')}
