"""The console: pages for people, rendered here, over the service's own API."""
