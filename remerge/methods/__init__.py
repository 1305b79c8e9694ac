"""Merging methods: what each is, and with which parameters it was published."""
