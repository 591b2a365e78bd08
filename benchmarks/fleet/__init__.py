"""Many clients at once: nodes pull one image, builds push images that share layers."""
