"""The commands of inputs."""
