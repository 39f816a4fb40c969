"""Class activation maps and occlusion: where in an image the reasons for an answer lie."""
