"""A decoder in the style of GPT-2."""
