"""Recognisers behind one interface; one file each."""
