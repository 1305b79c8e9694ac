"""Files fetched from elsewhere, checked, and recorded."""
