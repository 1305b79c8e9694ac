"""Tables, comparisons with published numbers, verdicts on claims and the report, made from score files alone."""
