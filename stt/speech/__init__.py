"""The pure core: samples in, requests and events out; no thread, clock, socket or environment."""
