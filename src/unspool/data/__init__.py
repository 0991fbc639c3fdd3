"""Data: text, and the generated defaults that need no download."""
