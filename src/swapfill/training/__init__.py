"""Train the networks: three stages, one loop, on photographs of one's own."""
