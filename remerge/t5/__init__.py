"""T5: an encoder-decoder that reads and writes texts, its decoding, and low-rank fine-tuning of it."""
