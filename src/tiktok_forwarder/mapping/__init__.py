"""What one mParticle event becomes at TikTok: a pure function of batch, connection and time of receipt."""
