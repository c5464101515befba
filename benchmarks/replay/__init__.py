"""Recordings as live sessions of a running service: delays, words, cost (REC-82)."""
