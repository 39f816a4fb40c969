"""Independent implementations that the twins are compared with: torchvision's models and keras.applications."""
import sys

OPERATORS = ("nms(Tensor dets, Tensor scores, float iou_threshold)",
             "qnms(Tensor dets, Tensor scores, Tensor scale, Tensor zero_point, float iou_threshold)")


def torchvision_models():
    """The module `torchvision.models`.

    Its compiled operators (of detection, not used here) need the very build of PyTorch that they were made for, and the import
    fails without two of them. Where they do not load, the two are declared first.
    """
    try:
        import torchvision
    except RuntimeError:
        import torch

        for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
            del sys.modules[name]
        library = torch.library.Library("torchvision", "DEF")
        for operator in OPERATORS:
            library.define(f"{operator} -> Tensor")
        import torchvision
        torchvision.declared = library  # the declarations live as long as this object
    return torchvision.models
