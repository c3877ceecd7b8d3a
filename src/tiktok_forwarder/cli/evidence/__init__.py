"""Commands that show what TikTok answers (`connections prove`), and what it would get (`connections recorded`)."""
