"""How the handshake of a wire protocol becomes a session: one module each, over one `base`."""
