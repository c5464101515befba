"""How good the streaming policy is: files through the speech core on a virtual clock (REC-80).

In reading order: ``corpus`` (what is said), ``replay`` (the clock), ``transcript``, ``delays`` and
``cost`` (the figures), ``offline`` (the same model on whole files), ``evaluate``, ``report``.
"""
