"""Paint one picture in the style of another from the command line: `python -m dlbook.style --help`."""
import importlib
import os
import sys
from dataclasses import replace
from pathlib import Path

from dlbook import profile
from dlbook.command import Parser
from dlbook.data.registry import DataError
from dlbook.style import images, limits
from dlbook.style.gatys import spec
from dlbook.style.painting import COLOURS, paint

SIZE = 512  # pixels; the longer side of the result
PRECISIONS = {"auto": None, "float32": "network", "bfloat16": "bfloat16"}
UNLIKE = 0.02  # how far a mask's proportions may be from the content's


def main(arguments=None):
    """Paint a picture; returns the exit status."""
    options = _options(arguments)
    os.environ.setdefault("DLBOOK_PROFILE", "full")  # all processors, a GPU, downloads
    try:
        return _paint(options)
    except KeyboardInterrupt:
        print("dlbook: stopped before the first step; nothing was written.", file=sys.stderr)
        return 130
    except (DataError, ValueError, TypeError, ArithmeticError, OSError, MemoryError) as error:
        print(f"dlbook: {error}", file=sys.stderr)
        return 1


def _options(arguments):
    chosen = spec.SETTINGS
    parser = Parser(prog="python -m dlbook.style", description="Paint the content of one picture in the style of others. "
                    "Ctrl-C stops and keeps the picture so far.")
    parser.add_argument("--content", required=True, help="file of a photo")
    parser.add_argument("--style", required=True, nargs="+", help="files of one painting or several, which are mixed")
    parser.add_argument("--share", nargs="+", type=float, help="what each style weighs; all alike when left out")
    parser.add_argument("--mask", nargs="+", help="one file for each style: it is painted where its mask is white")
    parser.add_argument("--out", required=True, help="file to write, .png or .jpg")
    parser.add_argument("--size", type=int, default=SIZE, help=f"longer side of the result in pixels ({SIZE})")
    parser.add_argument("--steps", type=int, default=chosen.steps, help=f"at each resolution ({chosen.steps})")
    parser.add_argument("--resolutions", type=int, default=1, help="paint so often, each time twice as large (1)")
    parser.add_argument("--optimizer", choices=spec.OPTIMIZERS, default=chosen.optimizer)
    parser.add_argument("--start", choices=spec.STARTS, default=chosen.start, help="where the picture begins")
    parser.add_argument("--pooling", choices=("max", "average"), default="max")
    parser.add_argument("--colour", choices=COLOURS, default="style", help="of the style, or keep the photo's own")
    for loss in spec.LOSSES:
        default = getattr(chosen, f"{loss}_weight")
        parser.add_argument(f"--{loss}-weight", type=float, default=default, help=f"({default:g})")
    parser.add_argument("--seed", type=int, default=0, help="of --start noise (0)")
    parser.add_argument("--precision", choices=PRECISIONS, default="auto", help="of the maps; auto: bfloat16 where the processor has it")
    parser.add_argument("--framework", choices=profile.FRAMEWORKS, default="torch")
    return parser.parse_args(arguments)


def _paint(options):
    settings = replace(spec.SETTINGS, **{name: getattr(options, name) for name in (
        "steps", "optimizer", "start", "seed", *(f"{loss}_weight" for loss in spec.LOSSES))})
    _check_out(options)
    content = images.read(options.content, options.size)
    styles = _styles(options, content.shape[:2])
    a = spec.architecture(options.pooling)
    _check_sizes(a, settings, content, options)
    profile.setup(options.framework)
    settings = replace(settings, precision=PRECISIONS[options.precision] or _fastest(options.framework))
    twin = importlib.import_module(f"dlbook.style.gatys.with_{options.framework}")
    painting = paint(twin, twin.feature_network(options.pooling), content, styles, settings, options.size, options.resolutions, options.colour)
    if not painting.steps and painting.stopped:
        raise KeyboardInterrupt
    images.save(painting.image, options.out)
    print(_said(painting, settings, options))
    return 0


def _check_out(options):
    images.check_name(options.out)
    for picture in (options.content, *options.style, *(options.mask or [])):
        if Path(options.out).exists() and Path(picture).exists() and Path(options.out).samefile(picture):
            raise ValueError(f"--out {options.out} is one of the pictures that are read; give it another name.")


def _styles(options, shape):
    n = len(options.style)
    shares, masks = options.share or [1.0] * n, options.mask or [None] * n
    if len(shares) != n:
        raise ValueError(f"--share needs one number for each of the {n} styles; got {len(shares)}.")
    if len(masks) != n:
        raise ValueError(f"--mask needs one file for each of the {n} styles; got {len(masks)}.")
    return [spec.Style(images.read(path, options.size), share, mask and _mask(mask, shape))
            for path, share, mask in zip(options.style, shares, masks)]


def _mask(path, shape):
    """A mask that lies over a content of `shape`."""
    mask = images.read_mask(path)
    height, width = images.fitted(mask.shape, max(shape))
    if max(abs(height - shape[0]), abs(width - shape[1])) > max(1, UNLIKE * max(shape)):
        raise ValueError(f"a mask lies over the content, which is {shape[1]} x {shape[0]} pixels at this size; {path} is {width} x {height}: "
                         "give it the content's proportions.")
    return mask


def _fastest(framework):
    """The precision that is fast here and harmless; a GPU keeps the network's own."""
    if framework == "torch":
        gpu = profile.torch_device().type != "cpu"
    else:
        import tensorflow

        gpu = bool(tensorflow.config.list_physical_devices("GPU"))
    return "bfloat16" if limits.rounds_fast() and not gpu else "network"


def _check_sizes(a, settings, content, options):
    """Before the network is loaded: is the picture large enough for the layers, and small enough for the memory?"""
    shape = images.fitted(content.shape[:2], options.size)
    if settings.layers:
        spec.shapes(a, settings.layers, shape)
        limits.check(a, settings.layers, shape, options.framework, limits.available())


def _said(painting, settings, options):
    height, width = painting.image.shape[:2]
    asked = settings.steps * options.resolutions
    stopped = f", stopped after {painting.steps} of {asked} steps" if painting.stopped else ""
    last = ", ".join(f"{name} {values[-1]:.4g}" for name, values in painting.history.items())
    rounded = " (maps in bfloat16)" if settings.precision == "bfloat16" else ""
    return f"{options.out}: {width} x {height} pixels{stopped}; losses: {last}{rounded}"


if __name__ == "__main__":
    sys.exit(main())
