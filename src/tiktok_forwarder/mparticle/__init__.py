"""mParticle's language: whatever form a body has, it becomes `Batch` objects."""
