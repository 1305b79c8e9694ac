"""Merging: one module per method, all of one shape.

Every method turns task vectors into one merged task vector; the merged encoder is the pre-trained weights plus
that vector times a scaling. :mod:`remerge.merging.registry` lists the methods.
"""
