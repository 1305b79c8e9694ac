"""What people read: tables, comparisons with published numbers, claims and the report, from score files alone."""
