"""Results go to the peers that a job names, and stay in an outbox until a peer has acknowledged them."""
