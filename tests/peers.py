"""Independent implementations that the twins are compared with: torchvision's models, keras.applications and transformers' GPT-2."""
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


def gpt2(a):
    """transformers' GPT-2 in the shape of one of our decoders, with random weights and no dropout.

    Args:
        a: transformer.gpt.spec.Architecture.

    Returns:
        GPT2LMHeadModel.
    """
    torchvision_models()  # transformers imports torchvision where it is installed
    from transformers import GPT2Config, GPT2LMHeadModel

    return GPT2LMHeadModel(GPT2Config(vocab_size=a.symbols, n_positions=a.context, n_embd=a.width, n_layer=a.layers, n_head=a.heads,
                                      resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0, bos_token_id=0, eos_token_id=None))
