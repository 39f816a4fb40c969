"""The recorded check of the maps: do they point at the heads of pets, and do they change when weights are drawn anew?"""
import csv
import importlib
import io

import numpy as np

from dlbook import data
from dlbook.cnn import species
from dlbook.data import zipped
from dlbook.data.pets import FILE, FOLDER
from dlbook.explain.maps import spec

LAYER = "relu5_1"
MOBILENET = "mobilenet_v1_075_224/mobilenet_v1_0.75_224.npz"
MOBILENET_LAYER = {"torch": "block13", "keras": "block13_pointwise_relu"}
PHOTOS = 40  # with a box around the head
OCCLUDED = 10  # of them
DRAWN = (0, 1, 2, 4, 10)  # layers whose weights are drawn anew, from the last one down; the network has 10
SIDE, STRIDE = 24, 12  # pixels, of the square that covers


def run(framework, seed, folder):
    """Measure maps on photos of pets whose heads are marked; they are of the official training part, the only one with boxes.

    Args:
        framework: `keras` or `torch`.
        seed: of the weights drawn anew.
        folder: nothing is written but the record.

    Returns:
        dict of `files`, `metrics`, `history` (similarity to the whole network's maps, a value for each of `DRAWN`),
        `pointed`: for each kind of map the mean share of it in the head's box and how often its peak is there, beside the box's share
        of the image.
    """
    twin, vgg, mobilenet = (importlib.import_module(f"dlbook.{name}.with_{framework}") for name in ("explain.maps", "cnn.vgg", "cnn.mobilenet"))
    photos, boxes, kinds = heads()
    network = species.network(framework)
    images = np.stack([photo for photo in photos[species.SIZE]])
    whole = twin.gradcam(network, images, kinds, LAYER)
    others, history = [], {"gradcam": []}
    for count in DRAWN:
        other = vgg.vgg(species.NETWORK, weights=spec.drawn_anew(vgg.weights_of(network), count, seed))
        others.append(twin.gradcam(other, images, kinds, LAYER))
        history["gradcam"].append(float(np.mean([spec.similarity(a, b) for a, b in zip(whole, others[-1])])))
    covered = twin.occlusion(network, images[:OCCLUDED], kinds[:OCCLUDED], SIDE, STRIDE)
    big = mobilenet.mobilenet("0.75", weights="official")
    large = np.stack(photos[224])
    said = np.concatenate([mobilenet.predict(big, large[i:i + 50]) for i in range(0, len(large), 50)]).argmax(1)
    seen = np.concatenate([twin.gradcam(big, large[i:i + 25], said[i:i + 25], MOBILENET_LAYER[framework]) for i in range(0, len(large), 25)])
    area = [float(np.mean([(b - t) * (r - l) for t, l, b, r in boxes])), float(np.mean([t <= 0.5 < b and l <= 0.5 < r for t, l, b, r in boxes]))]
    pointed = {
        "a map that is the same everywhere; the middle": area, "our network, Grad-CAM": pointing(whole, boxes),
        "our network, occlusion": pointing(covered, boxes), "our network, all weights drawn anew, Grad-CAM": pointing(others[-1], boxes),
        "MobileNet, Grad-CAM": pointing(seen, boxes),
    }
    return {"files": [FILE, MOBILENET], "metrics": {"in_box": pointed["our network, Grad-CAM"][0], "hits": pointed["our network, Grad-CAM"][1]},
            "history": history, "pointed": pointed, "photos": len(images), "drawn": DRAWN, "occluded": OCCLUDED}


def heads(count=PHOTOS):
    """Photos whose heads are marked: dict of side to list of (side, side, 3), boxes as shares of the side, and their species."""
    with zipped.archive(FILE) as opened:
        rows = list(csv.DictReader(io.StringIO(opened.read(f"{FOLDER}/labels.csv").decode())))
    pets, photos, boxes, kinds = data.pets("full"), {species.SIZE: [], 224: []}, [], []
    marked = [number for number, row in enumerate(rows) if row["xmin"]]
    for number in marked[::max(1, len(marked) // count)][:count]:
        photo, row = pets.images[number], rows[number]
        box = boxed(photo.shape, [float(row[key]) for key in ("ymin", "xmin", "ymax", "xmax")])
        if box is not None:
            boxes.append(box)
            kinds.append(pets.species[number])
            for side, kept in photos.items():
                kept.append(species.spec.middle(photo, side))
    return photos, boxes, np.array(kinds)


def boxed(shape, box):
    """A box (top, left, bottom, right) in pixels of a photo -> in shares of the square in its middle; None where half of it is outside."""
    side = min(shape[:2])
    corner = np.array([(shape[0] - side) // 2, (shape[1] - side) // 2] * 2)
    moved = (np.array(box) - corner) / side
    found = np.clip(moved, 0, 1)
    area = lambda b: max(b[2] - b[0], 0) * max(b[3] - b[1], 0)
    return tuple(found.tolist()) if area(found) > 0.5 * area(moved) else None


def pointing(maps, boxes, size=96):
    """[mean share of the maps in the boxes, share of the maps whose peak is in the box]; maps (N, H, W), boxes in shares of the side."""
    large = spec.enlarged(maps, (size, size)) if maps.shape[1] != size else maps
    shares, hits = [], []
    for heat, box in zip(large, boxes):
        top, left, bottom, right = (round(size * edge) for edge in box)
        shares.append(spec.inside(heat, (top, left, bottom, right)))
        row, column = np.unravel_index(heat.argmax(), heat.shape)
        hits.append(top <= row < bottom and left <= column < right)
    return [float(np.mean(shares)), float(np.mean(hits))]
