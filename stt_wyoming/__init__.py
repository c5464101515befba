"""Hark for Home Assistant: a small program between the Wyoming protocol and a running service.

Like any other client it needs the service's address and nothing of its code.
"""

__version__ = "0.1.0"
