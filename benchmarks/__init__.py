"""Measurements that anybody can repeat: `python -m benchmarks` (docs/benchmarks.md)."""
