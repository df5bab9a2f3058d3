"""Serve a page to try a model in the browser, with pictures or the camera.

It shows a box around each face, and the probabilities with their uncertainty. Without a model, the shipped one answers.

    mmfer app
    mmfer app model.onnx --port 8000
    mmfer app CONFIG CHECKPOINT
"""

from __future__ import annotations

import argparse

from .predict import add_model, open_inferencer


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_model(parser)
    parser.add_argument('model', nargs='?', help='exported .onnx file, config, or name of a model [the shipped one]')
    parser.add_argument('checkpoint', nargs='?', help='checkpoint, if the model is a config')
    parser.add_argument(
        '--host', default='127.0.0.1', help='address to listen on; 0.0.0.0 lets the whole network in [127.0.0.1]'
    )
    parser.add_argument('--port', type=int, default=7860, help='port to listen on; 0 takes a free one [7860]')
    parser.add_argument(
        '--share', action='store_true', help='make a public address; pictures then pass through servers of gradio'
    )
    parser.add_argument('--max-mb', type=float, default=16, metavar='MB', help='largest file, in megabytes [16]')
    parser.add_argument(
        '--max-megapixels', type=float, default=40, metavar='M', help='largest picture, in megapixels [40]'
    )
    parser.add_argument('--max-waiting', type=int, default=64, metavar='N', help='requests that may wait [64]')


def run(args: argparse.Namespace) -> int:
    for name in ('max_mb', 'max_megapixels', 'max_waiting'):
        if not getattr(args, name) > 0:
            raise ValueError(f'--{name.replace("_", "-")} {getattr(args, name)}: a number above 0')
    from mmfer.web import check_gradio

    check_gradio()
    from mmfer.web.examples import draw_examples
    from mmfer.web.page import serve

    inferencer = open_inferencer(args, args.model, args.checkpoint, max_pixels=round(args.max_megapixels * 1e6))
    examples = draw_examples(inferencer.classes)
    serve(inferencer, examples, args.host, args.port, args.share, round(args.max_mb * 1e6), args.max_waiting)
    return 0
