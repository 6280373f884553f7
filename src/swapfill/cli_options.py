"""Options that more than one command takes."""

from typing import Annotated

import typer

Model = Annotated[str, typer.Option(help="A packaged model's name, or a bundle's folder.")]
Engine = Annotated[str, typer.Option(help="What runs the networks: auto, torch or onnx.")]
Device = Annotated[
    str,
    typer.Option(
        help="auto, cpu, cuda, cuda:1; with torch mps; with onnx directml, coreml, openvino."
    ),
]
Precision = Annotated[str, typer.Option(help="auto, fp32; with torch bf16; with onnx int8.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No bar, no notices; errors only.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
