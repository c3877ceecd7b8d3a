"""What must not be sent in texts and URLs: email addresses and the user's own identities, however they are encoded."""
