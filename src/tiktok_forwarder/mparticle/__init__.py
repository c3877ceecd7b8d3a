"""mParticle's formats: every form of body becomes `Batch` objects."""
