"""How a file is taken, heard and answered: rooms that the doors for files share.

No route is here. A door says how a body is read and how a transcript is shown; `room` does the
rest: turns, limits, the service's tenant, a client that leaves.
"""
