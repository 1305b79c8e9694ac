"""Reading checkpoints of all origins and converting them to this workflow's safetensors files."""
