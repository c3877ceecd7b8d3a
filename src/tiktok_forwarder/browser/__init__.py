"""The browsers' side: the routes of mParticle's Web SDK and of scripts in web pages, and the script for sites."""
