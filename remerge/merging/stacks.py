"""Blocks of a stack, such as a transformer's, by the names of their tensors."""


def block_in_stack(key: str) -> tuple[str, int] | None:
    """Return the stack and number of the block that a tensor belongs to; None outside of blocks.

    A block is named by the first number between two dots, as in ``transformer.resblocks.11.ln_1.weight``, and blocks
    belong to one stack if their names are the same up to that number.
    """
    parts = key.split(".")
    place = next((place for place, part in enumerate(parts[:-1]) if place and part.isdecimal()), None)
    return (".".join(parts[:place]), int(parts[place])) if place else None
