"""The speech core and its neighbours: everything that needs no running service."""
