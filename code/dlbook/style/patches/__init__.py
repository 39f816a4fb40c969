"""Style transfer by patches: every small piece of the picture shall be like some piece of the painting."""
