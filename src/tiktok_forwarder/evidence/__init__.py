"""Evidence of how TikTok answers: trials of its Events API, and transcripts of them."""
