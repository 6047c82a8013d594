"""The mini world: a Stable Diffusion of drawn faces in one small file, and the demo that learns a person in it."""
