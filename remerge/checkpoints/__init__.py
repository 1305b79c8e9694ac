"""Checkpoints of other origins, turned into this workflow's safetensors."""
