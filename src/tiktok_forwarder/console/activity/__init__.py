"""Records and timelines of the activity, as pages show them."""
