"""Drawing code of the painter: faces, hair, clothes and backdrops."""
