"""The browsers' side: the routes that mParticle's Web SDK and other scripts in web pages use, and the script for sites."""
