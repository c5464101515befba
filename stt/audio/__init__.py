"""Bytes of audio from and to 16 kHz mono float32."""
