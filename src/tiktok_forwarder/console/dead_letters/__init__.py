"""What pages say of dead letters: which are chosen, and what they add up to."""
