"""What methods merge with: task vectors, merging tile by tile, trimming, coefficients and how they are learned."""
