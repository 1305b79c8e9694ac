"""Building blocks of methods: task vectors, tiled merging, trimming, coefficients and learning them."""
