"""Wire protocols: messages to commands, replies to messages; one file each."""
