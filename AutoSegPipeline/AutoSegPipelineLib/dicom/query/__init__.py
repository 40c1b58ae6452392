"""Search archives, fetch from them, watch them."""
