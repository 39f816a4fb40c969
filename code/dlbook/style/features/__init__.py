"""The feature network of the profile `quick`, chosen by comparison: a small VGG that has learnt to see as VGG19 does."""
