"""The mini world: drawn people and a Stable Diffusion that learned them."""
