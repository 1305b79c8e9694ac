"""Merging: one module per method, all of one shape.

Every method is a rule that turns a tile, a few entries of all task vectors, into entries of one merged task vector
(:mod:`remerge.merging.streaming`); the merged encoder is the pre-trained weights plus that vector times a scaling.
:mod:`remerge.merging.registry` lists the methods.
"""
