"""What a pool of checkpoints is; each function is named after what it returns."""


def pools_where(condition):
    """The names of the pools that meet a condition."""
    return [name for name, pool in settings.pools.items() if condition(pool)]


def architecture_of(wildcards):
    """The name of a pool's architecture."""
    return settings.pools[wildcards.pool].architecture


def size_of(wildcards):
    """The side in pixels of the images that a pool's encoders take."""
    return settings.pools[wildcards.pool].image_size


def seed_of(wildcards):
    """What a pool's training, draws and adaptation are seeded with."""
    return settings.pools[wildcards.pool].seed


def frozen_of(wildcards):
    """How many parameters beside the encoder the authors of a pool's checkpoints flatten along with it."""
    return settings.pools[wildcards.pool].frozen


def origin_of_pool(wildcards):
    """Where a pool's checkpoints come from."""
    return settings.pools[wildcards.pool].origin
