"""VGG: many convolutions of 3 x 3, 11 to 19 layers deep; its maps serve style transfer."""
