"""Maps one mParticle event to TikTok events: a pure function of batch, connection and time of receipt."""
